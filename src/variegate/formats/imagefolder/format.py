"""Hugging Face's image folder with metadata: rows of ``file_name`` and whatever is known.

``label`` is the class, ``objects`` holds boxes (see `objects`), ``mask_file_name`` names a mask;
every other field, such as a caption in ``text``, is carried through. Folders name the splits.
Without metadata it is the format "classes".
"""

import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar

from variegate.annotations.annotation import Annotation
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, Source, about, named
from variegate.formats.image_size import image_size, mask_problem
from variegate.formats.imagefolder.metadata import (
    EXTENSIONS,
    LABEL,
    Metadata,
    Row,
    describe,
    read_rows,
    read_schema,
    resolve,
)
from variegate.formats.imagefolder.objects import ObjectColumn
from variegate.formats.imagefolder.writer import ImageFolderWriter
from variegate.formats.notes import information
from variegate.formats.scan import Survey, is_hidden, leave_unsaid, split_above
from variegate.formats.spooled import Spooled
from variegate.storage import Entry, Storage, printable

_LOOKED_AT = 1_000
_MOST_FOLDERS = 2_000
_SHOWN = 200
_MOST_PROBLEMS = 1_000
_MOST_CLASSES = 20_000
# A file that lists fewer of the images is about something else.
_LISTED = 0.5


