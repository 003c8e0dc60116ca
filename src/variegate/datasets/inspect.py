"""What a dataset is: its format, its classes, its labels in figures, and what may be wrong with it.

One pass over the sources, as they are read; eight bytes are kept in memory for each object.
"""

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import objects_left_out
from variegate.annotations.rules import LabelRule
from variegate.codecs import Limits
from variegate.datasets.inspection.boxes import disagree, outlined, overlap
from variegate.datasets.inspection.copies import CopyFinder
from variegate.datasets.inspection.figures import (
    ClassCount,
    Fault,
    Faults,
    Inspection,
    Spread,
    count_fault,
    kind_of_problem,
)
from variegate.datasets.inspection.headers import HeaderCounter
from variegate.datasets.inspection.looks import (
    ImageLook,
    Look,
    Looker,
    MaskLook,
    Task,
    looked_at,
)
from variegate.datasets.inspection.masks import MaskCounter
from variegate.datasets.inspection.scope import checked, not_checked
from variegate.datasets.inspection.strays import count_stray
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.formats.scan import seems_image
from variegate.runs.annotate import AnnotationWriter
from variegate.storage import Snapshot, Storage, open_storage, printable
from variegate.storage.local import LocalStorage

__all__ = ["ClassCount", "Fault", "Faults", "Inspection", "Spread", "inspect"]

# Areas, pixels, below which COCO's evaluation calls an object small and medium.
SMALL, MEDIUM = 32**2, 96**2

# A store answers each request late, but many at a time.
_REMOTE_THREADS = 16
_MOST_DECODING = 8


