"""The images of a training: by split, with their classes, looked at once before it begins."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from variegate.annotations.sample import Image
from variegate.codecs import Limits, decode
from variegate.datasets.inspection.figures import Faults, count_fault, kind_of_problem
from variegate.datasets.prepare.channel_sums import ChannelSums
from variegate.datasets.prepare.leaks import LeakOptions, LeakReport, leaks
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.split_table import placed
from variegate.datasets.prepare.threads import worked_on
from variegate.errors import ImageError, InputError
from variegate.formats import DatasetFormat, Source, detect
from variegate.formats.base import counted, named
from variegate.storage import Snapshot, Storage, key_to_text, open_storage, printable
from variegate.training.options import TrainingRun

TRAIN, VALIDATION, TEST = "train", "val", "test"
PARTS = (TRAIN, VALIDATION, TEST)
# A side of fewer pixels shows next to nothing once it is enlarged.
_LEAST_SIDE = 8
_LEAST_DEVIATION = 1 / 255
_FEW = 2


@dataclass(slots=True, kw_only=True)
class TrainingImages:
    """What is learned from.

    Attributes:
        place: of the dataset.
        dataset_format: in which it is.
        classes: names, in the order of the model's answers.
        sources: those that can be used, by split.
        mean, std: of the channels of train, from 0 to 1.
        digest: of names, classes, splits and bytes.
        left_out: images that cannot be used, by reason.
        notes: what should be known.
    """

    place: str
    dataset_format: DatasetFormat
    classes: tuple[str, ...]
    sources: dict[str, tuple[Source, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    left_out: Faults = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> dict[str, int]:
        """Number by class."""
        return {name: number for number, name in enumerate(self.classes)}

    def labels(self, part: str) -> np.ndarray:
        """Return (N,) the numbers of the classes of a split's images."""
        numbers = self.numbers
        return np.array([numbers[class_of(one)] for one in self.sources[part]], np.int64)

    @property
    def held_out(self) -> str:
        """The split that results are told of: test, where there is one."""
        return TEST if self.sources[TEST] else VALIDATION


def class_of(source: Source) -> str:
    """Return the class of an image that has one."""
    return next(iter(source.shares))


