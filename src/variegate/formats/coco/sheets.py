"""The files that are being written, several at once."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from variegate.codecs import decode_mask
from variegate.storage import Storage
from variegate.storage.json import dumped, lines

Record = dict[str, Any]

# Annotations that are made text at once: of one alone, calls take longer than the work.
_TOGETHER = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
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


class Sheet:
    """One file: images go to their place, annotations wait in a temporary file."""

    def __init__(self, file: File, storage: Storage, stack: ExitStack) -> None:
        """Begin the file; it appears when `stack` ends."""
        self.file = file
        self._out = stack.enter_context(storage.open_write(file.key))
        waiting = tempfile.TemporaryFile(prefix="variegate-")  # noqa: SIM115 - `stack` closes it
        self._waiting: BinaryIO = stack.enter_context(waiting)
        self._images = 0
        self._entries: list[Record] = []
        self._begun = False
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
        self._entries.append(entry)
        if len(self._entries) >= _TOGETHER:
            self._write_entries()

    def _write_entries(self) -> None:
        if self._entries:
            self._waiting.write(b",\n" if self._begun else b"\n")
            self._waiting.write(lines(self._entries))
            self._begun = True
            self._entries.clear()

    def close(self) -> None:
        """Write the annotations and categories."""
        self._write_entries()
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
            next_ids: the first free ids of an image and an annotation.
        """
        self.files = files
        self.panoptic = any(file.kind == "panoptic" for file in files)
        self._new_file = new_file
        self._storage = storage
        self._stack = stack
        self._sheets = [Sheet(file, storage, stack) for file in files]
        self._new: dict[tuple[str, str | None], int] = {}
        self._next_image, self._next_annotation = next_ids

    def close(self) -> list[str]:
        """Finish all files; return their keys."""
        if not self._sheets:
            self.sheet("instances", None)
        for sheet in self._sheets:
            sheet.close()
        return [sheet.file.key for sheet in self._sheets]

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

    def areas(self, mask: str) -> dict[int, int]:
        """Return how many pixels each segment has in a mask that is written."""
        if not self._storage.exists(mask):
            return {}
        values = decode_mask(self._storage.read(mask))
        # Sorting is slow, and neighbours mostly belong together.
        flat = values.ravel()
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
        lengths = np.diff(starts, append=flat.size)
        found, owners = np.unique(flat[starts], return_inverse=True)
        counts = np.bincount(owners, weights=lengths).astype(int)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    def image_id(self) -> int:
        self._next_image += 1
        return self._next_image - 1

    def annotation_id(self) -> int:
        self._next_annotation += 1
        return self._next_annotation - 1


def _line(entry: Any, *, first: bool) -> bytes:
    return b"\n" * first + b",\n" * (not first) + dumped(entry)
