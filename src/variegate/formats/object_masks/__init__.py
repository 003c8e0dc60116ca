"""One mask file for each object; see `dataset_format`."""

from variegate.formats.object_masks.format import ObjectMasks

__all__ = ["ObjectMasks"]
