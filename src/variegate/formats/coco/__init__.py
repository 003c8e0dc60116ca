"""COCO, in all its kinds; see `dataset_format`, and `fields` for what is written."""

from variegate.formats.coco.format import Coco
from variegate.formats.coco.writer import CocoWriter

__all__ = ["Coco", "CocoWriter"]
