"""Pascal VOC; see `layout`, and `objects` for what is read and written."""

from variegate.formats.voc.layout import PascalVoc
from variegate.formats.voc.writer import VocWriter

__all__ = ["PascalVoc", "VocWriter"]
