"""Models in ONNX files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from variegate.annotations.sample import Image
from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard
from variegate.models.predictors.base import (
    Classification,
    Floats,
    Prediction,
    PredictionError,
    Predictor,
)


class OnnxPredictor(Predictor):
    """A model in an ONNX file, asked through onnxruntime on the processor."""

    def __init__(self, path: Path, card: ModelCard, *, threads: int = 1) -> None:
        """Load the model.

        Args:
            path: of the file.
            card: what it takes and answers.
            threads: of onnxruntime.

        Raises:
            InputError: it is no ONNX model that can be run.
        """
        self.card = card
        self.task, self.classes = card.task, card.classes
        self._session = session(path, threads=threads)
        digest = hashlib.sha256(path.read_bytes())
        digest.update(card.model_dump_json(exclude={"made_with", "description"}).encode())
        self.identity = digest.hexdigest()

    @property
    def takes_one(self) -> bool:
        """Whether the model takes one image at a time, so that a batch saves nothing."""
        return bool(self._session.get_inputs()[0].shape[:1] == [1])

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        answer = self.run(self.card.input.apply(images))
        return list(map(Classification, _probabilities(answer, self.card.output.kind)))

    def run(self, batch: Any) -> Floats:
        """Return the model's answer to a batch that is ready for it, (N, ...)."""
        inputs = self._session.get_inputs()
        name = self.card.input.name or inputs[0].name
        outputs = [self.card.output.name or self._session.get_outputs()[0].name]
        # Some models take one image at a time, whatever they are given.
        single = len(batch) > 1 and inputs[0].shape[:1] == [1]
        pieces = [batch[n : n + 1] for n in range(len(batch))] if single else [batch]
        try:
            answers = [self._session.run(outputs, {name: piece})[0] for piece in pieces]
        except Exception as error:
            raise PredictionError(f"the model failed: {' '.join(str(error).split())}") from error
        return np.concatenate([np.asarray(one, np.float32) for one in answers])


def session(path: Path, *, threads: int = 1) -> Any:
    """Return an onnxruntime session of a model file.

    Raises:
        InputError: it is no ONNX model that can be run.
        UsageError: onnxruntime is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("ONNX models need onnxruntime: pip install 'variegate[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"{path}: not an ONNX model that can be run ({' '.join(str(error).split())[:300]})"
        ) from error


def _probabilities(answer: Floats, kind: str) -> Floats:
    flat = answer.reshape(len(answer), -1)
    if kind == "probabilities":
        return flat
    shifted = np.exp(flat - flat.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
