"""Operations on color that look at the whole image first."""

from abc import abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.base import Graded, Pixels
from variegate.ops.color import round_to_bytes
from variegate.ops.grain import looked_up

_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class _Table(Graded):
    """A table for each channel, made from that channel's histogram.

    Attributes:
        mix: share of the changed image in the result; 0 is the identity.
    """

    mix: float

    def _act_on_colors(self, image: Image) -> Image:
        if image.ndim == 2:
            return self._changed(image)
        return cv2.merge([self._changed(channel) for channel in cv2.split(image)])

    def _changed(self, channel: Image) -> Image:
        mixed = _LEVELS + self.mix * (self._table(histogram(channel)) - _LEVELS)
        return looked_up(channel, round_to_bytes(mixed))

    @abstractmethod
    def _table(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the new level of each level, given how often each occurs."""


@dataclass(frozen=True)
class Autocontrast(_Table):
    """Stretch every channel from black to white.

    Attributes:
        cutoff: share of the pixels that may saturate at each end.
    """

    cutoff: float

    def _table(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        below = np.cumsum(counts)
        allowed = self.cutoff * int(below[-1])
        low = int(np.argmax(below > allowed))
        high = 255 - int(np.argmax(np.cumsum(counts[::-1]) > allowed))
        return _LEVELS if high <= low else (_LEVELS - low) * (255 / (high - low))


@dataclass(frozen=True)
class Equalize(_Table):
    """Spread every channel so that all levels are about equally frequent.

    Attributes:
        steps: a level becomes the number of pixels below it, in steps of a 255th of those that do
            not have the highest level, in whole numbers; otherwise the share of pixels up to it.
    """

    steps: bool = False

    def _table(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        below = np.cumsum(counts)
        if self.steps:
            last = int(counts[np.flatnonzero(counts)[-1]])
            step = (int(below[-1]) - last) // 255
            return _LEVELS if step == 0 else ((below - counts + step // 2) // step).astype(float)
        first = int(counts[np.argmax(counts > 0)])
        spread = int(below[-1]) - first
        return _LEVELS if spread == 0 else (below - first).astype(np.float64) * (255 / spread)


@dataclass(frozen=True)
class MeanContrast(Pixels):
    """Stretch or shrink the distance of every value from the image's mean.

    Attributes:
        factor: 1 is the identity, 0 leaves the mean.
        per_channel: each channel keeps its own mean; otherwise the mean of luminance is kept.
    """

    factor: float
    per_channel: bool

    @property
    def is_identity(self) -> bool:
        return self.factor == 1

    def _act_on_colors(self, image: Image) -> Image:
        if image.ndim == 3 and self.per_channel:
            return cv2.merge([self._about(one, _mean(one)) for one in cv2.split(image)])
        luminance = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return self._about(image, _mean(luminance))

    def _about(self, values: Image, mean: float) -> Image:
        return looked_up(values, round_to_bytes(mean + self.factor * (_LEVELS - mean)))


@dataclass(frozen=True)
class Clahe(Graded):
    """Equalize luminance by regions, with limited contrast (CLAHE); colors keep their differences.

    Attributes:
        mix: share of the changed image in the result; 0 is the identity.
        clip_limit: greatest slope of the curve of a region, about.
        tiles: regions along each side.
    """

    mix: float
    clip_limit: float
    tiles: int

    def _act_on_colors(self, image: Image) -> Image:
        luminance = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        height, width = luminance.shape
        tiles = min(self.tiles, width), min(self.tiles, height)
        equalized = cv2.createCLAHE(self.clip_limit, tiles).apply(luminance)
        share = round_to_bytes(self.mix * _LEVELS)
        brighter = looked_up(cv2.subtract(equalized, luminance), share)
        darker = looked_up(cv2.subtract(luminance, equalized), share)
        if image.ndim == 3:
            brighter, darker = cv2.merge([brighter] * 3), cv2.merge([darker] * 3)
        return cv2.subtract(cv2.add(image, brighter), darker)


def _mean(channel: Image) -> float:
    return int(np.sum(channel, dtype=np.int64)) / channel.size


def histogram(channel: Image) -> npt.NDArray[np.int64]:
    """Return how often each of the 256 levels occurs."""
    counts = np.zeros(256, np.int64)
    # cv2 counts in float32: exact up to 2**24.
    rows = max(1, 2**22 // channel.shape[1])
    for start in range(0, channel.shape[0], rows):
        part = cv2.calcHist([channel[start : start + rows]], [0], None, [256], [0, 256])
        counts += part.ravel().astype(np.int64)
    return counts
