"""What models are worth on a dataset: asked once about every image, in one pass for all of them."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from variegate.annotations.sample import Image
from variegate.codecs import Limits
from variegate.errors import InputError, UsageError
from variegate.formats import NO_HINTS, Hints
from variegate.models.differences import difference
from variegate.models.examples import Example, Examples, Part
from variegate.models.intervals import PairedBootstrap, mcnemar
from variegate.models.metrics import plain
from variegate.models.predictors import (
    GUESS_IMAGES,
    LabelledImages,
    NamedModel,
    open_predictor,
)
from variegate.models.predictors.aligned import AlignedPredictor
from variegate.models.predictors.base import Prediction, Predictor
from variegate.models.predictors.checks import Failure, asked_again, predict_each
from variegate.models.preprocessing import resized
from variegate.models.scorers import SCORERS, Scorer
from variegate.models.truths import truth

VERSION = 1
MOST_WORST = 24
_EXAMPLES_SHOWN = 3
_BATCH = 32
_ASKED_TWICE = 32
# Longer side of an image of a guess, pixels: 768 of them take 240 MB.
_GUESS_SIDE = 320


@dataclass(slots=True, kw_only=True)
class WorstImage:
    """An image about which a model is wrong.

    Attributes:
        key: of it.
        difference: from what is expected, 0 to 1.
        expected, predicted: in words.
    """

    key: str
    difference: float
    expected: str
    predicted: str


@dataclass(slots=True, kw_only=True)
class ModelEvaluation:
    """What one model is worth.

    Attributes:
        name: of the model, as the user calls it.
        model: what is known of it.
        notes: what was assumed, guessed, or noticed.
        headline: name of the figure that counts most.
        figures: by name.
        classes: figures of each class.
        tables: confusion and calibration, where there are any.
        failed: images without an answer; they count as wrong.
        failures: some of them with the reason.
        mean_difference: over images, 0 to 1.
        worst: images.
    """

    name: str
    model: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    headline: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    mean_difference: float | None = None
    worst: list[WorstImage] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ModelComparison:
    """A model beside the first one, on the same images.

    Attributes:
        first, second: names.
        measure: what is compared: 1 less the difference of each image.
        change: of its mean, second less first, and its interval of 95%, corrected for the number
            of comparisons.
        only_first, only_second: images that one of them alone got right, and McNemar's exact p; of
            classifications.
        verdict: "better", "worse" or "undecided".
    """

    first: str
    second: str
    measure: str
    change: float
    low: float
    high: float
    only_first: int | None = None
    only_second: int | None = None
    p: float | None = None
    verdict: str = "undecided"


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """What came out.

    Attributes:
        place, description, part, notes: of the dataset.
        task: of the models.
        images: that were asked about.
        unlabelled: images without a label that the models know; left out.
        unusable: images that cannot be decoded; left out.
        unusable_examples: some of them with the reason.
        models: in the order given.
        comparisons: of each model with the first.
    """

    place: str
    description: str
    part: str
    notes: tuple[str, ...]
    task: str
    version: int = VERSION
    images: int = 0
    unlabelled: int = 0
    unusable: int = 0
    unusable_examples: list[str] = field(default_factory=list)
    models: list[ModelEvaluation] = field(default_factory=list)
    comparisons: list[ModelComparison] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def evaluate(
    source: str | Path,
    models: Sequence[NamedModel | Predictor],
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
    limits: Limits | None = None,
    part: Part | None = None,
    limit: int | None = None,
    error: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Ask models about every image of a dataset, and compare with its labels; nothing is written.

    Args:
        source: a folder, zip or tar file, or bucket.
        models: one or more, of the same task.
        format: of the dataset; None to detect it.
        label_pattern: regular expression with a group "label", for labels in file names.
        hints: what cannot be told from the files of the dataset.
        limits: larger images are left out, and counted.
        part: a split, or "all"; None for test, or else val, or else everything.
        limit: ask about at most this many images, sampled evenly.
        error: how wrong an answer is: one of `differences.DIFFERENCES`, or `module:function`.
        workers: threads that decode; 0 for none but this one, None for one a processor.
        on_progress: told how many images of how many are done.

    Raises:
        InputError: there are no images, or none with a label.
        UsageError: a model does not fit the dataset or the others; the message names the option.
    """
    if not models:
        raise UsageError("expected a model; name one with --model, --predict, --url or --command")
    with ExitStack() as stack:
        examples = stack.enter_context(
            Examples(
                source,
                format=format,
                label_pattern=label_pattern,
                hints=hints,
                limits=limits,
                part=part,
                workers=workers,
            )
        )
        judges = [_judge(one, examples, error, stack) for one in models]
        _named_apart(judges)
        task = judges[0].predictor.task
        if other := [one for one in judges if one.predictor.task != task]:
            raise UsageError(
                f"expected models of one task, got {task} and {other[0].predictor.task}"
            )
        found = Evaluation(
            place=str(source),
            description=examples.format.description,
            part=examples.part,
            notes=examples.notes,
            task=task,
        )
        pairs = [_Pair() for _ in judges[1:]]
        _run(found, examples, judges, pairs, limit, on_progress)
    if not found.images:
        raise InputError(
            f"{source}: no image has a label for {task} ({found.unusable:,} cannot be used, "
            f"{found.unlabelled:,} have none); see variegate inspect"
        )
    found.models = [one.result(found.images) for one in judges]
    found.comparisons = _compared(judges, pairs)
    return found


