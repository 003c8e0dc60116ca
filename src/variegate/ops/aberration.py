"""Colored edges, as lenses make them."""

from dataclasses import dataclass

import cv2
import numpy as np

from variegate.annotations.sample import Image
from variegate.ops.base import Pixels
from variegate.ops.blur import gaussian_blurred
from variegate.ops.color import round_to_bytes
from variegate.ops.grain import looked_up

#: What is bright enough to have a fringe: from 190, wholly from 250.
_GLARE = round_to_bytes((np.arange(256) - 190) * (255 / 60))


@dataclass(frozen=True)
class ChromaticAberration(Pixels):
    """Enlarge red and shrink blue about the centre, or the other way, and fringe what is bright.

    A gray image is taken as one without colors: what would be colored edges is a little blur.

    Attributes:
        shift: how much larger red is than green, and green than blue, as a share; below 0 the
            other way.
        fringe: strength of the purple beside what is bright. 0 and a shift of 0 are the identity.
    """

    shift: float
    fringe: float

    @property
    def is_identity(self) -> bool:
        return self.shift == 0 == self.fringe

    def _act_on_colors(self, image: Image) -> Image:
        if image.ndim == 2:
            return cv2.cvtColor(self._changed([image] * 3), cv2.COLOR_RGB2GRAY)
        return self._changed(list(cv2.split(image)))

    def _changed(self, planes: list[Image]) -> Image:
        red, green, blue = planes
        if self.fringe:
            halo = _halo(cv2.min(cv2.min(red, green), blue))
            red = cv2.add(red, cv2.convertScaleAbs(halo, alpha=0.6 * self.fringe))
            green = cv2.subtract(green, cv2.convertScaleAbs(halo, alpha=0.2 * self.fringe))
            blue = cv2.add(blue, cv2.convertScaleAbs(halo, alpha=1.2 * self.fringe))
        if self.shift:
            red, blue = _scaled(red, 1 + self.shift), _scaled(blue, 1 / (1 + self.shift))
        return cv2.merge([red, green, blue])


def _halo(darkest: Image) -> Image:
    """Return how much of the glare beside it each pixel gets, of the darkest channel."""
    glare = looked_up(darkest, _GLARE)
    return cv2.subtract(gaussian_blurred(glare, 0.5 + 0.006 * min(darkest.shape)), glare)


def _scaled(plane: Image, factor: float) -> Image:
    height, width = plane.shape
    x, y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[factor, 0, x - factor * x], [0, factor, y - factor * y]])
    return cv2.warpAffine(
        plane, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
