"""Tables of boxes; see `layout`."""

from variegate.formats.box_table.layout import BoxTable

__all__ = ["BoxTable"]
