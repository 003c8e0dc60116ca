"""What is done about boxes and points that cannot be right.

Mended is what has one plain meaning: corners in the wrong order are exchanged, a box partly outside
its image is clipped. The rest is left out. Used by Pascal VOC, YOLO and LabelMe.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from variegate.annotations.annotation import Object, Point

Box = tuple[float, float, float, float]
Size = tuple[int, int]


@dataclass(slots=True)
class Problems:
    """The problems of one image's annotation, as `Source.problems` wants them."""

    key: str
    found: list[str] = field(default_factory=list)

    def add(self, line: int, what: str) -> None:
        """Record a problem in one line of the file."""
        self.found.append(f"{self.key}:{line}: {what}")


def mend_box(
    box: Box, *, size: Size | None, slack: float, say: Callable[[str], None]
) -> Box | None:
    """Return the box with its corners in order and inside the image, or None.

    Args:
        box: x1, y1, x2, y2.
        size: (height, width) of the image, if it is known.
        slack: how far, as a share of the image, a box may reach beyond: the noise of rounding.
        say: told what was wrong and what was done.
    """
    if not all(map(math.isfinite, box)):
        say("a coordinate is not a finite number; object left out")
        return None
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        say("corners in the wrong order; exchanged")
        x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    if x1 == x2 or y1 == y2:
        say("box with no area; object left out")
        return None
    height, width = size or (math.inf, math.inf)
    dx, dy = (slack * width, slack * height) if slack else (0.0, 0.0)
    if x1 >= -dx and y1 >= -dy and x2 <= width + dx and y2 <= height + dy:
        return (x1, y1, x2, y2)
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        say("box outside the image; object left out")
        return None
    say("box partly outside the image; clipped")
    return inside


def mend_ring(
    ring: tuple[Point, ...], *, size: Size | None, slack: float, say: Callable[[str], None]
) -> tuple[Point, ...] | None:
    """Return a polygon's points if they can be one, or None.

    Points outside stay where they are as long as some of the polygon may be inside: cutting it off
    would bend it, and whoever moves the labels clips them anyway.
    """
    if not all(math.isfinite(value) for point in ring for value in point):
        say("a coordinate is not a finite number; object left out")
        return None
    if len(set(ring)) < 3:
        say(f"polygon with {len(set(ring))} different points, expected 3; object left out")
        return None
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    if min(xs) == max(xs) or min(ys) == max(ys):
        say("polygon with no area; object left out")
        return None
    if size is not None:
        height, width = size
        if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= width or min(ys) >= height:
            say("polygon outside the image; object left out")
            return None
        edges = (-min(xs) / width, -min(ys) / height, max(xs) / width - 1, max(ys) / height - 1)
        if max(edges) > slack:
            say("polygon partly outside the image; kept, and clipped when it moves")
    return ring


def without_duplicates(
    objects: Iterable[tuple[int, Object]],
    problems: Problems,
    *,
    line: Callable[[int], int] = int,
) -> tuple[Object, ...]:
    """Return the objects, each once.

    Args:
        objects: each with where it stands in the file.
        problems: where to say which are left out.
        line: makes lines of these places.
    """
    seen: dict[str, int] = {}
    kept = []
    for place, one in objects:
        first = seen.setdefault(repr(one), place)
        if first != place:
            problems.add(line(place), f"the same object as in line {line(first)}; left out")
        else:
            kept.append(one)
    return tuple(kept)
