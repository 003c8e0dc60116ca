"""TensorBoard's event files: curves, batches before and after augmentation, confusion."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from variegate.errors import OutputError, UsageError
from variegate.models.preprocessing import Preprocessing
from variegate.storage import printable
from variegate.training.loop import EpochFigures

#: In the output's folder.
EVENTS = "events"
_SHOWN = 16
_COLUMNS = 4
_CELL = 24


class EventFiles:
    """Writes them while a training runs."""

    def __init__(self, output: Path, *, first_step: int) -> None:
        """Open.

        Args:
            output: folder of the training.
            first_step: what was written from there on, before a kill, is written again.

        Raises:
            UsageError: tensorboard is not installed.
            OutputError: they cannot be written.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "event files need tensorboard: pip install 'variegate[train]', or leave them out "
                "with --no-tensorboard"
            ) from error
        self._place = output / EVENTS
        try:
            self._writer: Any = SummaryWriter(str(self._place), purge_step=first_step or None)
        except OSError as error:
            raise self._refused(error) from error

    def step(self, number: int, loss: float) -> None:
        """Write the loss of a step."""
        self._write("add_scalar", "batch/loss", loss, number)

    def epoch(self, figures: EpochFigures) -> None:
        """Write the figures of an epoch."""
        number = figures.epoch + 1
        for name, value in (
            ("train/loss", figures.loss),
            ("train/accuracy", figures.accuracy),
            ("val/loss", figures.val_loss),
            ("val/accuracy", figures.val_accuracy),
            ("train/rate", figures.rate),
        ):
            self._write("add_scalar", name, value, number)
        self._write("flush")

    def batch(self, name: str, images: torch.Tensor, input_: Preprocessing) -> None:
        """Write images as the model takes them, made visible again."""
        self._write("add_image", name, sheet(images[:_SHOWN].numpy(), input_), 0, dataformats="HWC")

    def confusion(self, counts: np.ndarray, epoch: int) -> None:
        """Write the confusion matrix as an image: a row a class, darker for more."""
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        cells = np.round(255 * (1 - shares)).astype(np.uint8)
        image = np.kron(cells, np.ones((_CELL, _CELL), np.uint8))
        self._write("add_image", "confusion", image[:, :, None], epoch, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._write("close")

    def _write(self, method: str, *given: Any, **more: Any) -> None:
        try:
            getattr(self._writer, method)(*given, **more)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"{printable(str(self._place))}: cannot be written ({error.strerror}); free some space "
            "and run the same command again to resume, or leave event files out with "
            "--no-tensorboard"
        )


def sheet(images: np.ndarray, input_: Preprocessing) -> np.ndarray:
    """Return one (H, W, 3) uint8 image of (N, C, H, W) model inputs."""
    shape = (1, -1, 1, 1)
    mean = np.asarray(input_.mean or (0.0,), np.float32).reshape(shape)
    std = np.asarray(input_.std or (1.0,), np.float32).reshape(shape)
    shown = np.clip(np.round((images * std + mean) * 255), 0, 255).astype(np.uint8)
    if shown.shape[1] == 1:
        shown = np.repeat(shown, 3, axis=1)
    rows = -(-len(shown) // _COLUMNS)
    height, width = shown.shape[2:]
    canvas = np.full((rows * height, _COLUMNS * width, 3), 255, np.uint8)
    for number, one in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        place = canvas[row * height : (row + 1) * height, column * width : (column + 1) * width]
        place[:] = one.transpose(1, 2, 0)
    longest = max(canvas.shape[:2])
    if longest > 1024:
        size = tuple(round(side * 1024 / longest) for side in canvas.shape[1::-1])
        canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    return canvas
