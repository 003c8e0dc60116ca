"""Boxes by their edges and by their sides; the box and the area of any object.

Numbers survive: `edges_of` and `sides_of` give back what was read wherever a box is unchanged.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from variegate.annotations import rle as run_lengths
from variegate.annotations.annotation import Object, Point

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


def edges_of(sides: Sequence[float]) -> Box:
    """Return x1, y1, x2, y2 of x, y, width, height."""
    x, y, width, height = sides
    return x, y, x + width, y + height


def sides_of(box: Box) -> list[float]:
    """Return x, y, width, height."""
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def corners_of(box: Box) -> tuple[Point, Point, Point, Point]:
    """Return the four corners, in order around the box."""
    x1, y1, x2, y2 = box
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


def bounds_of(points: Iterable[Point]) -> Box:
    """Return the box around one or more points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """Return a box cut at the edges of an image of (height, width) `size`."""
    x1, y1, x2, y2 = box
    return max(x1, 0), max(y1, 0), min(x2, size[1]), min(y2, size[0])


def around(one: Object) -> Box | None:
    """Return the box around an object's outline, mask, corners or keypoints."""
    if one.rle is not None and not one.polygons:
        return run_lengths.bounds(one.rle)
    points: Sequence[Point] = list(chain.from_iterable(one.polygons or ())) or one.corners or ()
    points = points or [(x, y) for x, y, seen in one.keypoints or () if seen]
    if not points:
        return None
    box = bounds_of(points)
    return None if box[0] == box[2] or box[1] == box[3] else box


def area_of(one: Object) -> float:
    """Return the area of the mask, else of the outline, else of the box, in pixels."""
    if one.rle is not None:
        return run_lengths.area(one.rle)
    rings = one.polygons or ((one.corners,) if one.corners else ())
    if rings:
        return sum(map(_ring_area, rings))
    x1, y1, x2, y2 = one.box or (0, 0, 0, 0)
    return (x2 - x1) * (y2 - y1)


def whole_if_exact(value: float) -> float:
    """Return a whole number as an integer, any other as it is."""
    return int(value) if value == int(value) else value


def written_alike(one: Any, two: Any) -> bool:
    """Say whether two lists of numbers are written in one way (1 and 1.0 are not)."""
    return bool(one == two) and [*map(type, one)] == [*map(type, two)]


def _ring_area(ring: Sequence[Point]) -> float:
    turned = chain(ring[1:], ring[:1])
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, turned, strict=True))) / 2
