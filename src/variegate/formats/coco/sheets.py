"""The files that are being written, several at once."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from variegate.annotations import Annotation, Object
from variegate.formats.coco import fields
from variegate.formats.coco.objects import COCO, records
from variegate.formats.writing import Item
from variegate.storage import Storage

_PICTURE_KEPT_BACK = frozenset(("id", "width", "height", "file_name", "captions", COCO))
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a set, without its images and annotations.

    Attributes:
        key: of the file.
        kind: "instances", "panoptic", "captions" or "labels".
        split: of its pictures, or None.
        pictures: the folder that `file_name` is relative to, "" or with a slash at its end.
        masks: the same for panoptic masks, or None.
        head: all but the images and annotations.
        standard: the usual fields of an annotation; empty for those that its object calls for.
    """

    key: str
    kind: str
    split: str | None = None
    pictures: str = ""
    masks: str | None = None
    head: Mapping[str, Any] = field(default_factory=dict)
    standard: tuple[str, ...] = ()


class Sheet:
    """One file: images go to their place, annotations wait in a temporary file."""

    def __init__(self, file: File, storage: Storage, stack: ExitStack) -> None:
        """Begin the file; it appears when `stack` ends."""
        self.file = file
        self._out = stack.enter_context(storage.open_write(file.key))
        waiting = tempfile.TemporaryFile(prefix="variegate-")  # noqa: SIM115 - `stack` closes it
        self._waiting: BinaryIO = stack.enter_context(waiting)
        self._images = self._annotations = 0
        listed = file.head.get("categories")
        self._categories: list[Any] = list(listed) if isinstance(listed, list) else []
        self._ids: dict[str, Any] = {}
        for one in self._categories:
            if isinstance(one, dict) and isinstance(one.get("name"), str) and "id" in one:
                self._ids.setdefault(one["name"], one["id"])
        head = {name: value for name, value in file.head.items() if name != "categories"}
        text = "".join(f"{json.dumps(name)}: {json.dumps(head[name])},\n" for name in head)
        self._out.write(f'{{{text}"images": ['.encode())

    def category_id(self, name: str, record: Mapping[str, Any]) -> Any:
        """Return the id of a class; a new one is added to the categories."""
        if "category_id" in record:
            return record["category_id"]
        if name not in self._ids:
            numbers = [number for number in self._ids.values() if isinstance(number, int)]
            self._ids[name] = max(numbers, default=0) + 1
            self._categories.append({"id": self._ids[name], "name": name, "supercategory": ""})
        return self._ids[name]

    def image(self, entry: Record) -> None:
        self._out.write(_line(entry, first=not self._images))
        self._images += 1

    def annotation(self, entry: Record) -> None:
        self._waiting.write(_line(entry, first=not self._annotations))
        self._annotations += 1

    def close(self) -> None:
        """Write the annotations and categories."""
        self._out.write(b'\n],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._out, 1 << 20)
        self._out.write(b'\n],\n"categories": [')
        for number, one in enumerate(self._categories):
            self._out.write(_line(one, first=not number))
        self._out.write(b"\n]}\n")


class Sheets:
    """All files of a set."""

    def __init__(
        self,
        files: tuple[File, ...],
        new_file: Callable[[str, str | None], File],
        *,
        storage: Storage,
        stack: ExitStack,
        next_ids: tuple[int, int],
    ) -> None:
        """Begin the files of a set that was read; those of a new one begin when needed.

        Args:
            files: of the set that was read, or none.
            new_file: makes one of a kind for a split.
            storage: where they go.
            stack: when it ends, they appear.
            next_ids: the first free ids of a picture and an annotation.
        """
        self.files = files
        self._new_file = new_file
        self._storage = storage
        self._stack = stack
        self._sheets = [Sheet(file, storage, stack) for file in files]
        self._new: dict[tuple[str, str | None], int] = {}
        self._next_image, self._next_annotation = next_ids

    def add(self, item: Item) -> None:
        """Write what is to be said of one picture."""
        known = item.annotation or Annotation()
        through = item.source == item.key and bool(self.files)
        _Entry(self, item, known, through=through).write()

    def close(self) -> None:
        """Finish all files."""
        if not self._sheets:
            self.sheet("instances", None)
        for sheet in self._sheets:
            sheet.close()

    def numbered(self, number: int) -> Sheet | None:
        """Return the file with this number in the set that was read."""
        return self._sheets[number] if number < len(self.files) else None

    def sheet(self, kind: str, split: str | None) -> int:
        """Return the number of the file for new entries of one kind."""
        for number, file in enumerate(self.files):
            if file.kind == kind and file.split == split:
                return number
        if (kind, split) not in self._new:
            self._new[kind, split] = len(self._sheets)
            file = self._new_file(kind, split)
            self._sheets.append(Sheet(file, self._storage, self._stack))
        return self._new[kind, split]

    def at(self, number: int) -> Sheet:
        return self._sheets[number]

    def image_id(self) -> int:
        self._next_image += 1
        return self._next_image - 1

    def annotation_id(self) -> int:
        self._next_annotation += 1
        return self._next_annotation - 1


class _Entry:
    """What is written of one picture, file by file."""

    def __init__(self, sheets: Sheets, item: Item, known: Annotation, *, through: bool) -> None:
        self._sheets = sheets
        self._item = item
        self._known = known
        self._through = through
        self._records: dict[int, Record] = {}
        if sheets.files:
            for record in records(known):
                self._records.setdefault(record.get("file", 0), record)
        self._fresh_id = 0 if through else sheets.image_id()
        self._listed: set[int] = set()

    def write(self) -> None:
        known = self._known
        for number in self._records:
            self._image(number)
        for one in known.objects:
            self._object(one)
        self._panoptic()
        self._captions()
        self._labels()
        if not self._listed:
            self._image(self._sheets.sheet("instances", self._item.split))

    def _image(self, number: int) -> Any:
        """List the picture in a file, once; return its id there."""
        record = self._records.get(number, {})
        identity = record["id"] if self._through and "id" in record else self._new_id()
        if number in self._listed:
            return identity
        self._listed.add(number)
        sheet, item = self._sheets.at(number), self._item
        sheet.image(
            {
                "id": identity,
                "width": item.size[1],
                "height": item.size[0],
                "file_name": item.key.removeprefix(sheet.file.pictures),
            }
            | fields.other_fields(self._known.extra, record, _PICTURE_KEPT_BACK)
        )
        return identity

    def _new_id(self) -> int:
        self._fresh_id = self._fresh_id or self._sheets.image_id()
        return self._fresh_id

    def _object(self, one: Object) -> None:
        """Write an object to each of its files."""
        own = {record.get("file", 0): record for record in records(one)}
        if not self._sheets.files or not own:
            own = {self._sheets.sheet("instances", self._item.split): {}}
        fresh = 0
        for number, record in own.items():
            sheet = self._sheets.at(number)
            if sheet.file.kind == "panoptic":
                continue
            identity = record.get("id") if self._through else None
            if identity is None:
                identity = fresh = fresh or self._sheets.annotation_id()
            head = {
                "id": identity,
                "image_id": self._image(number),
                "category_id": sheet.category_id(one.category, record),
            }
            entry = fields.entry(one, record, head=head, standard=sheet.file.standard)
            sheet.annotation(entry)

    def _panoptic(self) -> None:
        """Write one annotation for each panoptic file that has segments here."""
        segments: dict[tuple[int, str], list[Record]] = {}
        if not self._sheets.files:
            return
        for one in self._known.objects:
            for record in records(one):
                number = record.get("file", 0)
                sheet = self._sheets.numbered(number)
                if sheet and sheet.file.kind == "panoptic" and one.mask_file is not None:
                    category_id = sheet.category_id(one.category, record)
                    entry = fields.segment(one, record, category_id=category_id)
                    segments.setdefault((number, one.mask_file), []).append(entry)
        for (number, mask), entries in segments.items():
            sheet = self._sheets.at(number)
            sheet.annotation(
                {
                    **self._records.get(number, {}).get("panoptic", {}),
                    "image_id": self._image(number),
                    "file_name": mask.removeprefix(sheet.file.masks or ""),
                    "segments_info": entries,
                }
            )

    def _captions(self) -> None:
        texts = self._known.extra.get("captions", ())
        if not isinstance(texts, list | tuple):
            return
        places = [(n, rest) for n, r in self._records.items() for rest in r.get("captions", ())]
        if len(places) != len(texts):
            number = places[0][0] if places else None
            if texts and number is None:
                number = self._sheets.sheet("captions", self._item.split)
            places = [(number or 0, {}) for _ in texts]
        for text, (number, rest) in zip(texts, places, strict=True):
            self._say(number, rest, {"caption": text})

    def _labels(self) -> None:
        shares = dict(self._known.labels)
        if self._item.label is not None:
            shares.setdefault(self._item.label, 1)
        if not shares:
            return
        places: dict[str, tuple[int, Record]] = {}
        for number, record in self._records.items():
            for rest in record.get("labels", ()):
                places.setdefault(rest["category"], (number, rest))
        for name, share in shares.items():
            if name not in places:
                places[name] = self._sheets.sheet("labels", self._item.split), {}
            number, rest = places[name]
            own = {n: v for n, v in rest.items() if n != "category"}
            category_id = self._sheets.at(number).category_id(name, own)
            part = {} if share == 1 else {"share": share}
            self._say(number, own, {"category_id": category_id, **part})

    def _say(self, number: int, rest: Record, content: Record) -> None:
        """Write an annotation of the whole picture."""
        identity = rest.get("id") if self._through else None
        head = {
            "id": self._sheets.annotation_id() if identity is None else identity,
            "image_id": self._image(number),
        }
        self._sheets.at(number).annotation({**head, **content, **_without_id(rest)})


def _without_id(rest: Record) -> Record:
    return {name: value for name, value in rest.items() if name != "id"}


def _line(entry: Any, *, first: bool) -> bytes:
    return b"\n" * first + b",\n" * (not first) + json.dumps(entry).encode()
