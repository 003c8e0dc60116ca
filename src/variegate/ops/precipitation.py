"""What falls before the lens, or onto it: rain, snow, mud.

Sizes are fractions of the image's shorter side (more exactly, of its `unit`). All drops and
flakes are drawn from the `noise_key` once; more strength shows more of the same.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.ops.weather import Floats, blended, cloud, unit
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
class _Falling(Graded):
    """Things that fall, in layers, before a veil of those too far to be seen.

    Attributes:
        strength: 0 is the identity, 1 the densest.
        slant_degrees: direction of the fall from the vertical; above 0 to the right.
        noise_key: the key of the places.
    """

    strength: float
    slant_degrees: float
    noise_key: int

    _layers: ClassVar[tuple[_Layer, ...]] = ()
    _color = (255, 255, 255)
    _veil = (128, 128, 128)
    _veil_share = 0.0

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
        angle = math.radians(self.slant_degrees)
        half = np.stack([lengths * math.sin(angle), lengths * math.cos(angle)], axis=-1) / 2
        # Some begin above the image and some end below.
        middles = shown[:, :2] * [size[1] * 1.1, size[0] * 1.1] - [size[1] * 0.05, size[0] * 0.05]
        ends = np.stack([middles - half, middles + half], axis=1)
        # Lines are at least a pixel wide; thinner ones are fainter instead.
        thickness = layer.thickness * scale
        opacity = layer.opacity * min(1.0, thickness)
        mask = np.zeros(size, np.uint8)
        cv2.polylines(
            mask,
            np.rint((ends - 0.5) * 2**_SHIFT).astype(np.int32),
            isClosed=False,
            color=round(255 * opacity),
            thickness=max(1, round(thickness)),
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )
        sigma = layer.softness * scale
        if sigma < 0.3:
            return mask
        side = 2 * math.ceil(2.5 * sigma) + 1
        return cv2.GaussianBlur(mask, (side, side), sigma)


@dataclass(frozen=True)
class Rain(_Falling):
    """Rain: streaks at three distances, before a gray veil."""

    _layers = (
        _Layer(1600, (0.02, 0.045), 0.0018, 0.45, 0.0006),
        _Layer(420, (0.05, 0.1), 0.003, 0.5, 0.001),
        _Layer(60, (0.12, 0.22), 0.006, 0.35, 0.002),
    )
    _color = (222, 226, 232)
    _veil = (132, 136, 142)
    _veil_share = 0.45


@dataclass(frozen=True)
class Snow(_Falling):
    """Snow: flakes at three distances, the nearest out of focus, before a white veil."""

    _layers = (
        _Layer(2400, (0.0, 0.004), 0.004, 0.85, 0.0012),
        _Layer(520, (0.002, 0.01), 0.009, 0.95, 0.0022),
        _Layer(70, (0.005, 0.025), 0.022, 0.9, 0.006),
    )
    _color = (250, 251, 253)
    _veil = (226, 230, 236)
    _veil_share = 0.5


@dataclass(frozen=True)
class Spatter(Graded):
    """Throw mud at the lens.

    Attributes:
        strength: 0 is the identity, 1 covers two fifths of the image.
        noise_key: the key of the spots.
    """

    strength: float
    noise_key: int

    _covered = 0.4
    _color = (88, 66, 44)

    def visible(self, size: Size) -> npt.NDArray[np.bool_]:
        return self._share(self._mud(size)) < 128

    def _act_on_colors(self, image: Image) -> Image:
        mud = self._mud((image.shape[0], image.shape[1]))
        share = self._share(mud)
        covered = blended(image, share, self._color)
        # Light from above: spots are brighter where they face it.
        step = max(1, round(min(mud.shape) / 150))
        slope = mud - np.roll(mud, step, axis=0)
        shine = np.clip(slope * 60, 0, 60) * (share / np.float32(255))
        glint = cv2.convertScaleAbs(shine)
        return cv2.add(covered, glint if image.ndim == 2 else cv2.merge([glint] * 3))

    def _mud(self, size: Size) -> Floats:
        return cloud(self.noise_key, size, size, 14, octaves=3)

    def _share(self, mud: Floats) -> Image:
        """Return the opacity of the mud, (H, W) of 0 ... 255."""
        covered = round(mud.size * self._covered * self.strength)
        if covered == 0:
            return np.zeros(mud.shape, np.uint8)
        threshold = np.partition(mud.ravel(), mud.size - covered)[mud.size - covered]
        # Edges of about a pixel and a half.
        steepness = np.float32(max(4.0, min(mud.shape) / 40))
        return cv2.convertScaleAbs(np.clip((mud - threshold) * steepness + 0.5, 0, 0.97) * 255)
