"""Paints one part: flat colours first, then the light on its surfaces."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from variegate.datasets.samples.spindles import Points, Spindle

Color = tuple[int, int, int]
Vector = tuple[float, float, float]

_SHIFT = 4  # cv2 draws with 4 bits of a pixel's fraction
_BLEED = 1.5  # sprite pixels painted beyond the outline, for the coverage to cut off


@dataclass(frozen=True)
class Finish:
    """How a surface answers to light.

    Attributes:
        ambient: share of the colour that shows without direct light.
        gloss: strength of the highlight, 0 to 1.
        squarings: its sharpness; the exponent is 2**squarings.
        bulge: 1 for a true body of revolution, less for a flattened one.
        glow: light that crosses it and leaves on the far side (clear plastic).
    """

    ambient: float = 0.45
    gloss: float = 0.35
    squarings: int = 4
    bulge: float = 1.0
    glow: float = 0.0


METAL = Finish(ambient=0.40, gloss=0.75, squarings=3)


class Easel:
    """A sprite of one part in its own coordinates, `scale` pixels to the unit."""

    def __init__(self, bounds: tuple[Points, Points], *, scale: float, ground: Color) -> None:
        low, high = bounds
        self.scale = scale
        self.origin = low - 3 / scale
        width, height = np.ceil((high - low) * scale).astype(int) + 6
        self.image = np.empty((height, width, 3), np.uint8)
        self.image[:] = ground
        self.xs = self.origin[0] + (np.arange(width) + 0.5) / scale
        self.ys = self.origin[1] + (np.arange(height) + 0.5) / scale

    def polygon(self, points: Points, color: Color) -> None:
        """Fill a convex or concave polygon."""
        cv2.fillPoly(self.image, [self._fixed(points)], color, cv2.LINE_AA, _SHIFT)

    def box(self, x0: float, x1: float, y0: float, y1: float, color: Color) -> None:
        """Fill an upright rectangle."""
        self.polygon(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), color)

    def disc(self, center: tuple[float, float], radius: float, color: Color) -> None:
        """Fill a circle."""
        x, y = self._fixed(np.array([center]))[0]
        whole = round(radius * self.scale * (1 << _SHIFT))
        cv2.circle(self.image, (int(x), int(y)), whole, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def write(
        self, text: str, center: tuple[float, float], *, room: tuple[float, float], color: Color
    ) -> None:
        """Write one line about a center, within (width, height); left out if too small to read."""
        font = cv2.FONT_HERSHEY_SIMPLEX
        (wide, high), _ = cv2.getTextSize(text, font, 1.0, 1)
        size = self.scale * min(room[0] / wide, room[1] / high)
        if size * high < 5:
            return
        weight = max(1, round(size * 1.6))
        (wide, high), _ = cv2.getTextSize(text, font, size, weight)
        x, y = (np.array(center) - self.origin) * self.scale
        at = (round(x - wide / 2), round(y + high / 2))
        cv2.putText(self.image, text, at, font, size, color, weight, cv2.LINE_AA)

    def blend(self, paint: Callable[[], None], opacity: float) -> None:
        """Let what `paint` does show only in part."""
        before = self.image.copy()
        paint()
        self.image = cv2.addWeighted(self.image, opacity, before, 1 - opacity, 0)

    def light(self, spindle: Spindle, toward: Vector, finish: Finish) -> None:
        """Shade one spindle by the surface under each pixel (Blinn-Phong).

        Args:
            spindle: the body; pixels outside it stay as they are.
            toward: unit vector to the lamp in the part's coordinates, z to the viewer.
            finish: its surface.
        """
        bleed = _BLEED / self.scale
        left, right = np.searchsorted(self.xs, [spindle.x[0] - bleed, spindle.x[-1] + bleed])
        xs = self.xs[left:right]
        radius = np.interp(xs, spindle.x, spindle.radius)
        center = np.interp(xs, spindle.x, spindle.center)
        reach = radius + bleed
        low, high = float((center - reach).min()), float((center + reach).max())
        top, bottom = np.searchsorted(self.ys, [low, high])
        if right - left < 2 or bottom - top < 1:
            return
        y = (self.ys[top:bottom, None] - center).astype(np.float32)
        normals = _normals(y, radius, step=1 / self.scale, bulge=finish.bulge)
        region = self.image[top:bottom, left:right]
        lit = _shade(region, normals, toward, finish)
        np.copyto(region, lit, where=(np.abs(y) <= reach.astype(np.float32))[..., None])

    def _fixed(self, points: Points) -> np.ndarray:
        pixels = (points - self.origin) * self.scale - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)


def _normals(y: np.ndarray, radius: np.ndarray, *, step: float, bulge: float) -> list[np.ndarray]:
    """Unit normals (x, y, z), each (h, w) float32, of a body of revolution seen from above.

    The surface is z = sqrt(r(x)**2 - y**2), so the normal is along (-r r', y, z), and
    r r' is half the slope of r**2, which stays finite where a round end closes.
    """
    square = radius * radius
    slope = np.gradient(square, step) / 2
    # A step in the radius is a small chamfer, not a wall that faces the lamp.
    slope = np.clip(slope, -2 * radius - step, 2 * radius + step).astype(np.float32)
    nx = np.broadcast_to(-slope * np.float32(bulge), y.shape)
    ny = y * np.float32(bulge)
    nz = np.sqrt(np.maximum(square.astype(np.float32) - y * y, np.float32(0)))
    inverse = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-9))
    return [nx * inverse, ny * inverse, nz * inverse]


def _shade(
    region: np.ndarray, normals: list[np.ndarray], toward: Vector, finish: Finish
) -> np.ndarray:
    lamp = np.array(toward, np.float32)
    half = lamp + np.array([0, 0, 1], np.float32)
    half /= np.sqrt(half @ half)
    direct = np.maximum(_along(normals, lamp), 0)
    if finish.glow:
        far = _along(normals, lamp * np.array([-1, -1, 1], np.float32))
        direct += np.float32(finish.glow) * np.maximum(far, 0) ** 2
    shine = np.maximum(_along(normals, half), 0)
    for _ in range(finish.squarings):
        shine = shine * shine
    gain = finish.ambient + (1.15 - finish.ambient) * direct
    lit = region * gain[..., None] + (255 * finish.gloss * shine)[..., None]
    return np.minimum(lit, 255).astype(np.uint8)


def _along(normals: list[np.ndarray], vector: np.ndarray) -> np.ndarray:
    nx, ny, nz = normals
    return nx * vector[0] + ny * vector[1] + nz * vector[2]
