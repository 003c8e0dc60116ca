"""Rings of points: the outlines of objects, moved and cut all at once."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Size = tuple[int, int]


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
        areas = np.zeros(count)
        if len(self.owners):
            after = np.roll(self.points, -1, axis=0)
            # The point behind the last of a ring is its first.
            after[self.starts[1:] - 1] = self.points[self.starts[:-1]]
            crosses = self.points[:, 0] * after[:, 1] - after[:, 0] * self.points[:, 1]
            rings = np.abs(np.add.reduceat(crosses, self.starts[:-1])) / 2
            np.add.at(areas, self.owners, rings)
        return areas

    def bounds(self, count: int) -> Points:
        """Return (count, 4) x1, y1, x2, y2 of each object; NaN for those without rings."""
        boxes = np.full((count, 4), np.nan)
        if len(self.owners):
            low = np.minimum.reduceat(self.points, self.starts[:-1])
            high = np.maximum.reduceat(self.points, self.starts[:-1])
            firsts = np.flatnonzero(np.diff(self.owners, prepend=-1))
            objects = self.owners[firsts]
            boxes[objects, :2] = np.minimum.reduceat(low, firsts)
            boxes[objects, 2:] = np.maximum.reduceat(high, firsts)
        return boxes

    def clipped(self, size: Size) -> "Outlines":
        """Return what lies within the canvas of (height, width) `size`."""
        if not len(self.owners):
            return self
        edges = np.array([size[1], size[0]], np.float64)
        low = np.minimum.reduceat(self.points, self.starts[:-1])
        high = np.maximum.reduceat(self.points, self.starts[:-1])
        inside = np.all(low >= 0, axis=1) & np.all(high <= edges, axis=1)
        if inside.all():
            return self
        seen = np.all(high > 0, axis=1) & np.all(low < edges, axis=1)
        rings = self._chosen(seen)
        # Sutherland and Hodgman 1974, one edge of the canvas after the other, all rings at once.
        for axis in (0, 1):
            rings = rings._cut(rings.points[:, axis])
            np.maximum(rings.points[:, axis], 0, out=rings.points[:, axis])
            rings = rings._cut(edges[axis] - rings.points[:, axis])
            np.minimum(rings.points[:, axis], edges[axis], out=rings.points[:, axis])
        return rings._chosen(np.diff(rings.starts) >= 3)

    def _chosen(self, wanted: npt.NDArray[np.bool_]) -> "Outlines":
        """Return a copy with some of the rings."""
        lengths = np.diff(self.starts)
        points = self.points[np.repeat(wanted, lengths)]
        starts = np.concatenate(([0], np.cumsum(lengths[wanted])))
        return Outlines(points, starts, self.owners[wanted])

    def _cut(self, heights: npt.NDArray[np.float64]) -> "Outlines":
        """Return the part of the rings with a height (P,) of 0 or more; heights run evenly."""
        keep = heights >= 0
        if keep.all():
            return self
        before = np.arange(-1, len(heights) - 1)
        before[self.starts[:-1]] = self.starts[1:] - 1
        crossed = keep != keep[before]
        rise = np.where(crossed, heights - heights[before], 1.0)
        share = np.where(crossed, heights / rise, 0.0)[:, np.newaxis]
        # Two places for each point: where the edge before it crosses, and itself.
        there = self.points + share * (self.points[before] - self.points)
        places = np.stack([there, self.points], axis=1).reshape(-1, 2)
        taken = np.stack([crossed, keep], axis=1)
        lengths = np.add.reduceat(taken.sum(axis=1), self.starts[:-1])
        starts = np.concatenate(([0], np.cumsum(lengths)))
        cut = Outlines(places[taken.ravel()], starts, self.owners)
        # An empty ring has no place between two starts.
        return cut if lengths.all() else cut._chosen(lengths > 0)

    def beyond_line(self, a: float, b: float, c: float) -> "Outlines":
        """Return what lies where a * x + b * y + c >= 0."""
        heights = self.points @ (a, b) + c
        if not len(heights) or heights.min() >= 0:
            return self
        rings = self._cut(heights)
        return rings._chosen(np.diff(rings.starts) >= 3)

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
