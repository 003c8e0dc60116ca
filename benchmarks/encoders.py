"""JPEG encoders at equal quantisation: bytes, distortion and time, on warped photos."""

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from harness import Claim, Result, interleave, number, ratio
from photos import photos

COUNT, QUALITY = 24, 95
METHOD = f"""
{COUNT} photos of 500 x 375, each turned by 7 degrees and brightened a little as in a job (bilinear,
so that no trace of the source's own blocks is left), encoded at quality {QUALITY}: all of these
encoders are libjpeg-turbo and quantise with the same tables. Everything is decoded by the same
decoder (OpenCV's). PSNR in decibels: of RGB, of luma, and of both chroma planes at full resolution;
means over the photos. Processor time from RGB to bytes, median of the turns; *BGR at hand* is
without the exchange of channels that OpenCV needs.

Why simplejpeg's files are worse: the TurboJPEG interface that it calls uses the fast integer DCT
below quality 96, and its `fastdct=False` does not change that. From 96 on its files are OpenCV's,
byte for byte (last claim). What follows is in `docs/decisions/codecs.md`
(`benchmarks/encoders.py`).
"""
_SAMPLING = {
    "4:2:0": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "420", 2),
    "4:4:4": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, "444", 0),
}

Encoder = Callable[[np.ndarray], bytes]


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    cv2.setNumThreads(1)
    np.empty(31 * 2**20, np.uint8)  # As in plan.execute: without it page faults are measured, too.
    images = [_warped(file) for file in sorted(photos().glob("*.jpg"))[:: 200 // COUNT]][:COUNT]
    encoders = {
        f"{name}, {sampling}": encoder
        for sampling in _SAMPLING
        for name, encoder in _encoders(sampling).items()
    }
    turns = {name: _turn(encoder, images) for name, encoder in encoders.items()}
    at_hand = "OpenCV, 4:2:0, BGR at hand"
    turns[at_hand] = _turn(
        lambda one: _by_opencv(one, QUALITY, "4:2:0"), [one[..., ::-1].copy() for one in images]
    )
    times = interleave(turns, 3 if quick else 31)
    found = {name: _quality(encoder, images) for name, encoder in encoders.items()}
    rows = [
        (
            name,
            number(statistics.median(times[name]) / len(images) * 1e6),
            *([] if name not in found else [f"{np.mean(found[name][0]):,.0f}"]),
            *([] if name not in found else [f"{np.mean(each):.2f}" for each in found[name][1:]]),
        )
        for name in turns
    ]
    rows = [(*row, *[""] * (6 - len(row))) for row in rows]
    simple, other = found["simplejpeg, 4:2:0"], found["OpenCV, 4:2:0"]
    finer = _encoders("4:2:0", 96)
    claims = [
        Claim.at_most(
            "OpenCV above simplejpeg at equal quality, dB of RGB",
            0.1,
            np.mean(other[1]) - np.mean(simple[1]),
        ),
        Claim.at_most("its bytes, times simplejpeg's", 1, sum(other[0]) / sum(simple[0])),
        Claim.at_most(
            "its time, times simplejpeg's", 1, ratio(times, "OpenCV, 4:2:0", "simplejpeg, 4:2:0")
        ),
        Claim.at_least(
            f"equal files at quality 96, of {COUNT}",
            COUNT,
            sum(finer["simplejpeg"](one) == finer["OpenCV"](one) for one in images),
        ),
    ]
    head = ("", "us an image", "bytes an image", "RGB, dB", "luma, dB", "chroma, dB")
    return Result("JPEG encoders", METHOD, head, rows, claims)


def _warped(file: Path) -> np.ndarray:
    photo = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.03)
    warped = cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return cv2.convertScaleAbs(warped, alpha=1.05, beta=3)


def _encoders(sampling: str, quality: int = QUALITY) -> dict[str, Encoder]:
    """Return encoders of RGB, by name, for one subsampling of the chroma."""
    _, simple, pillow = _SAMPLING[sampling]

    def by_opencv(image: np.ndarray, quality: int = quality) -> bytes:
        return _by_opencv(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality, sampling)

    def by_pillow(image: np.ndarray) -> bytes:
        coded = io.BytesIO()
        Image.fromarray(image).save(coded, "JPEG", quality=quality, subsampling=pillow)
        return coded.getvalue()

    def by_simplejpeg(fast: bool) -> Encoder:
        return lambda one: simplejpeg.encode_jpeg(one, quality, "RGB", simple, fast)

    return {
        "simplejpeg": by_simplejpeg(True),
        "simplejpeg, fastdct=False": by_simplejpeg(False),
        "OpenCV": by_opencv,
        "OpenCV at quality 94": lambda one: by_opencv(one, 94),
        "Pillow": by_pillow,
    }


def _by_opencv(image: np.ndarray, quality: int, sampling: str) -> bytes:
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[sampling][0]),
    ]
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def _turn(encoder: Encoder, images: list[np.ndarray]) -> Callable[[], float]:
    def turn() -> float:
        begun = time.process_time()
        for image in images:
            encoder(image)
        return time.process_time() - begun

    return turn


def _quality(encoder: Encoder, images: list[np.ndarray]) -> tuple[list[float], ...]:
    """Return bytes, and PSNR of RGB, luma and chroma, of each image."""
    found: tuple[list[float], ...] = ([], [], [], [])
    for image in images:
        coded = encoder(image)
        decoded = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR_RGB)
        before, after = (
            cv2.cvtColor(_precise(one), cv2.COLOR_RGB2YCrCb) for one in (image, decoded)
        )
        found[0].append(len(coded))
        found[1].append(_psnr(_precise(image), _precise(decoded)))
        found[2].append(_psnr(before[..., 0], after[..., 0]))
        found[3].append(_psnr(before[..., 1:], after[..., 1:]))
    return found


def _precise(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / 255


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one.astype(np.float64) - other) ** 2)))
