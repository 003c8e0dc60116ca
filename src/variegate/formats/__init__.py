"""Layouts of datasets: a file or package a format, found automatically, overridable by name.

To add one, write a module with a subclass of `DatasetFormat` and put the class into `FORMATS`,
before the formats that would also accept such datasets.
"""

from variegate.formats import detection
from variegate.formats.base import DatasetFormat, Source
from variegate.formats.box_table.format import BoxTable
from variegate.formats.classes import ClassFolders
from variegate.formats.coco import Coco
from variegate.formats.flat import FlatNames
from variegate.formats.imagefolder.format import ImageFolder
from variegate.formats.labelme.format import LabelMe
from variegate.formats.mask_pairs.format import MaskPairs
from variegate.formats.object_masks.format import ObjectMasks
from variegate.formats.output_names import CollisionCheck, output_key
from variegate.formats.plain import PlainWriter
from variegate.formats.scan import is_hidden
from variegate.formats.table.format import CsvTable
from variegate.formats.unlabelled import Unlabelled
from variegate.formats.voc.format import PascalVoc
from variegate.formats.webdataset.format import WebDataset
from variegate.formats.writer import Item, Writer, writer_from_json, writer_to_json
from variegate.formats.yolo.format import Yolo
from variegate.storage import Storage

FORMATS: tuple[type[DatasetFormat], ...] = (
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
    storage: Storage, *, name: str | None = None, label_pattern: str | None = None
) -> DatasetFormat:
    """Say how the dataset is laid out; see `detection.detect`."""
    return detection.detect(storage, FORMATS, name=name, label_pattern=label_pattern)


__all__ = [
    "FORMATS",
    "CollisionCheck",
    "DatasetFormat",
    "Item",
    "PlainWriter",
    "Source",
    "Writer",
    "detect",
    "is_hidden",
    "output_key",
    "writer_from_json",
    "writer_to_json",
]
