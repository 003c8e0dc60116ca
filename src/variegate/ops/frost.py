"""Frost: ice that has grown on a pane before the lens.

Feathers of ice grow in from the edges and from a few places between: stems with branches at 60
degrees, the angle of ice, and twigs on the branches. They are drawn once from the `noise_key`;
`strength` says only how much of them is seen.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.ops.blur import gaussian_blurred
from variegate.ops.weather import airlight, blended, cloud, mixed, unit
from variegate.seeding import noise_generator

Doubles = npt.NDArray[np.float64]

#: Fractions of pixels that cv2 draws with, as bits.
_SHIFT = 4
_COS_60, _SIN_60 = 0.5, math.sqrt(0.75)


@dataclass(frozen=True)
class Frost(Graded):
    """Let ice grow over the image: it hides, it scatters, and it shines with the scene's light.

    Attributes:
        strength: 0 is the identity, 1 the thickest.
        noise_key: the key of the ice.
    """

    strength: float
    noise_key: int

    #: Shorter side at which ice is painted, pixels: at least, and at most.
    _painted = (256, 448)
    #: At strength 1: opacity of the ice where it is thickest, and of the breath all over the pane;
    #: blur behind the ice, a fraction of the unit.
    _opacity, _breath, _scatter = 0.95, 0.55, 0.012

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        ice = cv2.convertScaleAbs(self._ice(size), alpha=self._opacity * self.strength)
        behind = gaussian_blurred(image, self._scatter * self.strength * unit(size))
        light = airlight(image)
        breath = np.full(size, round(255 * self._breath * self.strength), np.uint8)
        dim = blended(mixed(image, behind, cv2.add(ice, ice)), breath, light)
        # Ice shines, and is a little bluer than the light.
        r, g, b = (level * 21 // 20 + more for level, more in zip(light, (0, 6, 12), strict=True))
        return blended(dim, ice, (min(255, r), min(255, g), min(255, b)))

    def _ice(self, size: Size) -> Image:
        """Return how thick the ice is, (H, W) of 0 ... 255."""
        least, most = self._painted
        scale = unit(size)
        finer = math.ceil(least / scale) if scale < least else min(1.0, most / scale)
        painted = max(1, round(size[0] * finer)), max(1, round(size[1] * finer))
        feathers = self._feathers(painted).astype(np.float32)
        sheet = np.clip(0.75 + 0.4 * cloud(self.noise_key, size, painted, 4, octaves=3), 0.05, 1)
        grain = cloud(self.noise_key + 1, size, painted, 45, octaves=2)
        crystals = np.maximum(0, 1 - np.abs(grain)) * 80
        ice = cv2.convertScaleAbs(np.minimum(255, sheet * (70 + crystals + feathers)))
        if painted == size:
            return ice
        way = cv2.INTER_AREA if finer > 1 else cv2.INTER_LINEAR
        return cv2.resize(ice, size[::-1], interpolation=way)

    def _feathers(self, size: Size) -> Image:
        scale = unit(size)
        stems = self._stems(size)
        branches = _grown(stems, 18, 0.42, noise_generator(self.noise_key, "branches"))
        twigs = _grown(branches, 5, 0.4, noise_generator(self.noise_key, "twigs"))
        mask = np.zeros(size, np.uint8)
        for lines, level, width in ((twigs, 110, 1), (branches, 165, 1), (stems, 210, 2)):
            ends = np.rint((lines * scale - 0.5) * 2**_SHIFT).astype(np.int32)
            cv2.polylines(mask, ends, False, level, width, cv2.LINE_AA, _SHIFT)
        return cv2.GaussianBlur(mask, (5, 5), 0.8)

    def _stems(self, size: Size) -> Doubles:
        """Return (N, 2, 2): where stems begin and end, (x, y) in units."""
        height, width = size[0] / unit(size), size[1] / unit(size)
        count = math.ceil(14 * (height + width))
        chance = noise_generator(self.noise_key, "stems").random((count, 6))
        starts = chance[:, :2] * [width, height]
        # Two of three begin at an edge.
        side = np.arange(count) % 6
        starts[side == 0, 0], starts[side == 1, 0] = 0, width
        starts[side == 2, 1], starts[side == 3, 1] = 0, height
        inward = [width / 2, height / 2] - starts
        ways = inward / (np.abs(inward).sum(axis=1, keepdims=True) + 1e-9)
        ways = ways + 1.6 * (chance[:, 2:4] - 0.5)
        # A length by its root alone: sines differ between processors.
        ways = ways / np.sqrt((ways * ways).sum(axis=1, keepdims=True) + 1e-9)
        lengths = 0.12 + 0.45 * chance[:, 4:5] * chance[:, 5:6]
        return np.stack([starts, starts + ways * lengths], axis=1)


def _grown(lines: Doubles, nodes: int, share: float, rng: np.random.Generator) -> Doubles:
    """Return lines that branch off others at 60 degrees to both sides, shorter towards their tips.

    Args:
        lines: (N, 2, 2): beginnings and ends.
        nodes: places along each line from which two branches grow.
        share: length of the longest branch, as a share of the line's.
        rng: for their lengths.
    """
    along = (np.arange(nodes) + 0.6) / nodes
    starts, ways = lines[:, 0], lines[:, 1] - lines[:, 0]
    begins = starts[:, np.newaxis] + along[:, np.newaxis] * ways[:, np.newaxis]
    grown = []
    for sine in (_SIN_60, -_SIN_60):
        across = np.stack([-ways[:, 1], ways[:, 0]], axis=1)
        side = _COS_60 * ways + sine * across
        lengths = share * (1 - 0.85 * along) * (0.45 + 0.55 * rng.random((len(lines), nodes)))
        ends = begins + lengths[..., np.newaxis] * side[:, np.newaxis]
        grown.append(np.stack([begins, ends], axis=2).reshape(-1, 2, 2))
    return np.concatenate(grown)
