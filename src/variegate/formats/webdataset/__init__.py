"""WebDataset tar shards; see `layout`."""

from variegate.formats.webdataset.layout import WebDataset

__all__ = ["WebDataset"]
