"""Annotations that were made on another copy of their image: a larger or smaller one, or the
stored pixels, before EXIF's orientation turned them upright.

Only what is unambiguous is repaired: a copy has the shape of the image, and a quarter turn
    exchanges height and width. Half turns and mirror images keep the size, so there the annotation
    is taken as made on the upright image, which is what people see.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from variegate.annotations.annotation import Annotation, Object, Point
from variegate.annotations.body_parts import rescaled_parts
from variegate.annotations.sample import Size
from variegate.annotations.targets import Mask
from variegate.codecs import upright
from variegate.errors import ImageError

_Move = Callable[[float, float], Point]


def fitted(annotation: Annotation, size: Size, orientation: int = 1) -> Annotation:
    """Return the annotation in the coordinates of an upright image of `size`; masks stay.

    Args:
        annotation: of the image.
        size: (height, width), upright.
        orientation: EXIF's, 1 to 8.

    Raises:
        ImageError: it was made on an image of another shape.
    """
    given = annotation.size
    if given is None or given == size:
        return annotation
    stored = is_stored(given, size, orientation)
    if not stored and not same_shape(given, size):
        raise ImageError(
            f"its annotation is for an image of {given[1]} x {given[0]}, "
            f"it has {size[1]} x {size[0]}"
        )
    height, width = (size[1], size[0]) if stored else size
    turn = _turned(orientation if stored else 1, height, width)
    x_scale, y_scale = width / given[1], height / given[0]

    def move(x: float, y: float) -> Point:
        return turn(x * x_scale, y * y_scale)

    objects = tuple(_moved(one, move, size) for one in annotation.objects)
    return annotation.changed(size=size, objects=objects)


def fitted_mask(values: Mask, size: Size, orientation: int = 1) -> Mask | None:
    """Return a mask (H, W) as large as an upright image of `size`; None for other shapes."""
    given = (values.shape[0], values.shape[1])
    if given == size:
        return values
    if is_stored(given, size, orientation):
        values = upright(values, orientation)
    elif not same_shape(given, size):
        return None
    rows, columns = (
        ((np.arange(after) + 0.5) * before / after).astype(np.intp)
        for before, after in zip(values.shape[:2], size, strict=True)
    )
    return np.ascontiguousarray(values[rows][:, columns])


def is_stored(given: Size, size: Size, orientation: int) -> bool:
    """Whether `given` is of the shape of the stored image, and not of the upright one."""
    return orientation >= 5 and not same_shape(given, size) and same_shape(given, size[::-1])


def same_shape(given: Size, size: Size) -> bool:
    """Whether two sizes are those of copies of one image, but for rounding."""
    across = abs(given[0] * size[1] - given[1] * size[0])
    return min(given) >= 1 and across <= max(*given, *size)


def _turned(orientation: int, height: int, width: int) -> _Move:
    """Return what takes points of a stored image to where they are seen upright."""
    moves: dict[int, _Move] = {
        1: lambda x, y: (x, y),
        5: lambda x, y: (y, x),
        6: lambda x, y: (height - y, x),
        7: lambda x, y: (height - y, width - x),
        8: lambda x, y: (y, width - x),
    }
    return moves[orientation]


def _moved(one: Object, move: _Move, size: Size) -> Object:
    moved: dict[str, Any] = {"extra": rescaled_parts(one.extra, move, size)}
    if one.box is not None:
        (x1, y1), (x2, y2) = move(*one.box[:2]), move(*one.box[2:])
        moved["box"] = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    if one.corners is not None:
        moved["corners"] = tuple(move(x, y) for x, y in one.corners)
    if one.polygons is not None:
        moved["polygons"] = tuple(tuple(move(x, y) for x, y in ring) for ring in one.polygons)
    if one.keypoints is not None:
        # A keypoint that is not labelled has no place.
        moved["keypoints"] = tuple(
            (*move(x, y), seen) if seen else (x, y, seen) for x, y, seen in one.keypoints
        )
    return one.changed(**moved)
