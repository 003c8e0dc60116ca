"""What is counted for each task while a set is evaluated."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from variegate.models.card import Task
from variegate.models.intervals import wilson
from variegate.models.metrics import ClassificationScores, Confusion, DetectionScores, plain
from variegate.models.overlap import box_iou, keypoint_similarity, mask_iou
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    SemanticMap,
)
from variegate.models.predictors.checks import Failure

# A confusion of more classes is read by nobody, and a million numbers in a file.
MOST_IN_CONFUSION = 200
_LONG_NAME = 24


class Scorer(ABC):
    """Counts answers to one task.

    Attributes:
        headline: name of the figure that counts most.
    """

    headline: str

    def __init__(self, classes: tuple[str, ...], known: int) -> None:
        """Count from nothing.

        Args:
            classes: of the model.
            known: how many of them, the first ones, are the dataset's.
        """
        self.classes, self.known = classes, known
        self.failed = 0

    @abstractmethod
    def add(self, expected: Any, predicted: Any) -> None:
        """Count an answer, or a `Failure`, which is as wrong as can be."""

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Return JSON values: `headline` first."""

    @abstractmethod
    def by_class(self) -> list[dict[str, Any]]:
        """Return JSON values for each class of the dataset."""

    def tables(self) -> dict[str, Any]:
        """Return what is more than figures: confusion and calibration, where there are any."""
        return {}

    def text(self, answer: Any) -> str:
        """Return an answer in a few words."""
        if isinstance(answer, Failure):
            return f"failed: {answer.reason}"
        return _counted(answer, self.classes)


class _ClassScorer(Scorer):
    headline = "accuracy"

    def __init__(self, classes: tuple[str, ...], known: int) -> None:
        super().__init__(classes, known)
        self._scores = ClassificationScores(len(classes))
        self._failures = np.zeros(len(classes), np.int64)

    def add(self, expected: Classification, predicted: Classification | Failure) -> None:
        if isinstance(predicted, Failure):
            self.failed += 1
            self._failures[int(expected.probabilities.argmax())] += 1
        else:
            self._scores.add(expected, predicted)

    def figures(self) -> dict[str, Any]:
        total = self._scores.count + self.failed
        right = int(np.trace(self._scores.confusion.counts))
        recalls = [one["recall"] for one in self.by_class() if one["recall"] is not None]
        f1 = [one["f1"] for one in self.by_class() if one["support"]]
        low, high = wilson(right, total)
        calibration = self._scores.calibration
        return {
            "accuracy": plain(right / total) if total else None,
            "accuracy_low": plain(low),
            "accuracy_high": plain(high),
            "right": right,
            "top5": plain(self._scores.top5 / total) if total and len(self.classes) > 5 else None,
            "balanced_accuracy": plain(np.mean(recalls)) if recalls else None,
            "macro_f1": plain(np.mean([one or 0.0 for one in f1])) if f1 else None,
            "calibration_error": plain(calibration.expected_error) if calibration.told else None,
        }

    def by_class(self) -> list[dict[str, Any]]:
        rows = []
        for number, one in enumerate(self._scores.confusion.scores()[: self.known]):
            # An image without an answer is one of its class that was missed.
            support = one.support + int(self._failures[number])
            low, high = wilson(one.right, support)
            total = support + one.predicted
            rows.append(
                {
                    "class": self.classes[number],
                    "support": support,
                    "precision": plain(one.precision),
                    "recall": plain(one.right / support) if support else None,
                    "recall_low": plain(low),
                    "recall_high": plain(high),
                    "f1": plain(2 * one.right / total) if total else None,
                }
            )
        return rows

    def tables(self) -> dict[str, Any]:
        told: dict[str, Any] = {"confusion": confusion_table(self._scores.confusion, self)}
        if self._scores.calibration.told:
            told["calibration"] = [
                {
                    "low": plain(one.low),
                    "high": plain(one.high),
                    "count": one.count,
                    "confidence": plain(one.confidence),
                    "accuracy": plain(one.accuracy),
                }
                for one in self._scores.calibration.bins()
            ]
        return told

    def text(self, answer: Any) -> str:
        if isinstance(answer, Failure):
            return super().text(answer)
        best = int(answer.probabilities.argmax())
        return f"{_first(self.classes[best])} {answer.probabilities[best]:.0%}"


def confusion_table(confusion: Confusion, scorer: Scorer) -> dict[str, Any] | None:
    """Return the confusion as JSON values; the classes that are none of the dataset's as one."""
    known = scorer.known
    if known > MOST_IN_CONFUSION:
        return None
    counts = confusion.counts[:known]
    rows = [
        [*map(int, row[:known]), int(row[known:].sum())]
        if known < len(row)
        else list(map(int, row))
        for row in counts
    ]
    names = list(scorer.classes[:known])
    return {"classes": names, "other": known < len(scorer.classes), "counts": rows}


