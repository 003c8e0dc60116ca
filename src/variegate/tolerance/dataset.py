"""Tolerance of a model on a dataset: its images are decoded as they are needed."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from variegate.annotations.sample import Sample
from variegate.codecs import Limits
from variegate.errors import ImageError, InputError, UsageError, did_you_mean
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.models.card import Task
from variegate.models.evaluate import guess_images, reduced
from variegate.models.examples import ExampleLoader
from variegate.models.predictors import LabelledImages, NamedModel, OpenedModel, open_predictor
from variegate.models.predictors.base import DetectedBoxes, DetectedMasks, Predictor
from variegate.models.predictors.similarity import SimilarityPredictor
from variegate.models.truths import truth
from variegate.seeding import generator
from variegate.storage import Snapshot, Storage, open_storage, printable
from variegate.tolerance.cells import Sources
from variegate.tolerance.expectation import (
    Expectation,
    expected_class,
    expected_targets,
    tells_something,
)
from variegate.tolerance.log import AnswerLog
from variegate.tolerance.measure import measure
from variegate.tolerance.question import Examiner
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
    model: Predictor | NamedModel | None,
    *,
    choice: ImageChoice = ImageChoice(),
    options: SearchOptions = SearchOptions(),  # noqa: B008 - frozen
    error: str | Callable[[Any, Any], float] | None = None,
    log: Path | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
) -> Tolerance:
    """Search the tolerance of a model on the images of a dataset.

    Args:
        source: a folder, zip or tar file, or bucket.
        model: which; None: no model, but how much each image resembles itself more than others.
        choice: which images.
        options: what is searched.
        error: how answers are measured; see `measure.measure`.
        log: file of answers, so that a search that was killed continues.
        on_progress: told after every batch.

    Raises:
        InputError: there are no images that can be used.
        UsageError: labels and the model's classes do not fit together, or too few are right.
    """
    if model is None:
        choice = replace(choice, metamorphic=True)
    limits = choice.hints.decoding(Limits())
    with ExitStack() as stack:
        storage = stack.enter_context(Snapshot(open_storage(source)))
        answers = stack.enter_context(AnswerLog(log))
        found = detect(
            storage, name=choice.format, label_pattern=choice.label_pattern, hints=choice.hints
        )
        images = _Images(storage, found, choice, options.seed, limits)
        opened = _opened(model, images, stack)
        task: Task = opened.predictor.task if opened else "classification"
        notes = [*found.notes, *(opened.notes if opened else ())]
        listed = images.listed(task, notes)
        every = Sources(len(listed), lambda number: images.load(listed[number], task))
        numbers = _usable(every, notes)
        if opened is None:
            opened = _similarity(every, listed, numbers)
        predictor = opened.predictor
        expected, names = dict[int, Expectation](), dict.fromkeys(numbers, "")
        if not choice.metamorphic:
            strict = isinstance(model, Predictor)
            expected, names = _expected(every, listed, numbers, predictor, notes, strict=strict)
            numbers = list(expected)
        searched = search_tolerance(
            Examiner(predictor, measure(predictor, error), every.restricted(numbers), answers),
            Subjects(
                [printable(listed[number].key) for number in numbers],
                None if choice.metamorphic else list(expected.values()),
                [names[number] for number in numbers],
                objects=task != "classification",
            ),
            options,
            dataset=str(source),
            on_progress=on_progress,
        )
    return searched.model_copy(update={"notes": (*notes, *searched.notes)})


def _opened(
    model: Predictor | NamedModel | None, images: "_Images", stack: ExitStack
) -> OpenedModel | None:
    if model is None:
        return None
    if isinstance(model, Predictor):
        return OpenedModel(model)
    # What is compared with its own clean answers need not know the labels.
    classes = () if images.choice.metamorphic else images.format.classes
    opened = open_predictor(model, dataset_classes=classes, labelled=images.labelled)
    stack.callback(opened.predictor.close)
    return opened


def _similarity(every: Sources, listed: Sequence[Source], numbers: Sequence[int]) -> OpenedModel:
    """Return a model of the images themselves."""
    keys = [listed[number].key for number in numbers]
    return OpenedModel(
        SimilarityPredictor([reduced(every[number].image) for number in numbers], keys),
        ("no model: an image is lost where it resembles another one more than itself",),
    )


@dataclass(frozen=True)
class _Images:
    """The images of a dataset."""

    storage: Storage
    format: DatasetFormat
    choice: ImageChoice
    seed: int
    limits: Limits

    def load(self, source: Source, task: Task) -> Sample:
        """Decode one, with its targets where the task has any.

        Raises:
            ImageError: it cannot be used.
        """
        found = self._loader.load(source)
        if found.image is None:
            raise ImageError(found.fault or f"{printable(source.key)}: not an image")
        wanted = task != "classification" and not self.choice.metamorphic
        return Sample(found.image, targets=found.targets if wanted else None)

    @cached_property
    def _loader(self) -> ExampleLoader:
        return ExampleLoader(self.format, self.storage, self.limits)

    def labelled(self, most: int) -> LabelledImages:
        """Return images with their classes, by which it is guessed how a model is to be asked."""
        chosen, *_ = self._chosen("classification", most)
        return guess_images(map(self._loader.load, chosen))

    def listed(self, task: Task, notes: list[str]) -> list[Source]:
        """Return a random choice, of the same memory whatever their number.

        Args:
            task: images without labels for it are left out.
            notes: what the user should know is added.

        Raises:
            InputError: there are none.
        """
        choice = self.choice
        chosen, total, unlabelled, trained = self._chosen(task, choice.limit)
        if not chosen:
            where = f"in the split {choice.split!r} " if choice.split else ""
            raise InputError(
                f"{self.storage.url}: no labelled images {where}that can be used"
                + ("; without labels use --metamorphic" if unlabelled else "")
            )
        if total > choice.limit:
            notes.append(f"{choice.limit:,} of {total:,} images, chosen at random")
        if unlabelled:
            without = "one class" if task == "classification" else f"labels for {task}"
            notes.append(f"{unlabelled:,} images without {without} were left out")
        if trained and trained < total:
            notes.append(
                f"{trained:,} images are of the split train: a model takes more of images that it "
                "was trained on; give --part"
            )
        return chosen

    def _chosen(self, task: Task, most: int) -> tuple[list[Source], int, int, int]:
        """Return some, and how many there are, have no label, and are for training."""
        choice = self.choice
        rng = generator(self.seed, "tolerance", "images")
        kept = list[tuple[float, Source]]()
        total, unlabelled, trained = 0, 0, 0
        for one in self.format.sources(self.storage):
            if not one.seems_usable or (choice.split and one.split != choice.split):
                continue
            if not choice.metamorphic and not _is_labelled(one, task):
                unlabelled += 1
                continue
            total += 1
            trained += one.split == "train"
            kept.append((float(rng.random()), one))
            if len(kept) >= 2 * most:
                kept = sorted(kept, key=lambda pair: pair[0])[:most]
        kept = sorted(kept, key=lambda pair: pair[0])[:most]
        chosen = sorted((one for _, one in kept), key=lambda one: one.key)
        return chosen, total, unlabelled, trained


def _is_labelled(source: Source, task: Task) -> bool:
    if task == "classification":
        return _label(source) is not None
    known = source.annotation
    return bool(source.objects) or (
        task == "semantic" and known is not None and known.mask_file is not None
    )


def _usable(sources: Sources, notes: list[str]) -> list[int]:
    """Return the numbers of those that can be decoded."""
    usable, bad = [], []
    for number in range(len(sources)):
        try:
            sources[number]
            usable.append(number)
        except ImageError as error:
            bad.append(str(error))
    if bad:
        notes.append(f"{len(bad):,} images cannot be used, the first: {bad[0]}")
    return usable


def _label(source: Source) -> str | None:
    """Return the one class of an image."""
    shares = source.shares
    return next(iter(shares)) if len(shares) == 1 else None


def _expected(
    every: Sources,
    listed: Sequence[Source],
    numbers: Sequence[int],
    predictor: Predictor,
    notes: list[str],
    *,
    strict: bool,
) -> tuple[dict[int, Expectation], dict[int, str]]:
    """Return what labels say that should be answered, and the class of each image.

    Args:
        every: the images.
        listed: where they come from.
        numbers: of those that can be used.
        predictor: the model.
        notes: what the user should know is added.
        strict: a class that the model does not know is an error; otherwise nobody wants it.
    """
    made, names = dict[int, Expectation](), dict[int, str]()
    for number in numbers:
        if predictor.task == "classification":
            name = _label(listed[number]) or ""
            found = _of_class(name, listed[number].key, predictor, strict=strict)
        else:
            name, found = _of_targets(every[number], predictor)
        if found is not None:
            made[number], names[number] = found, name
    if left := len(numbers) - len(made):
        notes.append(f"{left:,} images with nothing that the model knows were left out")
    if not made:
        raise InputError(f"no image has a label that the model knows for {predictor.task}")
    return made, names


def _of_class(label: str, key: str, predictor: Predictor, *, strict: bool) -> Expectation | None:
    classes = predictor.classes
    if label in classes:
        return expected_class(classes.index(label), len(classes))
    if not strict:
        return None
    raise UsageError(
        f"{printable(key)}: the class {label!r} is none of the model's {len(classes)} classes"
        f"{did_you_mean(label, classes)}; classes in the model's card must be called as in the "
        "dataset"
    )


def _of_targets(sample: Sample, predictor: Predictor) -> tuple[str, Expectation | None]:
    """Return the one class of an image's objects, if it is one, and what is expected."""
    task, classes = predictor.task, predictor.classes
    known = truth(task, classes, sample.size, targets=sample.targets)
    if known is None or sample.targets is None or not tells_something(known, classes):
        return "", None
    numbers = (
        set(known.classes.tolist()) if isinstance(known, DetectedBoxes | DetectedMasks) else ()
    )
    name = classes[next(iter(numbers))] if len(numbers) == 1 else ""
    return name, expected_targets(task, classes, sample.targets)
