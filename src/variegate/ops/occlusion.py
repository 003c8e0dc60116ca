"""Operations that hide parts of an image. What is hidden only grows with their strength."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Pixels
from variegate.ops.blur import gaussian_blurred
from variegate.ops.grain import even_bytes, even_words, grain_side, in_grains

Mask = npt.NDArray[np.bool_]

#: What stands where the source is hidden: a color; the image's mean color; even noise; the
#: image, blurred by a tenth of its shorter side.
Fill = Literal["constant", "mean", "noise", "blur"]

_REC_601 = (299, 587, 114)


@dataclass(frozen=True)
class Occluder(Pixels):
    """What hides pixels and shows something else instead.

    Attributes:
        fill: what is shown.
        color: RGB of the fill "constant"; a gray image gets its luminance.
        noise_key: the key of the fill "noise", and of whatever else is left to chance.
    """

    fill: Fill
    color: tuple[int, int, int]
    noise_key: int

    def visible(self, size: Size) -> Mask:
        return ~self._hidden(size)

    @abstractmethod
    def _hidden(self, size: Size) -> Mask:
        """Return where the source is hidden, (H, W)."""

    def _act_on_colors(self, image: Image) -> Image:
        hidden = self._hidden((image.shape[0], image.shape[1]))
        changed = np.array(image, order="C")
        cv2.copyTo(self._cover(image), hidden.view(np.uint8), changed)
        return changed

    def _cover(self, image: Image) -> Image:
        if self.fill == "noise":
            return even_bytes(self.noise_key, image.shape, "fill")
        if self.fill == "blur":
            return gaussian_blurred(image, min(image.shape[:2]) / 10)
        color = self.color if self.fill == "constant" else _mean_color(image)
        if image.ndim == 2:
            gray = sum(weight * level for weight, level in zip(_REC_601, color, strict=True))
            return np.full(image.shape, (gray + 500) // 1000, np.uint8)
        return cv2.merge([np.full(image.shape[:2], level, np.uint8) for level in color])


@dataclass(frozen=True)
class PixelDropout(Occluder):
    """Hide single pixels.

    Attributes:
        fraction: share of the pixels; 0 is the identity.
        grain: side of what is hidden, pixels; rounded, and at least one.
    """

    strength_field = "fraction"

    fraction: float
    grain: float = 1.0

    def _hidden(self, size: Size) -> Mask:
        chance = in_grains(even_words, self.noise_key, size, grain_side(self.grain))
        return chance < round(self.fraction * 2**16)


@dataclass(frozen=True)
class Cutout(Occluder):
    """Hide squares.

    Attributes:
        side: of each square, pixels; 0 is the identity.
        centers: (x, y) of each, pixels.
    """

    side: float
    centers: tuple[tuple[float, float], ...]

    @property
    def is_identity(self) -> bool:
        return self.side == 0 or not self.centers

    def _hidden(self, size: Size) -> Mask:
        hidden = np.zeros(size, np.bool_)
        half = self.side / 2
        for x, y in self.centers:
            rows = slice(max(0, round(y - half)), max(0, round(y + half)))
            columns = slice(max(0, round(x - half)), max(0, round(x + half)))
            hidden[rows, columns] = True
        return hidden


@dataclass(frozen=True)
class GridDropout(Occluder):
    """Hide a square in every cell of a regular grid.

    Attributes:
        ratio: side of the square as a share of the cell's; 0 is the identity, 1 hides everything.
        cell: side of a cell, pixels.
        origin: (x, y) of a cell's corner, pixels.
    """

    strength_field = "ratio"

    ratio: float
    cell: float
    origin: tuple[float, float]

    def _hidden(self, size: Size) -> Mask:
        across = self._covered(size[1], self.origin[0])
        down = self._covered(size[0], self.origin[1])
        return down[:, np.newaxis] & across

    def _covered(self, length: int, origin: float) -> Mask:
        """Return which of `length` pixels lie within a square, along one side."""
        place = (np.arange(length) + 0.5 - origin) / self.cell
        from_centre = np.abs(place - np.floor(place) - 0.5)
        return (2 * from_centre < self.ratio) | (self.ratio == 1)


def _mean_color(image: Image) -> tuple[int, int, int]:
    planes = [image] * 3 if image.ndim == 2 else cv2.split(image)
    sums = (int(np.sum(plane, dtype=np.int64)) for plane in planes)
    # Rounded, in whole numbers.
    r, g, b = ((2 * total + planes[0].size) // (2 * planes[0].size) for total in sums)
    return r, g, b
