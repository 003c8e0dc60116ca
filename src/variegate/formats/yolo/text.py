"""Lines of YOLO's label files: from an `Object` to text. See `lines` for what they hold."""

from collections.abc import Sequence

import numpy as np

from variegate.annotations.annotation import Object, Point
from variegate.annotations.boxes import around, corners_of
from variegate.annotations.checks import Size
from variegate.annotations.polygons import Points
from variegate.errors import KeyRefusedError
from variegate.formats.yolo.lines import Task
from variegate.formats.yolo.numbers import edge_texts, plain_text, share_text

# Distances at a time: their memory stays small, whatever outlines there are.
_COMPARED = 1 << 18


def write_line(
    one: Object,
    *,
    task: Task | None,
    number: int,
    keypoints: tuple[int, int] | None,
    size: Size,
) -> str | None:
    """Return the line of an object, or None where it has no shape that YOLO can hold.

    Args:
        one: the object.
        task: of the set; None lets each object be what it is: a polygon, an oriented box, a box.
        number: of its class.
        keypoints: number and dimensions of keypoints, for "pose".
        size: (height, width) of the image.
    """
    box = one.box or around(one)
    corners = one.corners or (corners_of(box) if box else None)
    if task == "dota":
        if corners is None:
            return None
        if len(one.category.split()) != 1:
            raise KeyRefusedError(
                f"class {one.category!r}: this format cannot represent names with spaces"
            )
        texts = [plain_text(value) for point in corners for value in point]
        difficult = one.extra.get("difficult")
        return " ".join([*texts, one.category, *([] if difficult is None else [str(difficult)])])
    if task in (None, "segment") and one.polygons:
        return _with_points(number, joined(one.polygons), size)
    if task in (None, "obb") and (one.corners or task):
        return None if corners is None else _with_points(number, corners, size)
    if box is None:
        return None
    (x, width), (y, height) = (edge_texts(box[i], box[i + 2], size[1 - i]) for i in (0, 1))
    words = [str(number), x, y, width, height]
    if task == "pose" and keypoints:
        words += _keypoint_words(one.keypoints or (), keypoints, size)
    return " ".join(words)


def _with_points(number: int, ring: Sequence[Point], size: Size) -> str:
    texts = [
        share_text(value, size[1 - axis]) for point in ring for axis, value in enumerate(point)
    ]
    return " ".join([str(number), *texts])


def _keypoint_words(
    keypoints: Sequence[tuple[float, float, int]], shape: tuple[int, int], size: Size
) -> list[str]:
    padded = [*keypoints, *[(0.0, 0.0, 0)] * (shape[0] - len(keypoints))][: shape[0]]
    words = []
    for x, y, seen in padded:
        if shape[1] == 2 and not seen:
            x = y = 0.0
        words += [share_text(x, size[1]), share_text(y, size[0])]
        if shape[1] == 3:
            words.append(str(seen))
    return words


def joined(rings: Sequence[Sequence[Point]]) -> list[Point]:
    """Return one ring for several: there and back again over the shortest way between corners.

    So does the converter of ultralytics (`merge_multi_segment`): YOLO has one ring for an object.
    """
    result, places = list(rings[0]), np.array(rings[0], np.float64)
    for ring in rings[1:]:
        own = np.array(ring, np.float64)
        i, j = _nearest(places, own)
        loop = [*ring[j:], *ring[: j + 1]]
        result = [*result[: i + 1], *loop, *result[i:]]
        places = np.concatenate([places[: i + 1], own[j:], own[: j + 1], places[i:]])
    return result


def _nearest(places: Points, ring: Points) -> tuple[int, int]:
    """Return which of many points and which of a ring are nearest to each other, the first such."""
    # A point that is nearest to one of the ring is hardly farther from its middle than the nearest
    # is: few are left to compare.
    middle = ring.mean(axis=0)
    radius = np.hypot(*(ring - middle).T).max()
    away = np.hypot(*(places - middle).T)
    near = np.flatnonzero(away <= (away.min() + 2 * radius) * (1 + 1e-9) + 1e-9)
    best, least = (0, 0), np.inf
    step = max(1, _COMPARED // len(ring))
    for start in range(0, len(near), step):
        part = near[start : start + step]
        apart = ((places[part, np.newaxis] - ring) ** 2).sum(axis=2)
        i, j = divmod(int(apart.argmin()), len(ring))
        if apart[i, j] < least:
            best, least = (int(part[i]), j), apart[i, j]
    return best
