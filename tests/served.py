"""Models with cards for tests of what is served, and the server as a process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def squeezenet(data_dir: Path, folder: Path) -> Path:
    """Link SqueezeNet into a folder, with the card that its SOURCE.md describes."""
    lines = (data_dir / "models/imagenet_labels.txt").read_text().splitlines()
    names = [line.partition(",")[2] for line in lines if line]
    if not names[0] or names[0].isdigit():
        names = [line.partition(",")[0] for line in lines if line]
    # Two of ImageNet's names stand for two classes each.
    distinct = [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)]
    card = {
        "version": 1,
        "input": {
            "size": [224, 224],
            "channels": "bgr",
            "dtype": "float16",
            "scale": 1.0,
            "mean": [104.0, 117.0, 123.0],
        },
        "output": {"name": "softmaxout_1", "kind": "probabilities"},
        "classes": distinct,
    }
    return _linked(data_dir / "models/squeezenet_fp16.onnx", folder, card)


def mnist(data_dir: Path, folder: Path) -> Path:
    """Link MNIST's small network into a folder, with a card."""
    card = {
        "version": 1,
        "input": {"size": [28, 28], "channels": "gray", "scale": 1.0},
        "output": {"kind": "logits"},
        "classes": [str(digit) for digit in range(10)],
    }
    return _linked(data_dir / "models/mnist.onnx", folder, card)


def _linked(source: Path, folder: Path, card: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / source.name
    if not path.exists():
        path.symlink_to(source)
    path.with_suffix(".card.json").write_text(json.dumps(card))
    return path


def digit(number: int, size: int = 56) -> np.ndarray:
    """Draw a white digit on black, as MNIST's are."""
    import cv2

    image = np.zeros((size, size), np.uint8)
    cv2.putText(
        image, str(number), (size // 4, size * 4 // 5), cv2.FONT_HERSHEY_SIMPLEX, size / 28, 255, 4
    )
    return image


@contextlib.contextmanager
def server(model: Path, *options: object, **environment: str) -> Iterator[tuple[str, Any]]:
    """Run `variegate serve` until the block ends; yield its URL and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "variegate", "serve", str(model), "--port", "0", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        line = process.stdout.readline()
        assert " at http://" in line, process.stderr.read()
        yield line.rpartition(" at ")[2].strip(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
