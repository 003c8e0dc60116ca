"""Pascal VOC; see `dataset_format`, and `objects` for what is read and written."""

from variegate.formats.voc.format import PascalVoc
from variegate.formats.voc.writer import VocWriter

__all__ = ["PascalVoc", "VocWriter"]
