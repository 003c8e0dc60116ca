"""Models in TensorFlow Lite files, through LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard
from variegate.models.guess import Graph
from variegate.models.predictors.arrays import ArrayPredictor, Arrays, by_image
from variegate.models.predictors.base import PredictionError


class LiteRtPredictor(ArrayPredictor):
    """A model in a `.tflite` file, asked one image at a time."""

    def __init__(self, path: Path, card: ModelCard, *, threads: int = 1) -> None:
        """Load the model.

        Args:
            path: of the file.
            card: what it takes and answers; numbers of a quantized model are those before
                quantization.
            threads: of LiteRT.

        Raises:
            InputError: it is no model that can be run.
            UsageError: LiteRT is not installed, or the card does not fit the model.
        """
        super().__init__(path, card)
        self._model = interpreter(path, threads=threads)
        self._input = self._model.get_input_details()[0]
        outputs = self._model.get_output_details()
        named = [one for one in outputs if card.output.name in (None, one["name"])]
        if not named:
            names = ", ".join(one["name"] for one in outputs)
            raise UsageError(
                f"{path.name}: the card names output {card.output.name!r}, it has {names}"
            )
        self._outputs = named

    def outputs(self, batch: npt.NDArray[Any]) -> list[Arrays]:
        found = []
        for number in range(len(batch)):
            one = self._quantized(batch[number : number + 1])
            try:
                self._model.set_tensor(self._input["index"], one)
                self._model.invoke()
                arrays = [self._plain(output) for output in self._outputs]
            except (ValueError, RuntimeError) as error:
                text = " ".join(str(error).split())
                raise PredictionError(f"the model failed: {text}") from error
            found += by_image(arrays, 1, self.card.output.kind)
        return found

    def _quantized(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        kind = self._input["dtype"]
        scale, zero = self._input["quantization"]
        if values.dtype == kind or not scale:
            return values.astype(kind, copy=False)
        limits = np.iinfo(kind)
        return np.clip(np.rint(values / scale + zero), limits.min, limits.max).astype(kind)

    def _plain(self, output: dict[str, Any]) -> npt.NDArray[Any]:
        """Return an output as numbers; a map of classes with them first, as everywhere here."""
        values = self._model.get_tensor(output["index"])
        scale, zero = output["quantization"]
        if scale and not np.issubdtype(values.dtype, np.floating):
            values = (values.astype(np.float32) - zero) * scale
        if self.card.task == "semantic" and values.ndim == 4:
            values = values.transpose(0, 3, 1, 2)
        return values


def interpreter(path: Path, *, threads: int = 1) -> Any:
    """Return LiteRT's interpreter of a model file, ready to run.

    Raises:
        InputError: it is no model that can be run.
        UsageError: LiteRT is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UsageError("TFLite models need LiteRT: pip install 'variegate[litert]'") from error
    try:
        model = Interpreter(model_path=str(path), num_threads=threads)
        model.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        text = " ".join(str(error).split())[:300]
        raise InputError(f"{path}: not a TFLite model that can be run ({text})") from error
    return model


_DTYPES = {"float32": "float32", "float16": "float16", "uint8": "uint8", "int8": "uint8"}


def graph_of(path: Path) -> Graph:
    """Return what a file says of its model.

    Raises:
        InputError: it is no model that can be run, or takes no images.
    """
    model = interpreter(path)
    first = model.get_input_details()[0]
    kind = np.dtype(first["dtype"]).name
    if kind not in _DTYPES:
        raise InputError(f"{path}: expected an input of {', '.join(_DTYPES)}, got {kind}")
    shapes = tuple(tuple(map(int, one["shape"])) for one in model.get_output_details())
    return Graph(first["name"], tuple(map(int, first["shape"])), _DTYPES[kind], shapes)
