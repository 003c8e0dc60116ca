"""Rings of points: the outlines of objects, moved and cut all at once."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Size = tuple[int, int]

# Points of a ring that are sooner cut one by one than as arrays.
_FEW = 16


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Rings of points, and whose they are.

    Attributes:
        points: (P, 2) x, y of all rings, one after the other.
        starts: (R + 1,) ring r is points[starts[r]:starts[r + 1]].
        owners: (R,) number of the object of each ring, ascending.
    """

    points: Points
    starts: Indices
    owners: Indices

    @classmethod
    def of(cls, rings: list[tuple[int, Points]]) -> "Outlines":
        """Make them from (owner, (K, 2) points), ordered by owner."""
        if not rings:
            return cls(np.empty((0, 2)), np.zeros(1, np.intp), np.empty(0, np.intp))
        lengths = [len(points) for _, points in rings]
        starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.intp)
        owners = np.array([owner for owner, _ in rings], np.intp)
        return cls(np.concatenate([points for _, points in rings]), starts, owners)

    def ring(self, index: int) -> Points:
        """Return the (K, 2) points of one ring."""
        return self.points[self.starts[index] : self.starts[index + 1]]

    def of_object(self, number: int) -> list[Points]:
        """Return the rings of one object."""
        first, last = np.searchsorted(self.owners, [number, number + 1])
        return [self.ring(index) for index in range(first, last)]

    def areas(self, count: int) -> npt.NDArray[np.float64]:
        """Return (count,) the area that each object's rings enclose, added up."""
        if not len(self.owners):
            return np.zeros(count)
        after = np.empty_like(self.points)
        after[:-1] = self.points[1:]
        # The point behind the last of a ring is its first.
        after[self.starts[1:] - 1] = self.points[self.starts[:-1]]
        crosses = self.points[:, 0] * after[:, 1] - after[:, 0] * self.points[:, 1]
        rings = np.abs(np.add.reduceat(crosses, self.starts[:-1])) / 2
        return np.bincount(self.owners, rings, count).astype(np.float64, copy=False)

    def bounds(self, count: int) -> Points:
        """Return (count, 4) x1, y1, x2, y2 of each object; NaN for those without rings."""
        boxes = np.full((count, 4), np.nan)
        if len(self.owners):
            new = np.empty(len(self.owners), np.bool_)
            new[0] = True
            np.not_equal(self.owners[1:], self.owners[:-1], out=new[1:])
            # The rings of an object stand together.
            objects, firsts = self.owners[new], self.starts[:-1][new]
            boxes[objects, :2] = np.minimum.reduceat(self.points, firsts)
            boxes[objects, 2:] = np.maximum.reduceat(self.points, firsts)
        return boxes

    def clipped(self, size: Size) -> "Outlines":
        """Return what lies within the canvas of (height, width) `size`."""
        if not len(self.owners):
            return self
        edges = np.array([size[1], size[0]], np.float64)
        beyond_low = np.minimum.reduceat(self.points, self.starts[:-1]) < 0
        beyond_high = np.maximum.reduceat(self.points, self.starts[:-1]) > edges
        cut = beyond_low | beyond_high
        if not cut.any():
            return self
        sides = np.concatenate([beyond_low, beyond_high], axis=1).tolist()

        def within(index: int, ring: Points) -> Points:
            for axis in (0, 1):
                if sides[index][axis] and len(ring):
                    ring = _half(ring, ring[:, axis])
                    np.maximum(ring[:, axis], 0, out=ring[:, axis])
                if sides[index][axis + 2] and len(ring):
                    ring = _half(ring, edges[axis] - ring[:, axis])
                    np.minimum(ring[:, axis], edges[axis], out=ring[:, axis])
            return ring

        return self._changed(np.flatnonzero(cut[:, 0] | cut[:, 1]), within)

    def beyond_line(self, a: float, b: float, c: float) -> "Outlines":
        """Return what lies where a * x + b * y + c >= 0."""
        heights = self.points @ (a, b) + c
        if not len(heights) or heights.min() >= 0:
            return self
        cut = np.flatnonzero(np.minimum.reduceat(heights, self.starts[:-1]) < 0)
        return self._changed(cut, lambda _, ring: _half(ring, ring @ (a, b) + c))

    def _changed(self, which: Indices, change: Callable[[int, Points], Points]) -> "Outlines":
        """Return a copy in which some rings are changed; those without three points are gone."""
        lengths = self.starts[1:] - self.starts[:-1]
        pieces, end = [], 0
        for index in which.tolist():
            start, stop = self.starts[index], self.starts[index + 1]
            ring = change(index, self.points[start:stop])
            if len(ring) < 3:
                ring = ring[:0]
            pieces += [self.points[end:start], ring]
            lengths[index], end = len(ring), stop
        points = np.concatenate([*pieces, self.points[end:]])
        left = lengths > 0
        starts = np.zeros(int(left.sum()) + 1, np.intp)
        np.cumsum(lengths[left], out=starts[1:])
        return Outlines(points, starts, self.owners[left])

    def joined(self, other: "Outlines", count: int) -> "Outlines":
        """Return these and those of `other`, whose objects are numbered on from `count`."""
        return Outlines(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.starts, other.starts[1:] + self.starts[-1]]),
            np.concatenate([self.owners, other.owners + count]),
        )

    def densified(self, longest: float) -> "Outlines":
        """Return the same rings with points added, so that no edge is longer than `longest`."""
        rings = []
        for index, owner in enumerate(self.owners):
            ring = self.ring(index)
            after = np.roll(ring, -1, axis=0)
            pieces = np.maximum(1, np.ceil(np.hypot(*(after - ring).T) / longest).astype(np.intp))
            along = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            share = (along / np.repeat(pieces, pieces))[:, np.newaxis]
            first, second = np.repeat(ring, pieces, axis=0), np.repeat(after, pieces, axis=0)
            rings.append((int(owner), first + share * (second - first)))
        return Outlines.of(rings)


