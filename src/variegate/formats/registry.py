"""All formats, in the order in which they are tried."""

from functools import cache
from importlib.metadata import entry_points

from variegate.formats import detection
from variegate.formats.base import DatasetFormat
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
from variegate.formats.table.format import CsvTable
from variegate.formats.unlabelled import Unlabelled
from variegate.formats.voc.format import PascalVoc
from variegate.formats.webdataset.format import WebDataset
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
