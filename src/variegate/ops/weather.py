"""Light and air: shadow, fog, sun flare.

Sizes and places are fractions of the image's sides; what is left to chance (folds, clouds) comes
from the `noise_key`, and only the strength of what it paints depends on `strength`.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.ops.color import round_to_bytes
from variegate.ops.grain import NORMALS, looked_up, normal_bytes
from variegate.seeding import noise_generator

Floats = npt.NDArray[np.float32]

#: Shorter side at which smooth things are painted before they are enlarged, pixels.
_PAINTED = 160


@dataclass(frozen=True)
class Shadow(Graded):
    """Cast the shadow of something long, such as a pole, a wall or a branch.

    Attributes:
        strength: 0 is the identity, 1 leaves a quarter of the light.
        center: (x, y) of a point of its axis, fractions of the width and the height.
        angle_degrees: direction of the axis, 0 along a row.
        width: fraction of the shorter side.
        noise_key: the key of its outline.
    """

    strength: float
    center: tuple[float, float]
    angle_degrees: float
    width: float
    noise_key: int

    #: Light kept out at strength 1, RGB: shadows are lit by the blue sky.
    _darkness = (0.78, 0.74, 0.66)

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        x, y = _places(size)
        angle = math.radians(self.angle_degrees)
        away = (x - self.center[0] * size[1] / min(size)) * math.sin(angle) - (
            y - self.center[1] * size[0] / min(size)
        ) * math.cos(angle)
        edge = self.width / 2 - np.abs(away) + 0.025 * cloud(self.noise_key, size, x.shape, 5)
        shade = _smooth(edge / 0.05 + 0.5)
        if image.ndim == 2:
            return _dimmed(image, shade, self.strength * self._darkness[1])
        planes = [
            _dimmed(plane, shade, self.strength * darkness)
            for plane, darkness in zip(cv2.split(image), self._darkness, strict=True)
        ]
        return cv2.merge(planes)


@dataclass(frozen=True)
class Fog(Graded):
    """Veil the image with fog, thicker at the top, where things are usually farther away.

    Light fades with the distance as exp(-distance), and what takes its place is the scene's own
    (`airlight`): fog at night is dark.

    Attributes:
        strength: 0 is the identity; 1 hides nearly everything but what is near.
        noise_key: the key of its clouds.
        patches: how uneven it is: deviation of its thickness, as a share of that.
    """

    strength: float
    noise_key: int
    patches: float = 0.15

    #: Fog between the lens and things at distance 1, at strength 1; as an exponent.
    _thickness = 3.2

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        _, y = _places(size)
        up = 1 - y * np.float32(min(size) / size[0])
        # The more uneven, the more ragged: even fog is smooth, patches are torn.
        roughness = 0.5 + 0.3 * self.patches
        clouds = cloud(self.noise_key, size, y.shape, 3, octaves=6, roughness=roughness)
        distance = (0.35 + 1.65 * up * up) * (1 + np.float32(self.patches) * clouds)
        # math, by a table of bytes: numpy's exponentials differ between processors.
        steps = cv2.convertScaleAbs(np.clip(distance, 0.05, 2.5), alpha=100)
        thickness = self._thickness * self.strength / 100
        hidden = [255 * (1 - math.exp(-thickness * step)) for step in range(256)]
        share = _enlarged_bytes(looked_up(steps, round_to_bytes(hidden)), size)
        return blended(image, share, airlight(image))


@dataclass(frozen=True)
class SunFlare(Graded):
    """Let the sun shine into the lens: a glow with rays, and its reflections along a line.

    Attributes:
        strength: 0 is the identity.
        center: (x, y) of the sun, fractions of the width and the height.
        noise_key: the key of the rays and reflections.
    """

    strength: float
    center: tuple[float, float]
    noise_key: int

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        light = _enlarged(self._light(size) * (255 * self.strength), size)
        if image.ndim == 2:
            light = cv2.cvtColor(light, cv2.COLOR_RGB2GRAY)
        # "Screen": light is added to light, and white stays white.
        left = cv2.multiply(cv2.bitwise_not(image), cv2.bitwise_not(light), scale=1 / 255)
        return cv2.bitwise_not(left)

    def _light(self, size: Size) -> Floats:
        """Return (H, W, 3) at the painted scale; 1 and more is white."""
        x, y = _places(size)
        width, height = size[1] / min(size), size[0] / min(size)
        sun_x, sun_y = self.center[0] * width, self.center[1] * height
        across, down = x - sun_x, y - sun_y
        squared = across * across + down * down
        chance = noise_generator(self.noise_key, "flare").random(32).tolist()
        glow = 1.6 / (1 + squared / 0.003) + 0.5 / (1 + squared / 0.09)
        for ray in range(5):
            angle = math.pi * (ray + 0.6 * chance[ray]) / 5
            beside = across * math.sin(angle) - down * math.cos(angle)
            length = 0.05 + 0.25 * chance[5 + ray] ** 2
            glow += 0.35 / ((1 + (beside / 0.006) ** 2) * (1 + squared / length))
        light = cv2.merge([glow, 0.94 * glow, 0.8 * glow])
        for ghost in range(7):
            place, radius, warmth = chance[10 + 3 * ghost : 13 + 3 * ghost]
            depth = ghost / 6
            # Reflections lie on the line from the sun through the image's centre and beyond.
            along = 0.35 + 1.5 * depth + 0.15 * place
            across = x - (sun_x + along * (width / 2 - sun_x))
            down = y - (sun_y + along * (height / 2 - sun_y))
            disk = _ring(across, down, 0.015 + 0.09 * radius * radius + 0.03 * depth)
            tint = 0.9 - 0.5 * warmth, 0.7, 0.35 + 0.6 * warmth
            light += cv2.merge([np.float32(0.22 * share) * disk for share in tint])
        return light


def _ring(across: Floats, down: Floats, radius: float) -> Floats:
    """Return a disk of light with a brighter rim."""
    distance = cv2.sqrt(across * across + down * down) / np.float32(radius)
    return _smooth((1 - distance) * 6) * (0.5 + 0.5 * np.minimum(distance, 1) ** 2)


def cloud(
    key: int, size: Size, shape: Size, cells: float, octaves: int = 3, roughness: float = 0.5
) -> Floats:
    """Return a smooth random texture, about standard normal, as (H, W) of `shape`.

    Args:
        key: the noise key.
        size: the image's (height, width): only its proportions count.
        shape: (height, width) of what is returned.
        cells: independent values along the `unit` of the size, in the coarsest octave.
        octaves: how often detail of half the size is added.
        roughness: height of an octave, as a share of the one before.
    """
    texture = np.zeros(shape, np.float32)
    for octave in range(octaves):
        many = cells * 2**octave
        nodes = tuple(max(2, round(many * side / unit(size))) for side in size)
        values = NORMALS.astype(np.float32)[normal_bytes(key, nodes, "cloud", octave)]
        wide = cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        texture += wide * np.float32(roughness**octave)
    # Interpolation leaves 6 / 7 of the deviation; the octaves add up as squares.
    spread = 6 / 7 * math.sqrt(sum(roughness ** (2 * octave) for octave in range(octaves)))
    return texture / np.float32(spread)


def unit(size: Size) -> float:
    """Return the length that weather is measured by: the shorter side, or a quarter of the longer.

    So that a strip of 1 x 10,000 pixels has not 10,000 times the drops of a square.
    """
    return max(min(size), max(size) / 4)


def airlight(image: Image) -> tuple[int, int, int]:
    """Return the RGB color of what is lit best in the image: of haze, of snow, of ice before it.

    The mean of the brightest twentieth, half as colorful.
    """
    step = max(1, min(image.shape[:2]) // _PAINTED)
    few = np.ascontiguousarray(image[::step, ::step])
    luminance = few if few.ndim == 2 else cv2.cvtColor(few, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(luminance.ravel(), minlength=256)
    brighter = np.cumsum(counts[::-1])[::-1]
    threshold = int(np.flatnonzero(20 * brighter >= luminance.size)[-1])
    lit = luminance >= threshold
    # Whole numbers: their sums are the same in any order.
    gray = int(luminance[lit].sum(dtype=np.int64)) // int(lit.sum())
    if few.ndim == 2:
        return gray, gray, gray
    r, g, b = (int(one) // int(lit.sum()) for one in few[lit].sum(axis=0, dtype=np.int64))
    return (r + gray) // 2, (g + gray) // 2, (b + gray) // 2


def mixed(image: Image, other: Image, share: Image) -> Image:
    """Return `image` with as much of `other` as `share` (H, W), 0 ... 255, says."""
    if image.ndim == 3:
        share = cv2.merge([share] * 3)
    kept = cv2.multiply(image, cv2.bitwise_not(share), scale=1 / 255)
    return cv2.add(kept, cv2.multiply(other, share, scale=1 / 255))


def blended(image: Image, share: Image, color: tuple[int, int, int]) -> Image:
    """Return `image` with as much of `color` (RGB) as `share` (H, W), 0 ... 255, says."""
    if image.ndim == 2:
        r, g, b = color
        levels = [round(0.299 * r + 0.587 * g + 0.114 * b)]
        kept = cv2.bitwise_not(share)
    else:
        levels = list(color)
        kept = cv2.merge([cv2.bitwise_not(share)] * 3)
    added = [cv2.convertScaleAbs(share, alpha=level / 255) for level in levels]
    # Into the arrays that are there: new ones cost more in page faults than the sums.
    rest = cv2.multiply(image, kept, kept, scale=1 / 255)
    return cv2.add(rest, added[0] if image.ndim == 2 else cv2.merge(added), rest)


def _places(size: Size) -> tuple[Floats, Floats]:
    """Return x and y of each painted pixel in units of the shorter side, each (H, W)."""
    scale = min(1.0, _PAINTED / min(size))
    rows, columns = (max(1, round(side * scale)) for side in size)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * np.float32(size[1] / min(size) / columns)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(size[0] / min(size) / rows)
    return np.tile(x, (rows, 1)), np.repeat(y[:, np.newaxis], columns, axis=1)


def _enlarged(painted: Floats, size: Size) -> Image:
    """Return what was painted as bytes of the image's size."""
    # Enlarged as bytes: half the time, and integer arithmetic is the same everywhere.
    return _enlarged_bytes(cv2.convertScaleAbs(painted), size)


def _enlarged_bytes(levels: Image, size: Size) -> Image:
    return cv2.resize(levels, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _dimmed(plane: Image, shade: Floats, darkness: float) -> Image:
    kept = _enlarged(255 - np.float32(255 * darkness) * shade, (plane.shape[0], plane.shape[1]))
    return cv2.multiply(plane, kept, scale=1 / 255)


def _smooth(value: Floats) -> Floats:
    """Return 0 below 0, 1 above 1 and a smooth step between."""
    clipped = np.clip(value, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)
