"""From masks to outlines: along the edges of the pixels, so that filling them gives the mask."""

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.annotation import Point
from variegate.annotations.polygons import Points

Ring = tuple[Point, ...]


def traced(mask: npt.NDArray[np.bool_]) -> tuple[Ring, ...]:
    """Return one ring for each piece of a mask; a hole is reached by a cut without width.

    Args:
        mask: (H, W).

    Returns:
        Rings in pixels, whose inside by the even-odd rule is the mask, pixel for pixel.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ()
    top, left = int(rows[0]), int(columns[0])
    piece = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    # Each pixel as four, since contours run through pixel centres: those of its quarters tell on
    # which of its edges they lie.
    doubled = np.pad(piece.repeat(2, axis=0).repeat(2, axis=1), 2)
    found, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings: dict[int, Points] = {}
    for number, (contour, (_, _, _, parent)) in enumerate(zip(found, tree[0], strict=True)):
        if parent < 0:
            rings[number] = _edges(contour[:, 0] - 2)
    for contour, (_, _, _, parent) in zip(found, tree[0], strict=True):
        if parent >= 0:
            # The contour of a hole runs through the pixels around it, whose edges are the same.
            rings[parent] = _with_hole(rings[parent], _edges(contour[:, 0] - 2))
    return tuple(tuple((x + left, y + top) for x, y in ring.tolist()) for ring in rings.values())


def _edges(contour: npt.NDArray[np.int32]) -> Points:
    """Return the pixels' edges along a contour of their quarters, without points on a line."""
    ring = (contour + 1) // 2
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return ring[corner].astype(np.float64)


def _with_hole(ring: Points, hole: Points) -> Points:
    """Join a hole to the ring around it: there and back again over the shortest way."""
    start = int(np.argmin(((ring - hole[0]) ** 2).sum(axis=1)))
    return np.concatenate([ring[: start + 1], hole, hole[:1], ring[start:]])
