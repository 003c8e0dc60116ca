"""YOLO in its kinds; see `layout`, and `lines` for what is read and written."""

from variegate.formats.yolo.layout import Yolo
from variegate.formats.yolo.writer import YoloWriter

__all__ = ["Yolo", "YoloWriter"]
