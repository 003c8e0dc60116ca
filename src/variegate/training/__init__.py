"""Classifiers from images: training with augmentation on the fly, export, and proof of a gain."""