def labelled_images(examples: Examples, most: int = GUESS_IMAGES[0]) -> LabelledImages:
    """Return images with one class each, evenly spread, and large ones reduced: all are held."""
    return guess_images(examples.sample(most))


def guess_images(examples: Iterable[Example]) -> LabelledImages:
    """Return the images that have one class each, large ones reduced: all are held."""
    images, labels = [], []
    for one in examples:
        if one.image is not None and len(one.labels) == 1:
            images.append(reduced(one.image))
            labels.append(next(iter(one.labels)))
    return LabelledImages(images, labels)


def reduced(image: Image) -> Image:
    """Return an image of which many can be held."""
    height, width = image.shape[:2]
    times = max(height, width) / _GUESS_SIDE
    if times <= 1:
        return image
    return resized(image, (max(1, round(height / times)), max(1, round(width / times))))


class _Judge:
    """One model, and what is counted of it."""

    def __init__(
        self,
        name: str,
        predictor: Predictor,
        notes: Sequence[str],
        known: int,
        named_difference: str | None,
    ) -> None:
        self.name, self.predictor, self.notes = name, predictor, list(notes)
        self.named_difference = named_difference
        self.compare = difference(predictor.task, predictor.classes, named_difference)
        self.scorer: Scorer = SCORERS[predictor.task](predictor.classes, known)
        self.failures: list[str] = []
        self.total = 0.0
        self._worst: list[tuple[float, float, str, WorstImage]] = []
        self._again = False

    def ask(self, examples: Sequence[Example]) -> list[Prediction | Failure]:
        """Ask about images; about the first ones twice."""
        images = [one.image for one in examples if one.image is not None]
        found = predict_each(self.predictor, images)
        if not self._again:
            self._again = True
            seen = asked_again(self.predictor, images[:_ASKED_TWICE], found[:_ASKED_TWICE])
            if seen.note is not None:
                self.notes.append(seen.note)
        return found

    def add(self, example: Example, expected: Prediction, found: Prediction | Failure) -> float:
        """Count an answer; return its difference from what is expected."""
        wrong = self.compare(expected, found)
        self.total += wrong
        self.scorer.add(expected, found)
        if isinstance(found, Failure) and len(self.failures) < _EXAMPLES_SHOWN:
            self.failures.append(found.reason)
        if wrong > 0:
            self._keep(example, expected, found, wrong)
        return wrong

    def _keep(
        self, example: Example, expected: Prediction, found: Prediction | Failure, wrong: float
    ) -> None:
        """Keep the worst images: of equally wrong ones those of which the model is surest."""
        probabilities = getattr(found, "probabilities", None)
        sure = 0.0 if probabilities is None else float(probabilities.max())
        if len(self._worst) == MOST_WORST and (wrong, sure) < self._worst[0][:2]:
            return
        shown = WorstImage(
            key=example.key,
            difference=round(wrong, 4),
            expected=self.scorer.text(expected).removesuffix(" 100%"),
            predicted=self.scorer.text(found),
        )
        # By key at last, so that the same ones are kept in whatever order they come.
        entry = (wrong, sure, example.key, shown)
        if len(self._worst) < MOST_WORST:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)

    def result(self, images: int) -> ModelEvaluation:
        """Return what the model is worth."""
        ranked = sorted(self._worst, key=lambda one: (-one[0], -one[1], one[2]))
        return ModelEvaluation(
            name=self.name,
            model=self.predictor.to_json(),
            notes=tuple(self.notes),
            headline=self.scorer.headline,
            figures=self.scorer.figures(),
            classes=self.scorer.by_class(),
            tables=self.scorer.tables(),
            failed=self.scorer.failed,
            failures=self.failures,
            mean_difference=plain(self.total / images),
            worst=[one[3] for one in ranked],
        )