class _MapScorer(Scorer):
    headline = "mean_iou"

    def __init__(self, classes: tuple[str, ...], known: int) -> None:
        super().__init__(classes, known)
        self._confusion = Confusion(max(2, len(classes)))

    def add(self, expected: SemanticMap, predicted: SemanticMap | Failure) -> None:
        if isinstance(predicted, Failure):
            self.failed += 1
        else:
            self._confusion.add_map(expected, predicted)

    def figures(self) -> dict[str, Any]:
        there = [one for one in self._confusion.scores() if one.support]
        ious, dices = [one.iou or 0.0 for one in there], [one.f1 or 0.0 for one in there]
        return {
            "mean_iou": plain(np.mean(ious)) if there else None,
            "mean_dice": plain(np.mean(dices)) if there else None,
            "pixel_accuracy": plain(self._confusion.accuracy),
        }

    def by_class(self) -> list[dict[str, Any]]:
        names = self.classes or ("0", "1")
        return [
            {
                "class": names[number] if number < len(names) else str(number),
                "support": one.support,
                "iou": plain(one.iou),
                "dice": plain(one.f1),
                "precision": plain(one.precision),
                "recall": plain(one.recall),
            }
            for number, one in enumerate(self._confusion.scores())
            if number < max(self.known, 2)
        ]

    def tables(self) -> dict[str, Any]:
        if len(self.classes) != len(self._confusion.counts):
            return {}
        return {"confusion": confusion_table(self._confusion, self)}


class _ObjectScorer(Scorer):
    headline = "map"

    def __init__(self, classes: tuple[str, ...], known: int) -> None:
        super().__init__(classes, known)
        self._scores = DetectionScores(max(1, len(classes)))

    def add(self, expected: Any, predicted: Any) -> None:
        if isinstance(predicted, Failure):
            self.failed += 1
            none, scores = np.zeros(0, np.int64), np.zeros(0)
            self._scores.add(expected.classes, none, scores, np.zeros((len(expected.classes), 0)))
            return
        if isinstance(expected, DetectedBoxes):
            overlaps = box_iou(expected.boxes, predicted.boxes)
        else:
            overlaps = mask_iou(expected.masks, predicted.masks)
        self._scores.add(expected.classes, predicted.classes, predicted.scores, overlaps)

    def figures(self) -> dict[str, Any]:
        return {
            "map": plain(self._scores.mean()),
            "map50": plain(self._scores.mean(0.5)),
            "map75": plain(self._scores.mean(0.75)),
            "objects": sum(self._scores.expected),
        }

    def by_class(self) -> list[dict[str, Any]]:
        rows = zip(self.classes, self._scores.expected, self._scores.by_class(), strict=False)
        return [
            {
                "class": name,
                "support": support,
                "ap": plain(found.mean()) if found is not None else None,
                "ap50": plain(found[0]) if found is not None else None,
            }
            for name, support, found in list(rows)[: self.known]
        ]


class _PointScorer(Scorer):
    headline = "oks"

    def __init__(self, classes: tuple[str, ...], known: int) -> None:
        super().__init__(classes, known)
        self._scores = DetectionScores(1)
        self._sum, self._count = 0.0, 0

    def add(self, expected: DetectedKeypoints, predicted: DetectedKeypoints | Failure) -> None:
        count = len(expected.points)
        self._count += count
        zeros = np.zeros(count, np.int64)
        if isinstance(predicted, Failure) or not len(predicted.points):
            self.failed += isinstance(predicted, Failure)
            self._scores.add(zeros, zeros[:0], np.zeros(0), np.zeros((count, 0)))
            return
        near = keypoint_similarity(
            expected.points, expected.scores, predicted.points, expected.areas
        )
        self._sum += float(near.max(axis=1).sum())
        found = np.zeros(len(predicted.points), np.int64)
        self._scores.add(zeros, found, predicted.scores.mean(axis=1), near)

    def figures(self) -> dict[str, Any]:
        return {
            "oks": plain(self._sum / self._count) if self._count else None,
            "ap": plain(self._scores.mean()),
            "ap50": plain(self._scores.mean(0.5)),
            "objects": self._count,
        }

    def by_class(self) -> list[dict[str, Any]]:
        return []


SCORERS: dict[Task, type[Scorer]] = {
    "classification": _ClassScorer,
    "boxes": _ObjectScorer,
    "semantic": _MapScorer,
    "instances": _ObjectScorer,
    "keypoints": _PointScorer,
}


def _first(name: str) -> str:
    """Return the first of the synonyms that are a class's name."""
    return name.partition(",")[0] if len(name) > _LONG_NAME else name


def _counted(answer: Any, classes: tuple[str, ...]) -> str:
    """Return how many of what were found, or are expected."""
    if isinstance(answer, DetectedBoxes | DetectedMasks):
        sure = answer.classes[answer.scores >= 0.5]
        numbers, counts = np.unique(sure, return_counts=True)
        parts = [
            f"{count} {classes[number] if number < len(classes) else number}"
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        ]
        return ", ".join(parts) or "nothing"
    if isinstance(answer, DetectedKeypoints):
        return f"{len(answer.points)} with {answer.points.shape[1]} points"
    if isinstance(answer, SemanticMap):
        numbers, counts = np.unique(answer.classes, return_counts=True)
        named = (
            (classes[n] if 0 <= n < len(classes) else str(n), c / answer.classes.size)
            for n, c in zip(numbers.tolist(), counts.tolist(), strict=True)
        )
        return ", ".join(f"{name} {share:.0%}" for name, share in named)
    best = int(answer.probabilities.argmax())
    return classes[best] if best < len(classes) else str(best)
