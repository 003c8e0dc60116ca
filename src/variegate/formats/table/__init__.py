"""Tables of files and labels."""
