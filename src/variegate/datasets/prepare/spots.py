"""Spots of an image that are found again when it is cropped, turned, mirrored or scaled.

Blobs of any size: the largest differences between an image and itself blurred more and more, as
SIFT takes them (Lowe 2004). To cost less than decoding, the image is halved as soon as it is
blurred enough, and each size has two differences only. A spot is where a difference is
larger than all near it, also of the blurs before and after.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

_OCTAVES = 4
# Of the first image, pixels; each difference has this times the root of 2 of the one before.
_SIGMA, _SIGMA_AS_IT_IS = 1.3, 0.5
_STEP = 2**0.5
_LEAST_SIDE = 6
# Differences, in gray values, below which there is nothing.
_LEAST_DIFFERENCE = 0.6
# Longer over shorter curvature, squared sum over product, from which a spot is a place on an edge.
_EDGE = 12.1
# A pixel and its neighbors in a row.
_THREE = np.array([-1, 0, 1])
# Least curvature that is divided by.
_LEAST_BEND = 1e-3
# Pixels beyond which nothing is read: interpolation may look at the next one.
_MARGIN = 1.05


@dataclass(frozen=True, slots=True)
class Spots:
    """Spots of an image, the strongest first.

    Attributes:
        image: (H, W) float32: the image, blurred and reduced as spots of each size need it, one
            below the other.
        places: (N, 2) float32: x and y in the part of `image` that shows a spot best.
        radii: (N,) float32: sizes there, pixels.
        rows: (N,) float32: where that part begins.
        last: (N, 2) float32: the largest x and y within it.
    """

    image: np.ndarray
    places: np.ndarray
    radii: np.ndarray
    rows: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True)
class _Plane:
    """An image at one blur: what it is, and its difference from the next one, without a sign."""

    image: np.ndarray
    difference: np.ndarray
    sigma: float


@dataclass(frozen=True, slots=True)
class _Peaks:
    """The largest differences of all planes but the first and the last.

    Attributes:
        plane, x, y: where each is, (N,).
        around: (3, 3, N): it and its neighbors, row by row.
        finer, coarser: the largest difference near it in the planes before and after.
    """

    plane: np.ndarray
    x: np.ndarray
    y: np.ndarray
    around: np.ndarray
    finer: np.ndarray
    coarser: np.ndarray


def find_spots(gray: np.ndarray, most: int) -> Spots | None:
    """Find the strongest spots of an image.

    Args:
        gray: (H, W) uint8.
        most: how many at most.

    Returns:
        None where there is none.
    """
    planes = _planes(gray)
    found = _peaks(planes)
    if found is None:
        return None
    (over, above, beside), (left, peak, right), (other, below, under) = found.around
    bends = np.stack([left + right, above + below, found.finer + found.coarser]) - 2 * peak
    twist = 0.25 * (over + under - beside - other)
    bent = bends[0] * bends[1] - twist * twist
    sound = np.flatnonzero((bends[0] + bends[1]) ** 2 < _EDGE * bent)
    best = sound[np.argsort(-peak[sound], kind="stable")[:most]]
    # The top of a parabola through three differences, in x, y and size.
    slopes = np.stack([left - right, above - below, found.finer - found.coarser])[:, best]
    move = 0.5 * slopes / np.minimum(bends[:, best], -_LEAST_BEND)
    move = np.minimum(np.maximum(move, -0.5), 0.5)
    plane, places = found.plane[best], np.stack([found.x[best], found.y[best]])
    sizes = np.array([one.image.shape[::-1] for one in planes], np.float32)
    sigmas = np.array([one.sigma for one in planes], np.float32)
    rows = np.cumsum(sizes[:, 1]) - sizes[:, 1] - sizes[0, 1]
    return Spots(
        image=_stacked([one.image for one in planes[1:-1]]),
        places=np.asarray((places + move[:2]).T, np.float32),
        radii=sigmas[plane] * np.exp2(0.5 * move[2]),
        rows=rows[plane],
        last=(sizes - np.float32(_MARGIN))[plane],
    )


def _planes(gray: np.ndarray) -> list[_Plane]:
    planes: list[_Plane] = []
    blur = (_SIGMA**2 - _SIGMA_AS_IT_IS**2) ** 0.5
    image = _blurred(gray, blur)
    for _ in range(_OCTAVES):
        if min(image.shape) < _LEAST_SIDE:
            break
        once = _blurred(image, _SIGMA)
        twice = _blurred(once, _SIGMA * _STEP)
        planes.append(_Plane(image, cv2.absdiff(once, image), _SIGMA))
        planes.append(_Plane(once, cv2.absdiff(twice, once), _SIGMA * _STEP))
        image = _half(twice)
    return planes


def _peaks(planes: list[_Plane]) -> _Peaks | None:
    near = [cv2.dilate(one.difference, None) for one in planes]
    found = [_tops(one, top) for one, top in zip(planes[1:-1], near[1:-1], strict=True)]
    plane = np.repeat(np.arange(1, len(found) + 1), [len(one) for one in found])
    if not len(plane):
        return None
    heights, widths = np.array([one.image.shape for one in planes]).T
    starts = np.cumsum(heights * widths) - heights * widths
    place = np.concatenate(found)
    y, x = np.divmod(place, widths[plane])
    # Planes come in pairs of one size: the one before or the one after has another.
    odd = plane & 1
    before = starts[plane - 1] + (y << 1 - odd) * widths[plane - 1] + (x << 1 - odd)
    after = starts[plane + 1] + (y >> odd) * widths[plane + 1] + (x >> odd)
    at = starts[plane] + place
    tops = np.concatenate([one.ravel() for one in near])
    finer, coarser = tops[before], tops[after]
    kept = np.flatnonzero(tops[at] >= np.maximum(finer, coarser))
    if not len(kept):
        return None
    flat = np.concatenate([one.difference.ravel() for one in planes])
    rows = widths[plane[kept]] * _THREE[:, None]
    around = flat[at[kept] + rows[:, None] + _THREE[:, None]]
    return _Peaks(plane[kept], x[kept], y[kept], around, finer[kept], coarser[kept])


def _tops(plane: _Plane, near: np.ndarray) -> np.ndarray:
    """Return the places where a difference is the largest one near, none of them on the border."""
    found = np.zeros(near.shape, bool)
    inner = (slice(1, -1), slice(1, -1))
    least = np.maximum(near[inner], _LEAST_DIFFERENCE)
    np.greater_equal(plane.difference[inner], least, out=found[inner])
    return np.flatnonzero(found)


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    made = np.empty((sum(len(one) for one in images), images[0].shape[1]), np.float32)
    row = 0
    for one in images:
        made[row : row + len(one), : one.shape[1]] = one
        row += len(one)
    return made


def _half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    size = ((width + 1) // 2, (height + 1) // 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    kernel = _kernel(sigma)
    return cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel)


@cache
def _kernel(sigma: float) -> np.ndarray:
    return cv2.getGaussianKernel(2 * int(np.ceil(2 * sigma)) + 1, sigma, cv2.CV_32F)
