"""WebDataset tar shards; see `dataset_format`."""

from variegate.formats.webdataset.format import WebDataset

__all__ = ["WebDataset"]
