"""One COCO file, read once and kept on disk by image."""

import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from variegate.errors import InputError
from variegate.formats.coco.stream import parts
from variegate.formats.scan import canonical_split
from variegate.formats.spooled import Spooled
from variegate.storage import Storage, printable

GEOMETRY = ("segmentation", "bbox", "keypoints")
STANDARD = ("segmentation", "area", "bbox", "iscrowd", "keypoints", "num_keypoints")
_LISTS = frozenset({"images", "annotations"})
_FEATURES = (*GEOMETRY, "caption", "segments_info")
# Enough for licences and a thousand categories to come first.
_SNIFFED = 4 << 20
_BEGINNING = re.compile(rb'"(?:images|annotations)"\s*:\s*\[')
_LARGEST_ID = 1 << 62


@dataclass(slots=True)
class CocoFile:
    """What a file says, its lists by image.

    Attributes:
        key: of the file.
        split: that its name, or its folder's, tells.
        head: all but the images and annotations: info, licenses, categories, ...
        names: category id -> class.
        standard: the usual fields that its annotations have.
        slots: image id -> number of the image.
        files: `file_name` of every entry of "images"; None where there is none.
        owners: the image of every entry.
        images, annotations: entries, by image.
        duplicates: annotation id -> number of the first annotation with it, where there are more.
        found: how many annotations have which of the telling fields.
        largest: image id and annotation id.
        problems: what concerns no image that is there.
    """

    key: str
    split: str | None
    head: dict[str, Any] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    standard: tuple[str, ...] = ()
    slots: dict[Any, int] = field(default_factory=dict)
    files: list[str | None] = field(default_factory=list)
    owners: "array[int]" = field(default_factory=lambda: array("q"))
    images: Spooled = field(default_factory=Spooled)
    annotations: Spooled = field(default_factory=Spooled)
    duplicates: Mapping[Any, int] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)
    largest: tuple[int, int] = (0, 0)
    problems: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What the annotations are: panoptic, captions, labels, or instances."""
        if self.found["segments_info"]:
            return "panoptic"
        if any(self.found[name] for name in GEOMETRY):
            return "instances"
        if self.found["caption"]:
            return "captions"
        return "labels" if len(self.annotations) else "instances"

    @property
    def categories(self) -> Iterator[Mapping[str, Any]]:
        """The categories that have a name."""
        listed = self.head.get("categories")
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                yield one


def is_coco(storage: Storage, key: str) -> bool:
    """Say whether a JSON file begins like a COCO file; a small part of it is read."""
    with storage.open_read(key) as file:
        data = file.read(_SNIFFED)
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    try:
        for section, kind, value in parts(io.BytesIO(data), key, lists=_LISTS):
            if kind == "element":
                telling = "file_name" if section == "images" else "image_id"
                return isinstance(value, dict) and telling in value
            if section == "images" and kind == "value":
                return False
    except InputError:
        # Cut off, here or on disk: the full reading will say where.
        return _BEGINNING.search(data) is not None
    return _BEGINNING.search(data) is not None


def read(storage: Storage, key: str) -> CocoFile:
    """Read a file, once.

    Raises:
        InputError: it is not JSON, or its parts are not what COCO says they are.
    """
    with storage.open_read(key) as stream:
        return _Reading(CocoFile(key, split_of(key)), storage.place(key)).run(stream)


def split_of(key: str) -> str | None:
    """Return the split that a file's name tells, or the nearest folder above it."""
    *folders, name = key.lower().split("/")
    # "image_info_test-dev2017": the first word decides.
    for word in re.findall("[a-z]+", name.partition(".")[0]):
        if split := canonical_split(word):
            return split
    return folder_split(folders)


def folder_split(folders: list[str]) -> str | None:
    """Return the split of the innermost folder that names one: "train", "val2017"."""
    for folder in reversed(folders):
        if split := canonical_split(folder.rstrip("0123456789")):
            return split
    return None


