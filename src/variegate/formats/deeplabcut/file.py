"""DeepLabCut's tables (`CollectedData_*.csv`): a head of three or four lines, a row for each image.

    scorer,,,Bea,Bea,Bea,Bea
    individuals,,,mouse1,mouse1,mouse1,mouse1
    bodyparts,,,nose,nose,tail,tail
    coords,,,x,y,x,y
    labeled-data,night,img0001.png,31.5,40.25,,

The second line is there with several animals only. Older tables have one cell for the name of the
image, newer ones three. A point without numbers is not labelled.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from variegate.annotations.annotation import Object
from variegate.annotations.checks import Say

SINGLE = "single"
"""What DeepLabCut calls the "individual" that has the points that each image has once."""
SCORER = "variegate"
"""Who "labelled" a set that comes from another format: there individuals are called by classes."""
ANIMAL = "animal"
"""The class of individuals elsewhere: DeepLabCut has none."""
INDIVIDUAL = "individual"
"""Where an object says which animal it is."""
DEEPLABCUT = "deeplabcut"
"""Where an image says which table is about it."""
_LEVELS = (("scorer", "bodyparts", "coords"), ("scorer", "individuals", "bodyparts", "coords"))
_MOST_HEAD = 4
_NAMES = (1, 3)
_LABELLED = 2
Keypoint = tuple[float, float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointHead:
    """The first lines of a table.

    Attributes:
        scorer: who labelled it.
        names: how many cells hold the name of an image.
        points: (individual, body part) of each pair of columns; the individual is "" in tables
            of one animal.
    """

    scorer: str
    names: int
    points: tuple[tuple[str, str], ...]

    def category(self, individual: str) -> str:
        """Return the class of an individual."""
        stem = individual.rstrip("0123456789")
        if stem == SINGLE:
            return SINGLE
        return stem if self.scorer == SCORER and stem else ANIMAL

    @property
    def height(self) -> int:
        """How many lines it has."""
        return len(self._levels)

    @property
    def _levels(self) -> tuple[str, ...]:
        return _LEVELS[any(individual for individual, _ in self.points)]

    def rows(self) -> Iterator[list[str]]:
        """Yield its lines, as cells."""
        for level in self._levels:
            cells = [level, *([""] * (self.names - 1))]
            for individual, part in self.points:
                words = {"scorer": self.scorer, "individuals": individual, "bodyparts": part}
                cells += ("x", "y") if level == "coords" else [words[level]] * 2
            yield cells


def read_head(rows: Sequence[Sequence[str]]) -> PointHead | str:
    """Return the head of a table, or say why it is none of DeepLabCut's.

    Args:
        rows: its first four lines, or all of them.
    """
    first = [row[0].strip().lower() if row else "" for row in rows[:_MOST_HEAD]]
    levels = next((one for one in _LEVELS if tuple(first[: len(one)]) == one), None)
    if levels is None:
        return "its first lines are not scorer, bodyparts and coords"
    width = len(rows[0])
    if any(len(row) != width for row in rows[: len(levels)]):
        return "the lines of its head have different numbers of cells"
    names = next((count for count in _NAMES[::-1] if not any(rows[0][1:count])), 1)
    lines = dict(zip(levels, rows, strict=False))
    if "likelihood" in lines["coords"]:
        return "it holds predictions with likelihoods, not labels"
    axes = [cell.strip() for cell in lines["coords"][names:]]
    if not axes or axes != ["x", "y"] * (len(axes) // 2):
        return "its columns are not x and y by turns"
    parts, owners = lines["bodyparts"][names:], lines.get("individuals", [""] * width)[names:]
    points = list(zip(owners, parts, strict=True))
    if points[::2] != points[1::2] or len({*points[::2]}) * 2 != len(points):
        return "its pairs of columns are not each of a body part of its own"
    return PointHead(scorer=rows[0][names], names=names, points=tuple(points[::2]))


def name_of(row: Sequence[str], head: PointHead) -> str:
    """Return the name of the image that a row is about, with forward slashes."""
    return "/".join(cell.strip() for cell in row[: head.names] if cell.strip()).replace("\\", "/")


def name_cells(name: str, head: PointHead) -> list[str]:
    """Return a name as the cells that a row of this table begins with."""
    parts = name.rsplit("/", head.names - 1)
    return [*([""] * (head.names - len(parts))), *parts]


def read_objects(
    row: Sequence[str], head: PointHead, order: Mapping[str, Sequence[str]], say: Say
) -> list[Object]:
    """Return the animals of one row that have a point.

    Args:
        row: its cells.
        head: of the table.
        order: class -> its body parts, those of the table among them.
        say: told what was wrong and what was done.
    """
    cells, expected = [*row[head.names :]], 2 * len(head.points)
    if len(cells) != expected:
        say(f"expected {expected} coordinates, found {len(cells)}; taken from the left")
    cells += [""] * (expected - len(cells))
    found: dict[str, dict[str, Keypoint]] = {}
    for number, (individual, part) in enumerate(head.points):
        point = _point(cells[2 * number], cells[2 * number + 1], part, say)
        if point is not None:
            found.setdefault(individual, {})[part] = point
    objects = []
    for individual, points in found.items():
        category = head.category(individual)
        keypoints = tuple(points.get(part, (0, 0, 0)) for part in order[category])
        extra = {INDIVIDUAL: individual} if individual else {}
        objects.append(Object(category=category, keypoints=keypoints, extra=extra))
    return objects


def _point(x: str, y: str, part: str, say: Say) -> Keypoint | None:
    texts = [cell.strip().lower() for cell in (x, y)]
    if all(text in ("", "nan") for text in texts):
        return None
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        say(f"x {x[:20]!r} and y {y[:20]!r} of {part!r} are not two numbers; keypoint left out")
        return None
    return values[0], values[1], _LABELLED
