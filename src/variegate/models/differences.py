"""How wrong an answer is, 0 (as expected) to 1: one function for each kind of question.

What is expected may be labels (`truths.truth`) or what the model said of the clean image. An answer
fails where its difference reaches a threshold, usually 0.5.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from variegate.errors import UsageError, did_you_mean
from variegate.models.card import Task
from variegate.models.overlap import (
    Matrix,
    best_pairs,
    box_iou,
    keypoint_similarity,
    mask_iou,
)
from variegate.models.placement import UNSEEN
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    PredictionError,
    SemanticMap,
)
from variegate.models.predictors.checks import Failure
from variegate.models.predictors.function import load_function

Difference = Callable[[Any, Any], float]
"""Takes what is expected and what was predicted; returns 0 to 1."""

# What a detector is less sure of is not counted as said.
MIN_SCORE = 0.5
_BACKGROUNDS = {"background", "__background__", "void", "unlabelled", "unlabeled", "_background_"}


def wrong_class(expected: Classification, predicted: Classification) -> float:
    """Return 0 where the likeliest class is the expected one, 1 elsewhere."""
    return float(expected.probabilities.argmax() != predicted.probabilities.argmax())


def confidence_loss(expected: Classification, predicted: Classification) -> float:
    """Return which share of the probability of the expected class is lost."""
    best = int(expected.probabilities.argmax())
    before = float(expected.probabilities[best])
    after = float(predicted.probabilities[best])
    return min(1.0, max(0.0, before - after) / before) if before > 0 else 0.0


def total_variation(expected: Classification, predicted: Classification) -> float:
    """Return half the sum of the differences of all probabilities."""
    apart = np.abs(expected.probabilities.astype(np.float64) - predicted.probabilities).sum()
    return float(min(1.0, apart / 2))


def box_difference(expected: DetectedBoxes, predicted: DetectedBoxes) -> float:
    """Return 1 less the overlap (IoU) of boxes of the same class, in pairs; see `unmatched`."""
    expected, predicted = _sure(expected), _sure(predicted)
    same = expected.classes[:, None] == predicted.classes[None]
    return unmatched(box_iou(expected.boxes, predicted.boxes) * same)


def mask_difference(expected: DetectedMasks, predicted: DetectedMasks) -> float:
    """Return 1 less the overlap (IoU) of masks of the same class, in pairs; see `unmatched`."""
    one, other = expected.scores >= MIN_SCORE, predicted.scores >= MIN_SCORE
    same = expected.classes[one][:, None] == predicted.classes[other][None]
    return unmatched(mask_iou(expected.masks[one], predicted.masks[other]) * same)


def keypoint_difference(expected: DetectedKeypoints, predicted: DetectedKeypoints) -> float:
    """Return 1 less the similarity (OKS) of objects, in pairs; see `unmatched`.

    Raises:
        PredictionError: the objects have other numbers of points.
    """
    shapes = {one.points.shape[1] for one in (expected, predicted) if len(one.points)}
    if len(shapes) > 1:
        one, other = expected.points.shape[1], predicted.points.shape[1]
        raise PredictionError(f"expected {one} keypoints of an object, got {other}")
    if not len(expected.points) or not len(predicted.points):
        return float(len(expected.points) != len(predicted.points))
    return unmatched(
        keypoint_similarity(expected.points, expected.scores, predicted.points, expected.areas)
    )


def unmatched(overlaps: Matrix) -> float:
    """Return 1 less the sum of the overlaps of the best pairs, for each object there is.

    Objects that are a pair are one; those that were missed, and those that are too many, count as
    one each. Nothing expected and nothing found is no difference.
    """
    expected, found = overlaps.shape
    if not expected and not found:
        return 0.0
    pairs = best_pairs(overlaps)
    total = sum(float(overlaps[pair]) for pair in pairs)
    return float(np.clip(1 - total / (expected + found - len(pairs)), 0, 1))


def dice_difference(
    expected: SemanticMap, predicted: SemanticMap, *, background: int | None = None
) -> float:
    """Return 1 less the mean Dice coefficient of the classes that either has.

    Pixels for which nothing is expected do not count.

    Args:
        expected, predicted: (H, W) of the same size.
        background: class that is none, or None where all are.

    Raises:
        PredictionError: their sizes differ.
    """
    if expected.classes.shape != predicted.classes.shape:
        raise PredictionError(
            f"expected a mask {expected.classes.shape}, got {predicted.classes.shape}"
        )
    known = expected.classes != UNSEEN
    one, other = expected.classes[known], predicted.classes[known]
    count = int(max(one.max(initial=0), other.max(initial=0))) + 1
    first = np.bincount(one, minlength=count)
    second = np.bincount(other[other != UNSEEN], minlength=count)
    common = np.bincount(one[one == other], minlength=count)
    there = first + second > 0
    if background is not None and background < count:
        there[background] = False
    if not there.any():
        return 0.0
    dice = 2 * common[there] / (first + second)[there]
    return float(np.clip(1 - dice.mean(), 0, 1))


def background_of(classes: tuple[str, ...]) -> int | None:
    """Return the number of the class that is none, by its name, or None."""
    named = (number for number, name in enumerate(classes) if name.lower() in _BACKGROUNDS)
    return next(named, None)


def _sure(found: DetectedBoxes) -> DetectedBoxes:
    kept = found.scores >= MIN_SCORE
    return DetectedBoxes(found.boxes[kept], found.classes[kept], found.scores[kept])


DIFFERENCES: Mapping[Task, Mapping[str, Difference]] = {
    "classification": {
        "class": wrong_class,
        "confidence": confidence_loss,
        "total_variation": total_variation,
    },
    "boxes": {"iou": box_difference},
    "semantic": {"dice": dice_difference},
    "instances": {"iou": mask_difference},
    "keypoints": {"oks": keypoint_difference},
}


def difference(
    task: Task, classes: tuple[str, ...] = (), name: str | Difference | None = None
) -> Difference:
    """Return what compares answers to a task; a model that failed is as wrong as can be.

    Args:
        task: of the model.
        classes: of the model.
        name: one of `DIFFERENCES`, or `module:function` of the user's, or a function; None for the
            first one.

    Raises:
        UsageError: there is none of that name.
    """
    known = DIFFERENCES[task]
    if callable(name):
        return _guarded(name, getattr(name, "__qualname__", type(name).__name__))
    if name is not None and ":" in name:
        return _guarded(load_function(name, flag="--difference"), name)
    if name is not None and name not in known:
        raise UsageError(
            f"--difference: expected one of {', '.join(known)} or module:function for {task}, got "
            f"{name!r}{did_you_mean(name, known)}"
        )
    found = known[name or next(iter(known))]
    if found is dice_difference:
        background = background_of(classes)
        return _guarded(
            lambda one, other: dice_difference(one, other, background=background), "dice"
        )
    return _guarded(found, name or next(iter(known)))


def _guarded(compare: Difference, name: str) -> Difference:
    def guarded(expected: Prediction, predicted: Prediction | Failure) -> float:
        if isinstance(predicted, Failure):
            return 1.0
        value = float(compare(expected, predicted))
        if not 0 <= value <= 1:
            raise UsageError(f"{name}: expected a difference from 0 to 1, got {value:g}")
        return value

    return guarded
