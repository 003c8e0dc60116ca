"""What falls before the lens, or onto it: rain, snow, mud and water.

Sizes are fractions of the image's shorter side (more exactly, of its `unit`). All drops and
flakes are drawn from the `noise_key` once; more strength shows more of the same.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.ops.weather import airlight, blended, cloud, mixed, unit
from variegate.seeding import noise_generator

#: Fractions of pixels that cv2 draws with, as bits.
_SHIFT = 4


@dataclass(frozen=True)
class _Layer:
    """Things that fall at one distance.

    Attributes:
        count: how many over a square of the shorter side, at strength 1.
        length: least and greatest, fractions of the shorter side.
        thickness: fraction of the shorter side.
        opacity: 0 ... 1.
        softness: standard deviation of their blur, fraction of the shorter side.
    """

    count: int
    length: tuple[float, float]
    thickness: float
    opacity: float
    softness: float


@dataclass(frozen=True)
class Rain(Graded):
    """Rain: streaks at three distances, before a gray veil.

    Attributes:
        strength: 0 is the identity, 1 the densest.
        slant_degrees: direction of the fall from the vertical; above 0 to the right.
        noise_key: the key of the places.
    """

    strength: float
    slant_degrees: float
    noise_key: int

    _layers = (
        _Layer(1600, (0.02, 0.045), 0.0018, 0.45, 0.0006),
        _Layer(420, (0.05, 0.1), 0.003, 0.5, 0.001),
        _Layer(60, (0.12, 0.22), 0.006, 0.35, 0.002),
    )
    _color = (222, 226, 232)
    _veil = (132, 136, 142)
    _veil_share = 0.45

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        veil = np.full(size, round(255 * self._veil_share * self.strength), np.uint8)
        changed = blended(image, veil, self._veil)
        for number, layer in enumerate(self._layers):
            changed = blended(changed, self._drawn(layer, number, size), self._color)
        return changed

    def _drawn(self, layer: _Layer, number: int, size: Size) -> Image:
        scale = unit(size)
        most = math.ceil(layer.count * size[0] * size[1] / scale**2)
        chance = noise_generator(self.noise_key, "layer", number).random((most, 3))
        shown = chance[: round(most * self.strength)]
        low, high = layer.length
        lengths = (low + (high - low) * shown[:, 2]) * scale
        mask = np.zeros(size, np.uint8)
        thickness = layer.thickness * scale
        _draw_lines(mask, shown[:, :2], lengths, self.slant_degrees, thickness, layer.opacity)
        return _softened(mask, layer.softness * scale)


@dataclass(frozen=True)
class Snow(Graded):
    """Snow: flakes of many sizes, streaked along their fall, before a veil of the scene's light.

    They are translucent, and the nearer the larger, the rarer and the more out of focus.

    Attributes:
        strength: 0 is the identity, 1 the densest.
        slant_degrees: direction of the fall from the vertical; above 0 to the right.
        noise_key: the key of the places.
    """

    strength: float
    slant_degrees: float
    noise_key: int

    #: Diameters of the flakes, fractions of the unit: from the farthest to the nearest, in groups
    #: that are blurred together; and how many of the smallest there are at strength 1.
    _sizes = ((0.0024, 0.0034, 0.0047), (0.0066, 0.0092), (0.0129, 0.018, 0.0252))
    _smallest = 1300
    _veil_share = 0.85
    #: Shorter side at which flakes are painted at least, pixels: smaller ones would be squares.
    _painted = 360

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        light = airlight(image)
        veil = np.full(size, round(255 * self._veil_share * self.strength), np.uint8)
        r, g, b = (min(255, 8 + level * 21 // 20) for level in light)
        return blended(blended(image, veil, light), self._flakes(size), (r, g, b))

    def _flakes(self, size: Size) -> Image:
        """Return how much of each pixel is snow, (H, W) of 0 ... 255."""
        finer = max(1, math.ceil(self._painted / unit(size)))
        painted = size[0] * finer, size[1] * finer
        clear = np.full(painted, 255, np.uint8)
        for sizes in self._sizes:
            group = np.zeros(painted, np.uint8)
            for diameter in sizes:
                self._paint(group, diameter)
            blurred = _softened(group, 0.4 * sizes[-1] * unit(painted))
            clear = cv2.multiply(clear, cv2.bitwise_not(blurred), scale=1 / 255)
        covered = cv2.bitwise_not(clear)
        if finer == 1:
            return covered
        return cv2.resize(covered, size[::-1], interpolation=cv2.INTER_AREA)

    def _paint(self, mask: Image, diameter: float) -> None:
        scale = unit(mask.shape[:2])
        rarer = (diameter / self._sizes[0][0]) ** 1.9
        most = math.ceil(self._smallest / rarer * mask.size / scale**2)
        chance = noise_generator(self.noise_key, "flakes", round(1e5 * diameter)).random((most, 3))
        shown = chance[: round(most * self.strength)]
        lengths = diameter * scale * (0.8 + 3.2 * shown[:, 2])
        opacity = 0.9 - 9 * diameter
        _draw_lines(mask, shown[:, :2], lengths, self.slant_degrees, diameter * scale, opacity)


@dataclass(frozen=True)
class Spatter(Graded):
    """Throw mud or water at the lens; it is too near to be in focus.

    Mud takes light away, as much of every color as it lets through of it. Water bends the light:
    drops show what is beside them, with a brighter side and a darker one.

    Attributes:
        strength: 0 is the identity, 1 covers two fifths of the image.
        noise_key: the key of the spots.
        water: water instead of mud.
    """

    strength: float
    noise_key: int
    water: bool = False

    _covered = 0.4
    #: Light that mud lets through, RGB.
    _let_through = (0.24, 0.17, 0.11)
    #: Standard deviation of the blur of the edges, and of the slopes of drops; fractions.
    _edge, _slope = 0.006, 0.012

    def visible(self, size: Size) -> npt.NDArray[np.bool_] | None:
        return None if self.water else self._share(size) < 128

    def _act_on_colors(self, image: Image) -> Image:
        share = self._share((image.shape[0], image.shape[1]))
        if self.water:
            return mixed(image, self._bent(image, share), share)
        r, g, b = self._let_through
        through = (0.299 * r + 0.587 * g + 0.114 * b,) if image.ndim == 2 else self._let_through
        kept = [cv2.convertScaleAbs(255 - share * np.float32(1 - one)) for one in through]
        return cv2.multiply(image, kept[0] if image.ndim == 2 else cv2.merge(kept), scale=1 / 255)

    def _share(self, size: Size) -> Image:
        """Return how much of each pixel is covered, (H, W) of 0 ... 255."""
        thickness = cloud(self.noise_key, size, size, 14, octaves=3)
        covered = round(thickness.size * self._covered * self.strength)
        if covered == 0:
            return np.zeros(size, np.uint8)
        place = thickness.size - covered
        threshold = np.partition(thickness.ravel(), place)[place]
        spots = (thickness >= threshold).view(np.uint8) * np.uint8(255)
        return _softened(spots, max(0.5, self._edge * unit(size)))

    def _bent(self, image: Image, share: Image) -> Image:
        """Return the image as it is seen through drops that cover `share`."""
        height, width = share.shape
        scale = unit((height, width))
        lens = _softened(share, self._slope * scale).astype(np.float32)
        step = max(1, round(scale / 120))
        wide = cv2.copyMakeBorder(lens, step, step, step, step, cv2.BORDER_REPLICATE)
        across = wide[step:-step, 2 * step :] - wide[step:-step, : -2 * step]
        down = wide[2 * step :, step:-step] - wide[: -2 * step, step:-step]
        reach = np.float32(0.05 * scale / 255)
        bent = cv2.remap(
            image,
            np.arange(width, dtype=np.float32) - reach * across,
            np.arange(height, dtype=np.float32)[:, np.newaxis] - reach * down,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        # Drops turn the scene over: they are bright below, where they show the sky.
        gain = max(airlight(image)) / 255 * 0.5
        glint, shade = (cv2.convertScaleAbs(np.maximum(one, 0) * gain) for one in (-down, down))
        if image.ndim == 3:
            glint, shade = cv2.merge([glint] * 3), cv2.merge([shade] * 3)
        return cv2.subtract(cv2.add(bent, glint), shade)


def _draw_lines(
    mask: Image,
    places: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.float64],
    slant_degrees: float,
    thickness: float,
    opacity: float,
) -> None:
    """Draw lines of a thickness (pixels) into `mask`; thinner ones than a pixel are fainter.

    Args:
        mask: (H, W), 0 ... 255.
        places: (N, 2), 0 ... 1: of their middles, x and y.
        lengths: (N,), pixels.
        slant_degrees: from the vertical; above 0 to the right.
        thickness: pixels.
        opacity: 0 ... 1.
    """
    height, width = mask.shape
    angle = math.radians(slant_degrees)
    half = np.stack([lengths * math.sin(angle), lengths * math.cos(angle)], axis=-1) / 2
    # Some begin above the image and some end below.
    middles = places * [width * 1.1, height * 1.1] - [width * 0.05, height * 0.05]
    ends = np.stack([middles - half, middles + half], axis=1)
    cv2.polylines(
        mask,
        np.rint((ends - 0.5) * 2**_SHIFT).astype(np.int32),
        isClosed=False,
        color=round(255 * opacity * min(1.0, thickness)),
        thickness=max(1, round(thickness)),
        lineType=cv2.LINE_AA,
        shift=_SHIFT,
    )


def _softened(mask: Image, sigma: float) -> Image:
    """Return `mask` blurred by `sigma` pixels, if that is enough to be seen."""
    if sigma < 0.3:
        return mask
    side = 2 * math.ceil(2.5 * sigma) + 1
    return cv2.GaussianBlur(mask, (side, side), sigma)
