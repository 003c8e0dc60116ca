"""Uneven light: lens shading, light from one side, and clouds of light and shade.

What is painted is smooth, so it is painted small, as bytes, and enlarged; and it scales with the
image. Only its strength depends on `strength`.
"""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.ops.weather import cloud

Floats = npt.NDArray[np.float32]

#: How light changes across the image: evenly along a line, or as a normal curve about a point.
Gradient = Literal["linear", "gaussian"]
Effect = Literal["brighten", "darken"]

#: Shorter side at which light is painted, pixels.
_PAINTED = 160


@dataclass(frozen=True)
class Vignette(Graded):
    """Darken the corners by the fourth power of the cosine, as a lens does.

    Stored values are about the square root of light, so they fall by the square of the cosine.

    Attributes:
        strength: share of the light that the farthest corner loses; 0 is the identity.
        center: (x, y) of the lens's axis, fractions of the width and the height.
    """

    strength: float
    center: tuple[float, float]

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        x, y, (width, height) = _places(size)
        across, down = self.center[0] * width, self.center[1] * height
        farthest = max(across, width - across) ** 2 + max(down, height - down) ** 2
        squared = np.square(x - np.float32(across)) + np.square(y - np.float32(down))
        # The square of the tangent in that corner, where the square of the cosine is what is left.
        tangent = 1 / math.sqrt(1 - self.strength) - 1
        kept = np.reciprocal(1 + squared * np.float32(tangent / farthest))
        return _relit(image, 1 - kept, -1.0)


@dataclass(frozen=True)
class Illumination(Graded):
    """Let more or less light fall on one side or one place.

    Attributes:
        strength: 0 is the identity; 1 doubles the values there, or leaves a tenth.
        effect: which of both.
        shape: how the light changes.
        angle_degrees: where the "linear" one comes from, 0 being the right, 90 below.
        center: (x, y) of the middle of the "gaussian" one, fractions of the width and the height.
        width: standard deviation of the "gaussian" one, a fraction of the shorter side.
    """

    strength: float
    effect: Effect
    shape: Gradient
    angle_degrees: float
    center: tuple[float, float]
    width: float

    #: Factor on the strength by effect: what is added to 1, or taken from it.
    _amounts = (("brighten", 1.0), ("darken", -0.9))

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        light = self._linear(size) if self.shape == "linear" else self._gaussian(size)
        return _relit(image, light, self.strength * dict(self._amounts)[self.effect])

    def _linear(self, size: Size) -> Floats:
        x, y, (width, height) = _places(size)
        angle = math.radians(self.angle_degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        span = abs(cos) * width + abs(sin) * height
        start = min(0.0, cos) * width + min(0.0, sin) * height
        return (x * np.float32(cos / span) + y * np.float32(sin / span)) - np.float32(start / span)

    def _gaussian(self, size: Size) -> Floats:
        x, y, (width, height) = _places(size)
        across = _normal(x - np.float32(self.center[0] * width), self.width)
        down = _normal(y - np.float32(self.center[1] * height), self.width)
        return across * down


@dataclass(frozen=True)
class PlasmaBrightness(Graded):
    """Make the image brighter here and darker there, in clouds of many sizes.

    Attributes:
        strength: 0 is the identity; at 1 the change has a deviation of 0.35 of full scale.
        noise_key: the key of the clouds.
    """

    strength: float
    noise_key: int

    _deviation = 0.35 * 255
    #: Steps of the painted bytes in a deviation: three of them to either side.
    _steps = 42

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        levels = _enlarged(128 + np.float32(self._steps) * _plasma(self.noise_key, size), image)
        amount = self.strength * self._deviation / self._steps
        return cv2.addWeighted(image, 1.0, levels, amount, -128 * amount)


@dataclass(frozen=True)
class PlasmaShadow(Graded):
    """Lay soft shadows of many sizes on the image.

    Attributes:
        strength: 0 is the identity; 1 leaves a tenth of the values in the deepest shadow.
        noise_key: the key of the shadows.
    """

    strength: float
    noise_key: int

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        shade = np.clip(0.5 + 0.4 * _plasma(self.noise_key, size), 0, 1)
        return _relit(image, shade * shade * (3 - 2 * shade), -0.9 * self.strength)


def _plasma(key: int, size: Size) -> Floats:
    """Return clouds of light, about standard normal, painted."""
    x, y, _ = _places(size)
    return cloud(key, size, (y.size, x.size), 2, octaves=5)


def _places(size: Size) -> tuple[Floats, Floats, tuple[float, float]]:
    """Return x (1, W) and y (H, 1) of painted pixels, and the (width, height) that they cover.

    All in units of the shorter side.
    """
    scale = min(1.0, _PAINTED / min(size))
    rows, columns = (max(1, round(side * scale)) for side in size)
    height, width = size[0] / min(size), size[1] / min(size)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * np.float32(width / columns)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(height / rows)
    return x[np.newaxis], y[:, np.newaxis], (width, height)


def _normal(away: Floats, deviation: float) -> Floats:
    """Return a normal curve, 1 in its middle."""
    # math, not numpy: numpy's exponentials differ between processors.
    values = [math.exp(-0.5 * (one / deviation) ** 2) for one in away.ravel().tolist()]
    return np.array(values, np.float32).reshape(away.shape)


def _enlarged(painted: Floats, image: Image) -> Image:
    """Return what was painted as bytes of the image's shape."""
    size = image.shape[1], image.shape[0]
    wide = cv2.resize(cv2.convertScaleAbs(painted), size, interpolation=cv2.INTER_LINEAR)
    return wide if image.ndim == 2 else cv2.merge([wide] * 3)


def _relit(image: Image, light: Floats, amount: float) -> Image:
    """Return `image` times 1 + `amount` * `light`, where light is painted and 0 to 1."""
    share = _enlarged(255 * light, image)
    change = cv2.multiply(image, share, share, scale=abs(amount) / 255)
    return cv2.add(image, change) if amount > 0 else cv2.subtract(image, change)
