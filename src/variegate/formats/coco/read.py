"""One COCO file, read once, part by part, and kept on disk by image."""

import io
import posixpath
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from variegate.annotations.body_parts import PART_FIELDS, is_unknown_place, numeric_places
from variegate.annotations.checks import shown
from variegate.errors import InputError
from variegate.formats.base import counted
from variegate.formats.encodings import UnknownEncodingError, encoding_of, guess_note
from variegate.formats.scan import NOTHING_SAID, Said, split_of
from variegate.formats.spooled import Spooled
from variegate.storage import Storage, printable
from variegate.storage.json import parts

GEOMETRY = frozenset(("segmentation", "bbox", "keypoints"))
STANDARD = ("segmentation", "area", "bbox", "iscrowd", "keypoints", "num_keypoints")
_TELLING = GEOMETRY | {"caption", "segments_info"}
_LISTS = frozenset(("images", "annotations"))
# Enough for licences and a thousand categories to come first.
_SNIFFED = 4 << 20
_BEGINNING = re.compile(r'"(?:images|annotations)"\s*:\s*\[')
_LARGEST_ID = 1 << 62
_ID_NUMBER = re.compile(r"0*([1-9][0-9]*)(?:\.0+)?|0*(0)(?:\.0+)?", re.ASCII)
_IMAGE_FIELDS = frozenset(("id", "width", "height", "file_name", "license"))
# Of fields that nobody can move, so many are named.
_MOST_NAMED = 20
_FIELDS = frozenset((*STANDARD, "id", "image_id", "category_id", "caption", "segments_info"))


