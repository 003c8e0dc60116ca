"""What every predictor is: it is given images and answers one prediction for each."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.errors import VariegateError
from variegate.models.card import Task

Floats = npt.NDArray[np.float32]


class PredictionError(VariegateError):
    """A model gave no usable answer: it failed, or what it said cannot be understood."""


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """How likely each class is.

    Attributes:
        probabilities: (C,), from 0 to 1, sum 1; in the order of the predictor's classes.
    """

    probabilities: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DetectedBoxes:
    """Boxes that were found, the surest first.

    Attributes:
        boxes: (N, 4), x0, y0, x1, y1, pixels of the image.
        classes: (N,), numbers of the predictor's classes.
        scores: (N,), from 0 to 1.
    """

    boxes: Floats
    classes: npt.NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMap:
    """The class of every pixel.

    Attributes:
        classes: (H, W), numbers of the predictor's classes; as large as the image.
    """

    classes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class DetectedMasks:
    """Objects that were found, the surest first.

    Attributes:
        masks: (N, H, W), boolean; as large as the image.
        classes, scores: (N,) each, as in `DetectedBoxes`.
    """

    masks: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DetectedKeypoints:
    """Points of objects that were found.

    Attributes:
        points: (N, K, 2), x and y, pixels of the image.
        scores: (N, K), from 0 to 1; of labels 0 where it is not known where the point is.
        areas: (N,) of the objects, square pixels, where they are known.
    """

    points: Floats
    scores: Floats
    areas: Floats | None = None


Prediction = Classification | DetectedBoxes | SemanticMap | DetectedMasks | DetectedKeypoints


class Predictor(ABC):
    """A model that can be asked about images, wherever it runs.

    Attributes:
        task: what it answers.
        classes: names of its classes, in the order of its answers.
        identity: digest of all that decides its answers (the file's bytes, preprocessing, code as
            far as it can be known): an answer kept under another identity is never used again.
    """

    task: Task = "classification"
    classes: tuple[str, ...] = ()
    identity: str = ""

    @abstractmethod
    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Return one prediction for each image, in their order.

        Args:
            images: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8, of any sizes.

        Raises:
            PredictionError: the model failed, or its answer cannot be understood.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of processes and connections."""

    def to_json(self) -> dict[str, Any]:
        """Return what a report says of the model: JSON values, without secrets."""
        return {"task": self.task, "classes": list(self.classes), "identity": self.identity}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
