"""Formats of datasets: a file or package each, detected, or chosen by name.

To add one, write a module with a subclass of `DatasetFormat` and put the class into `FORMATS`,
before the formats that would also accept such datasets. A package of somebody else's brings its own
by an entry point of the group ``variegate.formats`` that names the class.
"""

from functools import cache
from importlib.metadata import entry_points

from variegate.formats import detection
from variegate.formats.base import DatasetFormat, Source
from variegate.formats.box_table.format import BoxTable
from variegate.formats.classes import ClassFolders
from variegate.formats.coco import Coco
from variegate.formats.deeplabcut.format import DeepLabCut
from variegate.formats.flat import FlatNames
from variegate.formats.hints import NO_HINTS, Hints
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
    DeepLabCut,
    ImageFolder,
    WebDataset,
    ObjectMasks,
    MaskPairs,
    CsvTable,
    ClassFolders,
    FlatNames,
    Unlabelled,
)


# From here on formats say little of themselves: any folder of images may be one of theirs.
_GENERAL = FORMATS.index(CsvTable)


@cache
def all_formats() -> tuple[type[DatasetFormat], ...]:
    """Return every format, in the order in which they are tried; those of packages included."""
    others = tuple(plugin.load() for plugin in entry_points(group="variegate.formats"))
    return (*FORMATS[:_GENERAL], *others, *FORMATS[_GENERAL:])


def detect(
    storage: Storage,
    *,
    name: str | None = None,
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
) -> DatasetFormat:
    """Return the format of a dataset; see `detection.detect`."""
    return detection.detect(
        storage, all_formats(), name=name, label_pattern=label_pattern, hints=hints
    )


__all__ = [
    "FORMATS",
    "NO_HINTS",
    "CollisionCheck",
    "DatasetFormat",
    "Hints",
    "Item",
    "PlainWriter",
    "Source",
    "Writer",
    "all_formats",
    "detect",
    "is_hidden",
    "output_key",
    "writer_from_json",
    "writer_to_json",
]
