"""Images and semantic masks in pairs."""
