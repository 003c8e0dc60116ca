"""Images and semantic masks in pairs; see `dataset_format`."""

from variegate.formats.mask_pairs.format import MaskPairs

__all__ = ["MaskPairs"]
