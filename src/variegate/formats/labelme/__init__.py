"""LabelMe JSON; see `layout`, and `shapes` for what is read and written."""

from variegate.formats.labelme.layout import LabelMe

__all__ = ["LabelMe"]
