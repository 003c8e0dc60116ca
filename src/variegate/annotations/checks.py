"""What is done about boxes and outlines that cannot be right: one rule for all formats.

Repaired is what has one plain meaning: corners in the wrong order are exchanged, a box partly
outside its image is clipped. The rest is left out.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeGuard, TypeVar

from variegate.annotations import rle as run_lengths
from variegate.annotations.annotation import Object, Point, Rle
from variegate.annotations.boxes import Box, bounds_of, clipped, edges_of
from variegate.errors import DecodeError

Size = tuple[int, int]
Say = Callable[[str], None]
Slack = tuple[float, float]
"""How far to the sides, and up and down, a shape may reach beyond its image: pixels."""

OUTSIDE = "box outside the image"
# Tools round: an edge this far outside is left as it is.
ROUNDED: Slack = (1.0, 1.0)
_NO_SLACK = (0.0, 0.0)
_NOT_FINITE = "a coordinate is not a finite number"
_NUMBERS = frozenset((int, float))
# Nothing in an image is larger; integers beyond the floats' range fail this test, too.
_LARGEST = 1e12

# How every problem ends that costs objects: "box with no area; object left out".
_COST = re.compile(r"(?:([\d,]+) objects?|object) left out$")

_Shape = TypeVar("_Shape")


@dataclass(slots=True)
class Problems:
    """The problems of one image's annotation, as `Source.problems` wants them."""

    key: str
    found: list[str] = field(default_factory=list)

    def add(self, line: int, what: str) -> None:
        """Record a problem in one line of the file."""
        self.found.append(f"{self.key}:{line}: {what}")


def objects_left_out(problem: str) -> int:
    """Return how many objects a problem costs: what its last words say."""
    found = _COST.search(problem)
    return int((found[1] or "1").replace(",", "")) if found else 0


def is_number(value: Any) -> bool:
    """Say whether a JSON value is a number that an image can have."""
    return type(value) in _NUMBERS and abs(value) <= _LARGEST


def image_size_of(height: Any, width: Any) -> Size | None:
    """Return (height, width) of two JSON values, or None where no image has this size."""
    if not (is_number(height) and is_number(width)) or height < 1 or width < 1:
        return None
    return int(height), int(width)


