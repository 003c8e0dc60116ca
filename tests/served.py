"""Models with cards for tests of what is served, and the server as a process."""

import contextlib
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from variegate.recipes.policies import find_axis
from variegate.tolerance.result import (
    AxisTolerance,
    CleanResult,
    IntensityQuantity,
    Interval,
    ThresholdResult,
    Tolerance,
)


def squeezenet(data_dir: Path, folder: Path) -> Path:
    """Link SqueezeNet into a folder, with the card that its SOURCE.md describes."""
    lines = (data_dir / "models/imagenet_labels.txt").read_text().splitlines()
    names = [line.partition(",")[2] for line in lines if line]
    if not names[0] or names[0].isdigit():
        names = [line.partition(",")[0] for line in lines if line]
    # Two of ImageNet's names stand for two classes each.
    distinct = [
        f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)
    ]
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


def digit(number: int) -> np.ndarray:
    """Draw a white digit in the middle of black, as MNIST's are, (280, 280) uint8."""
    image = np.zeros((280, 280), np.uint8)
    font, scale, thick = cv2.FONT_HERSHEY_SIMPLEX, 7.0, 26
    (width, height), _ = cv2.getTextSize(str(number), font, scale, thick)
    place = ((280 - width) // 2, (280 + height) // 2)
    cv2.putText(image, str(number), place, font, scale, 255, thick, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 5)


class ServerProcess(subprocess.Popen):
    """`variegate serve` as a process; what it logs goes into a file, which never fills up."""

    def __init__(self, model: Path, *options: object, **environment: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        command = [sys.executable, "-m", "variegate", "serve", str(model), "--port", "0"]
        super().__init__(
            [*command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **environment},
        )

    def log(self) -> str:
        """Return what it has written to standard error."""
        self._log.seek(0)
        return self._log.read().decode()

    def end(self) -> str:
        """Ask it to stop, wait for that, and return its log."""
        if self.poll() is None:
            self.send_signal(signal.SIGTERM)
        try:
            self.wait(60)
        finally:
            self.kill()
        return self.log()

    def close(self) -> None:
        self.end()
        self.stdout.close()
        self._log.close()


@contextlib.contextmanager
def server(
    model: Path, *options: object, **environment: str
) -> Iterator[tuple[str, ServerProcess]]:
    """Run `variegate serve` until the block ends; yield its URL and the process."""
    process = ServerProcess(model, *options, **environment)
    try:
        line = process.stdout.readline().decode()
        assert " at http://" in line, process.log()
        yield line.rpartition(" at ")[2].strip(), process
    finally:
        process.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """Ask with the standard library's client; an iterable body is sent in chunks."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        connection.request(
            method or ("GET" if body is None else "POST"),
            path,
            body,
            dict(headers or {}),
            encode_chunked=body is not None and not isinstance(body, bytes),
        )
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
    finally:
        connection.close()


def form(*files: tuple[str, bytes], **fields: str) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body as browsers send it, and its header."""
    boundary = f"----{uuid.uuid4().hex}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files:
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        )
        parts.append(
            f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
        )
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def claiming(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


Place = tuple[float, float | None, float | None]


def tolerance(path: Path, identity: str, axes: dict[str, tuple[Place, Place | None]]) -> None:
    """Write what a search of a model found: (low, at, high) of onset and critical of each axis."""

    def at(intensity: float) -> IntensityQuantity:
        return IntensityQuantity(intensity=intensity, value=None, unit="", text="")

    def threshold(quantile: float, place: Place | None) -> ThresholdResult:
        low, found, high = place or (1.0, None, None)
        others = {"at": found, "high": high}
        known = {name: None if one is None else at(one) for name, one in others.items()}
        return ThresholdResult(quantile=quantile, low=at(low), **known)

    Tolerance(
        model={"identity": identity},
        mode="correctness preserved",
        error="class",
        tau=0.5,
        seed=0,
        quantiles=(0.05, 0.49),
        n_max=256,
        clean=CleanResult(
            images=100, wrong=0, units=100, error=Interval(value=0, low=0, high=0.04)
        ),
        axes=tuple(
            AxisTolerance(
                axis=name,
                version=find_axis(name)[1].version,
                thresholds=(threshold(0.05, onset), threshold(0.49, critical)),
            )
            for name, (onset, critical) in axes.items()
        ),
        calls=0,
    ).save(path)
