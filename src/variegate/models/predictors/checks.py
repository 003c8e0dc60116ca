"""What an answer must be before anybody counts on it, and what becomes of one that is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from variegate.annotations.sample import Image
from variegate.models.card import Task
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    PredictionError,
    Predictor,
    SemanticMap,
)

KIND_OF: dict[Task, type] = {
    "classification": Classification,
    "boxes": DetectedBoxes,
    "semantic": SemanticMap,
    "instances": DetectedMasks,
    "keypoints": DetectedKeypoints,
}

# Half precision sums a thousand classes to within a percent.
_SUM_SLACK = 0.02
# Two runs of one model differ by rounding where batches are cut in another way.
_SAME = 1e-3


def checked(
    found: Sequence[Prediction], images: Sequence[Image], predictor: Predictor
) -> list[Prediction]:
    """Return predictions if there is one for each image and all can be understood.

    Raises:
        PredictionError: there are more or fewer, or one is of another task, has NaN, knows other
            classes than the predictor, or is of another size than its image.
    """
    if len(found) != len(images):
        raise PredictionError(
            f"expected {len(images):,} predictions, one for each image, got {len(found):,}"
        )
    kind, count = KIND_OF[predictor.task], len(predictor.classes)
    for number, (one, image) in enumerate(zip(found, images, strict=True)):
        if not isinstance(one, kind):
            raise PredictionError(
                f"expected {kind.__name__} for {predictor.task}, got {type(one).__name__}"
            )
        if (wrong := _fault(one, count, (image.shape[0], image.shape[1]))) is not None:
            raise PredictionError(f"prediction {number + 1} of {len(found)}: {wrong}")
    return list(found)


def _fault(one: Prediction, count: int, size: tuple[int, int]) -> str | None:
    """Return what is wrong with a prediction, or None."""
    match one:
        case Classification():
            return _fault_of_classes(one, count)
        case DetectedBoxes():
            return _fault_of_shapes((one.boxes, (len(one.scores), 4))) or _fault_of_objects(
                one.boxes, one.classes, one.scores, count
            )
        case DetectedMasks():
            return _fault_of_shapes((one.masks, (len(one.scores), *size))) or _fault_of_objects(
                one.masks, one.classes, one.scores, count
            )
        case SemanticMap():
            return _fault_of_shapes((one.classes, size)) or _fault_of_numbers(
                one.classes, count, least=-1
            )
        case DetectedKeypoints():
            expected = (*one.points.shape[:2], 2)
            fault = _fault_of_shapes((one.points, expected), (one.scores, one.points.shape[:2]))
            return fault or _fault_of_values(one.points, one.scores)
    assert_never(one)


def _fault_of_classes(one: Classification, count: int) -> str | None:
    values = one.probabilities
    if values.ndim != 1 or (count and len(values) != count) or not len(values):
        return (
            f"expected probabilities of {count or 'some'} classes, got an array {values.shape}; "
            "name the model's classes with --model-classes"
        )
    if not np.isfinite(values).all():
        return "NaN or infinity among its probabilities"
    total = float(values.sum())
    if values.min() < -_SAME or values.max() > 1 + _SAME or abs(total - 1) > _SUM_SLACK:
        return (
            f"expected probabilities that sum to 1, got {total:.3g} ({values.min():.3g} to "
            f"{values.max():.3g}); if they are logits, say so with --output logits"
        )
    return None


def _fault_of_shapes(*pairs: tuple[np.ndarray, tuple[int, ...]]) -> str | None:
    for array, shape in pairs:
        if array.shape != shape:
            return f"expected an array {shape}, got {array.shape}"
    return None


def _fault_of_objects(
    places: np.ndarray, classes: np.ndarray, scores: np.ndarray, count: int
) -> str | None:
    if classes.shape != scores.shape:
        return f"expected a class for each of {len(scores)} scores, got {len(classes)}"
    return _fault_of_values(places, scores) or _fault_of_numbers(classes, count, least=0)


def _fault_of_values(places: np.ndarray, scores: np.ndarray) -> str | None:
    if not (np.isfinite(places).all() and np.isfinite(scores).all()):
        return "NaN or infinity among its numbers"
    if scores.size and (scores.min() < -_SAME or scores.max() > 1 + _SAME):
        return f"expected scores from 0 to 1, got {scores.min():.3g} to {scores.max():.3g}"
    return None


def _fault_of_numbers(classes: np.ndarray, count: int, *, least: int) -> str | None:
    if classes.size and (classes.min() < least or (count and classes.max() >= count)):
        low, high = int(classes.min()), int(classes.max())
        return f"expected classes from 0 to {count - 1}, got {low} to {high}"
    return None


@dataclass(frozen=True, slots=True)
class Failure:
    """In the place of a prediction: the model gave none for this image.

    Attributes:
        reason: a clause.
    """

    reason: str


def predict_each(predictor: Predictor, images: Sequence[Image]) -> list[Prediction | Failure]:
    """Ask about images; where a batch fails, about each alone, so that one costs one.

    Every answer is checked, whoever gives it.
    """
    try:
        return list(checked(predictor.predict(images), images, predictor))
    except PredictionError as error:
        if len(images) == 1:
            return [Failure(str(error))]
    return [one for image in images for one in predict_each(predictor, [image])]


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Whether a model says the same when it is asked twice.

    Attributes:
        asked: images that it was asked about again.
        different: of them, those with another answer.
        greatest: difference of two numbers; infinite where even their count differs.
    """

    asked: int = 0
    different: int = 0
    greatest: float = 0.0

    @property
    def note(self) -> str | None:
        """A sentence for the user, if something is wrong."""
        if not self.different:
            return None
        return (
            f"the model gave other answers to {self.different:,} of {self.asked:,} images when "
            "asked twice; figures vary with it (is it in training mode, with dropout?)"
        )


def asked_again(
    predictor: Predictor, images: Sequence[Image], first: Sequence[Prediction | Failure]
) -> Repeatability:
    """Ask about images a second time and compare with the first answers."""
    second = predict_each(predictor, images)
    distances = [distance(a, b) for a, b in zip(first, second, strict=True)]
    return Repeatability(
        len(images), sum(one > _SAME for one in distances), max(distances, default=0.0)
    )


def distance(one: Prediction | Failure, other: Prediction | Failure) -> float:
    """Return by how much two answers to the same question differ.

    It is the greatest difference of two numbers, coordinates in shares of the greatest of them.
    """
    if isinstance(one, Failure) or isinstance(other, Failure):
        return 0.0 if isinstance(one, Failure) and isinstance(other, Failure) else np.inf
    greatest = 0.0
    for a, b in zip(_arrays(one), _arrays(other), strict=True):
        if a.shape != b.shape:
            return np.inf
        if not a.size:
            continue
        if not np.issubdtype(a.dtype, np.floating):
            # A pixel at the border of two classes may fall to either by rounding.
            greatest = max(
                greatest, float((a != b).mean()) if a.ndim > 1 else float((a != b).any())
            )
            continue
        unit = max(1.0, float(np.abs(a).max()))
        greatest = max(greatest, float(np.abs(a - b).max()) / unit)
    return greatest


def _arrays(one: Prediction) -> list[np.ndarray]:
    return [value for value in map(one.__getattribute__, one.__slots__) if value is not None]
