"""Hugging Face image folders; see `dataset_format`."""

from variegate.formats.imagefolder.format import ImageFolder

__all__ = ["ImageFolder"]