@dataclass(slots=True)
class _Reading:
    """The one pass over a file."""

    file: CocoFile
    place: str
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    other_ids: dict[Any, int] = field(default_factory=dict)
    repeated: dict[Any, int] = field(default_factory=dict)
    standard: set[str] = field(default_factory=set)

    def run(self, stream: BinaryIO) -> CocoFile:
        file = self.file
        for section, kind, value in parts(stream, self.place, lists=_LISTS):
            if kind == "list":
                continue
            if section == "images" and kind == "element":
                self._image(value)
            elif section == "annotations" and kind == "element":
                self._annotation(value)
            elif section in _LISTS:
                raise InputError(f"{self.place}: {section}: expected a list")
            else:
                file.head[section] = value
        file.images.finish()
        file.annotations.finish()
        file.standard = tuple(name for name in STANDARD if name in self.standard)
        file.duplicates = self._duplicates()
        self._name_categories()
        self._note_strangers()
        image_ids = [one for one in file.slots if isinstance(one, int)]
        own_ids = [one for one in self.ids if one < _LARGEST_ID]
        file.largest = (max(image_ids, default=0), max(own_ids, default=0))
        return file

    def _image(self, value: Any) -> None:
        file = self.file
        number = len(file.files)
        name = value.get("file_name") if isinstance(value, dict) else None
        slot = self._slot(value)
        if not isinstance(name, str) or not name or slot is None:
            file.problems.append(f"{file.key}: images[{number}]: no id or no file_name; left out")
            name = None
        file.files.append(name)
        file.owners.append(-1 if slot is None else slot)
        file.images.add(file.owners[-1], value)

    def _slot(self, value: Any, name: str = "id") -> int | None:
        """Return the number of the image that an entry is about."""
        identity = value.get(name) if isinstance(value, dict) else None
        if identity is None or isinstance(identity, list | dict):
            return None
        return self.file.slots.setdefault(identity, len(self.file.slots))

    def _annotation(self, value: Any) -> None:
        file = self.file
        number = len(file.annotations)
        slot = self._slot(value, "image_id")
        self.ids.append(_LARGEST_ID)
        if slot is None:
            slot = -1
            file.problems.append(f"{file.key}: annotations[{number}]: no image_id; left out")
        else:
            self._take_id(value.get("id"), number)
            for name in _FEATURES:
                if name in value:
                    file.found[name] += 1
            if not self.standard:
                self.standard = {name for name in STANDARD if name in value}
        file.annotations.add(slot, value)

    def _take_id(self, identity: Any, number: int) -> None:
        if isinstance(identity, int) and abs(identity) < _LARGEST_ID:
            self.ids[-1] = identity
        elif isinstance(identity, str | float | int):
            first = self.other_ids.setdefault(identity, number)
            if first != number:
                self.repeated[identity] = first

    def _duplicates(self) -> dict[Any, int]:
        ids = np.frombuffer(self.ids, dtype=np.int64)
        values, first, counts = np.unique(ids, return_index=True, return_counts=True)
        more = (counts > 1) & (values < _LARGEST_ID)
        return self.repeated | dict(zip(values[more].tolist(), first[more].tolist(), strict=True))

    def _name_categories(self) -> None:
        file = self.file
        listed = file.head.get("categories", [])
        if not isinstance(listed, list):
            raise InputError(f"{self.place}: categories: expected a list")
        for number, one in enumerate(listed):
            where = f"{file.key}: categories[{number}]"
            identity = one.get("id") if isinstance(one, dict) else None
            if identity is None or isinstance(identity, list | dict):
                file.problems.append(f"{where}: no id; left out")
            elif identity in file.names:
                file.problems.append(
                    f"{where}: id {identity} is that of {file.names[identity]!r}, too; left out"
                )
            elif not isinstance(one.get("name"), str) or not one["name"]:
                file.problems.append(f"{where} (id {identity}): no name; left out")
            else:
                file.names[identity] = one["name"]

    def _note_strangers(self) -> None:
        """Say which annotations are about images that the file does not list."""
        file = self.file
        listed = set(file.owners)
        strangers = [slot for slot in range(len(file.slots)) if slot not in listed]
        count = sum(file.annotations.count(slot) for slot in strangers)
        if count:
            number, _ = next(file.annotations.group(strangers[0]))
            file.problems.append(
                f"{printable(file.key)}: {count:,} annotations are about images that it does not "
                f"list, the first is annotations[{number}]; left out"
            )
