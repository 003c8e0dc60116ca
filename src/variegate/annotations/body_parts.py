"""Feet, faces and hands of COCO-WholeBody: lists of points and boxes beside an object's own.

They stand among an object's other fields (`extra`) as COCO writes them: `foot_kpts`, `face_kpts`,
`lefthand_kpts` and `righthand_kpts` are x, y, visibility, ... and name pixels (x = 0 is the centre
of the first one); `face_box`, `lefthand_box` and `righthand_box` are x, y, width, height. Whoever
moves pixels moves them as `Keypoints`, a box as its four corners.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from variegate.annotations.annotation import Object, Point
from variegate.annotations.boxes import (
    bounds_of,
    clipped,
    corners_of,
    edges_of,
    sides_of,
    whole_if_exact,
)
from variegate.annotations.checks import are_numbers
from variegate.annotations.sample import Size
from variegate.annotations.targets import FREE, Keypoints

_POINTS = ("foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_BOXES = ("face_box", "lefthand_box", "righthand_box")
_OTHER_HAND = {"lefthand": "righthand", "righthand": "lefthand"}
PART_FIELDS = frozenset((*_POINTS, *_BOXES))
# The field with what each COCO file says of an object.
_FILES = "coco"
# Deeper inside of a field nobody looks for places.
_DEEPEST = 8

# The 68 points of a face (300-W): which of them a mirror exchanges.
_FACE_SUMS = (
    (range(17), 16),
    (range(17, 27), 43),
    (range(31, 36), 66),
    (range(36, 40), 81),
    (range(40, 42), 87),
    (range(42, 46), 81),
    (range(46, 48), 87),
    (range(48, 55), 102),
    (range(55, 60), 114),
    (range(60, 65), 124),
    (range(65, 68), 132),
)
_FACE = {i: total - i for numbers, total in _FACE_SUMS for i in numbers}


@dataclass(frozen=True, slots=True)
class _Part:
    """One field: its points, and whether they are the corners of a box."""

    name: str
    points: tuple[tuple[float, float, int], ...]
    is_box: bool

    def partners(self) -> list[int]:
        """Return which of its points, or of the other hand's, each becomes in a mirror image."""
        count = len(self.points)
        if self.name == "foot_kpts" and count % 2 == 0:
            return [(i + count // 2) % count for i in range(count)]
        if self.name == "face_kpts" and count == len(_FACE) + 4:
            return [_FACE.get(i, i) for i in range(count)]
        return list(range(count))


def parts_beside(objects: Sequence[Object]) -> Keypoints:
    """Return the points of all these fields, of every object."""
    points: list[tuple[float, float, int]] = []
    starts, partners = [0], list[int]()
    for one in objects:
        begins: dict[str, int] = {}
        parts = _parts(one.extra)
        found = {part.name: part for part in parts}
        for part in parts:
            begins[part.name] = len(points)
            points += part.points
        for part in parts:
            begin = begins[part.name]
            if len(found[_mirrored(part.name)].points) == len(part.points):
                begin = begins[_mirrored(part.name)]
            partners += (begin + index for index in part.partners())
        starts.append(len(points))
    return Keypoints.of(points, starts, partners)


def with_moved_parts(
    extra: Mapping[str, Any], points: Sequence[tuple[float, float, int]], size: Size
) -> dict[str, Any]:
    """Return other fields of an object with these points in their places.

    Args:
        extra: the fields as they were.
        points: where those of `parts_beside` have come to lie.
        size: (height, width) of the image now.
    """
    said, moved, at = _said(extra), dict[str, Any](), 0
    for part in _parts(extra):
        own = points[at : at + len(part.points)]
        at += len(own)
        moved[part.name] = _box(own, size) if part.is_box else _flat(own)
    for name in ("foot", "face", "lefthand", "righthand"):
        valid = said.get(f"{name}_valid")
        if isinstance(valid, bool) and f"{name}_kpts" in moved:
            either = valid or bool(said.get(f"{_OTHER_HAND.get(name, name)}_valid", valid))
            moved[f"{name}_valid"] = either and any(moved[f"{name}_kpts"][2::3])

    def placed(fields: Mapping[str, Any]) -> dict[str, Any]:
        parts = (name for name in moved if name in PART_FIELDS and _mirrored(name) in fields)
        kept = {name: moved.get(name, value) for name, value in fields.items()}
        return kept | {name: moved[name] for name in parts if name in fields or any(moved[name])}

    return _in_every_file(placed(extra), placed)


def rescaled_parts(
    extra: Mapping[str, Any], move: Callable[[float, float], Point], size: Size
) -> Mapping[str, Any]:
    """Return other fields of an object whose coordinates become those of another copy of it."""
    points = [(*move(x, y), seen) if seen else (x, y, 0) for x, y, seen in _points_of(extra)]
    return with_moved_parts(extra, points, size) if points else extra


def without_places(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return other fields of an object that has moved without lists of numbers, however deep.

    They may be places in the image, of which nobody knows where they have gone.
    """

    def placed(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value if name in PART_FIELDS or name == _FILES else _without_lists(value)
            for name, value in fields.items()
            if not is_unknown_place(name, value)
        }

    return _in_every_file(placed(extra), placed)


def is_unknown_place(name: str, value: Any) -> bool:
    """Say whether another field of an object is a list of numbers that nobody can move."""
    return name not in PART_FIELDS and _is_numeric(value)


def _without_lists(value: Any, deep: int = _DEEPEST) -> Any:
    """Return a value without the lists of numbers that are nested in it."""
    if isinstance(value, dict) and deep:
        kept = ((name, one) for name, one in value.items() if not _is_numeric(one))
        return {name: _without_lists(one, deep - 1) for name, one in kept}
    if isinstance(value, list) and deep:
        return [_without_lists(one, deep - 1) for one in value if not _is_numeric(one)]
    return value


def numeric_places(name: str, value: Any, *, deep: int = _DEEPEST) -> Iterator[str]:
    """Yield the lists of numbers in a field, and in what is nested in it: "attributes.center"."""
    if _is_numeric(value):
        yield name
    elif isinstance(value, dict) and deep:
        for inner, one in value.items():
            yield from numeric_places(f"{name}.{inner}", one, deep=deep - 1)
    elif isinstance(value, list) and deep:
        inside = (numeric_places(name, one, deep=deep - 1) for one in value)
        yield from sorted({place for places in inside for place in places})


def _in_every_file(
    extra: dict[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Change what each of several files says of an object, too."""

    def changed(record: Mapping[str, Any]) -> Mapping[str, Any]:
        fields = record.get("fields")
        return {**record, "fields": change(fields)} if isinstance(fields, dict) else record

    return {
        name: [changed(one) for one in value] if _are_records(value) else value
        for name, value in extra.items()
    }


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _said(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what all files say of an object, that of the first before others'."""
    said: dict[str, Any] = {}
    for value in extra.values():
        for record in value if _are_records(value) else ():
            fields = record.get("fields")
            said = {**fields, **said} if isinstance(fields, dict) else said
    return {**said, **extra}


def _is_numeric(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if all(isinstance(one, list) for one in value):
        return all(map(_is_numeric, value))
    return len(value) > 1 and are_numbers(value)


def _points_of(extra: Mapping[str, Any]) -> Iterator[tuple[float, float, int]]:
    for part in _parts(extra):
        yield from part.points


def _parts(extra: Mapping[str, Any]) -> list[_Part]:
    """Return the fields that are there; a hand without the other gets one that is not labelled."""
    said = _said(extra)
    if PART_FIELDS.isdisjoint(said):
        return []
    found = {}
    for name in (*_POINTS, *_BOXES):
        is_box = name in _BOXES
        points = _corners(said.get(name)) if is_box else _triples(said.get(name))
        if points is not None:
            found[name] = _Part(name, points, is_box)
    for name, part in tuple(found.items()):
        nothing = tuple((0.0, 0.0, 0) for _ in part.points)
        found.setdefault(_mirrored(name), _Part(_mirrored(name), nothing, part.is_box))
    return [found[name] for name in (*_POINTS, *_BOXES) if name in found]


def _mirrored(name: str) -> str:
    place, _, kind = name.partition("_")
    return f"{_OTHER_HAND.get(place, place)}_{kind}"


def _triples(raw: Any) -> tuple[tuple[float, float, int], ...] | None:
    if not are_numbers(raw) or not raw or len(raw) % 3:
        return None
    # The visibility may be how sure a program was.
    return tuple(
        (x, y, 1 if seen == 1 else 2) if seen > 0 else (x, y, 0)
        for x, y, seen in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    )


def _corners(raw: Any) -> tuple[tuple[float, float, int], ...] | None:
    if not are_numbers(raw, 4):
        return None
    seen = FREE if raw[2] > 0 and raw[3] > 0 else 0
    return tuple((x, y, seen) for x, y in corners_of(edges_of(raw)))


def _flat(points: Sequence[tuple[float, float, int]]) -> list[float]:
    flat: list[float] = []
    for x, y, seen in points:
        flat += (whole_if_exact(x), whole_if_exact(y), seen) if seen else (0, 0, 0)
    return flat


def _box(corners: Sequence[tuple[float, float, int]], size: Size) -> list[float]:
    if not all(seen for _, _, seen in corners):
        return [0, 0, 0, 0]
    x1, y1, x2, y2 = clipped(bounds_of((x, y) for x, y, _ in corners), size)
    return sides_of((x1, y1, x2, y2)) if x1 < x2 and y1 < y2 else [0, 0, 0, 0]
