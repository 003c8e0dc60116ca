"""The floor of a whole job: decode once, encode ten times, write ten files, change nothing.

With the argument "warp" each image is warped once, and nothing else: no program that moves its
pixels with OpenCV can be faster. With "colors" each is warped, looked up in a table and multiplied
by a matrix: what the recipe of the whole job comes to when nothing is done twice.
"""

import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pool
import stringzilla

_LEVELS = np.arange(256)
_WEIGHTS = np.array([0.299, 0.587, 0.114])


def unchanged() -> pool.Make:
    """Return what yields the photo itself, ten times."""
    return lambda image: [image] * pool.VARIANTS


def warped() -> pool.Make:
    """Return what yields the photo turned by one degree, two degrees, and so on."""

    def make(image: np.ndarray) -> Iterator[np.ndarray]:
        height, width = image.shape[:2]
        # Four channels take two thirds of the time of three.
        padded = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
        for degrees in range(pool.VARIANTS):
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1 + degrees, 1.0)
            yield cv2.cvtColor(cv2.warpAffine(padded, turn, (width, height)), cv2.COLOR_RGBA2RGB)

    return make


def colored() -> pool.Make:
    """Return what yields the photo turned, brighter and more colorful by degrees."""
    turned = warped()

    def make(image: np.ndarray) -> Iterator[np.ndarray]:
        for step, made in enumerate(turned(image)):
            brighter = np.clip(_LEVELS + 2 * step, 0, 255).astype(np.uint8).tobytes()
            stringzilla.translate(made.reshape(-1).data, brighter, inplace=True)
            factor = 1 + 0.03 * step
            matrix = factor * np.eye(3) + (1 - factor) * _WEIGHTS
            yield cv2.transform(made, matrix.astype(np.float32))

    return make


MODES = {"job": unchanged, "warp": warped, "colors": colored}

if __name__ == "__main__":
    pool.run(MODES[sys.argv[1]])
