"""COCO: JSON files of boxes, outlines, masks, keypoints and captions.

Any number of files, anywhere: `annotations/instances_train2017.json` beside `images/train2017/` or
`train2017/`, `_annotations.coco.json` among the images, one file for all. They are told by their
content. What several files say of one image belongs together. An image that no file lists is
no part of the set.
"""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

from variegate.annotations.annotation import Skeleton
from variegate.annotations.checks import Size
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, Source, named
from variegate.formats.coco.images import ImageReader
from variegate.formats.coco.locate import CocoImages, locate_files
from variegate.formats.coco.read import CocoFile, is_coco, named_categories, read
from variegate.formats.coco.write import OutputFile
from variegate.formats.coco.writer import CocoWriter
from variegate.formats.hints import Hints
from variegate.formats.scan import Survey, is_hidden, leave_unsaid
from variegate.formats.stated_size import SizeEvidence, StatedSize
from variegate.formats.writer import Writer
from variegate.storage import Entry, Storage, printable

# Looked into, the likely ones first; sets with a JSON file for each image are another format.
_MOST_FILES = 64
_LIKELY = re.compile(
    r"(?:^|/)(?:_annotations\.coco|annotations?\b|coco|instances|person|keypoints|captions|"
    r"panoptic|stuff|image_info|labels)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coco(DatasetFormat):
    """What the files say has been read when the format is known, and waits on disk."""

    name: ClassVar[str] = "coco"
    takes: ClassVar[frozenset[str]] = frozenset(("encoding", "images", "pairs"))

    found: CocoImages = field(compare=False, repr=False)
    sizes: SizeEvidence = field(default_factory=SizeEvidence, compare=False, repr=False)
    url: str

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        if not survey.others[".json"]:
            return NotThisFormat("there is no .json file")
        encoding = survey.hints.encoding
        keys = [key for key in _candidates(storage) if is_coco(storage, key, encoding)]
        if not keys:
            return NotThisFormat("no .json file is a COCO file")
        files = [read(storage, key, survey.hints.splits, encoding) for key in sorted(keys)]
        found = locate_files(storage, survey, files)
        if not found.images:
            names = named(file.key for file in files)
            return NotThisFormat(
                f"none of the images that {names} lists is there{_example(files)}; name the folder "
                "that holds both the file and the images, say where in it these are with "
                "--images DIR",
                noteworthy=True,
                annotated=any(len(file.annotations) for file in files),
            )
        splits = Counter(found.split(key) or "" for key in found.images)
        return cls(
            classes=tuple(dict.fromkeys(name for file in files for name in file.names.values())),
            images=splits,
            notes=tuple(found.notes()),
            skeletons=_skeletons(files, survey.hints),
            found=found,
            url=storage.url,
        )

    @property
    def heading(self) -> str:
        first, *others = self.found.files
        more = f" and {len(others)} more" if others else ""
        return f"COCO ({printable(first.file.key)}{more})"

    def split(self, key: str) -> str | None:
        return self.found.split(key) if key in self.found.images else None

    def source(self, entry: Entry, storage: Storage) -> Source:
        key, skip = entry.key, None
        if key in self.found.images:
            return self._image(entry, storage)
        for one in self.found.files:
            if one.file.key == key:
                problems = tuple(one.problems())
                return Source(key, entry.size, skip="a label file", problems=problems)
        if any(one.masks and key.startswith(one.masks) for one in self.found.files):
            skip = "a mask"
        elif self.found.is_image(key) and not is_hidden(key):
            skip = "not listed in the COCO files"
        return Source(key, entry.size, skip=skip)

    def _image(self, entry: Entry, storage: Storage) -> Source:
        key, image = entry.key, self._read(entry.key)
        settled = self.sizes.settled(
            storage, key, image.stated, claim=lambda: self._stated(key), others=self._all_stated
        )
        if settled.size != image.stated:
            image = self._read(key, lambda _: settled.size)
            image.stated = settled.size
        if settled.problem:
            image.problems.insert(0, f"{image.where}: {settled.problem}")
        splits = self.found.splits(key)
        unusable = image.unusable or settled.unusable
        if len(splits) > 1:
            unusable = f"listed in several splits: {', '.join(splits)}"
        return Source(
            key,
            entry.size,
            self.found.split(key),
            annotation=image.annotation(),
            problems=tuple(image.problems),
            unusable=unusable,
        )

    def _read(
        self, key: str, read_as: Callable[[Size | None], Size | None] = lambda size: size
    ) -> ImageReader:
        image = ImageReader(read_as)
        for number, place in self.found.images[key]:
            image.add(self.found.files[number].reader, place)
        return image

    def _stated(self, key: str) -> StatedSize | None:
        """Return what the files say of an image's size."""
        return StatedSize.of(key, self._read(key, lambda _: None).annotation())

    def _all_stated(self) -> Iterator[StatedSize]:
        return filter(None, map(self._stated, self.found.images))

    def writer(self) -> Writer:
        files = tuple(
            OutputFile(
                key=one.file.key,
                kind=one.file.kind,
                split=one.file.split,
                images=one.found.folder,
                masks=one.masks,
                head=one.file.head,
                standard=one.file.standard,
            )
            for one in self.found.files
        )
        images, annotations = zip(*(one.file.largest for one in self.found.files), strict=True)
        return CocoWriter(
            classes=self.classes,
            skeletons=self.skeletons,
            files=files,
            next_image=max(images) + 1,
            next_annotation=max(annotations) + 1,
        )


def _example(files: list[CocoFile]) -> str:
    """Return the first of the names, for a message."""
    names = (name for file in files for name in file.files if name)
    return f", such as {first!r}" if (first := next(names, None)) else ""


def _candidates(storage: Storage) -> list[str]:
    """Return the files that may be COCO's: those with a likely name, then the largest."""
    listed = (
        (_LIKELY.search(entry.key.lower()) is None, -entry.size, entry.key)
        for entry in storage.list(on_skip=leave_unsaid)
        if entry.key.lower().endswith(".json") and not is_hidden(entry.key)
    )
    return [key for _, _, key in heapq.nsmallest(_MOST_FILES, listed)]


def _skeletons(files: list[CocoFile], hints: Hints) -> Mapping[str, Skeleton]:
    found: dict[str, Skeleton] = {}
    for file in files:
        for one in named_categories(file.head):
            names = one.get("keypoints")
            if isinstance(names, list) and names and all(isinstance(n, str) for n in names):
                edges = tuple(_edges(one.get("skeleton"), len(names)))
                found.setdefault(one["name"], Skeleton.of(tuple(names), edges, given=hints.pairs))
    for file in files:
        for identity, count in file.points.items():
            name = file.names.get(file.respelled.get(identity, identity))
            if name is not None and count:
                # Without names; they are called by their numbers.
                names = tuple(map(str, range(count)))
                found.setdefault(name, Skeleton.of(names, given=hints.pairs))
    if hints.pairs:
        hints.check_pairs(chain.from_iterable(one.names for one in found.values()))
    return found


def _edges(raw: object, points: int) -> Iterator[tuple[int, int]]:
    """Yield the edges, counted from 0, that join two of the points; COCO counts from 1."""
    for pair in raw if isinstance(raw, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair):
            start, end = pair
            if 1 <= start <= points and 1 <= end <= points:
                yield start - 1, end - 1
