"""One mask file for each object."""
