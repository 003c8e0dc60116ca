"""What a dataset is: its format, its classes, its labels in figures, and what is wrong with it.

One pass over the sources, as they are read; eight bytes are kept for each object.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import Limits
from variegate.errors import ImageError, InputError
from variegate.formats import NO_HINTS, Hints, Source, detect
from variegate.formats.image_size import measure
from variegate.formats.scan import seems_image
from variegate.runs.file_notes import depth_notes, gray_levels
from variegate.storage import Snapshot, Storage, open_storage

# Areas, pixels, below which COCO's evaluation calls an object small and medium.
SMALL, MEDIUM = 32**2, 96**2

# Images whose headers are read where no annotation tells their size.
_PROBED = 300
_EXAMPLES = 3
# Images of more than 8 bits that are decoded to count what is left of their gray levels.
_DECODED = 50
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How numbers are spread: the least, three quartiles, the greatest."""

    least: float
    lower: float
    median: float
    upper: float
    greatest: float

    @classmethod
    def of(cls, numbers: npt.ArrayLike) -> "Spread | None":
        """Return the spread of some numbers, or None of none."""
        values = np.asarray(numbers, np.float64)
        if not values.size:
            return None
        least, lower, median, upper, greatest = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
        return cls(least=least, lower=lower, median=median, upper=upper, greatest=greatest)