def _half(ring: Points, heights: npt.NDArray[np.float64]) -> Points:
    """Return the part of a ring (K, 2) with a height (K,) of 0 or more; heights run evenly.

    One edge of the algorithm of Sutherland and Hodgman, 1974.
    """
    if len(ring) <= _FEW:
        return _half_of_few(ring.tolist(), heights.tolist())
    before, low = np.roll(ring, 1, axis=0), np.roll(heights, 1)
    keep = heights >= 0
    crossed = keep != (low >= 0)
    rise = np.where(crossed, heights - low, 1.0)
    there = ring + np.where(crossed, heights / rise, 0.0)[:, np.newaxis] * (before - ring)
    # Two places for each point: where the edge before it crosses, and itself.
    places = np.stack([there, ring], axis=1).reshape(-1, 2)
    return places[np.stack([crossed, keep], axis=1).ravel()]


def _half_of_few(ring: list[list[float]], heights: list[float]) -> Points:
    """Do the same for a few points, for which arrays are slow."""
    found = []
    (x0, y0), h0 = ring[-1], heights[-1]
    for (x, y), h in zip(ring, heights, strict=True):
        if (h >= 0) != (h0 >= 0):
            share = h / (h - h0)
            found.append((x + share * (x0 - x), y + share * (y0 - y)))
        if h >= 0:
            found.append((x, y))
        x0, y0, h0 = x, y, h
    return np.array(found, np.float64).reshape(-1, 2)


def rasterised(rings: list[Points], size: Size) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8, 1 for the pixels whose centre lies within a ring (even-odd rule)."""
    mask = np.zeros(size, np.uint8)
    for ring in rings:
        # cv2.fillPoly would fill the pixels that an edge only touches, too.
        mask |= _filled(ring, size)
    return mask


def _filled(ring: Points, size: Size) -> npt.NDArray[np.uint8]:
    height, width = size
    toggles = np.zeros((height, width + 1), np.uint8)
    for (x1, y1), (x2, y2) in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
        low, high = min(y1, y2), max(y1, y2)
        # Rows whose centre lies in [low, high): each crossing belongs to one edge.
        first, last = max(0, math.ceil(low - 0.5)), min(height, math.ceil(high - 0.5))
        if first >= last:
            continue
        rows = np.arange(first, last)
        crossings = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.intp)
        toggles[rows, columns] ^= 1
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :width]


def box_ring(box: Points, *, ellipse: bool) -> Points:
    """Return the outline of a box.

    Args:
        box: (4,) x1, y1, x2, y2.
        ellipse: the ellipse that touches its sides, instead of its corners.

    Returns:
        (4, 2), or (64, 2) with the four points where the ellipse touches the sides.
    """
    x1, y1, x2, y2 = box
    if not ellipse:
        return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    ring = np.empty((64, 2))
    ring[:, 0] = (x1 + x2) / 2 + (x2 - x1) / 2 * _UNIT[:, 0]
    ring[:, 1] = (y1 + y2) / 2 + (y2 - y1) / 2 * _UNIT[:, 1]
    # Exactly the sides, not their rounded middle plus half their rounded distance.
    ring[0, 0], ring[16, 1], ring[32, 0], ring[48, 1] = x2, y2, x1, y1
    return ring


# Of 64 points, so that a turned one falls short of the ellipse by a thousandth of its radius.
_TURNS = np.arange(64) * (2 * np.pi / 64)
_UNIT = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)
