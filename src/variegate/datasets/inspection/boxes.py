"""Boxes that disagree with the outlines of their objects."""

from collections.abc import Iterator, Mapping

from variegate.annotations.annotation import Annotation
from variegate.annotations.boxes import Box, around

_LEAST_OVERLAP = 0.5
# Of a small object, whose box is rounded one way or the other.
_ROUNDED = 2.0


def outlined(
    annotation: Annotation, mask_boxes: Mapping[int, Box]
) -> Iterator[tuple[int, Box, Box]]:
    """Yield number, box, and the box around polygons or mask, of objects that have both.

    Args:
        annotation: of an image.
        mask_boxes: bounds of masks in files, by the number of the object.
    """
    for number, one in enumerate(annotation.objects):
        if one.box is None:
            continue
        bounds = mask_boxes.get(number)
        if bounds is None and (one.polygons or one.rle is not None):
            bounds = around(one)
        if bounds is not None:
            yield number, one.box, bounds


def disagree(box: Box, other: Box) -> bool:
    """Say whether less than half of what two boxes cover is covered by both."""
    if all(abs(a - b) <= _ROUNDED for a, b in zip(box, other, strict=True)):
        return False
    return overlap(box, other) < _LEAST_OVERLAP


def overlap(box: Box, other: Box) -> float:
    """Return the area in both boxes by the area in either (IoU)."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(box) + _area(other) - both)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