@dataclass(slots=True)
class CocoFile:
    """What a file says, its lists by image.

    Attributes:
        key: of the file.
        split: that its name, or its folder's, tells.
        head: all but the images and annotations: info, licenses, categories, ...
        names: category id -> class.
        respelled: category id that annotations write in another way ("1") -> that of the category.
        standard: the usual fields that its annotations have.
        slots: image id -> number of the image.
        same: number of an image -> those under which its id is written in another way.
        files: `file_name` of every entry of "images"; None where there is none.
        owners: the image of every entry.
        images, annotations: entries, by image.
        duplicates: annotation id -> number of the first annotation with it, where there are more.
        telling: fields that tell the kind of its annotations.
        points: category id -> how many keypoints its annotations have.
        largest: image id and annotation id.
        problems: what concerns no image that is there.
    """

    key: str
    split: str | None
    head: dict[str, Any] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    respelled: dict[Any, Any] = field(default_factory=dict)
    standard: tuple[str, ...] = ()
    slots: dict[Any, int] = field(default_factory=dict)
    same: dict[int, list[int]] = field(default_factory=dict)
    files: list[str | None] = field(default_factory=list)
    owners: "array[int]" = field(default_factory=lambda: array("q"))
    images: Spooled = field(default_factory=Spooled)
    annotations: Spooled = field(default_factory=Spooled)
    duplicates: Mapping[Any, int] = field(default_factory=dict)
    telling: set[str] = field(default_factory=set)
    points: dict[Any, int] = field(default_factory=dict)
    largest: tuple[int, int] = (0, 0)
    problems: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What the annotations are: panoptic, captions, labels, or instances."""
        if "segments_info" in self.telling:
            return "panoptic"
        if self.telling & GEOMETRY or not len(self.annotations):
            return "instances"
        return "captions" if "caption" in self.telling else "labels"

    def about(self, slot: int) -> Iterator[tuple[int, Any]]:
        """Yield the annotations of an image, each with its number."""
        if slot not in self.same:
            return self.annotations.group(slot)
        slots = (slot, *self.same[slot])
        return iter(sorted(chain.from_iterable(map(self.annotations.group, slots))))

    def is_annotated(self, slot: int) -> bool:
        """Say whether an image has annotations."""
        return any(map(self.annotations.count, (slot, *self.same.get(slot, ()))))


def is_coco(storage: Storage, key: str, encoding: str | None = None) -> bool:
    """Say whether a JSON file begins like a COCO file; a small part of it is read."""
    with storage.open_read(key) as file:
        data = file.read(_SNIFFED)
    # In which encoding names are is asked by the full reading.
    with suppress(UnknownEncodingError):
        encoding = encoding_of(data, encoding, cut=len(data) == _SNIFFED)
    text = data.decode(encoding or "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return False
    # Cut off, here or on disk: the full reading will say where.
    with suppress(InputError):
        for section, value, is_element in parts(io.BytesIO(text.encode()), key, lists=_LISTS):
            if is_element:
                telling = "file_name" if section == "images" else "image_id"
                return isinstance(value, dict) and telling in value
            if section == "images":
                return False
    return _BEGINNING.search(text) is not None


def read(
    storage: Storage, key: str, said: Said = NOTHING_SAID, encoding: str | None = None
) -> CocoFile:
    """Read a file, once.

    Args:
        storage, key: of the file.
        said: what the user says of the splits of folders.
        encoding: of the file, as the user says.

    Raises:
        InputError: it is not JSON, its parts are not what COCO says they are, or there is no
            telling in which encoding it is.
    """
    place, file = storage.place(key), CocoFile(key, split_of(key, said))
    with storage.open_read(key) as stream:
        whole = _Begun(stream)
        try:
            found = encoding_of(whole.head, encoding, cut=len(whole.head) == _SNIFFED)
        except UnknownEncodingError as error:
            raise InputError(f"{place}: {error}") from error
        file.problems += guess_note(printable(key), found, encoding)
        return _Reading(file, place).run(whole, found)


class _Begun:
    """A stream of which the beginning was looked at."""

    def __init__(self, stream: BinaryIO) -> None:
        self.head = stream.read(_SNIFFED)
        self._first = io.BytesIO(self.head)
        self._rest = stream

    def read(self, size: int) -> bytes:
        return self._first.read(size) or self._rest.read(size)


@dataclass(slots=True)
class _Reading:
    """The one pass over a file."""

    file: CocoFile
    place: str
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    other_ids: dict[Any, int] = field(default_factory=dict)
    repeated: dict[Any, int] = field(default_factory=dict)
    categories: dict[Any, int] = field(default_factory=dict)
    places: Counter[str] = field(default_factory=Counter)
    nested: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    def run(self, stream: _Begun, encoding: str) -> CocoFile:
        file = self.file
        for section, value, is_element in parts(
            stream, self.place, lists=_LISTS, encoding=encoding
        ):
            if not is_element:
                file.head[section] = value
            elif section == "images":
                self._image(value)
            else:
                self._annotation(value)
        for name in ("images", "annotations", "categories"):
            if not isinstance(file.head.get(name, []), list):
                raise InputError(f"{self.place}: {name}: expected a list")
        file.images.finish()
        file.annotations.finish()
        file.duplicates = self._duplicates()
        self._name_categories()
        self._match_ids()
        self._note_strangers()
        self._note_places()
        image_ids = [one for one in file.slots if isinstance(one, int)]
        own_ids = [one for one in self.ids if one < _LARGEST_ID]
        file.largest = (max(image_ids, default=0), max(own_ids, default=0))
        return file

    def _image(self, value: Any) -> None:
        file = self.file
        name = value.get("file_name") if isinstance(value, dict) else None
        slot = self._slot(value, "id")
        for other in value.keys() - _IMAGE_FIELDS if isinstance(value, dict) else ():
            places = numeric_places(other, value[other])
            self.kept.update(f"images: {place}" for place in places)
        if not isinstance(name, str) or not name or slot is None:
            where = f"{file.key}: images[{len(file.files)}]"
            file.problems.append(f"{where}: no id or no file_name; left out")
            name = None
        file.files.append(name)
        file.owners.append(-1 if slot is None else slot)
        file.images.add(file.owners[-1], value)

    def _slot(self, value: Any, name: str) -> int | None:
        """Return the number of the image that an entry is about."""
        identity = value.get(name) if isinstance(value, dict) else None
        if not is_id(identity):
            return None
        return self.file.slots.setdefault(identity, len(self.file.slots))

    def _annotation(self, value: Any) -> None:
        file = self.file
        number = len(file.annotations)
        slot = self._slot(value, "image_id")
        self.ids.append(_LARGEST_ID)
        if slot is None:
            slot = -1
            file.problems.append(f"{file.key}: annotations[{number}]: no image_id; object left out")
        else:
            self._take_id(value.get("id"), number)
            file.telling |= _TELLING.intersection(value)
            file.standard = file.standard or standard_of(value)
            self._look_at(value)
        file.annotations.add(slot, value)

    def _look_at(self, value: Mapping[str, Any]) -> None:
        """Count the category, and the fields that nobody can move."""
        if is_id(category := value.get("category_id")):
            self.categories[category] = self.categories.get(category, 0) + 1
            if isinstance(points := value.get("keypoints"), list):
                self.file.points.setdefault(category, len(points) // 3)
        for name in value.keys() - _FIELDS:
            if is_unknown_place(name, value[name]):
                self.places[name] += 1
            elif name not in PART_FIELDS:
                self.nested.update(numeric_places(name, value[name]))

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
        for number, one in enumerate(file.head.get("categories", ())):
            where = f"{file.key}: categories[{number}]"
            identity = one.get("id") if isinstance(one, dict) else None
            if not is_id(identity):
                file.problems.append(f"{where}: no id; left out")
            elif identity in file.names:
                file.problems.append(
                    f"{where}: id {identity} is that of {file.names[identity]!r}, too; left out"
                )
            elif not isinstance(one.get("name"), str) or not one["name"]:
                file.problems.append(f"{where} (id {identity}): no name; left out")
            else:
                file.names[identity] = one["name"]

    def _match_ids(self) -> None:
        """Find images and categories whose ids annotations write in another way: "1" for 1."""
        file = self.file
        listed = set(file.owners)
        owned = {identity: slot for identity, slot in file.slots.items() if slot in listed}
        images = matching(owned, file.slots.keys() - owned.keys())
        for identity, own in images.items():
            file.same.setdefault(owned[own], []).append(file.slots[identity])
        count = sum(file.annotations.count(file.slots[identity]) for identity in images)
        self._note_matches("image_id", "id of its image", images, count)
        self._match_names(owned, file.slots.keys() - owned.keys() - images.keys())
        file.respelled = matching(file.names, self.categories.keys() - file.names.keys())
        file.respelled |= self._match_categories()
        count = sum(self.categories[identity] for identity in file.respelled)
        self._note_matches("category_id", "id of its category", file.respelled, count)

    def _match_categories(self) -> dict[Any, Any]:
        """Find categories that annotations call by their names, where one has that name alone."""
        names = self.file.names
        counts = Counter(names.values())
        ids = {name: identity for identity, name in names.items() if counts[name] == 1}
        strange = self.categories.keys() - names.keys() - self.file.respelled.keys()
        return {name: ids[name] for name in strange if name in ids}

    def _match_names(self, owned: Mapping[Any, int], strange: Iterable[Any]) -> None:
        """Find images that annotations call by their files: "a.jpg", or "a"."""
        wanted = {one for one in strange if isinstance(one, str)}
        if not wanted:
            return
        file, slots = self.file, dict[str, set[int]]()
        for name, owner in zip(file.files, file.owners, strict=True):
            for spelling in wanted.intersection(_names_of(name or "")):
                slots.setdefault(spelling, set()).add(owner)
        ids = {slot: identity for identity, slot in owned.items()}
        meant = {name: ids[next(iter(found))] for name, found in slots.items() if len(found) == 1}
        for name, identity in meant.items():
            file.same.setdefault(owned[identity], []).append(file.slots[name])
        count = sum(file.annotations.count(file.slots[name]) for name in meant)
        if count:
            (first, own), *_ = sorted(meant.items())
            plural = "annotation has a file name" if count == 1 else "annotations have file names"
            file.problems.append(
                f"{printable(file.key)}: {count:,} {plural} as image_id: {shown(first)} is taken "
                f"as the image of id {shown(own)}"
            )

    def _note_matches(self, name: str, what: str, found: Mapping[Any, Any], count: int) -> None:
        if found and count:
            (first, own), *_ = found.items()
            plural = "annotation has its" if count == 1 else "annotations have their"
            self.file.problems.append(
                f"{printable(self.file.key)}: {count:,} {plural} {name} written in another way "
                f"than the {what}: {shown(first)} is taken as {shown(own)}"
            )

    def _note_places(self) -> None:
        """Say which fields nobody can move."""
        for name, count in sorted(self.places.items()):
            if count:
                self.file.problems.append(
                    f"{printable(self.file.key)}: field {name!r} ({count:,} times) is a "
                    "list of numbers whose meaning is not known; it is left out of images that are "
                    "moved"
                )
        for found, fate in (
            (self.nested, "it is left out of images that are moved"),
            (self.kept, "it stays as it is where images are moved"),
        ):
            for name, count in sorted(found.items())[:_MOST_NAMED]:
                self.file.problems.append(
                    f"{printable(self.file.key)}: field {name!r} ({count:,} times) holds numbers "
                    f"that may be places in the image; {fate}"
                )

    def _note_strangers(self) -> None:
        """Say which annotations are about images that the file does not list."""
        file = self.file
        listed = set(file.owners).union(*file.same.values())
        strangers = [slot for slot in range(len(file.slots)) if slot not in listed]
        count = sum(file.annotations.count(slot) for slot in strangers)
        if count:
            number, _ = next(file.annotations.group(strangers[0]))
            file.problems.append(
                f"{printable(file.key)}: annotations[{number}] is the first about an image that "
                f"it does not list; {counted(count, 'object', 'objects')} left out"
            )


def _names_of(name: str) -> set[str]:
    """Return by what an image's file may be called: with and without folders and extension."""
    last = re.split(r"[\\/]", name)[-1]
    return {one for whole in (name, last) for one in (whole, posixpath.splitext(whole)[0]) if one}


def named_categories(head: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the categories of a file's head that have a name."""
    for one in head.get("categories", ()):
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one


def is_id(value: Any) -> bool:
    """Say whether a JSON value can tell entries apart."""
    return value is not None and not isinstance(value, list | dict)


def matching(known: Mapping[Any, Any], strange: Iterable[Any]) -> dict[Any, Any]:
    """Return which of the known ids others mean that are written in another way."""
    wanted = {spelling: one for one in strange if (spelling := _spelling(one)) is not None}
    if not wanted:
        return {}
    meant: dict[str, list[Any]] = {}
    for one in known:
        if (spelling := _spelling(one)) in wanted:
            meant.setdefault(spelling or "", []).append(one)
    return {wanted[spelling]: found[0] for spelling, found in meant.items() if len(found) == 1}


def _spelling(identity: Any) -> str | None:
    """Return an id as text, numbers without zeros before and behind; None for true and false."""
    if isinstance(identity, bool):
        return None
    text = str(identity).strip()
    number = _ID_NUMBER.fullmatch(text)
    return (number[1] or number[2]) if number else text


def standard_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the usual fields that an annotation has."""
    return tuple(name for name in STANDARD if name in raw)
