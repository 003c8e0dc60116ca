"""Layouts of data sets: a file or package a format, found automatically, overridable by name.

To add one, write a module with a subclass of `Layout` and put the class into `FORMATS`, before the
formats that would also accept such data sets.
"""

from variegate.formats import detection
from variegate.formats.base import Labelled, Layout, Source
from variegate.formats.box_table.layout import BoxTable
from variegate.formats.classes import ClassFolders
from variegate.formats.coco import Coco
from variegate.formats.flat import FlatNames
from variegate.formats.imagefolder.layout import ImageFolder
from variegate.formats.labelme.layout import LabelMe
from variegate.formats.mask_pairs.layout import MaskPairs
from variegate.formats.object_masks.layout import ObjectMasks
from variegate.formats.output_names import CollisionCheck, output_key
from variegate.formats.plain import PlainWriter
from variegate.formats.scan import is_hidden
from variegate.formats.table.layout import CsvTable
from variegate.formats.unlabelled import Unlabelled
from variegate.formats.voc.layout import PascalVoc
from variegate.formats.webdataset.layout import WebDataset
from variegate.formats.writer import Item, Writer, writer_from_json, writer_to_json
from variegate.formats.yolo.layout import Yolo
from variegate.storage import Storage

FORMATS: tuple[type[Layout], ...] = (
    Coco,
    BoxTable,
    PascalVoc,
    Yolo,
    LabelMe,
    ImageFolder,
    WebDataset,
    ObjectMasks,
    MaskPairs,
    CsvTable,
    ClassFolders,
    FlatNames,
    Unlabelled,
)


def detect(
    storage: Storage, *, layout: str | None = None, label_pattern: str | None = None
) -> Layout:
    """Say how the data set is laid out; see `detection.detect`."""
    return detection.detect(storage, FORMATS, layout=layout, label_pattern=label_pattern)


__all__ = [
    "FORMATS",
    "CollisionCheck",
    "Item",
    "Labelled",
    "Layout",
    "PlainWriter",
    "Source",
    "Writer",
    "detect",
    "is_hidden",
    "output_key",
    "writer_from_json",
    "writer_to_json",
]
