"""From a trained model to one ONNX file that answers the same, and a quantized one."""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from variegate.errors import OutputError, UsageError
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.models.probabilities import softmax
from variegate.storage import printable
from variegate.training.options import TrainingError

#: In the output's folder.
MODEL, INT8_MODEL = "model.onnx", "model.int8.onnx"
#: Unpacked, of a Lambda function from a zip file, all of its code included; of an image 40 times.
LAMBDA_BYTES = 250_000_000

_OPSET = 18
# Rounding of another order of sums; a wrong graph is off by far more.
_LARGEST_DIFFERENCE = 1e-2
_BATCH = 32

Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file, and how far its answers are from PyTorch's.

    Attributes:
        path: of the file.
        bytes: its size.
        lambda_share: of what a Lambda function may be, unpacked.
        images: real ones that were compared.
        difference: largest, of the probabilities.
        same_answers: share of the images that get the same class.
        accuracy: on these images.
        accuracy_cost: PyTorch's less this one's.
    """

    path: str
    bytes: int
    lambda_share: float
    images: int
    difference: float
    same_answers: float
    accuracy: float
    accuracy_cost: float


def export_onnx(
    model: nn.Module, card: ModelCard, path: Path, images: Values, labels: npt.NDArray[np.int64]
) -> Exported:
    """Write a model and its card, and compare both.

    Args:
        model: trained, on the processor.
        card: of it.
        path: of the file.
        images: (N, C, H, W) real ones, as the model takes them.
        labels: (N,) of them.

    Raises:
        TrainingError: it cannot be exported, or does not answer as the model does.
        OutputError: the file cannot be written.
    """
    model.eval()
    part = path.with_name(f"{path.name}.part")
    example = torch.from_numpy(np.repeat(images[:1], 2, axis=0))
    try:
        with _quiet():
            torch.onnx.export(
                model,
                (example,),
                str(part),
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                opset_version=_OPSET,
                # One model, one file.
                external_data=False,
                dynamo=True,
                verbose=False,
            )
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"{printable(str(path))}: cannot be written ({error.strerror}); free some space or "
            "name another folder"
        ) from error
    except ImportError as error:
        raise UsageError(f"exporting needs {error.name}: pip install 'variegate[train]'") from error
    card.save(card_path(path))
    found = compared(model, card, path, images, labels)
    if found.difference > _LARGEST_DIFFERENCE:
        raise TrainingError(
            f"{printable(str(path))}: its answers differ from the trained model's by up to "
            f"{found.difference:.3f}; do not use it, and report the backbone"
        )
    return found


def quantize(
    model: nn.Module,
    card: ModelCard,
    path: Path,
    output: Path,
    *,
    calibration: Values,
    images: Values,
    labels: npt.NDArray[np.int64],
) -> Exported:
    """Write a model of 8-bit weights and values, and say what it costs.

    Args:
        model: trained, on the processor.
        card: of it.
        path: of its ONNX file.
        output: file to write.
        calibration: (N, C, H, W) real images, whose values decide the ranges.
        images: others, to compare.
        labels: (N,) of these.
    """
    try:
        with _quiet():
            from onnxruntime.quantization import (  # type: ignore[import-untyped]
                CalibrationDataReader,
                CalibrationMethod,
                QuantFormat,
                QuantType,
                quantize_static,
            )
            from onnxruntime.quantization.shape_inference import (  # type: ignore[import-untyped]
                quant_pre_process,
            )
    except ImportError as error:
        raise UsageError(
            f"quantizing needs {error.name}: pip install 'variegate[train]'"
        ) from error

    class CalibrationImages(CalibrationDataReader):  # type: ignore[misc]
        """Hands out images one by one."""

        def __init__(self) -> None:
            self._left = iter(calibration)

        def get_next(self) -> dict[str, Values] | None:
            one = next(self._left, None)
            return None if one is None else {"image": one[None]}

    with tempfile.TemporaryDirectory(dir=output.parent) as folder, _quiet():
        prepared = os.path.join(folder, "prepared.onnx")  # noqa: PTH118 - it takes no Path
        quant_pre_process(str(path), prepared, skip_symbolic_shape=True)
        part = os.path.join(folder, "int8.onnx")  # noqa: PTH118
        quantize_static(
            prepared,
            part,
            CalibrationImages(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        Path(part).replace(output)
    card.save(card_path(output))
    return compared(model, card, output, images, labels)


def compared(
    model: nn.Module, card: ModelCard, path: Path, images: Values, labels: npt.NDArray[np.int64]
) -> Exported:
    """Ask a file and the model that it was made of about the same images."""
    with torch.no_grad():
        wanted = np.concatenate([model(torch.from_numpy(one)).numpy() for one in _batches(images)])
    with OnnxPredictor(path, card) as predictor:
        given = np.concatenate([predictor.run(one) for one in _batches(images)])
    right = wanted.argmax(axis=1) == labels
    own = given.argmax(axis=1) == labels
    size = path.stat().st_size
    return Exported(
        path=str(path),
        bytes=size,
        lambda_share=size / LAMBDA_BYTES,
        images=len(images),
        difference=float(np.abs(softmax(wanted) - softmax(given)).max()),
        same_answers=float((wanted.argmax(axis=1) == given.argmax(axis=1)).mean()),
        accuracy=float(own.mean()),
        accuracy_cost=float(right.mean() - own.mean()),
    )


def _batches(images: Values) -> Sequence[Values]:
    return [images[begin : begin + _BATCH] for begin in range(0, len(images), _BATCH)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the exporters' warnings about themselves be none of the user's."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "root", "")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
