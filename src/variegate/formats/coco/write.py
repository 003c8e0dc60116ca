"""Writing COCO files, several at once, image by image."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, BinaryIO

import numpy as np

from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import decode_mask
from variegate.formats.coco.objects import COCO, Fields, Raw, entry, other_fields, records, segment
from variegate.formats.coco.read import named_categories
from variegate.formats.writer import Item
from variegate.storage import Storage
from variegate.storage.json import dumped, lines

_IMAGE_KEPT_BACK = frozenset(("id", "width", "height", "file_name", "captions", COCO))
# Annotations that are made text at once: of one alone, calls take longer than the work.
_TOGETHER = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One file of a set, without its images and annotations.

    Attributes:
        key: of the file.
        kind: "instances", "panoptic", "captions" or "labels".
        split: of its images, or None.
        images: the folder that `file_name` is relative to, "" or with a slash at its end.
        masks: the same for panoptic masks, or None.
        head: all but the images and annotations.
        standard: the usual fields of an annotation; empty for those that its object calls for.
    """

    key: str
    kind: str
    split: str | None = None
    images: str = ""
    masks: str | None = None
    head: Mapping[str, Any] = field(default_factory=dict)
    standard: tuple[str, ...] = ()


class CocoOutput:
    """One file: images go to their place, annotations wait in a temporary file."""

    def __init__(self, file: OutputFile, storage: Storage, stack: ExitStack) -> None:
        """Begin the file; it appears when `stack` ends."""
        self.file = file
        self._out = stack.enter_context(storage.open_write(file.key))
        waiting = tempfile.TemporaryFile(prefix="variegate-")  # noqa: SIM115 - `stack` closes it
        self._waiting: BinaryIO = stack.enter_context(waiting)
        self._images = 0
        self._entries: list[Fields] = []
        self._categories: list[Any] = list(file.head.get("categories", ()))
        self._ids: dict[str, Any] = {}
        for one in named_categories(file.head):
            if "id" in one:
                self._ids.setdefault(one["name"], one["id"])
        head = {name: value for name, value in file.head.items() if name != "categories"}
        text = "".join(f"{json.dumps(name)}: {json.dumps(head[name])},\n" for name in head)
        self._out.write(f'{{{text}"images": ['.encode())

    def category_id(self, name: str, record: Raw) -> Any:
        """Return the id of a class; a new one is added to the categories."""
        if "category_id" in record:
            return record["category_id"]
        if name not in self._ids:
            numbers = [number for number in self._ids.values() if isinstance(number, int)]
            self._ids[name] = max(numbers, default=0) + 1
            self._categories.append({"id": self._ids[name], "name": name, "supercategory": ""})
        return self._ids[name]

    def image(self, image: Fields) -> None:
        self._out.write((b",\n" if self._images else b"\n") + dumped(image))
        self._images += 1

    def annotation(self, annotation: Fields) -> None:
        self._entries.append(annotation)
        if len(self._entries) >= _TOGETHER:
            self._write_entries()

    def _write_entries(self) -> None:
        if self._entries:
            self._waiting.write(b",\n" if self._waiting.tell() else b"\n")
            self._waiting.write(lines(self._entries))
            self._entries.clear()

    def close(self) -> None:
        """Write the annotations and categories."""
        self._write_entries()
        self._out.write(b'\n],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._out, 1 << 20)
        categories = b",".join(b"\n" + dumped(one) for one in self._categories)
        self._out.write(b'\n],\n"categories": [' + categories + b"\n]}\n")


class CocoOutputs:
    """All files of a set."""

    def __init__(
        self,
        files: tuple[OutputFile, ...],
        head: Mapping[str, Any],
        *,
        storage: Storage,
        stack: ExitStack,
        next_ids: tuple[int, int],
    ) -> None:
        """Begin the files of a set that was read; those of a new one begin when needed.

        Args:
            files: of the set that was read, or none.
            head: of new files.
            storage: where they go.
            stack: when it ends, they appear.
            next_ids: the first free ids of an image and an annotation.
        """
        self.files = files
        self._head = head
        self._storage = storage
        self._stack = stack
        self._outputs = [CocoOutput(file, storage, stack) for file in files]
        self._numbers: dict[tuple[str, str | None], int] = {}
        for number, file in enumerate(files):
            self._numbers.setdefault((file.kind, file.split), number)
        self.image_ids, self.annotation_ids = map(count, next_ids)

    def __getitem__(self, number: int) -> CocoOutput:
        return self._outputs[number]

    def close(self) -> list[str]:
        """Finish all files; return their keys."""
        if not self._outputs:
            self.number("instances", None)
        for output in self._outputs:
            output.close()
        return [output.file.key for output in self._outputs]

    def number(self, kind: str, split: str | None) -> int:
        """Return the number of the file for new entries of one kind."""
        number = self._numbers.setdefault((kind, split), len(self._outputs))
        if number == len(self._outputs):
            file = OutputFile(
                key=f"annotations/{kind}_{split}.json" if split else f"annotations/{kind}.json",
                kind=kind,
                split=split,
                images=f"images/{split}/" if split else "images/",
                head=self._head,
            )
            self._outputs.append(CocoOutput(file, self._storage, self._stack))
        return number

    def areas(self, mask: str) -> dict[int, int]:
        """Return how many pixels each segment has in a mask that is written."""
        if not self._storage.exists(mask):
            return {}
        flat = decode_mask(self._storage.read(mask)).ravel()
        # Sorting is slow, and neighbours mostly belong together.
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
        lengths = np.diff(starts, append=flat.size)
        found, owners = np.unique(flat[starts], return_inverse=True)
        counts = np.bincount(owners, weights=lengths).astype(int)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))


