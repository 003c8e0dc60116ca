"""Tables of files and labels; see `layout`."""

from variegate.formats.table.layout import CsvTable

__all__ = ["CsvTable"]
