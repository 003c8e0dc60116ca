"""Tolerance: how much of each transformation a model takes, and data made to match it."""
