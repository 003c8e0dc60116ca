"""Tables of boxes; see `dataset_format`."""

from variegate.formats.box_table.format import BoxTable

__all__ = ["BoxTable"]
