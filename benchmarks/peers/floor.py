"""The floor of a whole job: decode once, encode ten times, write ten files, change nothing.

With the argument "warp" each image is warped once, and nothing else: no program that moves its
pixels with OpenCV can be faster.
"""

import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pool


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


if __name__ == "__main__":
    pool.run(warped if sys.argv[1] == "warp" else unchanged)
