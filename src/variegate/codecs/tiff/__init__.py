"""TIFF: directories, compressed chunks, and what the samples in them mean."""

from variegate.codecs.tiff.decode import parse

__all__ = ["parse"]
