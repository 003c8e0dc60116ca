"""Boxes, outlines, masks and keypoints between COCO's notation and ours; what is wrong is mended.

Boxes are [x, y, width, height] from the image's corner, outlines [x, y, x, y, ...]: continuous,
as ours are. Keypoints name pixels: x = 0 is the centre of the first one, which is 0.5 here (so
understands it detectron2, facebookresearch/detectron2#175, and the integers in COCO's own files).
A keypoint that is not labelled has no place; its numbers stay as they are.

Numbers survive: `Box.of(raw)` and `raw_box` give back what was read wherever the box is unchanged.
"""

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any
from zlib import crc32

from variegate.annotations import rle as run_lengths
from variegate.annotations.annotation import Object, Point, Rle
from variegate.errors import DecodeError

Box = tuple[float, float, float, float]
Rings = tuple[tuple[Point, ...], ...]
Keypoints = tuple[tuple[float, float, int], ...]
Size = tuple[int, int]

# Tools round; an edge this far outside is left as it is.
_SLACK = 1.0

_NUMBERS = frozenset((int, float))
# Nothing in an image is larger; integers beyond the floats' range fail this test, too.
_LARGEST = 1e12


def is_number(value: Any) -> bool:
    """Say whether a JSON value is a number that an image can have."""
    return type(value) in _NUMBERS and abs(value) <= _LARGEST


