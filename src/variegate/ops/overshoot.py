"""Overshoot: waves beside edges, where fine detail was cut off too sharply."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.base import Graded

_BORDER = cv2.BORDER_REFLECT

#: Half waves of the kernel to either side.
_HALF_WAVES = 4
#: Wavelength from which the filter runs at a reduced scale, and the least that is left there.
_LONG, _LEFT = 10.0, 5.0


@dataclass(frozen=True)
class Ringing(Graded):
    """Cut off all detail finer than a wavelength, across and down (ideal low-pass, sinc kernel).

    Attributes:
        strength: share of what is filtered in the result; 0 is the identity.
        wavelength: pixels, more than 2, which is the finest that an image can have.
    """

    strength: float
    wavelength: float

    def _act_on_colors(self, image: Image) -> Image:
        return cv2.addWeighted(image, 1 - self.strength, self._filtered(image), self.strength, 0)

    def _filtered(self, image: Image) -> Image:
        if self.wavelength < _LONG:
            return _cut(image, self.wavelength, self.wavelength)
        # What is left has no detail that the reduced scale could lose; kernels grow no longer.
        height, width = image.shape[:2]
        factor = int(self.wavelength / _LEFT)
        rows, columns = (max(1, round(side / factor)) for side in (height, width))
        small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
        across, down = self.wavelength * columns / width, self.wavelength * rows / height
        cut = _cut(small, max(2.0, across), max(2.0, down))
        return cv2.resize(cut, (width, height), interpolation=cv2.INTER_CUBIC)


def _cut(image: Image, across: float, down: float) -> Image:
    return cv2.sepFilter2D(image, -1, _kernel(across), _kernel(down), borderType=_BORDER)


def _kernel(wavelength: float) -> npt.NDArray[np.float32]:
    """Return a sinc that is cut off after a few half waves; its sum is 1."""
    half = math.ceil(_HALF_WAVES * wavelength / 2)
    turns = [math.pi * 2 * step / wavelength for step in range(1, half + 1)]
    side = [math.sin(turn) / turn for turn in turns]
    kernel = np.array([*reversed(side), 1.0, *side])
    return (kernel / (1 + 2 * sum(side))).astype(np.float32)
