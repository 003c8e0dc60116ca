"""What a model is worth on a set, counted image by image: nothing but counts is kept.

Boxes, masks and keypoints keep a score and a few bits for each object that was found.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.models.intervals import wilson
from variegate.models.overlap import Matrix
from variegate.models.placement import UNSEEN
from variegate.models.predictors.base import Classification, SemanticMap

CALIBRATION_BINS = 15
# COCO's: https://cocodataset.org/#detection-eval
THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well a class is recognised.

    Attributes:
        support: images (or objects, pixels) of it.
        predicted: how many were taken for it.
        right: of both.
    """

    support: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        """Right of those that were taken for it."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Right of those that are of it."""
        return self.right / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall."""
        total = self.support + self.predicted
        return 2 * self.right / total if total else None

    @property
    def iou(self) -> float | None:
        """Intersection over union."""
        union = self.support + self.predicted - self.right
        return self.right / union if union else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, of the recall."""
        return wilson(self.right, self.support)


class Confusion:
    """Which class was taken for which.

    Attributes:
        counts: (C, C), expected by predicted.
    """

    def __init__(self, classes: int) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, expected: int, predicted: int) -> None:
        """Count an image."""
        self.counts[expected, predicted] += 1

    def add_map(self, expected: SemanticMap, predicted: SemanticMap) -> None:
        """Count the pixels of an image; where nothing is expected, none."""
        count = len(self.counts)
        known = (expected.classes != UNSEEN) & (expected.classes < count)
        # What the model was not shown, it did not answer.
        one, other = expected.classes[known], predicted.classes[known]
        seen = other != UNSEEN
        both = one[seen] * count + other[seen]
        self.counts += np.bincount(both, minlength=count * count).reshape(count, count)

    @property
    def total(self) -> int:
        """Counted images or pixels."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float | None:
        """Share of those that are right."""
        return float(np.trace(self.counts)) / self.total if self.total else None

    def scores(self) -> list[ClassScore]:
        """Return how well each class is recognised."""
        return [
            ClassScore(
                int(self.counts[number].sum()),
                int(self.counts[:, number].sum()),
                int(self.counts[number, number]),
            )
            for number in range(len(self.counts))
        ]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers of about the same confidence.

    Attributes:
        low, high: of the confidence.
        count: of answers.
        confidence: their mean.
        accuracy: share of them that is right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class Calibration:
    """Whether a model is right as often as it says."""

    def __init__(self, bins: int = CALIBRATION_BINS) -> None:
        self._counts = np.zeros(bins, np.int64)
        self._right = np.zeros(bins, np.int64)
        self._confidence = np.zeros(bins)
        self._certain = 0

    def add(self, confidence: float, *, right: bool) -> None:
        """Count an answer."""
        number = min(
            max(int(np.ceil(confidence * len(self._counts))) - 1, 0), len(self._counts) - 1
        )
        self._counts[number] += 1
        self._right[number] += right
        self._confidence[number] += confidence
        self._certain += confidence >= 1.0

    @property
    def told(self) -> bool:
        """Whether the model tells probabilities at all, not just a class."""
        return self._certain < self._counts.sum()

    def bins(self) -> list[CalibrationBin]:
        """Return the bins that hold answers."""
        edges = np.linspace(0, 1, len(self._counts) + 1)
        return [
            CalibrationBin(
                float(edges[number]),
                float(edges[number + 1]),
                int(count),
                float(self._confidence[number] / count),
                float(self._right[number] / count),
            )
            for number, count in enumerate(self._counts)
            if count
        ]

    @property
    def expected_error(self) -> float | None:
        """The expected calibration error (Guo et al., ICML 2017)."""
        total = int(self._counts.sum())
        if not total:
            return None
        return sum(one.count * abs(one.accuracy - one.confidence) for one in self.bins()) / total


class ClassificationScores:
    """Counts of a classification.

    Attributes:
        confusion, calibration: counts.
        top5: images whose class is among the five likeliest.
    """

    def __init__(self, classes: int) -> None:
        self.confusion = Confusion(classes)
        self.calibration = Calibration()
        self.top5 = 0
        self.count = 0

    def add(self, expected: Classification, predicted: Classification) -> bool:
        """Count an image; return whether it is right."""
        label, values = int(expected.probabilities.argmax()), predicted.probabilities
        best = int(values.argmax())
        self.confusion.add(label, best)
        self.calibration.add(float(min(1.0, values[best])), right=best == label)
        # Without sorting; the class itself is among the five if four at most are likelier.
        self.top5 += int((values > values[label]).sum()) < 5
        self.count += 1
        return best == label


class DetectionScores:
    """Average precision as COCO's evaluation has it: 101 recalls, ten thresholds, all sizes.

    Found objects are taken in the order of their scores; each takes the expected object of its
    class that it overlaps most, of those not taken yet, if that is at least the threshold.
    """

    def __init__(self, classes: int, thresholds: Sequence[float] | None = None) -> None:
        self._thresholds = THRESHOLDS if thresholds is None else np.asarray(thresholds)
        self._expected = np.zeros(classes, np.int64)
        self._scores = [array("f") for _ in range(classes)]
        self._matches: list[array[int]] = [array("H") for _ in range(classes)]

    def add(
        self,
        expected: npt.NDArray[np.integer],
        found: npt.NDArray[np.integer],
        scores: npt.NDArray[np.floating],
        overlaps: Matrix,
        *,
        most: int = 100,
    ) -> None:
        """Count an image.

        Args:
            expected: (N,) classes.
            found: (M,) classes.
            scores: (M,).
            overlaps: (N, M), 0 to 1.
            most: objects of a class that count, the surest.
        """
        for number in np.unique(np.concatenate([expected, found])).tolist():
            own = np.flatnonzero(expected == number)
            others = np.flatnonzero(found == number)
            others = others[np.argsort(-scores[others], kind="mergesort")][:most]
            self._expected[number] += len(own)
            self._scores[number].extend(scores[others].tolist())
            self._matches[number].extend(self._matched(overlaps[np.ix_(own, others)]))

    def _matched(self, overlaps: Matrix) -> list[int]:
        """Return, for each found object, the thresholds at which it is right, as bits."""
        bits = [0] * overlaps.shape[1]
        for place, threshold in enumerate(self._thresholds):
            free = np.ones(overlaps.shape[0], bool)
            for found in range(overlaps.shape[1]):
                near = np.where(free, overlaps[:, found], -1.0)
                # Of equal ones the last, as in COCO's own program.
                best = len(near) - 1 - int(near[::-1].argmax()) if len(near) else -1
                if best >= 0 and near[best] >= min(threshold, 1 - 1e-10):
                    free[best] = False
                    bits[found] |= 1 << place
        return bits

    def by_class(self) -> list[npt.NDArray[np.float64] | None]:
        """Return the average precisions of each class, one a threshold; None without objects."""
        return [
            self._precisions(number) if self._expected[number] else None
            for number in range(len(self._expected))
        ]

    @property
    def expected(self) -> list[int]:
        """Objects of each class."""
        return [int(one) for one in self._expected]

    def mean(self, threshold: float | None = None) -> float | None:
        """Return the mean over classes, and over thresholds or at one of them."""
        found = [one for one in self.by_class() if one is not None]
        if not found:
            return None
        table = np.stack(found)
        if threshold is None:
            return float(table.mean())
        place = int(np.abs(self._thresholds - threshold).argmin())
        return float(table[:, place].mean())

    def _precisions(self, number: int) -> npt.NDArray[np.float64]:
        scores = np.array(self._scores[number], np.float32)
        bits = np.array(self._matches[number], np.int64)
        order = np.argsort(-scores, kind="mergesort")
        found = []
        for place in range(len(self._thresholds)):
            right = np.cumsum((bits[order] >> place) & 1)
            recall = right / self._expected[number]
            precision = right / np.arange(1, len(right) + 1)
            # A precision counts for all lower recalls.
            envelope = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, _RECALLS, side="left")
            reached = np.zeros(len(_RECALLS))
            reached[at < len(envelope)] = envelope[at[at < len(envelope)]]
            found.append(reached.mean())
        return np.array(found)


def plain(value: Any) -> Any:
    """Return a figure as JSON has it, rounded to six digits."""
    return round(float(value), 6) if value is not None else None