@dataclass(slots=True, kw_only=True)
class ClassCount:
    """How often a class comes.

    Attributes:
        objects: of the class.
        images: that show it, or are of it as a whole.
    """

    objects: int = 0
    images: int = 0


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Attributes:
        count: how often it was found.
        examples: the first of them, each with its place.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        place: of the dataset.
        format: its name, as `--format` and `--to` take it.
        description: how it was recognised, a sentence.
        notes: what else should be known.
        images: how many, by split ("" for none).
        labelled: how many of them have a label.
        objects: how many there are.
        classes: by name, in the dataset's order.
        kinds: how many objects or images have each kind of label.
        objects_a_image, sides, aspects, heights, widths: spreads; sides are square roots of
            boxes' areas in pixels, aspects width over height.
        small, medium, large: shares of the objects, by COCO's limits.
        sizes_of: by how many images heights and widths were judged.
        others: files that are no images of the set, by what they are.
        quarantined: images that cannot be used, by reason.
        problems: faults in annotations, by kind.
        deep: images of more than 8 bits; results have 8.
    """

    place: str
    format: str
    description: str
    notes: tuple[str, ...] = ()
    images: dict[str, int] = field(default_factory=dict)
    labelled: int = 0
    objects: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    objects_a_image: Spread | None = None
    sides: Spread | None = None
    aspects: Spread | None = None
    heights: Spread | None = None
    widths: Spread | None = None
    small: float = 0.0
    medium: float = 0.0
    large: float = 0.0
    sizes_of: int = 0
    others: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, Fault] = field(default_factory=dict)
    problems: dict[str, Fault] = field(default_factory=dict)
    deep: int = 0


def inspect(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look through a dataset; nothing is written.

    Args:
        source: a folder, zip or tar file, or bucket.
        format: its name; None to detect it.
        label_pattern: regular expression with a group "label", for labels in file names.
        hints: what cannot be told from the files of the dataset.
        on_progress: told how many images of how many were looked at.

    Raises:
        InputError: there are no images, or their format is unknown.
    """
    with Snapshot(open_storage(source)) as storage:
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
        look = _Pass(storage, inspection, limits, every=max(1, total // _PROBED))
        for one in found.sources(storage):
            look.add(one)
            if on_progress:
                on_progress(min(look.count, total), total)
    return look.result()


class _Pass:
    """The pass over the sources: counts into an inspection."""

    def __init__(self, storage: Storage, found: Inspection, limits: Limits, *, every: int) -> None:
        self._storage = storage
        self._limits = limits
        self._levels: list[int] = []
        self._found = found
        self._every = every
        self.count = 0
        self._images: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._known = tuple(found.classes)
        self._sides, self._aspects = array("f"), array("f")
        self._crowds, self._heights, self._widths = array("l"), array("l"), array("l")

    def add(self, source: Source) -> None:
        """Take the next source."""
        for problem in source.problems:
            place, _, words = problem.partition(": ")
            _note(self._found.problems, words or place, problem)
        if source.skip is not None or not self._is_image(source):
            self._others[source.skip or "no images"] += 1
            return
        if source.unusable is not None:
            _note(self._found.quarantined, source.unusable, f"{source.key}: {source.unusable}")
            return
        self.count += 1
        self._images[source.split or ""] += 1
        annotation = source.annotation or Annotation()
        self._sized(source, annotation)
        self._measure_depth(source)
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

    def _is_image(self, source: Source) -> bool:
        """Say whether a file promises an image; one without an extension has to be one."""
        if "." in source.key.rpartition("/")[2] or source.annotation is not None:
            return seems_image(source.key)
        try:
            measure(self._storage, source.key)
        except (ImageError, InputError):
            return False
        return True

    def _object(self, one: Object) -> None:
        self._found.classes.setdefault(one.category, ClassCount()).objects += 1
        for kind in _kinds(one):
            self._kinds[kind] += 1
        if one.box is not None:
            width, height = one.box[2] - one.box[0], one.box[3] - one.box[1]
            if width > 0 < height:
                self._sides.append((width * height) ** 0.5)
                self._aspects.append(width / height)

    def _sized(self, source: Source, annotation: Annotation) -> None:
        size = annotation.size
        if size is None and (self.count - 1) % self._every == 0:
            try:
                size = measure(self._storage, source.key).size
            except (ImageError, InputError) as error:
                _note(self._found.quarantined, str(error), f"{source.key}: {error}")
                return
        if size is not None:
            self._heights.append(size[0])
            self._widths.append(size[1])

    def _measure_depth(self, source: Source) -> None:
        try:
            if measure(self._storage, source.key).bits <= 8:
                return
            self._found.deep += 1
            if len(self._levels) < _DECODED:
                data = self._storage.read(source.key, limit=self._limits.max_bytes)
                self._levels.append(gray_levels(data, self._limits))
        except (ImageError, InputError) as error:
            _note(self._found.quarantined, str(error), f"{source.key}: {error}")

    def result(self) -> Inspection:
        """Write down what was found."""
        found = self._found
        order = ("train", "val", "test", "")
        found.images = {one: self._images[one] for one in order if self._images[one]}
        # Those that the dataset does not declare come behind, whatever the order of the images.
        names = dict.fromkeys((*self._known, *sorted(found.classes)))
        found.classes = {name: found.classes[name] for name in names}
        found.kinds = {kind: count for kind, count in self._kinds.items() if count}
        if found.objects:
            found.objects_a_image = Spread.of(self._crowds)
        found.sides, found.aspects = Spread.of(self._sides), Spread.of(self._aspects)
        found.heights, found.widths = Spread.of(self._heights), Spread.of(self._widths)
        found.sizes_of = len(self._heights)
        if len(self._sides):
            areas = np.asarray(self._sides, np.float64) ** 2
            found.small = float(np.mean(areas < SMALL))
            found.large = float(np.mean(areas >= MEDIUM))
            found.medium = 1 - found.small - found.large
        found.others = dict(self._others)
        found.notes += tuple(depth_notes(found.deep, self.count, self._levels))
        found.problems = dict(sorted(found.problems.items(), key=lambda item: -item[1].count))
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


def _note(kinds: dict[str, Fault], words: str, example: str) -> None:
    """Count a fault among those of its kind: names and numbers in it do not make another."""
    problem = kinds.setdefault(_QUOTED.sub("...", words), Fault())
    problem.count += 1
    if len(problem.examples) < _EXAMPLES:
        problem.examples.append(example)