@dataclass(slots=True)
class _Found:
    """What the metadata files say.

    Attributes:
        metadata: the files.
        slots: key of an image -> number of its row.
        rows: number of the file, line and row of each, on disk.
        masks: keys of the masks that rows name.
        problems: key of a file -> what was wrong in it.
        classes: of images and objects.
    """

    metadata: list[Metadata] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    rows: Spooled = field(default_factory=Spooled)
    masks: set[str] = field(default_factory=set)
    problems: dict[str, list[str]] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)

    def say(self, key: str, line: int, words: str) -> None:
        said = self.problems.setdefault(key, [])
        if len(said) < _MOST_PROBLEMS:
            said.append(f"{printable(key)}:{line}: {words}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder(DatasetFormat):
    """What is known of an image stands in a row of metadata, in its folder or one above.

    Attributes:
        found: all rows.
    """

    name: ClassVar[str] = "imagefolder"

    found: _Found

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        keys = _metadata_keys(survey, storage)
        if not keys:
            return NotThisFormat("there is no metadata.jsonl, metadata.csv or metadata.parquet")
        found = _Found()
        for key in keys:
            if problem := _read(storage, key, found):
                return NotThisFormat(f"{printable(key)}: {problem}", noteworthy=True)
        found.rows.finish()
        images, missing, unlisted = _compare(survey, storage, found)
        total = images.total()
        listed = total - len(unlisted)
        if not listed or (listed < _LISTED * total and not chosen):
            reason = f"{named(keys)} list {listed:,} of {total:,} images"
            return NotThisFormat(reason, noteworthy=True)
        return cls(
            classes=tuple(sorted(found.classes)),
            said=survey.hints.splits,
            images=images,
            notes=tuple(_notes(found, missing, unlisted)),
            found=found,
        )

    @property
    def heading(self) -> str:
        names = named([printable(one.key) for one in self.found.metadata])
        return f"image folder with {names}"

    def split(self, key: str) -> str | None:
        return split_above(key, said=self.said)

    def writer(self) -> ImageFolderWriter:
        return ImageFolderWriter(classes=self.classes, metadata=tuple(self.found.metadata))

    def source(self, entry: Entry, storage: Storage) -> Source:
        key = entry.key
        if any(one.key == key for one in self.found.metadata):
            problems = tuple(self.found.problems.get(key, ()))
            return Source(key, entry.size, skip="a label file", problems=problems)
        if key in self.found.slots:
            return self._image(entry, storage)
        if key in self.found.masks:
            return Source(key, entry.size, skip="a mask")
        return Source(key, entry.size, None if self.inside(key) is None else self.split(key))

    def _image(self, entry: Entry, storage: Storage) -> Source:
        ((_, (number, line, fields)),) = self.found.rows.group(self.found.slots[entry.key])
        metadata = self.found.metadata[number]
        place = f"{printable(metadata.key)}:{line}: "
        mask = resolve(fields.pop(metadata.mask, None), metadata.folder)
        needs_size = mask is not None or metadata.objects is not None
        size = image_size(storage, entry.key) if needs_size else None
        column, unusable = metadata.objects, None
        objects, problems = column.read(fields, size) if column else ([], [])
        if mask is not None and (problem := mask_problem(storage, mask, size)):
            unusable = f"its mask {printable(mask)}: {problem}"
        label = fields.pop(LABEL, None)
        own = (metadata.file, column and column.name)
        extra = {k: v for k, v in fields.items() if k not in own}
        return Source(
            entry.key,
            entry.size,
            self.split(entry.key),
            label=None if label in (None, "") else str(label),
            annotation=Annotation(size=size, objects=tuple(objects), mask_file=mask, extra=extra),
            problems=tuple(place + words for words in problems),
            unusable=unusable,
        )


def _metadata_keys(survey: Survey, storage: Storage) -> list[str]:
    """Return the metadata files in the folders of images and above."""
    tables = [key for key in survey.tables if posixpath.basename(key) == "metadata.csv"]
    if not (tables or survey.others.keys() & set(EXTENSIONS)):
        return []
    folders = {""}
    for folder in list(survey.tally.folders)[:_MOST_FOLDERS]:
        folders |= {"".join(f"{part}/" for part in folder[:n]) for n in range(len(folder) + 1)}
    found: list[str] = []
    for place in sorted(folders):
        keys = (f"{place}metadata{extension}" for extension in EXTENSIONS)
        found += islice(filter(storage.exists, keys), 1)
    return found


def _read(storage: Storage, key: str, found: _Found) -> str | None:
    """Read a file; say why it is no metadata, or return None."""
    looked_at = islice(read_rows(storage, key), _LOOKED_AT)
    first = [row for _, row in looked_at if isinstance(row, dict)]
    metadata = describe(key, first, read_schema(storage, key))
    if not metadata.file:
        return "no column 'file_name'"
    number = len(found.metadata)
    found.metadata.append(metadata)
    for line, row in read_rows(storage, key):
        if isinstance(row, str):
            found.say(key, line, f"{row}; left out")
            continue
        written = row.get(metadata.file)
        name = resolve(written, metadata.folder)
        if written is None:
            found.say(key, line, f"no {metadata.file!r}; left out")
        elif name is None:
            found.say(key, line, _outside(written))
        elif name in found.slots:
            found.say(key, line, f"{name!r} stands in an earlier line too; left out")
        else:
            if metadata.objects is None and (column := ObjectColumn.find(row)):
                metadata = found.metadata[number] = replace(metadata, objects=column)
            found.slots[name] = len(found.slots)
            found.rows.add(found.slots[name], [number, line, row])
            _note(row, metadata, line, found)
    return None


def _note(row: Row, metadata: Metadata, line: int, found: _Found) -> None:
    """Remember classes and masks of a row."""
    if (label := row.get(LABEL)) not in (None, ""):
        found.classes.add(str(label))
    if metadata.objects is not None and len(found.classes) < _MOST_CLASSES:
        objects, _ = metadata.objects.read(row, None)
        found.classes |= {one.category for one in objects}
    name = row.get(metadata.mask) if metadata.mask else None
    mask = resolve(name, metadata.folder)
    if mask is not None:
        found.masks.add(mask)
    elif name:
        found.say(metadata.key, line, _outside(name))


def _outside(name: Any) -> str:
    return f"{str(name)[:_SHOWN]!r} lies outside of the dataset; left out"


def _compare(
    survey: Survey, storage: Storage, found: _Found
) -> tuple[Counter[str], list[str], list[str]]:
    """Return the images by split, the files that are missing, and those not listed."""
    missing, unlisted = set(found.slots), []
    images: Counter[str] = Counter()
    for entry in storage.list(on_skip=leave_unsaid):
        if is_hidden(entry.key):
            continue
        if entry.key in found.slots:
            missing.discard(entry.key)
        elif survey.is_image(entry.key) and entry.key not in found.masks:
            unlisted.append(entry.key)
        else:
            continue
        images[split_above(entry.key, said=survey.hints.splits) or ""] += 1
    return images, sorted(missing), unlisted


def _notes(found: _Found, missing: list[str], unlisted: list[str]) -> Iterator[str]:
    yield from about(missing, "file is", "files are", "listed in the metadata but missing")
    yield from information(about(unlisted, "image is", "images are", "not listed in the metadata"))
    for key, said in found.problems.items():
        yield from about(said, "line", "lines", f"of {printable(key)} left out or repaired")
