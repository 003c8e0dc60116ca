"""LabelMe's shapes: from JSON to an `Object` and back.

| shape | object |
| --- | --- |
| rectangle | box |
| rotation, oriented_rectangle | oriented box |
| polygon | one ring; polygons of one label and `group_id` are the pieces of one object |
| circle (centre, a point on it) | a ring of 64 points; a circle again as long as it is one |
| point of the `group_id` of another shape | a keypoint of that object, called like the point |
| other point, points | keypoints |
| line, linestrip | keypoints: its vertices |
| mask | run lengths |
"""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from variegate.annotations import rle
from variegate.annotations.annotation import Object, Point, Skeleton
from variegate.annotations.boxes import bounds_of
from variegate.annotations.checks import Say, Size, mend_box, mend_ring, shown, usable
from variegate.codecs import decode_mask, encode_mask
from variegate.errors import ImageError
from variegate.formats.labelme.groups import POINTS, named_points

_CORNERS = 64
_POINTED = {"point": 1, "points": 1, "line": 2, "linestrip": 2}
_SAME_ANGLE = 1e-3
# X-AnyLabeling's name, and LabelMe's.
_ORIENTED = ("rotation", "oriented_rectangle")
_OWN = ("label", "points", "shape_type", "mask")
_Points = tuple[tuple[float, float], ...]


def read_shape(shape: Any, size: Size | None, say: Say) -> Object | None:
    """Return what a shape is, or None where it cannot be used.

    Args:
        shape: one of "shapes".
        size: (height, width) of the image, if it is known.
        say: told what was wrong and what was done.
    """
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        say("shape without a label; object left out")
        return None
    try:
        points = msgspec.convert(shape.get("points"), _Points)
    except msgspec.ValidationError:
        say("points are not pairs of numbers; object left out")
        return None
    if not all(map(math.isfinite, chain(*points))):
        say("a coordinate is not a finite number; object left out")
        return None
    kind = shape.get("shape_type") or "polygon"
    if not isinstance(kind, str):
        say(f"shape_type {shown(kind)} is no text; object left out")
        return None
    extra = {name: value for name, value in shape.items() if name not in _OWN}
    described = _described(kind, points, shape, size, say)
    if described is None:
        return None
    if kind in (*_ORIENTED, "circle", "line", "linestrip", "points"):
        extra["shape_type"] = kind
    return Object(category=shape["label"], extra=extra, **described)


def _described(
    kind: str, points: tuple[Point, ...], shape: Mapping[str, Any], size: Size | None, say: Say
) -> dict[str, Any] | None:
    if kind in _POINTED:
        if len(points) < _POINTED[kind]:
            say(f"{kind} with {len(points)} points, expected {_POINTED[kind]}; object left out")
            return None
        return {"keypoints": tuple((x, y, 2) for x, y in points)}
    if kind in _ORIENTED:
        return _oriented(kind, points, size, say)
    if kind not in ("polygon", "rectangle", "circle", "mask"):
        say(f"shape {kind[:40]!r} is not known; object left out")
        return None
    if kind == "rectangle" and len(points) == 4:
        x1, y1, x2, y2 = bounds_of(points)
        points = ((x1, y1), (x2, y2))
    if kind != "polygon" and len(points) != 2:
        say(f"{kind} with {len(points)} points, expected 2; object left out")
        return None
    if kind == "mask":
        return _mask(shape.get("mask"), points, size, say)
    if kind == "rectangle":
        # Whoever draws may begin at any corner.
        box = usable(mend_box(bounds_of(points), size=size), say)
        return None if box is None else {"box": box}
    ring = usable(mend_ring(circle(*points) if kind == "circle" else points, size=size), say)
    return None if ring is None else {"polygons": (ring,)}


def _oriented(
    kind: str, points: tuple[Point, ...], size: Size | None, say: Say
) -> dict[str, Any] | None:
    if len(points) != 4:
        say(f"{kind} with {len(points)} points, expected 4; object left out")
        return None
    corners = usable(mend_ring(points, size=size), say)
    return None if corners is None else {"corners": corners}


def _mask(text: Any, points: Sequence[Point], size: Size | None, say: Say) -> dict[str, Any] | None:
    """Return a mask that is given as a piece of the image, and where it begins."""
    if size is None or not isinstance(text, str):
        say("mask without pixels or in an image of unknown size; object left out")
        return None
    try:
        piece = decode_mask(base64.b64decode(text, validate=True)) > 0
    except (binascii.Error, ValueError, ImageError) as error:
        say(f"mask cannot be read ({error}); object left out")
        return None
    x, y = (math.floor(value) for value in points[0])
    height, width = piece.shape
    whole = np.zeros(size, np.uint8)
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, size[0]), min(x + width, size[1])
    if top < bottom and left < right:
        whole[top:bottom, left:right] = piece[top - y : bottom - y, left - x : right - x]
    if not whole.any():
        say("mask with no pixels in the image; object left out")
        return None
    return {"rle": rle.encode(whole)}


def circle(center: Point, edge: Point) -> tuple[Point, ...]:
    """Return the points of a circle, beginning at `edge`."""
    (x, y), (dx, dy) = center, (edge[0] - center[0], edge[1] - center[1])
    ring = [edge]
    for i in range(1, _CORNERS):
        cos, sin = math.cos(math.tau * i / _CORNERS), math.sin(math.tau * i / _CORNERS)
        ring.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return tuple(ring)


