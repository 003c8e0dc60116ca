"""Images and pages for people: contact sheets, strips, the page of an audit."""

from variegate.reports.captions import caption
from variegate.reports.preview import preview, preview_output
from variegate.reports.sheet import Cell, SheetRow, contact_sheet
from variegate.reports.strip import strip

__all__ = ["Cell", "SheetRow", "caption", "contact_sheet", "preview", "preview_output", "strip"]
