"""Pictures and semantic masks in pairs; see `layout`."""

from variegate.formats.mask_pairs.layout import MaskPairs

__all__ = ["MaskPairs"]
