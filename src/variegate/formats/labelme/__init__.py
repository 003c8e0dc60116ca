"""LabelMe JSON; see `dataset_format`, and `shapes` for what is read and written."""

from variegate.formats.labelme.format import LabelMe

__all__ = ["LabelMe"]
