"""Answers of functions, servers and other programs as predictions.

An answer about one image is one of these (`docs/models.md` has them for users):

- classification: `[0.1, 0.9]`, `{"probabilities": [0.1, 0.9]}`, `{"probabilities": {"cat": 0.9}}`,
  `{"logits": [...]}`, `"cat"`, `1`, `{"label": "cat", "score": 0.9}`
- boxes: `{"boxes": [{"box": [x0, y0, x1, y1], "label": "cat", "score": 0.9}]}`
- semantic: `{"mask": MASK}`
- instances: `{"instances": [{"mask": MASK, "label": "cat", "score": 0.9}]}`
- keypoints: `{"keypoints": [[[x, y, score], ...], ...]}`

MASK is a PNG in base64 whose values are class numbers (0 and more where an object is), or, from a
function, an array. `score` may be missing: 1. A label may be the number of a class.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from variegate.annotations.sample import Size
from variegate.codecs import Limits, decode_mask
from variegate.errors import ImageError, did_you_mean
from variegate.models.card import Task
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    PredictionError,
    SemanticMap,
)
from variegate.models.probabilities import softmax
from variegate.validation import shown

_PREDICTIONS = (Classification, DetectedBoxes, DetectedMasks, DetectedKeypoints, SemanticMap)


class AnswerReader:
    """Reads what functions, servers and programs say.

    Args:
        task: of the model.
        classes: their names, in the order of lists of probabilities.
    """

    def __init__(self, task: Task, classes: Sequence[str]) -> None:
        self._task = task
        self._classes = tuple(classes)
        self._numbers = {name: number for number, name in enumerate(classes)}

    def all(self, answers: object, sizes: Sequence[Size]) -> list[Prediction]:
        """Read the answers about several images.

        Args:
            answers: a list, or an array whose first axis is the images.
            sizes: (height, width) of the images.

        Raises:
            PredictionError: there are more or fewer, or one cannot be understood.
        """
        if isinstance(answers, str | bytes | Mapping) or not hasattr(answers, "__len__"):
            raise PredictionError(f"expected a list of predictions, got {shown(answers)}")
        if len(answers) != len(sizes):
            raise PredictionError(
                f"expected {len(sizes):,} predictions, one for each image, got {len(answers):,}"
            )
        # An array's axis and a list alike.
        return [self.one(answers[n], size) for n, size in enumerate(sizes)]  # type: ignore[index]

    def one(self, answer: Any, size: Size) -> Prediction:
        """Read the answer about one image.

        Raises:
            PredictionError: it cannot be understood.
        """
        if isinstance(answer, _PREDICTIONS):
            return answer
        try:
            return self._read(answer, size)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PredictionError(
                f"expected an answer for {self._task} as docs/models.md has it, got "
                f"{shown(answer)} ({reason})"
            ) from error

    def _read(self, answer: Any, size: Size) -> Prediction:
        match self._task:
            case "classification":
                return Classification(self._probabilities(answer))
            case "boxes":
                return self._boxes(answer["boxes"])
            case "semantic":
                mask = answer["mask"] if isinstance(answer, Mapping) else answer
                return SemanticMap(_mask(mask).astype(np.int64))
            case "instances":
                return self._instances(answer["instances"], size)
            case "keypoints":
                return _keypoints(answer["keypoints"] if isinstance(answer, Mapping) else answer)

    def _probabilities(self, answer: Any) -> Any:
        if isinstance(answer, Mapping):
            if "label" in answer:
                return self._labelled(answer["label"], float(answer.get("score", 1.0)))
            if "logits" in answer:
                return softmax(np.asarray(answer["logits"], np.float32).reshape(-1))
            answer = answer["probabilities"]
        if isinstance(answer, Mapping):
            values = np.zeros(len(self._classes), np.float32)
            for name, value in answer.items():
                values[self.number(name)] = value
            return values
        if isinstance(answer, str | int | np.integer):
            return self._labelled(answer, 1.0)
        return np.asarray(answer, np.float32).reshape(-1)

    def _labelled(self, label: Any, score: float) -> Any:
        """Return probabilities where one class alone is told; the others share the rest."""
        count = len(self._classes)
        if count == 0:
            raise PredictionError(
                "the model answers with a label: name its classes with --model-classes"
            )
        if not 0 <= score <= 1:
            raise PredictionError(f"expected a score from 0 to 1, got {score:g}")
        values = np.full(count, (1 - score) / max(1, count - 1), np.float32)
        values[self.number(label)] = score if count > 1 else 1.0
        return values

    def number(self, label: Any) -> int:
        """Return the number of a class that is told by name or number.

        Raises:
            PredictionError: there is no such class.
        """
        if isinstance(label, str):
            if label not in self._numbers:
                raise PredictionError(
                    f"the model answers {shown(label)}, which is none of its classes"
                    f"{did_you_mean(label, self._classes)}"
                )
            return self._numbers[label]
        number = int(label)
        if number != label or number < 0 or (self._classes and number >= len(self._classes)):
            raise PredictionError(
                f"the model answers class {shown(label)}, of {len(self._classes)} classes"
            )
        return number

    def _boxes(self, found: Sequence[Mapping[str, Any]]) -> Prediction:
        ordered = sorted(found, key=_score, reverse=True)
        boxes = np.array([one["box"] for one in ordered], np.float32).reshape(-1, 4)
        return DetectedBoxes(boxes, self._labels(ordered), _scores(ordered))

    def _instances(self, found: Sequence[Mapping[str, Any]], size: Size) -> Prediction:
        ordered = sorted(found, key=_score, reverse=True)
        masks = [_mask(one["mask"]) > 0 for one in ordered]
        for one in masks:
            if one.shape != size:
                raise PredictionError(f"expected a mask {size}, got {one.shape}")
        stacked = np.stack(masks) if masks else np.zeros((0, *size), bool)
        return DetectedMasks(stacked, self._labels(ordered), _scores(ordered))

    def _labels(self, found: Sequence[Mapping[str, Any]]) -> Any:
        return np.array([self.number(one.get("label", 0)) for one in found], np.int64)


def _score(one: Mapping[str, Any]) -> float:
    return float(one.get("score", 1.0))


def _scores(found: Sequence[Mapping[str, Any]]) -> Any:
    return np.array([_score(one) for one in found], np.float32)


def _mask(given: Any) -> Any:
    if not isinstance(given, str):
        return np.asarray(given)
    try:
        return decode_mask(base64.b64decode(given, validate=True), Limits())
    except (binascii.Error, ImageError) as error:
        raise PredictionError(f"a mask is no PNG in base64 ({error})") from error


def _keypoints(given: Any) -> Prediction:
    points = np.asarray(given, np.float32)
    if not points.size:
        return DetectedKeypoints(np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32))
    if points.ndim != 3 or points.shape[2] not in (2, 3):
        raise PredictionError(f"expected points (objects, points, 2 or 3), got {points.shape}")
    known = points.shape[2] == 3
    scores = points[:, :, 2] if known else np.ones(points.shape[:2], np.float32)
    return DetectedKeypoints(points[:, :, :2], scores)