def inspect(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
    decode: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look through a dataset; nothing is written.

    Args:
        source: a folder, zip or tar file, or bucket.
        format: its name; None to detect it.
        label_pattern: regular expression with a group "label", for labels in file names.
        hints: what cannot be told from the files of the dataset.
        decode: decode every image and try its annotation on it, as a run does, instead of reading
            its header alone.
        on_progress: told how many images of how many were looked at.

    Raises:
        InputError: there are no images, or their format is unknown.
    """
    inner = open_storage(source)
    with Snapshot(inner) as storage, closing(CopyFinder()) as copies:
        found = detect(storage, name=format, label_pattern=label_pattern, hints=hints)
        total = sum(found.images.values())
        inspection = Inspection(
            place=str(source),
            format=found.name,
            description=found.description,
            notes=found.notes,
            classes={name: ClassCount() for name in found.classes},
        )
        limits = hints.decoding(Limits())
        annotations = _annotations(found, storage, limits) if decode else None
        looker = Looker(storage, limits, annotations)
        look = _Pass(looker, inspection, copies)
        sources = found.sources(storage, on_skip=look.refused)
        threads = _threads(inner, decode=decode)
        for one, seen in looked_at(sources, look.task_of, threads=threads):
            look.add(one, seen)
            if on_progress and isinstance(seen, ImageLook):
                on_progress(min(look.count, total), total)
        inspection.identical_files = copies.identical(storage, inspection.findings)
        inspection.exports = copies.exports()
        return look.result()


def _annotations(found: DatasetFormat, storage: Storage, limits: Limits) -> AnnotationWriter:
    return AnnotationWriter(LabelRule(), found.writer(), storage, storage, limits)


def _threads(storage: Storage, *, decode: bool) -> int:
    """Return how many threads look at files: several where a storage is known to bear it."""
    if "://" in storage.url:
        return _REMOTE_THREADS
    if decode and type(storage) is LocalStorage:
        return min(_MOST_DECODING, os.cpu_count() or 1)
    return 1


class _Pass:
    """The pass over the sources: counts into an inspection."""

    def __init__(self, look: Looker, found: Inspection, copies: CopyFinder) -> None:
        self._look = look
        self._found = found
        self._copies = copies
        self.count = 0
        self._images: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._known = tuple(found.classes)
        self._headers = HeaderCounter(found, look)
        self._masks = MaskCounter()
        self._left_out: Counter[str] = Counter()
        self._sides, self._aspects = array("f"), array("f")
        self._crowds = array("l")

    def task_of(self, source: Source) -> Task | None:
        """Return how to look at a source, or None where its name says enough."""
        if source.skip is not None:
            return self._look.mask if source.skip.startswith("a mask") else None
        return self._look.image if seems_image(source.key) else None

    def refused(self, key: str, reason: str) -> None:
        """Take a file that the storage does not open: a broken link, a name that leads outside."""
        kind = f"not read: {kind_of_problem(reason)}"
        count_fault(self._found.findings, kind, f"{printable(key)}: {reason}")

    def add(self, source: Source, look: Look) -> None:
        """Take the next source, and what was seen of it."""
        self._problems(source)
        if isinstance(look, MaskLook):
            self._masks.add(printable(source.key), look, self._found.findings)
        if not self._is_image(source, look):
            count_stray(source, self._found)
            return
        self.count += 1
        annotation = source.annotation or Annotation()
        fault = source.unusable
        if isinstance(look, ImageLook):
            fault = fault or look.fault
            if look.header is not None:
                self._headers.add(source, annotation, look)
                self._copies.add(source, look.head)
                self._outlines(source, annotation, look)
            self._found.decoded += fault is None and self._look.annotations is not None
        if fault is not None:
            self._found.objects_quarantined += len(annotation.objects)
            example = f"{printable(source.key)}: {fault}"
            count_fault(self._found.quarantined, kind_of_problem(fault), example)
            return
        self._usable(source, annotation)

    def _problems(self, source: Source) -> None:
        for problem in source.problems:
            place, _, words = problem.partition(": ")
            kind = kind_of_problem(words or place)
            count_fault(self._found.problems, kind, problem)
            if lost := objects_left_out(problem):
                self._left_out[kind] += lost

    def _is_image(self, source: Source, look: Look) -> bool:
        """Say whether a file promises an image; one without an extension has to be one."""
        if source.skip is not None or not seems_image(source.key):
            return False
        named = "." in source.key.rpartition("/")[2] or source.annotation is not None
        return named or (isinstance(look, ImageLook) and look.fault is None)

    def _outlines(self, source: Source, annotation: Annotation, look: ImageLook) -> None:
        for number, box, bounds in outlined(annotation, look.mask_boxes):
            self._found.outlines += 1
            if disagree(box, bounds):
                name = annotation.objects[number].category
                example = (
                    f"{printable(source.key)}: object {number + 1}, {name}: box {_numbers(box)}, "
                    f"outline in {_numbers(bounds)}, overlap {overlap(box, bounds):.0%}"
                )
                kind = "boxes that disagree with the outlines of their objects"
                count_fault(self._found.findings, kind, example)

    def _usable(self, source: Source, annotation: Annotation) -> None:
        self._images[source.split or ""] += 1
        named = set(annotation.labels)
        if source.label is not None:
            named.add(source.label)
        self._kinds["labels of the image"] += bool(named)
        self._kinds["semantic masks"] += annotation.mask_file is not None
        for one in annotation.objects:
            self._object(one)
            named.add(one.category)
        self._found.objects += len(annotation.objects)
        self._crowds.append(len(annotation.objects))
        for name in named:
            self._found.classes.setdefault(name, ClassCount()).images += 1
        self._found.labelled += bool(named) or annotation.mask_file is not None

    def _object(self, one: Object) -> None:
        self._found.classes.setdefault(one.category, ClassCount()).objects += 1
        for kind in _kinds(one):
            self._kinds[kind] += 1
        if one.box is not None:
            width, height = one.box[2] - one.box[0], one.box[3] - one.box[1]
            if width > 0 < height:
                self._sides.append((width * height) ** 0.5)
                self._aspects.append(width / height)

    def result(self) -> Inspection:
        """Write down what was found."""
        found = self._found
        order = ("train", "val", "test", "")
        found.images = {one: self._images[one] for one in order if self._images[one]}
        # Those that the dataset does not declare come behind, whatever the order of the images.
        names = dict.fromkeys((*self._known, *sorted(found.classes)))
        found.classes = {name: found.classes[name] for name in names}
        found.kinds = {kind: count for kind, count in self._kinds.items() if count}
        found.objects_left_out = dict(self._left_out.most_common())
        found.objects_in_files = found.objects + found.objects_quarantined + self._left_out.total()
        if found.objects:
            found.objects_a_image = Spread.of(self._crowds)
        found.sides, found.aspects = Spread.of(self._sides), Spread.of(self._aspects)
        if len(self._sides):
            areas = np.asarray(self._sides, np.float64) ** 2
            found.small = float(np.mean(areas < SMALL))
            found.large = float(np.mean(areas >= MEDIUM))
            found.medium = 1 - found.small - found.large
        self._headers.finish()
        found.masks = self._masks.result()
        for name in ("findings", "problems", "quarantined", "hidden", "side_files"):
            faults: Faults = getattr(found, name)
            setattr(found, name, dict(sorted(faults.items(), key=lambda item: -item[1].count)))
        found.checked = list(checked(found))
        found.not_checked = list(not_checked(found, decoded=self._look.annotations is not None))
        return found


def _kinds(one: Object) -> Iterator[str]:
    if one.box is not None:
        yield "boxes"
    if one.corners is not None:
        yield "oriented boxes"
    if one.polygons is not None:
        yield "polygons"
    if one.rle is not None or one.mask_file is not None:
        yield "masks"
    if one.keypoints is not None:
        yield "keypoints"


def _numbers(box: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in box)
