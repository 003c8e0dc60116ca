"""Windows of images of more than 8 bits, against the formula, in every kind that has them."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import tiff_writer
from PIL import Image

from variegate.codecs import Depth, Limits, decode, probe


def png(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def jp2(values: np.ndarray) -> bytes:
    return cv2.imencode(".jp2", values)[1].tobytes()


def pgm(values: np.ndarray) -> bytes:
    return b"P5 %d %d 65535\n" % values.shape[::-1] + values.astype(">u2").tobytes()


def pfm(values: np.ndarray) -> bytes:
    return b"Pf %d %d -1.0\n" % values.shape[::-1] + values[::-1].astype("<f4").tobytes()


def tiff(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF")
    return stream.getvalue()


WRITERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "png": png,
    "jp2": jp2,
    "pgm": pgm,
    "pfm": pfm,
    "tiff": tiff,
    "tiff 32": lambda values: tiff(values.astype(np.int32)),
    "tiff float": lambda values: tiff(values.astype(np.float32)),
}


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    return np.linspace(300, 3932, 64 * 64).reshape(64, 64).astype(np.uint16)


def windowed(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(np.rint((values - float(low)) * 255 / (high - low)), 0, 255)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("depth", ["auto", (0.0, 4095.0), (1000.0, 2000.0)])
def test_a_window_is_what_becomes_black_and_white(
    kind: str, depth: Depth, ramp: np.ndarray
) -> None:
    image = decode(WRITERS[kind](ramp), limits=Limits(depth=depth))
    low, high = (300, 3932) if depth == "auto" else depth
    assert np.abs(image.astype(float) - windowed(ramp, low, high)).max() <= 1
    assert probe(WRITERS[kind](ramp)).bits > 8


@pytest.mark.parametrize("kind", ["png", "jp2", "pgm", "tiff"])
def test_the_full_scale_is_the_default(kind: str, ramp: np.ndarray) -> None:
    image = decode(WRITERS[kind](ramp))
    assert np.abs(image.astype(float) - ramp / 257).max() <= 0.5
    np.testing.assert_array_equal(image, decode(WRITERS[kind](ramp), limits=Limits(depth="full")))


def test_8_bits_know_no_window(ramp: np.ndarray) -> None:
    data = png((ramp // 16).astype(np.uint8))
    np.testing.assert_array_equal(decode(data, limits=Limits(depth=(3, 9))), decode(data))
    assert probe(data).bits == 8


def test_alpha_keeps_its_full_scale(ramp: np.ndarray) -> None:
    pixels = np.dstack([ramp] * 3 + [np.full_like(ramp, 32896)])
    image = decode(png(pixels), limits=Limits(depth="auto"), keep_alpha=True)
    assert (image[..., 3] == 128).all()
    assert (image[..., :3].min(), image[..., :3].max()) == (0, 255)


def test_an_image_of_one_value_is_black_in_its_own_window() -> None:
    assert not decode(png(np.full((4, 4), 999, np.uint16)), limits=Limits(depth="auto")).any()


def test_numbers_of_a_window_are_signed_where_the_file_is() -> None:
    values = np.linspace(-1000, 1000, 64).reshape(8, 8).astype(np.int16)
    signed = {339: (3, [2])}
    data = tiff_writer.tiff([values.astype("<i2").tobytes()], size=(8, 8), bits=16, tags=signed)
    image = decode(data, limits=Limits(depth=(-1000, 1000)))
    np.testing.assert_array_equal(image, windowed(values, -1000, 1000))


def test_nan_and_infinity_have_their_ends_of_a_window() -> None:
    values = np.array([[np.nan, 5, np.inf, -np.inf, 9, 7]], np.float32)
    image = decode(pfm(values), limits=Limits(depth="auto"))
    assert image.tolist() == [[0, 0, 255, 0, 255, 128]]
