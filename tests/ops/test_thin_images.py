"""Strips whose border is seen many times over: the same image as cv2's, in another time."""

import time

import cv2
import numpy as np
import pytest

from variegate.ops import Warp
from variegate.ops.view import View


@pytest.mark.parametrize("border", ["reflect", "wrap"])
@pytest.mark.parametrize("height", [1, 2, 6])
def test_a_strip_is_repeated_as_by_cv2(border: str, height: int) -> None:
    rng = np.random.Generator(np.random.Philox(3))
    strip = rng.integers(0, 256, (height, 300), np.uint8)
    matrix = np.array([[0.8, -0.6, 420.3], [0.6, 0.8, 260.2], [0, 0, 1]])
    size = (900, 900)
    found = Warp.of(matrix, size, View(border, (0, 0, 0), "linear"))._act(strip)
    flag = cv2.BORDER_REFLECT_101 if border == "reflect" else cv2.BORDER_WRAP
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    centred = shift @ matrix @ np.linalg.inv(shift)
    expected = cv2.warpAffine(strip, centred[:2], size, flags=cv2.INTER_LINEAR, borderMode=flag)
    # cv2 counts positions in steps of 1/32 of a pixel.
    assert np.abs(found.astype(int) - expected).mean() < 2
    assert np.abs(found.astype(int) - expected).max() < 20


def test_a_strip_takes_no_longer_than_its_pixels_warrant() -> None:
    matrix = np.array([[0.707, -0.707, 500], [0.707, 0.707, 500], [0, 0, 1]])
    size = (2000, 2000)
    took = []
    for shape in ((6, 12_000, 3), (268, 268, 3)):
        image = np.zeros(shape, np.uint8)
        begun = time.perf_counter()
        Warp.of(matrix, size, View("reflect", (0, 0, 0), "linear"))._act(image)
        took.append(time.perf_counter() - begun)
    assert took[0] < 30 * took[1] + 1