def are_numbers(values: Any, count: int | None = None) -> bool:
    """Say whether a JSON value is a list of such numbers."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        return False
    if not {*map(type, values)} <= _NUMBERS:
        return False
    return all(-_LARGEST <= value <= _LARGEST for value in values)


def edges(raw: Sequence[float]) -> Box:
    """Return x1, y1, x2, y2 of x, y, width, height."""
    x, y, width, height = raw
    return x, y, x + width, y + height


def mend_box(raw: Any, size: Size | None) -> tuple[Box | None, str | None]:
    """Return the box, or None, and what was wrong with it.

    Args:
        raw: what stands under "bbox".
        size: (height, width) that the file says the image has.
    """
    if not are_numbers(raw, 4):
        return None, f"bbox {_short(raw)} is not four finite numbers"
    x1, y1, x2, y2 = edges(raw)
    return mend_edges((x1, y1, x2, y2), size)


def mend_edges(box: Box, size: Size | None) -> tuple[Box | None, str | None]:
    """Return a box with its edges in order and in the image, or None, and what was wrong."""
    said = None
    if box[2] < box[0] or box[3] < box[1]:
        said = "box with edges in the wrong order; exchanged"
    x1, x2 = sorted((box[0], box[2]))
    y1, y2 = sorted((box[1], box[3]))
    if x1 == x2 or y1 == y2:
        return None, "box without area"
    if size is None or not _outside((x1, y1, x2, y2), size, _SLACK):
        return (x1, y1, x2, y2), said
    height, width = size
    clipped = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        return None, "box outside the image"
    return clipped, "box partly outside the image; clipped"


def _outside(box: Box, size: Size, slack: float) -> bool:
    height, width = size
    x1, y1, x2, y2 = box
    return (
        min(x1, y1) < -slack
        or x2 > width + slack
        or y2 > height + slack
        or x1 >= width
        or y1 >= height
        or x2 <= 0
        or y2 <= 0
    )


def raw_box(box: Box) -> list[float]:
    """Return x, y, width, height."""
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def mend_rings(raw: list[Any]) -> tuple[Rings | None, list[str]]:
    """Return the outlines that can be used, and what was wrong with the others."""
    rings: list[tuple[Point, ...]] = []
    said = []
    for flat in raw:
        if isinstance(flat, list) and len(flat) >= 6 and len(flat) % 2 == 0 and are_numbers(flat):
            rings.append(tuple(zip(flat[::2], flat[1::2], strict=True)))
        elif are_numbers(flat) and len(flat) % 2 == 0:
            points = "point" if len(flat) == 2 else "points"
            said.append(f"polygon with {len(flat) // 2} {points}; polygon left out")
        else:
            said.append(f"polygon {_short(flat)} is not x, y, x, y, ...; polygon left out")
    return tuple(rings) or None, said


def mend_mask(raw: dict[str, Any], size: Size | None) -> tuple[Rle | None, str | None]:
    """Return the mask, or None and what was wrong with it."""
    shape, counts = raw.get("size"), raw.get("counts")
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int for n in shape):
        return None, f"mask of size {_short(shape)}, expected [height, width]; mask left out"
    height, width = shape
    if size is not None and (height, width) != size:
        expected = f"{size[1]} x {size[0]}"
        return None, f"mask of {width} x {height} in an image of {expected}; mask left out"
    try:
        if isinstance(counts, str):
            mask = Rle(height, width, counts)
        elif are_numbers(counts) and all(type(n) is int for n in counts or ()):
            mask = run_lengths.from_runs(height, width, counts or ())
        else:
            return None, "mask without run lengths; mask left out"
        run_lengths.runs(mask)
    except (DecodeError, OverflowError) as error:
        return None, f"mask with wrong {error}; mask left out"
    return mask, None


def mend_keypoints(raw: Any, expected: int | None) -> tuple[Keypoints | None, str | None]:
    """Return the keypoints, or None and what was wrong with them."""
    if not are_numbers(raw) or len(raw) % 3 or any(v not in (0, 1, 2) for v in raw[2::3]):
        return None, "keypoints are not x, y, visibility (0, 1, 2), ...; keypoints left out"
    if expected and len(raw) != 3 * expected:
        return None, (
            f"{len(raw) // 3} keypoints, expected {expected} as in the category; keypoints left out"
        )
    return keypoints_of(raw) or None, None


def keypoints_of(raw: Sequence[float]) -> Keypoints:
    """Return x, y, visibility of each."""
    return tuple(
        (x + 0.5, y + 0.5, int(v)) if v else (x, y, 0)
        for x, y, v in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    )


def raw_keypoints(points: Keypoints) -> list[float]:
    """Return x, y, visibility, ... as COCO has them: whole pixels as integers."""
    flat: list[float] = []
    for x, y, v in points:
        flat += (_whole(x - 0.5), _whole(y - 0.5), v) if v else (0, 0, 0)
    return flat


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def around(one: Object) -> Box | None:
    """Return the box around an object's outline, mask, corners or keypoints."""
    if one.polygons:
        return _around(list(chain.from_iterable(one.polygons)))
    if one.rle is not None:
        return run_lengths.bounds(one.rle)
    if one.corners:
        return _around(one.corners)
    return _around([(x, y) for x, y, v in one.keypoints or () if v])


def _around(points: Sequence[Point]) -> Box | None:
    if not points:
        return None
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    box = min(xs), min(ys), max(xs), max(ys)
    return None if box[0] == box[2] or box[1] == box[3] else box


def area(one: Object) -> float:
    """Return the area of the mask, else of the outline, else of the box, in pixels."""
    if one.rle is not None:
        return run_lengths.area(one.rle)
    rings = one.polygons or ((one.corners,) if one.corners else ())
    if rings:
        return sum(_ring_area(ring) for ring in rings)
    box = one.box or (0, 0, 0, 0)
    return (box[2] - box[0]) * (box[3] - box[1])


def _ring_area(ring: Sequence[Point]) -> float:
    turned = chain(ring[1:], ring[:1])
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, turned, strict=True))) / 2


def shape_digest(one: Object) -> int:
    """Return a number that changes when box, outline or mask do."""
    numbers = array("d", one.box or ())
    for ring in one.polygons or ():
        numbers.extend(chain.from_iterable(ring))
    return crc32(one.rle.counts.encode() if one.rle else b"", crc32(numbers.tobytes()))


def same(one: Any, two: Any) -> bool:
    """Say whether two lists of numbers are written alike (1 and 1.0 are not)."""
    return one == two and [*map(type, one)] == [*map(type, two)]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
