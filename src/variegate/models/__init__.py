"""Models: what they are given, what they answer, and how right that is."""
