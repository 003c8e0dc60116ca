"""How results are written: the other half of a format.

A writer is a small JSON value (`writer_to_json`), so that it can travel to the workers: its fields
hold tuples, mappings, text, numbers and data classes of these, as msgspec reads and writes them. A
worker asks it for the key of each result and writes the *sidecars*, the files that belong to one
result (an XML file, a mask); when all is done, the files that belong to the whole dataset (a COCO
file, a class list) are written once, from the manifest, by `write_index`.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import msgspec
import numpy as np

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.formats.output_names import output_key
from variegate.formats.pairing import parts_of
from variegate.storage import Storage

Content = Literal[
    "label",  # one class for an image
    "labels",  # several, or shares
    "boxes",
    "oriented boxes",
    "polygons",
    "instance masks",
    "semantic masks",
    "soft masks",
    "mask names",  # those of the values of semantic masks
    "keypoints",
    "keypoint names",
    "points",  # objects that are nothing but points
    "captions",
    "other fields",
]

# What programs that read datasets of this field open: by cv2, by Pillow.
_USUAL_KINDS = frozenset(("jpeg", "png", "webp", "bmp", "tiff"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image of the output set, as a writer sees it.

    Attributes:
        key: of the image.
        split: "train", "val", "test" or None.
        label: its class, or None.
        size: (height, width).
        annotation: what else is known; None in formats without.
        masks: the images that the annotation names (`mask_file`), by key: uint8 or uint16 (H, W).
            Empty in `write_index`: they are written by then.
        source: key of the image it was made from; its own where it is copied unchanged.
    """

    key: str
    split: str | None
    label: str | None
    size: tuple[int, int]
    annotation: Annotation | None = None
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What a new writer has to know of a dataset that was read in another format.

    Attributes:
        classes, skeletons, splits: of the dataset.
        extra: what the other format said of it as a whole (`Writer.set_extra`).
    """

    classes: tuple[str, ...] = ()
    skeletons: Mapping[str, Skeleton] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


#: Every writer by its name; a class that has a `name` enters itself.
WRITERS: "dict[str, type[Writer]]" = {}


@dataclass(frozen=True, kw_only=True)
class Writer(ABC):
    """Writes one format.

    Attributes:
        classes: in the order in which the format numbers them.
        skeletons: category -> its keypoints.
        raw_labels: cells of tables are written as they are, those that a spreadsheet takes for
            formulas too.
    """

    name: ClassVar[str]
    holds: ClassVar[frozenset[Content]]
    """What the format can express; `convert` says what of a dataset it cannot."""
    one_shape: ClassVar[bool] = False
    """Of an object with an outline and a box, only the outline is written."""
    folds: ClassVar[bool] = False
    """Results end up inside archives: a finished output cannot be changed in place."""
    one_class: ClassVar[bool] = False
    """All objects are of one class."""
    names_empty: ClassVar[bool] = True
    """Images without objects are named, too."""
    kinds: ClassVar[frozenset[str] | None] = _USUAL_KINDS
    """Kinds of image files that its readers open; None for all."""
    captions: ClassVar[str] = ""
    """Where in an annotation's `extra` captions stand: "captions" (a list) or "text" (one)."""
    own_fields: ClassVar[frozenset[str]] = frozenset()
    """Names in `extra` that mean something in this format alone."""
    nested: ClassVar[str] = ""
    """Where in an annotation's `extra` fields of others stand; "" for `extra` itself."""

    classes: tuple[str, ...] = ()
    skeletons: Mapping[str, Skeleton] = field(default_factory=dict)
    raw_labels: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in cls.__dict__:
            WRITERS[cls.name] = cls

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        """Make one for a dataset that was read in another format."""
        return cls(classes=dataset.classes, skeletons=dataset.skeletons)

    @abstractmethod
    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        """Return where an image read in another format goes in a new set.

        Args:
            key: where it stood there.
            split, label: of the image.
            extension: of the file as it is written.
        """

    def key(
        self, source: str, *, suffix: str, extension: str, own_extensions: tuple[str, ...]
    ) -> str:
        """Return the key of one result; see `output_key`."""
        return output_key(source, suffix=suffix, extension=extension, own_extensions=own_extensions)

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        """Return the key of a result's mask.

        Args:
            mask_file: key of the source's mask.
            source: key of the source.
            output: key of the result.
        """
        folder, slash, name = mask_file.rpartition("/")
        old, new = parts_of(source)[1], parts_of(output)[1]
        renamed = name.replace(old, new, 1) if old in name else f"{new}-{name}"
        return folder + slash + renamed

    def object_mask_key(self, output: str) -> str | None:
        """Return where an image's object masks go: one file, in which the n-th has the value n.

        None where they stand in the annotation, as run lengths.
        """
        return None

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        """Return the keys of all files that `sidecars` may write for one image.

        Args:
            key: of the image.
            annotation: what is known of it; the masks that it names are among them.
        """
        del key
        named = {one.mask_file for one in annotation.objects} | {annotation.mask_file}
        return {one for one in named if one is not None}

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        """Yield (key, content) of the files that belong to one image."""
        yield from ()

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        """Write the files that belong to the whole set, streaming; return their keys."""
        del storage, items
        return ()

    @property
    def held(self) -> frozenset[Content]:
        """What this one can express, where one thing in `holds` rules out another."""
        return self.holds

    @property
    def set_extra(self) -> Mapping[str, Any]:
        """What the format says of the set as a whole and another may be able to carry."""
        return {}


def writer_to_json(writer: Writer) -> dict[str, Any]:
    """Return JSON values from which `writer_from_json` makes an equal writer."""
    return {"name": writer.name, **msgspec.to_builtins(writer)}


def writer_from_json(data: Mapping[str, Any]) -> Writer:
    """Make a writer from what `writer_to_json` gave, before or after it was text."""
    name = data["name"]
    if name not in WRITERS:
        # A writer enters itself when its format is imported, that of another package, too.
        importlib.import_module("variegate.formats.registry").all_formats()
    return msgspec.convert(data, WRITERS[name])
