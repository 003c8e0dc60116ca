"""Questions to a model: cells become images, images predictions, predictions errors, in batches."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from variegate.annotations.sample import Sample
from variegate.errors import UsageError
from variegate.models.predictors.base import (
    Classification,
    Prediction,
    PredictionError,
    Predictor,
)
from variegate.tolerance.answers import Cell
from variegate.tolerance.cells import LevelPlan, Sources
from variegate.tolerance.log import Answer, AnswerLog, digest, image_digest

_BATCH = 32
# Of the images of one batch, bytes.
_BATCH_MEMORY = 1 << 26


class ErrorFunction(Protocol):
    """How far a prediction is from what was expected."""

    name: str
    """As a report calls it; another name is another measure."""

    def __call__(self, expected: object, predicted: Prediction) -> float:
        """Return an error from 0 to 1; NaN where the prediction cannot be used."""


class ClassDifference:
    """1 where another class is the likeliest, 0 where it is the expected one."""

    name = "class"

    def __call__(self, expected: object, predicted: Prediction) -> float:
        if not isinstance(predicted, Classification) or not _usable(predicted):
            return math.nan
        return float(int(np.argmax(predicted.probabilities)) != expected)


def _usable(predicted: Classification) -> bool:
    return predicted.probabilities.size > 0 and bool(np.isfinite(predicted.probabilities).all())


@dataclass(frozen=True)
class Expectation:
    """What is expected of an image.

    Attributes:
        value: returns what the error function is given, for the image as it is at a level, with its
            targets moved along.
        key: by which it is told from other expectations of the same image.
    """

    value: Callable[[Sample], object]
    key: str


def expected_class(index: int) -> Expectation:
    """Return the expectation of a class, by its number."""
    return Expectation(lambda _: index, f"class {index}")


@dataclass
class Examiner:
    """Asks a model, but never the same question twice.

    Attributes:
        predictor: the model.
        error: how answers are measured.
        sources: the images.
        log: of answers.
        on_call: told how many answers were got from the model, each time.
        calls: how many images the model was asked about.
        failures: images on which it failed, though it was asked again one by one.
        last_failure: what it said then.
    """

    predictor: Predictor
    error: ErrorFunction
    sources: Sources
    log: AnswerLog
    on_call: Callable[[int], None] = lambda _: None
    calls: int = 0
    failures: int = 0
    last_failure: str = ""
    expected: list[Expectation] = field(default_factory=list)
    _digests: dict[int, str] = field(default_factory=dict)

    def digest(self, image: int) -> str:
        """Return the digest of an image's pixels."""
        if image not in self._digests:
            self._digests[image] = image_digest(self.sources[image].image)
        return self._digests[image]

    def predictions(self, numbers: Sequence[int]) -> Iterator[tuple[int, Prediction | None]]:
        """Yield what the model says of images as they are; None where it failed. Not kept."""
        pending: list[tuple[int, Sample]] = []
        for number in numbers:
            pending.append((number, self.sources[number]))
            if _is_full([sample for _, sample in pending]):
                yield from self._paired(pending)
                pending = []
        if pending:
            yield from self._paired(pending)

    def ask(self, plan: LevelPlan, cells: Sequence[Cell], *, attempt: int = 0) -> list[Answer]:
        """Return the answers to cells, of the log or of the model.

        Args:
            plan: what is done to the images.
            cells: number of an image and level.
            attempt: another number asks again what was asked before.
        """
        keys = [self._key(plan, cell, attempt) for cell in cells]
        new = [n for n, key in enumerate(keys) if self.log.get(key) is None]
        pending: list[tuple[int, Sample]] = []
        for place in new:
            image, level = cells[place]
            pending.append((place, plan.apply(self.digest(image), self.sources[image], level)))
            if _is_full([sample for _, sample in pending]):
                self._answer(pending, cells, keys)
                pending = []
        if pending:
            self._answer(pending, cells, keys)
        found = [self.log.get(key) for key in keys]
        return [one for one in found if one is not None]

    def _answer(
        self, pending: Sequence[tuple[int, Sample]], cells: Sequence[Cell], keys: Sequence[str]
    ) -> None:
        samples = [sample for _, sample in pending]
        answers = [
            self._measured(cells[place][0], sample, predicted)
            for (place, sample), predicted in zip(pending, self._predicted(samples), strict=True)
        ]
        self.log.add([keys[place] for place, _ in pending], answers)

    def _measured(self, image: int, sample: Sample, predicted: Prediction | None) -> Answer:
        if predicted is None:
            return Answer(math.nan, "no answer")
        error = float(self.error(self.expected[image].value(sample), predicted))
        return Answer(error, says(predicted, self.predictor.classes))

    def _key(self, plan: LevelPlan, cell: Cell, attempt: int) -> str:
        image, level = cell
        # Level 0 is the same on every axis.
        what = plan.identity if level else "as it is"
        parts = (self.predictor.identity, self.error.name, self.expected[image].key)
        return digest(*parts, self.digest(image), what, level, attempt)

    def _paired(
        self, pending: Sequence[tuple[int, Sample]]
    ) -> Iterator[tuple[int, Prediction | None]]:
        samples = [sample for _, sample in pending]
        yield from zip((number for number, _ in pending), self._predicted(samples), strict=True)

    def _predicted(self, samples: Sequence[Sample]) -> list[Prediction | None]:
        try:
            made: list[Prediction | None] = list(self._whole(samples))
        except PredictionError as error:
            # One image must not spoil the answers to others.
            self.last_failure = str(error)
            made = [self._single(sample) for sample in samples]
        self.calls += len(samples)
        self.on_call(self.calls)
        return made

    def _single(self, sample: Sample) -> Prediction | None:
        try:
            return self._whole([sample])[0]
        except PredictionError as error:
            self.failures, self.last_failure = self.failures + 1, str(error)
            return None

    def _whole(self, samples: Sequence[Sample]) -> list[Prediction]:
        answers = self.predictor.predict([sample.image for sample in samples])
        if len(answers) != len(samples):
            raise UsageError(
                f"the model answered {len(answers)} predictions for {len(samples)} images; it must "
                "answer one for each, in their order"
            )
        return answers


def _is_full(samples: Sequence[Sample]) -> bool:
    return len(samples) >= _BATCH or sum(s.image.nbytes for s in samples) >= _BATCH_MEMORY


def says(predicted: Prediction, classes: Sequence[str]) -> str:
    """Return what a prediction says, in a few words; nothing where it is no class."""
    if not isinstance(predicted, Classification):
        return ""
    if not _usable(predicted):
        return "not a number"
    best = int(np.argmax(predicted.probabilities))
    name = classes[best] if best < len(classes) else str(best)
    return f"{name} ({predicted.probabilities[best]:.0%})"
