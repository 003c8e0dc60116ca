"""Noise. It saturates and never wraps; one `noise_key` means one pattern at every strength."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import stringzilla

from variegate.annotations.sample import Image
from variegate.ops.base import Graded, Pixels
from variegate.ops.color import round_to_bytes
from variegate.ops.grain import (
    NORMALS,
    Bytes,
    NoiseSpan,
    amounts,
    even_words,
    grain_side,
    in_grains,
    looked_up,
    normal_bytes,
    normal_spans,
    normals,
    signs,
    where_positive,
    without_signs,
)

_LEVELS = np.arange(256, dtype=np.float64)

#: Photons at white below which single photons are counted; above, they are normal enough.
_COUNTED = 20
#: Rank (0 ... 1) of each normal byte, in rising order.
_RANKS = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in sorted(NORMALS)])


@dataclass(frozen=True)
class _NormalNoise(Graded):
    """Normal noise.

    Attributes:
        sigma: standard deviation, in levels of 255 or of a factor; 0 is the identity.
        per_channel: each channel has its own noise; otherwise all have the same.
        noise_key: the key of the pattern.
        grain: side of its grains, pixels; rounded, and at least one.
    """

    sigma: float
    per_channel: bool
    noise_key: int
    grain: float = 1.0

    @property
    def _is_fine(self) -> bool:
        """Whether every value has its own noise: an image can be worked on span by span."""
        return self.per_channel and grain_side(self.grain) == 1


class GaussianNoise(_NormalNoise):
    """Add normal noise."""

    def _act_on_colors(self, image: Image) -> Image:
        # Two tables and two saturating sums; floats take four times that.
        change = self.sigma * NORMALS
        brighter, darker = round_to_bytes(change).tobytes(), round_to_bytes(-change).tobytes()
        if not self._is_fine:
            noise = _pattern(self.noise_key, image, self.grain, per_channel=self.per_channel)
            up, down = (_on_all(looked_up(noise, one), image) for one in (brighter, darker))
            return cv2.subtract(cv2.add(image, up), down)
        changed = np.empty(image.shape, np.uint8)
        for span, before, after in _spans(self.noise_key, image, changed):
            # What a negative normal adds is what the normal takes away.
            tables = (darker, brighter) if span.negative else (brighter, darker)
            up, down = (_translated(normals()[span.places], one) for one in tables)
            cv2.add(before, up, dst=after)
            cv2.subtract(after, down, dst=after)
        return changed


class Speckle(_NormalNoise):
    """Multiply by normal noise about 1."""

    def _act_on_colors(self, image: Image) -> Image:
        # What each value changes by, without its sign, then added or subtracted: half the time of
        # looking up 65,536 products.
        scale = self.sigma * float(NORMALS[1])
        if not self._is_fine:
            noise = _pattern(self.noise_key, image, self.grain, per_channel=self.per_channel)
            change = cv2.multiply(image, _on_all(without_signs(noise), image), scale=scale)
            up = cv2.bitwise_and(change, _on_all(where_positive(noise), image))
            return cv2.subtract(cv2.add(image, up), cv2.subtract(change, up))
        changed = np.empty(image.shape, np.uint8)
        for span, before, after in _spans(self.noise_key, image, changed):
            change = cv2.multiply(before, amounts()[np.newaxis, span.places], scale=scale)
            up = cv2.bitwise_and(change, signs()[np.newaxis, span.places])
            down = cv2.subtract(change, up)
            up, down = (down, up) if span.negative else (up, down)
            cv2.add(before, up, dst=after)
            cv2.subtract(after, down, dst=after)
        return changed


@dataclass(frozen=True)
class PoissonNoise(Pixels):
    """Count few photons instead of measuring light.

    From 20 photons at white the counts are taken as normal, with the right variance; below, they
    are true Poisson counts.

    Attributes:
        photons: how many make white; the noise has 1 / sqrt(photons) of full scale there. From
            1e8 the identity.
        noise_key: the key of the pattern.
        grain: side of its grains, pixels; rounded, and at least one.
    """

    photons: float
    noise_key: int
    grain: float = 1.0

    @property
    def is_identity(self) -> bool:
        # The greatest normal, 4.5, then moves no value by half a level.
        return self.photons >= 1e8

    def _act_on_colors(self, image: Image) -> Image:
        noise = _pattern(self.noise_key, image, self.grain, per_channel=True)
        if self.photons < _COUNTED:
            return mapped(image, noise, _counts(self.photons) * (255 / self.photons))
        spread = np.sqrt(_LEVELS * (255 / self.photons))
        return mapped(image, noise, _LEVELS[:, np.newaxis] + _products(spread, NORMALS))


@dataclass(frozen=True)
class SaltPepper(Graded):
    """Make some pixels white and as many black.

    Attributes:
        fraction: share of the pixels that change; 0 is the identity.
        noise_key: the key of the pattern.
        color: each channel of a pixel changes by itself.
        grain: side of what changes, pixels; rounded, and at least one.
    """

    fraction: float
    noise_key: int
    color: bool = False
    grain: float = 1.0

    def _act_on_colors(self, image: Image) -> Image:
        shape = image.shape if self.color else image.shape[:2]
        chance = in_grains(even_words, self.noise_key, shape, grain_side(self.grain))
        each = round(self.fraction * 2**15)
        salt = (chance < each).view(np.uint8) * np.uint8(255)
        pepper = (chance >= 2**16 - each).view(np.uint8) * np.uint8(255)
        if salt.ndim < image.ndim:
            salt, pepper = cv2.merge([salt] * 3), cv2.merge([pepper] * 3)
        return cv2.subtract(cv2.add(image, salt), pepper)


@dataclass(frozen=True)
class IsoNoise(Graded):
    """Noise of a camera at high sensitivity: fine in luminance, blotchy in color, worst in shadows.

    It is never more than a level's own share, so that it hardly ever saturates: black stays black,
    as cameras keep it.

    Attributes:
        sigma: standard deviation of the luminance noise in shadows, in levels of 255; white has
            half of it; 0 is the identity.
        color: standard deviation of the color noise as a share of that.
        blotch: size of the color blotches, pixels, at least 1.
        noise_key: the key of the pattern.
        grain: side of the luminance noise's grains, pixels; rounded, and at least one.
    """

    sigma: float
    color: float
    blotch: float
    noise_key: int
    grain: float = 1.0

    #: Greatest deviation as a share of the level itself.
    _most = 0.6

    def _act_on_colors(self, image: Image) -> Image:
        side = grain_side(self.grain)
        noise = in_grains(normal_bytes, self.noise_key, image.shape[:2], side, "luminance")
        spread = self.sigma
        if image.ndim == 3:
            # Both kinds in one byte: half the steps leave room for their sum.
            noise = self._with_color(noise)
            spread *= 2
        fade, most = 1 - 0.5 * _LEVELS / 255, self._most * _LEVELS / self.sigma
        # The smaller of the two, smoothly; neither is 0 beside the other.
        weights = fade * most / np.sqrt(fade * fade + most * most)
        return mapped(image, noise, _LEVELS[:, np.newaxis] + _products(weights, spread * NORMALS))

    def _with_color(self, luminance: Bytes) -> Bytes:
        height, width = luminance.shape
        coarse = (max(2, round(height / self.blotch)), max(2, round(width / self.blotch)))
        blotches = NORMALS.astype(np.float32)[normal_bytes(self.noise_key, (*coarse, 3), "color")]
        # Linear interpolation between independent normals leaves two thirds of their deviation.
        scale = np.float32(self.color * 28 / 2 * 1.5)
        color = cv2.resize(blotches * scale, (width, height), interpolation=cv2.INTER_LINEAR)
        gray = cv2.merge([luminance.view(np.int8)] * 3)
        return cv2.addWeighted(gray, 0.5, color, 1.0, 0.0, dtype=cv2.CV_8S).view(np.uint8)


def _products(
    levels: npt.NDArray[np.float64], normals: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Return (256, 256) float32: the product of each of the one with each of the other."""
    return np.outer(levels.astype(np.float32), normals.astype(np.float32))


