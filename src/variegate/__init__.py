"""Turn a few labelled pictures into many, reproducibly."""
