"""COCO, in all its kinds; see `layout`, and `fields` for what is written."""

from variegate.formats.coco.layout import Coco
from variegate.formats.coco.writer import CocoWriter

__all__ = ["Coco", "CocoWriter"]
