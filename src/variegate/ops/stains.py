"""`Stains`: the amounts of dyes in a stained slide under a microscope."""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.base import Operation, Pointwise
from variegate.ops.matrices import Matrix

# Optical density of red, green and blue by stain: Ruifrok and Johnston, Quantification of
# histochemical staining by color deconvolution, Anal. Quant. Cytol. Histol. 23 (2001).
_HEMATOXYLIN = (0.65, 0.70, 0.29)
_EOSIN = (0.07, 0.99, 0.11)

#: Steps of 16-bit densities in a natural logarithm: black lies at 5.5, the last step at 8.
_STEPS = 8192


@dataclass(frozen=True)
class Stains(Pointwise):
    """Change how much hematoxylin and eosin there is; what is neither of them stays.

    A gray image shows no stains, and stays as it is.

    Attributes:
        hematoxylin, eosin: factors on the amounts (concentrations); 1 and 1 are the identity.
    """

    hematoxylin: float
    eosin: float

    @property
    def is_identity(self) -> bool:
        return self.hematoxylin == 1 == self.eosin

    def then(self, other: Operation) -> Operation | None:
        if not isinstance(other, Stains):
            return super().then(other)
        return Stains(self.hematoxylin * other.hematoxylin, self.eosin * other.eosin)

    def on_colors(self, colors: Image) -> Image:
        return self._stained(colors[np.newaxis])[0]

    def on_gray(self, level: int) -> int:
        return level

    def _act(self, image: Image) -> Image:
        if image.ndim == 2 or self.is_identity:
            return image
        if image.shape[2] == 3:
            return self._stained(image)
        colors = self._stained(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB))
        return np.dstack([colors, image[..., 3]])

    def _stained(self, image: Image) -> Image:
        densities, values = _tables()
        # Densities as 16 bits: two look-ups and a product of integers take 2 ms where logarithms
        # and powers of floats take 20, and round alike everywhere.
        changed = cv2.transform(cv2.LUT(image, densities), self._matrix())
        return cv2.LUT(changed, values)

    def _matrix(self) -> npt.NDArray[np.float32]:
        """Return (3, 3): densities of red, green and blue to those with other amounts."""
        stains = Matrix((*_unit(_HEMATOXYLIN), *_unit(_EOSIN), *_unit(_rest())))
        amounts = Matrix((self.hematoxylin, 0, 0, 0, self.eosin, 0, 0, 0, 1))
        return (stains.inverse() @ amounts @ stains).array.T.astype(np.float32)


@cache
def _tables() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Return the density of each of 256 values, and the value of each of 65,536 densities."""
    levels, steps = np.arange(256, dtype=np.float64), np.arange(2**16, dtype=np.float64)
    # One more than each value: black has a logarithm, too.
    densities = np.rint(_STEPS * np.log(256 / (levels + 1))).astype(np.uint16)
    values = np.clip(np.rint(256 * np.exp(-steps / _STEPS) - 1), 0, 255).astype(np.uint8)
    return densities[np.newaxis], values[np.newaxis]


def _unit(vector: tuple[float, ...]) -> tuple[float, ...]:
    length = math.sqrt(sum(one * one for one in vector))
    return tuple(one / length for one in vector)


def _rest() -> tuple[float, float, float]:
    """Return the direction of what is neither stain: at right angles to both."""
    (a, b, c), (d, e, f) = _HEMATOXYLIN, _EOSIN
    return b * f - c * e, c * d - a * f, a * e - b * d