class ImageEntries:
    """What is written of one image, file by file."""

    def __init__(self, outputs: CocoOutputs, item: Item) -> None:
        """Prepare to write what is to be said of `item`."""
        self._outputs = outputs
        self._item = item
        self._known = item.annotation or Annotation()
        self._through = item.source == item.key and bool(outputs.files)
        self._records: dict[int, Fields] = {}
        if outputs.files:
            for record in records(self._known):
                self._records.setdefault(record.get("file", 0), record)
        self._new_id: int | None = None
        self._listed: dict[int, Any] = {}

    def write(self) -> None:
        for number in self._records:
            self._image(number)
        segments: dict[tuple[int, str], list[tuple[Object, Raw]]] = {}
        for one in self._known.objects:
            self._object(one, segments)
        for (number, mask), found in segments.items():
            self._panoptic(number, mask, found)
        self._captions()
        self._labels()
        if not self._listed:
            self._image(self._number("instances"))

    def _number(self, kind: str) -> int:
        return self._outputs.number(kind, self._item.split)

    def _image(self, number: int) -> Any:
        """List the image in a file, once; return its id there."""
        if number in self._listed:
            return self._listed[number]
        record = self._records.get(number, {})
        if self._through and "id" in record:
            identity = record["id"]
        else:
            identity = self._new_id = self._new_id or next(self._outputs.image_ids)
        self._listed[number] = identity
        output, item = self._outputs[number], self._item
        head = {
            "id": identity,
            "width": item.size[1],
            "height": item.size[0],
            "file_name": item.key.removeprefix(output.file.images),
        }
        output.image(head | other_fields(self._known.extra, record, _IMAGE_KEPT_BACK))
        return identity

    def _object(
        self, one: Object, segments: dict[tuple[int, str], list[tuple[Object, Raw]]]
    ) -> None:
        """Write an object to each of its files; to panoptic ones, with the others of its mask."""
        own: dict[int, Raw] = {}
        if self._outputs.files:
            own = {record.get("file", 0): record for record in records(one)}
        new_id = None
        for number, record in (own or {self._number("instances"): {}}).items():
            output = self._outputs[number]
            if output.file.kind == "panoptic":
                if one.mask_file is not None:
                    segments.setdefault((number, one.mask_file), []).append((one, record))
                continue
            identity = record.get("id") if self._through else None
            if identity is None:
                identity = new_id = new_id or next(self._outputs.annotation_ids)
            head = {
                "id": identity,
                "image_id": self._image(number),
                "category_id": output.category_id(one.category, record),
            }
            output.annotation(entry(one, record, head=head, standard=output.file.standard))

    def _panoptic(self, number: int, mask: str, segments: list[tuple[Object, Raw]]) -> None:
        """Write the annotation of one mask, whose areas are counted where needed."""
        output = self._outputs[number]
        entries = []
        areas: dict[int, int] | None = None
        for one, record in segments:
            fields = segment(one, record, category_id=output.category_id(one.category, record))
            if "area" in record and (self._through or record.get("counted")):
                fields["area"] = record["area"]
            if "area" not in fields:
                areas = self._outputs.areas(mask) if areas is None else areas
                fields["area"] = areas.get(one.mask_value or 0, 0)
            entries.append(fields)
        output.annotation(
            {
                **self._records.get(number, {}).get("panoptic", {}),
                "image_id": self._image(number),
                "file_name": mask.removeprefix(output.file.masks or ""),
                "segments_info": entries,
            }
        )

    def _captions(self) -> None:
        texts = self._known.extra.get("captions", ())
        if not isinstance(texts, list | tuple):
            return
        places = [(n, rest) for n, r in self._records.items() for rest in r.get("captions", ())]
        if len(places) != len(texts):
            number = places[0][0] if places else self._number("captions")
            places = [(number, {}) for _ in texts]
        for text, (number, rest) in zip(texts, places, strict=True):
            self._whole(number, rest, {"caption": text})

    def _labels(self) -> None:
        shares = dict(self._known.labels)
        if self._item.label is not None:
            shares.setdefault(self._item.label, 1)
        places: dict[str, tuple[int, Fields]] = {}
        for number, record in self._records.items():
            for rest in record.get("labels", ()):
                places.setdefault(rest["category"], (number, rest))
        for name, share in shares.items():
            number, rest = places.get(name) or (self._number("labels"), {})
            own = other_fields(rest, {}, ("category",))
            head = {"category_id": self._outputs[number].category_id(name, own)}
            self._whole(number, own, head if share == 1 else {**head, "share": share})

    def _whole(self, number: int, rest: Raw, content: Fields) -> None:
        """Write an annotation of the whole image."""
        identity = rest.get("id") if self._through else None
        head = {
            "id": next(self._outputs.annotation_ids) if identity is None else identity,
            "image_id": self._image(number),
        }
        self._outputs[number].annotation(head | content | other_fields(rest, {}, ("id",)))
