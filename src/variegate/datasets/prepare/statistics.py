"""A dataset in figures: its classes, its pixels, its sizes, as a whole, by split and by class."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from variegate.codecs import Limits, decode
from variegate.datasets.inspection.figures import (
    ClassCount,
    Faults,
    count_fault,
    kind_of_problem,
)
from variegate.datasets.prepare.channel_sums import ChannelFigures, ChannelSums
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.pixel_counter import KIND, sums_of
from variegate.datasets.prepare.split_table import placed
from variegate.datasets.prepare.threads import worked_on
from variegate.errors import ImageError, InputError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.formats.plain import PlainWriter
from variegate.recipes.recipe import Recipe
from variegate.runs import manifest
from variegate.runs.run import Options, Prepared, Progress, check_options, run, workers_of
from variegate.runs.sources import spool
from variegate.storage import Snapshot, Storage, open_storage, printable

# Upper ends of the bins: the longer side in pixels, and width by height.
_SIDES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_ASPECTS = (0.25, 0.5, 0.667, 0.8, 0.95, 1.05, 1.25, 1.5, 2.0, 4.0)
_MOST_SIZES = 50_000
_SIZES_SHOWN = 10


@dataclass(slots=True, kw_only=True)
class ClassFigures:
    """A class.

    Attributes:
        images: that show it, or are of it as a whole.
        objects: of it.
        share: of the images of the dataset, those that show it.
        by_split: images, by split ("" for none).
        channels: of the pixels of its images.
    """

    images: int
    objects: int
    share: float
    by_split: dict[str, int]
    channels: ChannelFigures | None = None


@dataclass(slots=True, kw_only=True)
class DatasetStatistics:
    """The figures.

    Attributes:
        place, format, description, notes: of the dataset.
        images: by split ("" for none), of those that could be decoded.
        channels: over all pixels.
        by_split: over those of each split.
        classes: by name, in the dataset's order.
        unlabelled: images without a class.
        longest_side: images by their longer side, a bin a range of pixels.
        aspect: images by width over height.
        sizes: the most frequent sizes, "width x height", and how many images have them.
        other_sizes: images of other sizes.
        quarantined: images that cannot be used, by reason.
        normalize: the line for torchvision, of train where there are splits.
    """

    place: str
    format: str
    description: str
    notes: tuple[str, ...] = ()
    images: dict[str, int] = field(default_factory=dict)
    channels: ChannelFigures | None = None
    by_split: dict[str, ChannelFigures] = field(default_factory=dict)
    classes: dict[str, ClassFigures] = field(default_factory=dict)
    unlabelled: int = 0
    longest_side: dict[str, int] = field(default_factory=dict)
    aspect: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    other_sizes: int = 0
    quarantined: Faults = field(default_factory=dict)
    normalize: str | None = None


def stats(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
    limits: Limits | None = None,
    splits: str | Path | None = None,
    fold: int | None = None,
    workers: int | None = None,
    backend: str = "local",
    backend_options: Mapping[str, object] | None = None,
    record: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DatasetStatistics:
    """Decode every image of a dataset once, and count; nothing is written into it.

    Args:
        source: a folder, zip or tar file, or bucket.
        format: its name; None to detect it.
        label_pattern: regular expression with a group "label", for labels in file names.
        hints: what cannot be told from the files of the dataset.
        limits: larger images are left out, and counted.
        splits: a split.csv, instead of the dataset's own splits.
        fold: of folds there, the one for validation.
        workers: threads; 0 for none but this one, None for one a processor.
        backend, backend_options: where the images are decoded; "local" for these threads.
        record: of another back end, a folder or bucket for what its machines found, from which it
            resumes; None for a temporary folder.
        on_progress: told how many images of how many are done.

    Raises:
        InputError: there are no images, their format is unknown, or none can be used.
    """
    limits = hints.decoding(limits or Limits())
    with Snapshot(open_storage(source)) as seen:
        detected = detect(seen, name=format, label_pattern=label_pattern, hints=hints)
        with placed(detected, splits, fold) as dataset_format:
            found = DatasetStatistics(
                place=str(source),
                format=detected.name,
                description=dataset_format.description,
                notes=dataset_format.notes,
            )
            counter = _Counter(found, dataset_format.classes)
            total = sum(dataset_format.images.values())

            def look(storage: Storage, one: Source) -> "_Look":
                return _look(storage, one, limits)

            with ExitStack() as stack:
                if backend == "local" and record is None:
                    sources = members(dataset_format, seen)
                    done = worked_on(sources, str(source), look, workers=workers)
                else:
                    options = Options(
                        format=format,
                        label_pattern=label_pattern,
                        hints=hints,
                        limits=limits,
                        workers=workers,
                        backend=backend,
                        backend_options=backend_options or {},
                    )
                    there = record or stack.enter_context(tempfile.TemporaryDirectory())
                    done = _done_elsewhere(seen, dataset_format, there, options, stack, on_progress)
                for number, (one, result) in enumerate(done, 1):
                    counter.add(one, result)
                    if on_progress:
                        on_progress(min(number, total), total)
    counter.finish()
    if found.channels is None:
        raise InputError(f"{source}: no image can be used; see variegate inspect {source} --decode")
    return found


@dataclass(frozen=True, slots=True)
class _Look:
    sums: ChannelSums | None = None
    size: tuple[int, int] = (0, 0)
    fault: str | None = None


def _done_elsewhere(
    seen: Snapshot,
    dataset_format: DatasetFormat,
    record: str | Path,
    options: Options,
    stack: ExitStack,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[Source, _Look]]:
    """Run a job that counts; yield the images in their order, each with what came out."""
    recipe = Recipe.from_data({"variants": "source"})
    check_options(options)
    listed = spool(seen, dataset_format, recipe, limit=None, on_source=lambda _: None)
    listing = stack.enter_context(listed)
    prepared = Prepared(
        recipe,
        open_storage(seen.url),
        dataset_format,
        listing,
        workers_of(options),
        fresh=PlainWriter(),
        kind=KIND,
    )

    def tell(one: Progress) -> None:
        if on_progress:
            on_progress(one.counts.sources, one.total)

    run(prepared, record, options, on_progress=tell)
    rows = manifest.rows(open_storage(record))
    for row, source in zip(rows, listing.sources(), strict=True):
        if row.operations:
            yield source, _Look(*sums_of(row))
        elif row.status == "quarantined":
            yield source, _Look(fault=row.reason or "")


def _look(storage: Storage, source: Source, limits: Limits) -> _Look:
    try:
        image = decode(storage.read(source.key, limit=limits.max_bytes), limits=limits)
    except (ImageError, InputError) as error:
        return _Look(fault=str(error).removeprefix(f"{storage.place(source.key)}: "))
    return _Look(ChannelSums.of(image), (image.shape[0], image.shape[1]))


class _Counter:
    """Counts into the figures."""

    def __init__(self, found: DatasetStatistics, known: tuple[str, ...]) -> None:
        self._found, self._known = found, known
        self._whole = ChannelSums()
        self._by_split: dict[str, ChannelSums] = {}
        self._by_class: dict[str, ChannelSums] = {}
        self._counts: dict[str, ClassCount] = {}
        self._class_splits: dict[str, Counter[str]] = {}
        self._sides, self._aspects = Counter[int](), Counter[int]()
        self._sizes = Counter[tuple[int, int]]()

    def add(self, source: Source, look: _Look) -> None:
        """Take the next image."""
        if look.sums is None:
            fault = look.fault or ""
            example = f"{printable(source.key)}: {fault}"
            count_fault(self._found.quarantined, kind_of_problem(fault), example)
            return
        split = source.split or ""
        self._whole.add(look.sums)
        self._by_split.setdefault(split, ChannelSums()).add(look.sums)
        self._add_size(*look.size)
        objects = source.annotation.objects if source.annotation else ()
        for one in objects:
            self._counts.setdefault(one.category, ClassCount()).objects += 1
        names = {*source.shares, *(one.category for one in objects)}
        self._found.unlabelled += not names
        for name in names:
            self._counts.setdefault(name, ClassCount()).images += 1
            self._by_class.setdefault(name, ChannelSums()).add(look.sums)
            self._class_splits.setdefault(name, Counter())[split] += 1

    def _add_size(self, height: int, width: int) -> None:
        self._sides[_bin(max(height, width), _SIDES)] += 1
        self._aspects[_bin(width / height, _ASPECTS)] += 1
        if (width, height) in self._sizes or len(self._sizes) < _MOST_SIZES:
            self._sizes[width, height] += 1
        else:
            self._found.other_sizes += 1

    def finish(self) -> None:
        """Write down what was counted."""
        found = self._found
        order = ("train", "val", "test", "")
        splits = [one for one in order if one in self._by_split]
        found.images = {one: self._by_split[one].images for one in splits}
        found.channels = self._whole.figures
        for one in splits:
            if one and (figures := self._by_split[one].figures):
                found.by_split[one] = figures
        best = found.by_split.get("train", found.channels)
        found.normalize = None if best is None else best.normalize
        for name in dict.fromkeys((*self._known, *sorted(self._counts))):
            count = self._counts.get(name, ClassCount())
            by_split = self._class_splits.get(name, Counter())
            found.classes[name] = ClassFigures(
                images=count.images,
                objects=count.objects,
                share=count.images / max(1, self._whole.images),
                by_split={one: by_split[one] for one in splits},
                channels=self._by_class.get(name, ChannelSums()).figures,
            )
        found.longest_side = _histogram(self._sides, _SIDES)
        found.aspect = _histogram(self._aspects, _ASPECTS)
        ranked = sorted(self._sizes.items(), key=lambda item: (-item[1], item[0]))
        found.sizes = {f"{w} x {h}": count for (w, h), count in ranked[:_SIZES_SHOWN]}
        found.other_sizes += sum(count for _, count in ranked[_SIZES_SHOWN:])


def _bin(value: float, ends: tuple[float, ...]) -> int:
    return next((number for number, end in enumerate(ends) if value <= end), len(ends))


def _histogram(counts: Counter[int], ends: tuple[float, ...]) -> dict[str, int]:
    """Return counts by range, from the first to the last that has any."""
    names = [f"to {ends[0]:g}"]
    names += [f"{low:g} to {high:g}" for low, high in itertools.pairwise(ends)]
    names += [f"over {ends[-1]:g}"]
    numbers = range(min(counts), max(counts) + 1) if counts else range(0)
    return {names[number]: counts[number] for number in numbers}
