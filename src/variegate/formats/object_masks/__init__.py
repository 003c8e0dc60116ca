"""One mask file for each object; see `layout`."""

from variegate.formats.object_masks.layout import ObjectMasks

__all__ = ["ObjectMasks"]