def training_images(
    source: str | Path,
    run: TrainingRun,
    *,
    gray: bool,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> TrainingImages:
    """Read and check the images of a training.

    Args:
        source: a dataset with splits, or one that `run.splits` divides.
        run: how it is read.
        gray: whether the model takes one channel.
        on_progress: told what is looked at, how many of how many.

    Raises:
        InputError: a split is empty or leaks, a class is missing from train, or nothing has one.
    """
    place = str(source)
    limits = run.hints.decoding(run.limits)
    with Snapshot(open_storage(source)) as seen:
        detected = detect(seen, name=run.format, label_pattern=run.label_pattern, hints=run.hints)
        with placed(detected, run.splits, run.fold) as dataset_format:
            _check_splits(place, dataset_format)
            # Before anything is decoded for the figures: a leak ends it all.
            _refuse_leaks(place, run, on_progress)
            # Not the one with the table of splits, which no other process can have.
            taken = _Taken(place, detected)
            every = [one for one in members(dataset_format, seen) if taken.has_class(one)]

    def look(storage: Storage, one: Source) -> "_Look":
        return _look(storage, one, gray=gray and one.split == TRAIN, limits=limits)

    for done, (one, found) in enumerate(worked_on(every, place, look, workers=run.workers), 1):
        taken.add(one, found)
        if on_progress:
            on_progress("images", done, len(every))
    return taken.checked()


@dataclass(frozen=True, slots=True)
class _Look:
    digest: bytes = b""
    size: tuple[int, int] = (0, 0)
    sums: ChannelSums | None = None
    fault: str | None = None


def _look(storage: Storage, source: Source, *, gray: bool, limits: Limits) -> _Look:
    try:
        data = storage.read(source.key, limit=limits.max_bytes)
        image = decode(data, limits=limits)
    except (ImageError, InputError) as error:
        return _Look(fault=str(error).removeprefix(f"{storage.place(source.key)}: "))
    sums = ChannelSums.of(_as_gray(image) if gray else image) if source.split == TRAIN else None
    return _Look(hashlib.sha256(data).digest(), (image.shape[0], image.shape[1]), sums)


def _as_gray(image: Image) -> Image:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


class _Taken:
    """The images that are taken, one after another, and what the others are missing."""

    def __init__(self, place: str, dataset_format: DatasetFormat) -> None:
        self._place, self._format = place, dataset_format
        self._sources: dict[str, list[Source]] = {part: [] for part in PARTS}
        self._counts = {part: Counter[str]() for part in PARTS}
        self._left_out: Faults = {}
        self._tiny: list[str] = []
        self._sums = ChannelSums()
        self._digest = hashlib.sha256()

    def has_class(self, source: Source) -> bool:
        """Say whether an image is of a split and of exactly one class; count it where not."""
        if source.split not in PARTS:
            reason = "in no split"
        elif not source.shares:
            reason = "no class"
        elif len(source.shares) > 1:
            reason = f"several classes ({named(source.shares)})"
        else:
            return True
        self._leave_out(source, reason)
        return False

    def _leave_out(self, source: Source, reason: str) -> None:
        count_fault(self._left_out, kind_of_problem(reason), f"{printable(source.key)}: {reason}")

    def add(self, source: Source, found: _Look) -> None:
        if found.fault is not None:
            self._leave_out(source, found.fault)
            return
        part, name = str(source.split), class_of(source)
        self._sources[part].append(source)
        self._counts[part][name] += 1
        if min(found.size) < _LEAST_SIDE:
            self._tiny.append(key_to_text(source.key))
        if found.sums is not None:
            self._sums.add(found.sums)
        told = f"{key_to_text(source.key)}\t{part}\t{name}\t".encode("utf-8", "surrogateescape")
        self._digest.update(told + found.digest)

    def checked(self) -> TrainingImages:
        place, counts = printable(self._place), self._counts
        if not any(self._sources.values()):
            raise InputError(
                f"{place}: no image has one class as a whole, which is what a classifier learns; "
                "see variegate inspect, or name the labels with --label-pattern"
            )
        for part in (TRAIN, VALIDATION):
            if not self._sources[part]:
                raise InputError(f"{place}: {part} has no image that can be used; {_REMEDY}")
        known = set(counts[TRAIN])
        for part in (VALIDATION, TEST):
            if missing := sorted(set(counts[part]) - known):
                raise InputError(
                    f"{place}: class {named(missing)} is in {part} and not in train, so that it "
                    f"can never be right; {_REMEDY}"
                )
        if len(known) < 2:
            raise InputError(
                f"{place}: expected images of at least two classes, all are {named(known)}"
            )
        order = {name: number for number, name in enumerate(self._format.classes)}
        classes = tuple(sorted(known, key=lambda name: (order.get(name, len(order)), name)))
        figures = self._sums.figures
        assert figures is not None
        return TrainingImages(
            place=self._place,
            dataset_format=self._format,
            classes=classes,
            sources={part: tuple(found) for part, found in self._sources.items()},
            mean=tuple(figures.mean),
            # Of images of a single color nothing is left to divide by.
            std=tuple(max(one, _LEAST_DEVIATION) for one in figures.std),
            digest=self._digest.hexdigest()[:16],
            left_out=self._left_out,
            notes=[*self._format.notes, *self._notes(classes)],
        )

    def _notes(self, classes: tuple[str, ...]) -> list[str]:
        notes, counts = [], self._counts
        empty = [name for name in self._format.classes if name not in classes]
        if empty:
            which = "class" if len(empty) == 1 else "classes"
            notes.append(f"{which} {named(empty)}: no image, left out of the model")
        notes += (
            f"class {name!r}: a single image in train, which is too few to learn it; add images, "
            "or leave the class out"
            for name in classes
            if counts[TRAIN][name] < _FEW
        )
        unseen = [name for name in classes if not counts[VALIDATION][name]]
        if unseen:
            notes.append(f"no image in val of {named(unseen)}: what is learned of it is not seen")
        if self._tiny:
            images = counted(len(self._tiny), "image has", "images have")
            notes.append(
                f"{images} a side of less than {_LEAST_SIDE} pixels ({named(self._tiny, most=2)}) "
                "and show next to nothing once enlarged"
            )
        return notes


_REMEDY = (
    "divide the images with variegate split SET --csv split.csv, and train with --splits split.csv"
)


def _check_splits(place: str, dataset_format: DatasetFormat) -> None:
    for part in (TRAIN, VALIDATION):
        if not dataset_format.images.get(part):
            there = ", ".join(dataset_format.splits) or "none"
            raise InputError(
                f"{printable(place)}: no images in {part} (its splits: {there}); {_REMEDY}"
            )


def _refuse_leaks(
    place: str, run: TrainingRun, on_progress: Callable[[str, int, int], None] | None
) -> None:
    """Make sure that nothing is on two sides.

    Raises:
        InputError: something is.
    """

    def on_compared(done: int, total: int) -> None:
        if on_progress:
            on_progress("images compared", done, total)

    report = leaks(
        place,
        options=LeakOptions(
            format=run.format,
            label_pattern=run.label_pattern,
            hints=run.hints,
            limits=run.limits,
            group=run.group,
            splits=run.splits,
            fold=run.fold,
            workers=run.workers,
        ),
        on_progress=on_compared,
    )
    if report.leaks:
        raise InputError(f"{printable(place)}: {_told(report)}; {_REMEDY}")


def _told(report: LeakReport) -> str:
    worst = next(one for one in report.grades if one.count)
    files = [f"{part}: {names[0]}" for part, names in worst.examples[0].files.items()]
    sets = counted(report.leaks, "set of images is", "sets of images are")
    return (
        f"the split leaks: {sets} on two sides, such as {', '.join(files)} ({worst.grade}); a "
        "result of it would mean nothing"
    )
