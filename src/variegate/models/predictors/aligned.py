"""A model whose classes are called and numbered as a dataset's are."""

import hashlib
from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.errors import UsageError
from variegate.models.class_names import ClassMatch
from variegate.models.placement import UNSEEN
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


class AlignedPredictor(Predictor):
    """Asks another predictor and says its answers in a dataset's classes.

    Probabilities of classes that are one in the dataset are added.
    """

    def __init__(self, inner: Predictor, match: ClassMatch) -> None:
        """Take the predictor and which class is which.

        Raises:
            UsageError: the match is about another number of classes.
        """
        if len(inner.classes) != len(match.numbers):
            raise UsageError(
                f"the model has {len(inner.classes):,} classes, the match {len(match.numbers):,}"
            )
        self.inner, self.match = inner, match
        self.task, self.classes = inner.task, match.classes
        told = repr((inner.identity, match.classes, match.numbers))
        self.identity = hashlib.sha256(told.encode()).hexdigest()
        self._numbers = np.array(match.numbers, np.int64)

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        return [self._said(one) for one in self.inner.predict(images)]

    def close(self) -> None:
        self.inner.close()

    def to_json(self) -> dict[str, Any]:
        return {**self.inner.to_json(), **super().to_json()}

    def _said(self, one: Prediction) -> Prediction:
        match one:
            case Classification():
                if len(one.probabilities) != len(self._numbers):
                    raise PredictionError(
                        f"expected probabilities of {len(self._numbers)} classes, got "
                        f"{len(one.probabilities)}"
                    )
                summed = np.bincount(self._numbers, one.probabilities, len(self.classes))
                return Classification(summed.astype(np.float32))
            case DetectedBoxes():
                return DetectedBoxes(one.boxes, self._renumbered(one.classes), one.scores)
            case DetectedMasks():
                return DetectedMasks(one.masks, self._renumbered(one.classes), one.scores)
            case SemanticMap():
                found = self._renumbered(np.maximum(one.classes, 0))
                return SemanticMap(np.where(one.classes == UNSEEN, UNSEEN, found))
            case DetectedKeypoints():
                return one
        assert_never(one)

    def _renumbered(self, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if classes.size and classes.max() >= len(self._numbers):
            raise PredictionError(
                f"expected classes below {len(self._numbers)}, got {int(classes.max())}"
            )
        return self._numbers[classes]
