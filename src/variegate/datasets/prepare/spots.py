"""Spots of an image that are found again when it is cropped, turned, mirrored or scaled.

Blobs of any size: the largest differences between an image and itself blurred more and more, as
SIFT takes them (Lowe 2004). To cost less than decoding, the image is halved as soon as it is
blurred enough, each size has two differences only, and what is compared across sizes is scaled.
"""

from collections.abc import Iterator
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
    """Largest differences of a plane: where, and the differences there before and after it."""

    plane: _Plane
    places: np.ndarray
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
    found = list(_peaks(_planes(gray)))
    counts = [len(one.places) for one in found]
    if not sum(counts):
        return None
    shapes = [one.plane.image.shape for one in found]
    starts, rows = _sums([h * w for h, w in shapes]), _sums([h for h, _ in shapes])
    table = np.array([(*s, o, r) for s, o, r in zip(shapes, starts, rows, strict=False)])
    height, width, start, row = np.repeat(table, counts, axis=0).T
    sigma = np.repeat([one.plane.sigma for one in found], counts)
    place = np.concatenate([one.places for one in found])
    y, x = place // width, place % width
    inside = np.flatnonzero((y > 0) & (x > 0) & (y < height - 1) & (x < width - 1))
    place, wide = (place + start)[inside], width[inside]
    flat = np.concatenate([one.plane.difference.ravel() for one in found])
    around = (0, -1, 1, -wide, wide, wide + 1, -wide - 1, wide - 1, 1 - wide)
    peak, *sides = flat[np.stack([place + one for one in around])]
    finer, coarser = (
        np.concatenate(some)[inside]
        for some in ([one.finer for one in found], [one.coarser for one in found])
    )
    bends = [2 * peak - a - b for a, b in (sides[:2], sides[2:4], (finer, coarser))]
    twist = 0.25 * (sides[4] + sides[5] - sides[6] - sides[7])
    sound = np.flatnonzero((bends[0] + bends[1]) ** 2 < _EDGE * (bends[0] * bends[1] - twist**2))
    chosen = sound[np.argsort(-peak[sound], kind="stable")[:most]]
    # The top of a parabola through three differences, in x, y and size.
    x_top, y_top, size_top = (
        np.clip(0.5 * (b - a)[chosen] / np.maximum(bend[chosen], 1e-3), -0.5, 0.5)
        for bend, (a, b) in zip(bends, (sides[:2], sides[2:4], (finer, coarser)), strict=True)
    )
    kept = inside[chosen]
    single = np.float32
    return Spots(
        image=_stacked([one.plane.image for one in found]),
        places=np.stack([x[kept] + x_top, y[kept] + y_top], axis=1, dtype=single),
        radii=(sigma[kept] * _STEP**size_top).astype(single),
        rows=row[kept].astype(single),
        last=np.stack([width[kept] - _MARGIN, height[kept] - _MARGIN], axis=1, dtype=single),
    )


def _planes(gray: np.ndarray) -> list[_Plane]:
    planes: list[_Plane] = []
    blur = (_SIGMA**2 - _SIGMA_AS_IT_IS**2) ** 0.5
    image = _blurred(gray.astype(np.float32), blur)
    for _ in range(_OCTAVES):
        if min(image.shape) < _LEAST_SIDE:
            break
        once = _blurred(image, _SIGMA)
        twice = _blurred(once, _SIGMA * _STEP)
        planes.append(_Plane(image, cv2.absdiff(once, image), _SIGMA))
        planes.append(_Plane(once, cv2.absdiff(twice, once), _SIGMA * _STEP))
        image = _half(twice)
    return planes


def _peaks(planes: list[_Plane]) -> Iterator[_Peaks]:
    """Yield the peaks of all planes but the first and the last."""
    for number in range(1, len(planes) - 1):
        finer, plane, coarser = planes[number - 1 : number + 2]
        own, before, after = plane.difference, finer.difference, coarser.difference
        if number % 2:
            after = cv2.resize(after, own.shape[::-1], interpolation=cv2.INTER_LINEAR)
        else:
            before = _half(before)
        top = cv2.dilate(cv2.max(cv2.max(before, after), own), None)
        is_top = cv2.compare(own, top, cv2.CMP_GE)
        places = np.flatnonzero(is_top.view(bool))
        places = places[own.ravel()[places] > _LEAST_DIFFERENCE]
        yield _Peaks(plane, places, before.ravel()[places], after.ravel()[places])


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    made = np.empty((sum(len(one) for one in images), images[0].shape[1]), np.float32)
    row = 0
    for one in images:
        made[row : row + len(one), : one.shape[1]] = one
        row += len(one)
    return made


def _sums(values: list[int]) -> list[int]:
    return [0, *np.cumsum(values).tolist()]


def _half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    size = ((width + 1) // 2, (height + 1) // 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    kernel = _kernel(sigma)
    return cv2.sepFilter2D(image, -1, kernel, kernel)


@cache
def _kernel(sigma: float) -> np.ndarray:
    return cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F)
