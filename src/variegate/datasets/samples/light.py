"""The lamp over the bench, the shadows it throws, and the camera that takes the image."""

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np

from variegate.seeding import uniform

# Uniform bytes to Gaussian noise of one unit: the inverse normal distribution as a table. Drawing
# bytes and looking them up costs a fifth of drawing normals.
_GAUSS = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)], np.float32)

_GRID = 33  # the light over the image is smooth: computed on a grid, then enlarged


@dataclass(frozen=True)
class Lamp:
    """One lamp.

    Attributes:
        toward: unit vector from the bench to the lamp; x right, y down, z to the camera.
        cast: gain of red, green and blue.
        falloff: how much darker the far side of the image is, 0 to 1.
        softness: size of the lamp: blur of the shadows in units of the part's height.
        depth: how dark its shadows are, 0 to 1.
    """

    toward: tuple[float, float, float]
    cast: tuple[float, float, float]
    falloff: float
    softness: float
    depth: float

    def seen_from(self, angle: float) -> tuple[float, float, float]:
        """The direction to the lamp in the coordinates of a part turned by `angle` radians."""
        x, y, z = self.toward
        c, s = float(np.cos(angle)), float(np.sin(angle))
        return (c * x + s * y, c * y - s * x, z)


def draw_lamp(rng: np.random.Generator) -> Lamp:
    """Draw a lamp: its direction and height, warm or cool, hard or soft."""
    azimuth, height = uniform(rng, 0, 2 * np.pi), uniform(rng, 0.56, 0.88)
    flat = (1 - height * height) ** 0.5
    warmth, level = uniform(rng, -0.09, 0.09), uniform(rng, 0.9, 1.12)
    return Lamp(
        toward=(flat * float(np.cos(azimuth)), flat * float(np.sin(azimuth)), height),
        cast=(level * (1 + warmth), level, level * (1 - warmth)),
        falloff=uniform(rng, 0.05, 0.35),
        softness=uniform(rng, 0.25, 0.8),
        depth=uniform(rng, 0.5, 0.8),
    )


def cast_shadow(image: np.ndarray, coverage: np.ndarray, lamp: Lamp, *, height: float) -> None:
    """Darken the bench, in place, where a part stands between it and the lamp.

    Two shadows: a tight one where the part touches the bench, a wide one thrown by its height.

    Args:
        image: (H, W, 3) uint8, the bench without parts.
        coverage: (H, W) uint8, the part's share of each pixel.
        lamp: the lamp.
        height: of the part over the bench, pixels.
    """
    dark = np.zeros(coverage.shape, np.float32)
    for reach, shrink, share in ((0.35, 2, 0.6), (1.0, 4, 1.0)):
        blurred = _thrown(coverage, lamp, height=height * reach, shrink=shrink)
        dark = np.maximum(dark, blurred * np.float32(share * lamp.depth))
    light = cv2.convertScaleAbs(dark, alpha=-1, beta=255)
    cv2.multiply(image, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=image, scale=1 / 255)


def _thrown(coverage: np.ndarray, lamp: Lamp, *, height: float, shrink: int) -> np.ndarray:
    """Move a coverage away from the lamp and blur it; computed `shrink` times smaller.

    Returns:
        (H, W) float32, 0 to 255.
    """
    full = coverage.shape[::-1]
    width, tall = (max(8, side // shrink) for side in full)
    small = cv2.resize(coverage, (width, tall), interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y, z = lamp.toward
    # The shadow of a round body's widest line, at half its height and a little more.
    dx, dy = (-v / z * height * 0.7 / shrink for v in (x, y))
    moved = cv2.warpAffine(small, np.array([[1, 0, dx], [0, 1, dy]]), (width, tall))
    blurred = cv2.GaussianBlur(moved, (0, 0), max(0.6, lamp.softness * height / shrink))
    return cv2.resize(blurred, full)


def illuminate(rng: np.random.Generator, image: np.ndarray, lamp: Lamp) -> np.ndarray:
    """Give the image the lamp's gradient and colour, and the lens's vignette.

    Returns:
        (H, W, 3) uint8.
    """
    line = np.linspace(-1, 1, _GRID, dtype=np.float32)
    across, down = line[None], line[:, None]
    x, y, _ = lamp.toward
    gradient = 1 + np.float32(lamp.falloff) * (across * np.float32(x) + down * np.float32(y))
    vignette = 1 - np.float32(uniform(rng, 0.02, 0.14)) * (across * across + down * down)
    field = (gradient * vignette)[..., None] * np.array(lamp.cast, np.float32)
    field = cv2.resize(field, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, field, dtype=cv2.CV_8U)


def photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Take the image through a lens (slight blur) and a sensor (noise).

    Args:
        rng: where blur and noise come from.
        image: (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8.
    """
    sharp = cv2.GaussianBlur(image, (5, 5), uniform(rng, 0.35, 0.85))
    level = uniform(rng, 1.0, 4.0)
    words = rng.integers(0, 2**64, size=image.size // 8 + 1, dtype=np.uint64)
    noise = cv2.LUT(words.view(np.uint8)[: image.size], _GAUSS * np.float32(level))
    return cv2.add(sharp, noise.reshape(image.shape), dtype=cv2.CV_8U)
