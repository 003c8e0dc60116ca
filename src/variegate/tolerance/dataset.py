"""Tolerance of a model on a dataset: its images are decoded as they are needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from variegate.annotations.sample import Sample
from variegate.codecs import Limits, decode
from variegate.errors import ImageError, InputError, UsageError, did_you_mean
from variegate.formats import NO_HINTS, Hints, Source, detect
from variegate.models.predictors.base import Predictor
from variegate.seeding import generator
from variegate.storage import Snapshot, Storage, open_storage, printable
from variegate.tolerance.cells import Sources
from variegate.tolerance.log import AnswerLog
from variegate.tolerance.question import (
    ClassDifference,
    ErrorFunction,
    Examiner,
    Expectation,
    expected_class,
)
from variegate.tolerance.result import Tolerance
from variegate.tolerance.run import SearchOptions, SearchProgress, Subjects, search_tolerance

#: Images that are asked as they are, at most; the search itself uses fewer.
MOST_IMAGES = 2000


@dataclass(frozen=True)
class ImageChoice:
    """Which images of a dataset are asked.

    Attributes:
        format, label_pattern, hints: as for `inspect`.
        split: only this one; None for all.
        limit: at most this number, chosen at random.
        metamorphic: compare with what the model says to the image as it is, without labels.
    """

    format: str | None = None
    label_pattern: str | None = None
    hints: Hints = NO_HINTS
    split: str | None = None
    limit: int = MOST_IMAGES
    metamorphic: bool = False


def search_dataset(
    source: str | Path,
    predictor: Predictor,
    *,
    choice: ImageChoice = ImageChoice(),
    options: SearchOptions = SearchOptions(),  # noqa: B008 - frozen
    error: ErrorFunction | None = None,
    log: Path | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
) -> Tolerance:
    """Search the tolerance of a model on the images of a dataset.

    Args:
        source: a folder, zip or tar file, or bucket.
        predictor: the model.
        choice: which images.
        options: what is searched.
        error: how answers are measured; whether the class is right where none is given.
        log: file of answers, so that a search that was killed continues.
        on_progress: told after every batch.

    Raises:
        InputError: there are no images that can be used.
        UsageError: labels and the model's classes do not fit together, or too few are right.
    """
    if predictor.task != "classification" and error is None:
        raise UsageError(f"tolerance of a model for {predictor.task} needs an error function")
    limits = choice.hints.decoding(Limits())
    with Snapshot(open_storage(source)) as storage, AnswerLog(log) as answers:
        listed, notes = _listed(storage, choice, options.seed)
        every = Sources(
            len(listed),
            lambda n: Sample(
                decode(storage.read(listed[n].key, limit=limits.max_bytes), limits=limits)
            ),
        )
        numbers = _usable(every, listed, notes)
        usable = [listed[number] for number in numbers]
        expected = None if choice.metamorphic else _expected(usable, predictor)
        sources = every.restricted(numbers)
        keys = [printable(one.key) for one in usable]
        names = ["" if choice.metamorphic else _label(one) or "" for one in usable]
        examiner = Examiner(predictor, error or ClassDifference(), sources, answers)
        found = search_tolerance(
            examiner,
            Subjects(keys, expected, names),
            options,
            dataset=str(source),
            on_progress=on_progress,
        )
    return found.model_copy(update={"notes": (*notes, *found.notes)})


def _listed(storage: Storage, choice: ImageChoice, seed: int) -> tuple[list[Source], list[str]]:
    """Return a random choice of the images, of the same memory whatever their number."""
    found = detect(
        storage, name=choice.format, label_pattern=choice.label_pattern, hints=choice.hints
    )
    rng = generator(seed, "tolerance", "images")
    kept = list[tuple[float, Source]]()
    total, unlabelled, trained = 0, 0, 0
    for one in found.sources(storage):
        if not one.seems_usable or (choice.split and one.split != choice.split):
            continue
        if not choice.metamorphic and _label(one) is None:
            unlabelled += 1
            continue
        total += 1
        trained += one.split == "train"
        kept.append((float(rng.random()), one))
        if len(kept) >= 2 * choice.limit:
            kept = sorted(kept, key=lambda pair: pair[0])[: choice.limit]
    if not kept:
        where = f"in the split {choice.split!r} " if choice.split else ""
        raise InputError(
            f"{storage.url}: no labelled images {where}that can be used"
            + ("; without labels use --metamorphic" if unlabelled else "")
        )
    notes = list(found.notes)
    if total > choice.limit:
        notes.append(f"{choice.limit:,} of {total:,} images, chosen at random")
    if unlabelled:
        notes.append(f"{unlabelled:,} images without one class were left out")
    if trained and trained < total:
        notes.append(
            f"{trained:,} images are of the split train: a model takes more of images that it was "
            "trained on; give --part"
        )
    kept = sorted(kept, key=lambda pair: pair[0])[: choice.limit]
    return sorted((one for _, one in kept), key=lambda one: one.key), notes


def _usable(sources: Sources, listed: Sequence[Source], notes: list[str]) -> list[int]:
    """Return the numbers of those that can be decoded."""
    usable, bad = [], []
    for number, one in enumerate(listed):
        try:
            sources[number]
            usable.append(number)
        except ImageError as error:
            bad.append(f"{printable(one.key)}: {error}")
    if bad:
        notes.append(f"{len(bad):,} images cannot be used, the first: {bad[0]}")
    return usable


def _label(source: Source) -> str | None:
    """Return the one class of an image."""
    shares = source.shares
    return next(iter(shares)) if len(shares) == 1 else None


def _expected(sources: Sequence[Source], predictor: Predictor) -> list[Expectation]:
    places = {name: number for number, name in enumerate(predictor.classes)}
    made = []
    for one in sources:
        label = _label(one) or ""
        if label not in places:
            raise UsageError(
                f"{printable(one.key)}: the class {label!r} is none of the model's "
                f"{len(places)} classes{did_you_mean(label, places)}; classes in the model's card "
                "must be called as in the dataset"
            )
        made.append(expected_class(places[label]))
    return made