def _as_circle(ring: Sequence[Point]) -> tuple[Point, Point] | None:
    """Return centre and edge of a ring that is a circle still."""
    if len(ring) != _CORNERS:
        return None
    x, y = (math.fsum(p[axis] for p in ring) / _CORNERS for axis in (0, 1))
    radius = math.dist((x, y), ring[0])
    if any(abs(math.dist((x, y), point) - radius) > 1e-6 * max(radius, 1) for point in ring):
        return None
    rounded = (round(x, 9), round(y, 9))
    return (rounded if circle(rounded, ring[0]) == tuple(ring) else (x, y)), ring[0]


def without_split_pieces(
    objects: Sequence[tuple[int, Object]],
) -> list[tuple[int, Object]]:
    """Join the polygons of one label and group into one object of several rings."""
    joined: list[tuple[int, Object]] = []
    places: dict[str, int] = {}
    for line, one in objects:
        group = one.extra.get("group_id")
        if group is None or not one.polygons:
            joined.append((line, one))
            continue
        place = places.setdefault(repr((one.category, dict(one.extra))), len(joined))
        if place == len(joined):
            joined.append((line, one))
            continue
        first, before = joined[place]
        rings = (*(before.polygons or ()), *one.polygons)
        joined[place] = (first, before.changed(polygons=rings))
    return joined


def write_shapes(
    objects: Sequence[Object], skeletons: Mapping[str, Skeleton] = MappingProxyType({})
) -> Iterator[dict[str, Any]]:
    """Yield the shapes of the objects; all of one object share a group.

    Args:
        objects: of one image.
        skeletons: category -> its keypoints.
    """
    groups = [one.extra.get("group_id") for one in objects]
    fresh = max((group for group in groups if isinstance(group, int)), default=0) + 1
    used, owned = set[str](), set[str]()
    for one, group in zip(objects, groups, strict=True):
        skeleton = skeletons.get(one.category) if one.keypoints is not None else None
        shapes = list(_shapes(one if skeleton is None else one.changed(keypoints=None)))
        named = [] if skeleton is None else list(named_points(one, skeleton.names))
        if named and (group is None or repr(group) in owned):
            group, fresh = fresh, fresh + 1
        if named:
            owned.add(repr(group))
            used.add(repr((one.category, group)))
        pieces = one.polygons is not None and not named
        mark = repr((one.category, group))
        if pieces and (mark in used if group is not None else len(shapes) > 1):
            group, fresh = fresh, fresh + 1
        if pieces:
            used.add(mark)
        for kind, points, mask in shapes:
            extra = {
                name: value
                for name, value in one.extra.items()
                if name not in ("shape_type", POINTS)
            }
            if kind in _ORIENTED and isinstance(extra.get("direction"), int | float):
                extra["direction"] = _direction(points, extra["direction"])
            corners = [list(point) for point in points]
            shape: dict[str, Any] = {"label": one.category, "points": corners, "group_id": None}
            shape |= {"description": "", "shape_type": kind, "flags": {}, **extra}
            shape["group_id"] = group
            yield {**shape, "mask": mask} if mask is not None or "mask" in one.extra else shape
        yield from ({**point, "group_id": group} for point in named)


def _direction(corners: Sequence[Point], before: float) -> float:
    """Return the angle of the first side in radians, 0 to 2 pi; as it was, where it is the same."""
    (x1, y1), (x2, y2) = corners[:2]
    angle = math.atan2(y2 - y1, x2 - x1) % math.tau
    apart = abs(angle - before) % math.tau
    return before if min(apart, math.tau - apart) < _SAME_ANGLE else angle


def _shapes(one: Object) -> Iterator[tuple[str, Sequence[Point], str | None]]:
    """Yield (kind, points, mask) of each piece."""
    kind = one.extra.get("shape_type")
    if one.rle is not None:
        values = rle.decode(one.rle)
        ys, xs = np.flatnonzero(values.any(axis=1)), np.flatnonzero(values.any(axis=0))
        if len(ys):
            top, bottom, left, right = int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])
            piece = np.asarray(values[top : bottom + 1, left : right + 1] > 0, np.uint8)
            text = base64.b64encode(encode_mask(piece * np.uint8(255))).decode()
            yield "mask", ((left, top), (right, bottom)), text
    elif one.polygons is not None:
        for ring in one.polygons:
            found = _as_circle(ring) if kind == "circle" else None
            yield ("circle", found, None) if found else ("polygon", ring, None)
    elif one.corners is not None:
        yield kind if kind in _ORIENTED else "polygon", one.corners, None
    elif one.box is not None:
        x1, y1, x2, y2 = one.box
        yield "rectangle", ((x1, y1), (x2, y2)), None
    if one.keypoints is not None:
        seen = [(x, y) for x, y, visible in one.keypoints if visible]
        if kind in ("line", "linestrip") and len(seen) < 2:
            return
        if (kind == "line" and len(seen) == 2) or (kind in ("linestrip", "points") and seen):
            yield kind, seen, None
        else:
            for point in seen:
                yield "point", (point,), None
