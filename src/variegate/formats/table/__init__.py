"""Tables of files and labels; see `dataset_format`."""

from variegate.formats.table.format import CsvTable

__all__ = ["CsvTable"]