def _judge(
    given: NamedModel | Predictor, examples: Examples, error: str | None, stack: ExitStack
) -> _Judge:
    classes = examples.format.classes
    notes: tuple[str, ...] = ()
    if isinstance(given, Predictor):
        predictor, name = given, type(given).__name__
    else:
        opened = open_predictor(
            given, dataset_classes=classes, labelled=lambda most: labelled_images(examples, most)
        )
        predictor, notes, name = opened.predictor, opened.notes, given.name
        stack.callback(predictor.close)
    known = len(predictor.classes)
    if isinstance(predictor, AlignedPredictor):
        known = predictor.match.known
    return _Judge(name, predictor, notes, known, error)


def _named_apart(judges: Sequence[_Judge]) -> None:
    """Number models that are called alike."""
    names = [one.name for one in judges]
    for number, one in enumerate(judges, 1):
        if names.count(one.name) > 1:
            one.name = f"{one.name} ({number})"


def _run(
    found: Evaluation,
    examples: Examples,
    judges: Sequence[_Judge],
    pairs: Sequence["_Pair"],
    limit: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    total = examples.total if limit is None else min(limit, examples.total)
    coming = iter(examples) if limit is None else examples.sample(limit)
    done = 0
    for batch in _batches(_usable(coming, found), _BATCH):
        kept = [one for one in batch if _truths(one, judges) is not None]
        found.unlabelled += len(batch) - len(kept)
        found.images += len(kept)
        if kept:
            _count(kept, judges, pairs)
        done += len(batch)
        if on_progress:
            on_progress(min(done + found.unusable, total), total)


def _usable(coming: Iterator[Example], found: Evaluation) -> Iterator[Example]:
    for one in coming:
        if one.fault is None:
            if one.image is not None:
                yield one
            continue
        found.unusable += 1
        if len(found.unusable_examples) < _EXAMPLES_SHOWN:
            found.unusable_examples.append(one.fault)


def _truths(example: Example, judges: Sequence[_Judge]) -> list[Prediction] | None:
    """Return what each model should say, or None where one of them cannot be judged."""
    found = [
        truth(
            one.predictor.task,
            one.predictor.classes,
            example.size,
            labels=example.labels,
            targets=example.targets,
        )
        for one in judges
    ]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def _count(kept: Sequence[Example], judges: Sequence[_Judge], pairs: Sequence["_Pair"]) -> None:
    answers = [one.ask(kept) for one in judges]
    for number, example in enumerate(kept):
        expected = _truths(example, judges) or []
        wrong = [
            judge.add(example, one, answer[number])
            for judge, one, answer in zip(judges, expected, answers, strict=True)
        ]
        for pair, second in zip(pairs, wrong[1:], strict=True):
            pair.add(example.key, wrong[0], second)


class _Pair:
    """Two models on the same images."""

    def __init__(self) -> None:
        self.bootstrap = PairedBootstrap()
        self.only_first = self.only_second = 0

    def add(self, key: str, first: float, second: float) -> None:
        """Take the differences of both."""
        self.bootstrap.add(key, 1 - first, 1 - second)
        self.only_first += first < 0.5 <= second
        self.only_second += second < 0.5 <= first


def _compared(judges: Sequence[_Judge], pairs: Sequence[_Pair]) -> list[ModelComparison]:
    first, count = judges[0], max(1, len(pairs))
    found = []
    for judge, pair in zip(judges[1:], pairs, strict=True):
        # Corrected for their number, after Bonferroni.
        result = pair.bootstrap.result(1 - 0.05 / count)
        one = ModelComparison(
            first=first.name,
            second=judge.name,
            measure="1 less the difference of each image",
            change=plain(result.difference),
            low=plain(result.low),
            high=plain(result.high),
        )
        sure = result.sure
        if first.predictor.task == "classification":
            one.measure = "accuracy" if first.named_difference is None else one.measure
            one.only_first, one.only_second = pair.only_first, pair.only_second
            one.p = plain(min(1.0, count * mcnemar(pair.only_first, pair.only_second)))
            sure = one.p < 0.05 if first.named_difference is None else sure
        if sure:
            one.verdict = "better" if result.difference > 0 else "worse"
        found.append(one)
    return found


def _batches(coming: Iterator[Example], size: int) -> Iterator[list[Example]]:
    while batch := list(islice(coming, size)):
        yield batch
