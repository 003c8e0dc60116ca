"""The annotations of a heap in figures: what is missing, wrong, doubled or oddly named, and where.

What a format repairs or leaves out it says itself (`Source.problems`), outside, without area and
the same twice among it; here that is counted by kind, as `variegate inspect` does, and what only
all of the images together can tell is added.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from variegate.annotations.annotation import Object
from variegate.annotations.boxes import Box, around
from variegate.annotations.checks import objects_left_out
from variegate.datasets.inspection.boxes import overlap
from variegate.datasets.inspection.figures import ClassCount, Faults, count_fault, kind_of_problem
from variegate.datasets.prepare.flags import Thresholds
from variegate.formats import Source
from variegate.storage import printable

#: Cells of the map of places, down and across.
CELLS = 16
# Of objects an image: so many counts of their own, the rest together.
MOST_COUNTED = 50
_MOST_CLASSES = 10_000
_MOST_PAIRED = 300
_JOINTS = re.compile(r"[\s_\-]+")


@dataclass(slots=True, kw_only=True)
class LabelAudit:
    """What is known of the annotations.

    Attributes:
        images: that can be read.
        with_objects, with_class: of them, with objects; with a class of their own, or a mask.
        empty: with an annotation that has nothing in it: nothing is to be seen there.
        missing: without any annotation, though others have one.
        objects: usable ones in these images.
        objects_left_out: that the annotation files hold besides.
        classes: by name.
        objects_an_image: images by number of objects; the last number stands for more, too.
        tiny: objects whose shorter side is below the threshold.
        doubled: pairs of objects of one class that lie on each other.
        places: CELLS x CELLS, rows from above: how many objects have their middle there.
        findings: what may be wrong, by kind, with examples.
        names: class names that may be one: differing by case, blanks or a plural.
    """

    images: int = 0
    with_objects: int = 0
    with_class: int = 0
    empty: int = 0
    missing: int = 0
    objects: int = 0
    objects_left_out: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    objects_an_image: dict[int, int] = field(default_factory=dict)
    tiny: int = 0
    doubled: int = 0
    places: list[list[int]] = field(default_factory=lambda: [[0] * CELLS for _ in range(CELLS)])
    findings: Faults = field(default_factory=dict)
    names: Faults = field(default_factory=dict)


class LabelCounter:
    """Counts annotations, image by image.

    Args:
        thresholds: from where on an object is tiny, and two are one.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._found = LabelAudit()
        self._counts: Counter[int] = Counter()
        self._without: Faults = {}

    def problems(self, source: Source) -> None:
        """Take what was wrong with an annotation, whatever became of its image."""
        for problem in source.problems:
            place, _, words = problem.partition(": ")
            count_fault(self._found.findings, kind_of_problem(words or place), problem)
            self._found.objects_left_out += objects_left_out(problem)

    def add(self, source: Source, size: tuple[int, int]) -> None:
        """Take an image.

        Args:
            source: as its format understands it.
            size: (height, width), upright.
        """
        found, annotation = self._found, source.annotation
        found.images += 1
        objects = annotation.objects if annotation else ()
        masked = annotation is not None and annotation.mask_file is not None
        name = printable(source.key)
        if objects:
            found.with_objects += 1
        elif source.shares or masked:
            found.with_class += 1
        elif annotation is not None and not annotation.extra.get("no_file"):
            found.empty += 1
            count_fault(self._without, "images with an empty annotation", name)
        else:
            found.missing += 1
            count_fault(self._without, "images without an annotation", name)
        self._counts[min(len(objects), MOST_COUNTED)] += 1
        found.objects += len(objects)
        for category in {*source.shares, *(one.category for one in objects)}:
            self._class(category).images += 1
        boxes = [_box(one) for one in objects]
        for one, box in zip(objects, boxes, strict=True):
            self._class(one.category).objects += 1
            if box is not None:
                self._place(box, size)
                self._look(name, one, box)
        self._pairs(name, objects, boxes)

    def result(self) -> LabelAudit | None:
        """Return what was found; None where there is no annotation, no class and no fault."""
        found = self._found
        if not (found.classes or found.findings or found.with_class or found.empty):
            return None
        found.objects_an_image = dict(sorted(self._counts.items())) if found.objects else {}
        found.findings = {**self._without, **found.findings}
        for kind, example in _alike(found.classes):
            count_fault(found.names, kind, example)
        found.findings = dict(sorted(found.findings.items(), key=lambda item: -item[1].count))
        ordered = sorted(
            found.classes.items(), key=lambda item: (-item[1].images, -item[1].objects, item[0])
        )
        found.classes = dict(ordered)
        return found

    def _class(self, name: str) -> ClassCount:
        known = self._found.classes
        if name not in known and len(known) >= _MOST_CLASSES:
            return ClassCount()
        return known.setdefault(name, ClassCount())

    def _place(self, box: Box, size: tuple[int, int]) -> None:
        height, width = size
        column, row = (box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height
        if 0 <= column <= 1 and 0 <= row <= 1:
            at = (min(CELLS - 1, int(row * CELLS)), min(CELLS - 1, int(column * CELLS)))
            self._found.places[at[0]][at[1]] += 1

    def _look(self, name: str, one: Object, box: Box) -> None:
        shorter = min(box[2] - box[0], box[3] - box[1])
        if shorter < self._thresholds.tiny_object:
            self._found.tiny += 1
            what = f"{name}: {printable(one.category)}, {_sides(box)} pixels"
            count_fault(self._found.findings, "tiny objects", what)

    def _pairs(self, name: str, objects: Iterable[Object], boxes: list[Box | None]) -> None:
        by_class: dict[str, list[Box]] = {}
        for one, box in zip(objects, boxes, strict=True):
            if box is not None:
                by_class.setdefault(one.category, []).append(box)
        for category, same in by_class.items():
            # Of a crowd only the first are compared with each other.
            for first, second in combinations(same[:_MOST_PAIRED], 2):
                shared = overlap(first, second)
                if shared >= self._thresholds.doubled:
                    self._found.doubled += 1
                    what = f"{name}: two {printable(category)}, overlap {shared:.0%}"
                    count_fault(self._found.findings, "objects that lie on each other", what)


def _box(one: Object) -> Box | None:
    return one.box or (around(one) if one.polygons or one.rle is not None or one.corners else None)


def _sides(box: Box) -> str:
    return f"{box[2] - box[0]:.3g} x {box[3] - box[1]:.3g}"


def _alike(classes: dict[str, ClassCount]) -> Iterator[tuple[str, str]]:
    """Yield names of classes that may be one, or none, by what distinguishes them."""
    groups: dict[str, list[str]] = {}
    for name in sorted(classes):
        if not name.strip():
            yield "blank class names", f"{name!r}: {_count(classes[name])}"
        else:
            groups.setdefault(_singular(_JOINTS.sub(" ", name).strip().casefold()), []).append(name)
    for names in groups.values():
        if len(names) < 2:
            continue
        spaced = {_JOINTS.sub(" ", one).strip() for one in names}
        lower = {one.casefold() for one in spaced}
        kind = "blanks" if len(spaced) == 1 else "case" if len(lower) == 1 else "a plural"
        told = ", ".join(f"{one!r} ({_count(classes[one])})" for one in names)
        yield f"class names that differ by {kind}", told


def _singular(name: str) -> str:
    """Return a name without a plural's end: what is compared, and never shown."""
    for end, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if name.endswith(end) and len(name) > len(end) + 1:
            return name.removesuffix(end) + singular
    return name.removesuffix("s") if len(name) > 3 and not name.endswith("ss") else name


def _count(one: ClassCount) -> str:
    return f"{one.objects:,} objects" if one.objects else f"{one.images:,} images"
