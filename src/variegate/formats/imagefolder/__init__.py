"""Hugging Face image folders; see `layout`."""

from variegate.formats.imagefolder.layout import ImageFolder

__all__ = ["ImageFolder"]