def mapped(image: Image, noise: Bytes, table: npt.NDArray[np.floating[Any]]) -> Image:
    """Return what `table` (256 levels x 256 noise bytes) says of each value and its noise.

    Args:
        image: (H, W) or (H, W, 3).
        noise: the same shape, or (H, W) for all channels.
    """
    noise = _on_all(noise, image)
    rows = image.shape[0]
    # Rounded and saturated in one pass: 20 us, against 45 of numpy.
    rounded = cv2.add(table.astype(np.float32), 0, dtype=cv2.CV_8U)
    # Value and noise side by side are a 16-bit number: one look-up, 220 us for 512 x 512 x 3.
    pairs = cv2.merge([noise.reshape(rows, -1), image.reshape(rows, -1)]).view("<u2")
    changed = cv2.LUT(pairs, rounded.reshape(1, -1))
    return changed.reshape(image.shape)


def _pattern(key: int, image: Image, grain: float, *, per_channel: bool) -> Bytes:
    shape = image.shape if per_channel else image.shape[:2]
    return in_grains(normal_bytes, key, shape, grain_side(grain))


def _spans(key: int, image: Image, changed: Image) -> Iterator[tuple[NoiseSpan, Bytes, Bytes]]:
    """Yield spans of noise, and as rows the parts of an image and of its result that they cover.

    Span by span all stays in the processor's cache: three quarters of the time of whole images.
    """
    before, after = image.reshape(1, -1), changed.reshape(1, -1)
    for span in normal_spans(key, image.size):
        yield span, before[:, span.values], after[:, span.values]


def _translated(noise: Bytes, table: bytes) -> Bytes:
    """Return the entry of `table` (256 bytes) for each byte, as a row."""
    return np.frombuffer(stringzilla.translate(noise.data, table), np.uint8)[np.newaxis]


def _on_all(plane: Bytes, image: Image) -> Bytes:
    """Return what stands for each value of `image`, of all its channels."""
    return cv2.merge([plane] * 3) if plane.ndim < image.ndim else plane


def _counts(photons: float) -> npt.NDArray[np.float64]:
    """Return the Poisson count (256 levels x 256 normal bytes) of the same rank as the normal."""
    means = _LEVELS * (photons / 255)
    most = math.ceil(photons + 7 * math.sqrt(photons) + 7)
    chance = np.array([math.exp(-mean) for mean in means])
    below = np.empty((256, most))
    total = np.zeros(256)
    for count in range(most):
        total += chance
        below[:, count] = total
        chance *= means / (count + 1)
    # A normal's count is the number of counts whose cumulated chance lies below its rank.
    steps = np.searchsorted(_RANKS, below, side="right")
    starts = np.bincount((steps + 257 * np.arange(256)[:, np.newaxis]).ravel(), minlength=256 * 257)
    rising = np.cumsum(starts.reshape(256, 257)[:, :256], axis=1).astype(np.float64)
    return np.roll(rising, 128, axis=1)
