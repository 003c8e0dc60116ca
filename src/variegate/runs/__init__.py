"""A whole job from its listing to its manifest: workers, back ends, resuming, verifying."""
