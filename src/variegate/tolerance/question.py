"""Questions to a model: cells become images, images predictions, predictions errors, in batches."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from variegate.annotations.sample import Sample
from variegate.models.predictors.base import (
    Classification,
    Prediction,
    PredictionError,
    Predictor,
)
from variegate.models.predictors.checks import Failure, predict_each
from variegate.models.scorers import SCORERS, Scorer
from variegate.tolerance.answers import Cell
from variegate.tolerance.cells import LevelPlan, Sources
from variegate.tolerance.expectation import Expectation
from variegate.tolerance.log import Answer, AnswerLog, digest, image_digest
from variegate.tolerance.measure import ErrorMeasure

_BATCH = 32
# Of the images of one batch, bytes.
_BATCH_MEMORY = 1 << 26
_REASON = 200


@dataclass
class Examiner:
    """Asks a model, but never the same question twice.

    Attributes:
        predictor: the model.
        measure: how answers are measured.
        sources: the images.
        log: of answers.
        on_call: told how many answers were got from the model, each time.
        calls: how many images the model was asked about.
        expected: of images, by their numbers.
    """

    predictor: Predictor
    measure: ErrorMeasure
    sources: Sources
    log: AnswerLog
    on_call: Callable[[int], None] = lambda _: None
    calls: int = 0
    expected: dict[int, Expectation] = field(default_factory=dict)
    _digests: dict[int, str] = field(default_factory=dict)

    def digest(self, image: int) -> str:
        """Return the digest of an image's pixels."""
        if image not in self._digests:
            self._digests[image] = image_digest(self.sources[image].image)
        return self._digests[image]

    def predictions(self, numbers: Sequence[int]) -> Iterator[tuple[int, Prediction | Failure]]:
        """Yield what the model says of images as they are. Not kept."""
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

    def _measured(self, image: int, sample: Sample, predicted: Prediction | Failure) -> Answer:
        if isinstance(predicted, Failure):
            return _no_answer(predicted.reason)
        try:
            error = float(self.measure(self.expected[image].value(sample), predicted))
        except PredictionError as fault:
            return _no_answer(str(fault))
        return Answer(error, self.says(predicted))

    def says(self, predicted: Prediction) -> str:
        """Return what a prediction says, in a few words."""
        if not isinstance(predicted, Classification):
            return self._scorer.text(predicted)
        best, classes = int(np.argmax(predicted.probabilities)), self.predictor.classes
        name = classes[best] if best < len(classes) else str(best)
        return f"{name} ({predicted.probabilities[best]:.0%})"

    @cached_property
    def _scorer(self) -> Scorer:
        classes = self.predictor.classes
        return SCORERS[self.predictor.task](classes, len(classes))

    def _key(self, plan: LevelPlan, cell: Cell, attempt: int) -> str:
        image, level = cell
        # Level 0 is the same on every axis.
        what = plan.identity if level else "as it is"
        parts = (self.predictor.identity, self.measure.identity, self.expected[image].key)
        return digest(*parts, self.digest(image), what, level, attempt)

    def _paired(
        self, pending: Sequence[tuple[int, Sample]]
    ) -> Iterator[tuple[int, Prediction | Failure]]:
        samples = [sample for _, sample in pending]
        yield from zip((number for number, _ in pending), self._predicted(samples), strict=True)

    def _predicted(self, samples: Sequence[Sample]) -> list[Prediction | Failure]:
        made = predict_each(self.predictor, [sample.image for sample in samples])
        self.calls += len(samples)
        self.on_call(self.calls)
        return made


def _no_answer(reason: str) -> Answer:
    return Answer(math.nan, " ".join(f"no answer: {reason}".split())[:_REASON])


def _is_full(samples: Sequence[Sample]) -> bool:
    return len(samples) >= _BATCH or sum(s.image.nbytes for s in samples) >= _BATCH_MEMORY