def are_numbers(values: Any, count: int | None = None) -> TypeGuard[list[float]]:
    """Say whether a JSON value is a list of such numbers."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        return False
    if not {*map(type, values)} <= _NUMBERS:
        return False
    if not values:
        return True
    # Comparisons step over NaN but in the first place; a sum does not.
    return min(values) >= -_LARGEST and max(values) <= _LARGEST and not math.isnan(sum(values))


def usable(
    checked: tuple[_Shape | None, list[str]], say: Say, *, cost: str = "object left out"
) -> _Shape | None:
    """Return a shape that was checked, and say what was wrong with it.

    Args:
        checked: what `mend_box` or another of these functions gave.
        say: told each problem.
        cost: what it costs that there is no such shape; said with the last problem.
    """
    shape, problems = checked
    if shape is None:
        problems = [*problems[:-1], f"{problems[-1]}; {cost}"]
    for problem in problems:
        say(problem)
    return shape


def mend_box(
    box: Box, *, size: Size | None, slack: Slack = _NO_SLACK
) -> tuple[Box | None, list[str]]:
    """Return the box with its corners in order and inside the image, and what was wrong with it.

    Args:
        box: x1, y1, x2, y2.
        size: (height, width) of the image, if it is known.
        slack: how far it may reach beyond: the noise of rounding.

    Returns:
        None for a box that cannot be used; the last of the problems says why.
    """
    if not all(map(math.isfinite, box)):
        return None, [_NOT_FINITE]
    x1, y1, x2, y2 = box
    problems = []
    if x2 < x1 or y2 < y1:
        problems.append("corners in the wrong order; exchanged")
        x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    if x1 == x2 or y1 == y2:
        return None, [*problems, "box with no area"]
    box = (x1, y1, x2, y2)
    if size is None:
        return box, problems
    if _is_outside(box, size):
        return None, [*problems, OUTSIDE]
    if _is_inside(box, size, slack):
        return box, problems
    return clipped(box, size), [*problems, "box partly outside the image; clipped"]


def shares_problem(values: Sequence[float], size: Size | None) -> str | None:
    """Return what to say of four numbers of pixels that look like shares of an image; else None.

    Nobody draws a box within one pixel; and read as pixels, it would be lost in the next resize.
    """
    if not all(0 <= value <= 1 for value in values) or all(value in (0, 1) for value in values):
        return None
    if size is not None and min(size) <= 1:
        return None
    listed = ", ".join(f"{value:g}" for value in values)
    return f"box {listed} looks like shares of the image (0 to 1), expected pixels"


def mend_sides(raw: Any, *, size: Size | None) -> tuple[Box | None, list[str]]:
    """Return the box of a JSON value, [x, y, width, height], as `mend_box` does."""
    if not are_numbers(raw, 4):
        return None, [f"bbox {shown(raw)} is not four finite numbers"]
    if problem := shares_problem(raw, size):
        return None, [problem]
    return mend_box(edges_of(raw), size=size, slack=ROUNDED)


def mend_ring(
    ring: tuple[Point, ...], *, size: Size | None, slack: Slack = _NO_SLACK
) -> tuple[tuple[Point, ...] | None, list[str]]:
    """Return a polygon's points if they can be one, and what is wrong with them.

    Points outside stay where they are as long as some of the polygon may be inside: cutting it off
    would bend it, and whoever moves the annotation clips them anyway.
    """
    # The sum of finite numbers may be infinite: then each is looked at.
    if not math.isfinite(sum(map(sum, ring))) and not all(map(math.isfinite, chain(*ring))):
        return None, [_NOT_FINITE]
    if len({*ring[:3]}) < 3 and (different := len({*ring})) < 3:
        return None, [f"polygon with {different} different points, expected 3"]
    box = bounds_of(ring)
    if box[0] == box[2] or box[1] == box[3]:
        return None, ["polygon with no area"]
    if size is None:
        return ring, []
    if _is_outside(box, size):
        return None, ["polygon outside the image"]
    if _is_inside(box, size, slack):
        return ring, []
    return ring, ["polygon partly outside the image; kept, and clipped when it moves"]


def _is_inside(box: Box, size: Size, slack: Slack) -> bool:
    (x1, y1, x2, y2), (height, width), (dx, dy) = box, size, slack
    return x1 >= -dx and y1 >= -dy and x2 <= width + dx and y2 <= height + dy


def _is_outside(box: Box, size: Size) -> bool:
    return box[0] >= size[1] or box[1] >= size[0] or box[2] <= 0 or box[3] <= 0


def mend_rings(
    raw: list[Any], say: Say, *, size: Size | None
) -> tuple[tuple[Point, ...], ...] | None:
    """Return the usable ones of JSON's polygons, [x, y, x, y, ...], or None; say what is wrong."""
    rings = []
    for flat in raw:
        if not are_numbers(flat) or len(flat) % 2:
            say(f"polygon {shown(flat)} is not x, y, x, y, ...; polygon left out")
            continue
        points = tuple(zip(flat[::2], flat[1::2], strict=True))
        checked = mend_ring(points, size=size, slack=ROUNDED)
        if (ring := usable(checked, say, cost="polygon left out")) is not None:
            rings.append(ring)
    return tuple(rings) or None


def mend_mask(raw: Mapping[str, Any], *, size: Size | None) -> tuple[Rle | None, list[str]]:
    """Return the mask of a JSON value, {"size": [height, width], "counts": ...}, or what is wrong.

    Its run lengths are text or numbers.
    """
    shape, counts = raw.get("size"), raw.get("counts")
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int for n in shape):
        return None, [f"mask of size {shown(shape)}, expected [height, width]"]
    height, width = shape
    if size is not None and (height, width) != size:
        return None, [f"mask of {width} x {height} in an image of {size[1]} x {size[0]}"]
    try:
        if isinstance(counts, str):
            mask = Rle(height, width, counts)
        elif are_numbers(counts) and all(type(n) is int for n in counts):
            mask = run_lengths.from_runs(height, width, counts)
        else:
            return None, ["mask without run lengths"]
        run_lengths.runs(mask)
    except (DecodeError, OverflowError) as error:
        return None, [f"mask with wrong {error}"]
    return mask, []


def without_duplicates(
    objects: Iterable[tuple[int, Object]],
    problems: Problems,
    *,
    line: Callable[[int], int] = int,
) -> tuple[Object, ...]:
    """Return the objects, each once.

    Args:
        objects: each with its place in the file.
        problems: where to say which are left out.
        line: makes lines of these places.
    """
    seen: dict[str, int] = {}
    kept = []
    for place, one in objects:
        first = seen.setdefault(repr(one), place)
        if first != place:
            problems.add(line(place), f"the same as in line {line(first)}; object left out")
        else:
            kept.append(one)
    return tuple(kept)


def shown(value: Any) -> str:
    """Return a value as messages show it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
