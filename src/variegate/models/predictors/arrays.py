"""Models that take an array and return arrays: what is common to ONNX and LiteRT files."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.models.card import ModelCard
from variegate.models.predictors.base import Floats, Prediction, Predictor
from variegate.models.predictors.checks import checked
from variegate.models.predictors.decoders import decoder, outputs_of
from variegate.models.preprocessing import Preprocessing

Arrays = list[npt.NDArray[Any]]

# Images in memory at once, ready for the model.
_BATCH = 32


class ArrayPredictor(Predictor):
    """A model in a file, with a card that says how it is asked and understood."""

    def __init__(self, path: Path, card: ModelCard) -> None:
        """Take a file and its card; a subclass loads it.

        Raises:
            UsageError: the card names a kind of output that its task does not have.
        """
        self.card = card
        self.path = path
        self.task, self.classes = card.task, card.classes
        self._decode = decoder(card)
        digest = hashlib.sha256(path.read_bytes())
        digest.update(card.model_dump_json(exclude={"made_with", "description"}).encode())
        self.identity = digest.hexdigest()

    @abstractmethod
    def outputs(self, batch: npt.NDArray[Any]) -> list[Arrays]:
        """Return the arrays that the model answers for each of a batch (N, ...), N at most 32.

        Raises:
            PredictionError: the model failed.
        """

    def raw(self, given: Preprocessing, images: Sequence[Image]) -> Floats:
        """Return the first output about each image, (N, ...) flat, under another preprocessing.

        Raises:
            PredictionError: the model failed.
        """
        rows = []
        for start in range(0, len(images), _BATCH):
            arrays = self.outputs(given.apply(images[start : start + _BATCH]))
            rows += [np.asarray(one[0], np.float32).reshape(-1) for one in arrays]
        return np.stack(rows)

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        found = []
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            arrays = self.outputs(self.card.input.apply(part))
            places = [self.card.input.placement((one.shape[0], one.shape[1])) for one in part]
            found += [
                self._decode(one, place, self.card.output)
                for one, place in zip(arrays, places, strict=True)
            ]
        return checked(found, images, self)

    def to_json(self) -> dict[str, Any]:
        told = self.card.model_dump(mode="json", exclude={"classes", "made_with"})
        return {**super().to_json(), "file": self.path.name, "card": told}


def by_image(arrays: Arrays, count: int, kind: str) -> list[Arrays]:
    """Return the outputs about a batch one image after another.

    Args:
        arrays: outputs, each with the axis of the batch.
        count: of images.
        kind: of output.
    """
    wanted = arrays[: outputs_of(kind)]
    return [[np.asarray(array[number]) for array in wanted] for number in range(count)]
