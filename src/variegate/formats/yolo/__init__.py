"""YOLO in its kinds; see `dataset_format`, and `lines` for what is read and written."""

from variegate.formats.yolo.format import Yolo
from variegate.formats.yolo.writer import YoloWriter

__all__ = ["Yolo", "YoloWriter"]
