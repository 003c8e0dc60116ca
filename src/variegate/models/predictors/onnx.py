"""Models in ONNX files."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard
from variegate.models.guess import Graph
from variegate.models.predictors.arrays import ArrayPredictor, Arrays, by_image
from variegate.models.predictors.base import Floats, PredictionError
from variegate.models.predictors.decoders import outputs_of


class OnnxPredictor(ArrayPredictor):
    """A model in an ONNX file, asked through onnxruntime on the processor."""

    def __init__(
        self, path: Path, card: ModelCard, *, threads: int = 1, yielding: bool = False
    ) -> None:
        """Load the model.

        Args:
            path: of the file.
            card: what it takes and answers.
            threads: of onnxruntime.
            yielding: leave the processor to others between two images, instead of spinning until
                the next one comes.

        Raises:
            InputError: it is no ONNX model that can be run.
            UsageError: the card does not fit it.
        """
        super().__init__(path, card)
        self._session = session(path, threads=threads, yielding=yielding)
        known = {one.name for one in self._session.get_inputs()}
        self._input = card.input.name or self._session.get_inputs()[0].name
        if self._input not in known:
            raise UsageError(
                f"{path.name}: the card names input {self._input!r}, it has {', '.join(known)}"
            )
        names = [one.name for one in self._session.get_outputs()]
        if card.output.name is not None and card.output.name not in names:
            raise UsageError(
                f"{path.name}: the card names output {card.output.name!r}, "
                f"it has {', '.join(names)}"
            )
        first = [card.output.name or names[0]]
        self._outputs = first if outputs_of(card.output.kind) == 1 else names

    def outputs(self, batch: npt.NDArray[Any]) -> list[Arrays]:
        kind = self.card.output.kind
        if outputs_of(kind) is None:
            # Found objects are as many as there are: their outputs have no axis of the batch.
            return [self._run(batch[n : n + 1]) for n in range(len(batch))]
        answer = self._batched(batch)
        if len(answer) != len(batch):
            raise PredictionError(f"expected {len(batch)} answers, got an array {answer.shape}")
        return by_image([answer], len(batch), kind)

    @property
    def takes_one(self) -> bool:
        """Whether the model takes one image at a time, so that a batch saves nothing."""
        shape = next(one.shape for one in self._session.get_inputs() if one.name == self._input)
        return bool(shape[:1] == [1])

    def run(self, batch: Any) -> Floats:
        """Return the model's first answer to a batch that is ready for it, (N, ...)."""
        return np.asarray(self._batched(np.asarray(batch)), np.float32)

    def _batched(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        single = len(batch) > 1 and self.takes_one
        pieces = [batch[n : n + 1] for n in range(len(batch))] if single else [batch]
        return np.concatenate([self._run(piece)[0] for piece in pieces])

    def _run(self, batch: npt.NDArray[Any]) -> Arrays:
        try:
            return list(map(np.asarray, self._session.run(self._outputs, {self._input: batch})))
        except Exception as error:
            raise PredictionError(f"the model failed: {' '.join(str(error).split())}") from error


def session(path: Path, *, threads: int = 1, yielding: bool = False) -> Any:
    """Return an onnxruntime session of a model file; see `OnnxPredictor`.

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
    if yielding:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"{path}: not an ONNX model that can be run ({' '.join(str(error).split())[:300]})"
        ) from error


# Element types of an input that an image can become.
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


def graph_of(path: Path) -> Graph:
    """Return what a file says of its model.

    Raises:
        InputError: it is no ONNX model that can be run, or takes no images.
    """
    loaded = session(path)
    first = loaded.get_inputs()[0]
    if first.type not in _DTYPES:
        raise InputError(f"{path}: expected an input of {', '.join(_DTYPES)}, got {first.type}")
    return Graph(
        first.name,
        _plain_shape(first.shape),
        _DTYPES[first.type],
        tuple(_plain_shape(one.shape) for one in loaded.get_outputs()),
        _named_classes(loaded.get_modelmeta().custom_metadata_map),
    )


def _plain_shape(shape: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(one if isinstance(one, int) and one > 0 else None for one in shape)


def _named_classes(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the class names that a program wrote into the file: "names", as Ultralytics does."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if isinstance(names, list) and all(isinstance(one, str) for one in names):
        return tuple(names)
    return ()
