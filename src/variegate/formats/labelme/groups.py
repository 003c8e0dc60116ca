"""Points that belong to an object: those of its `group_id`, each called like a keypoint.

A group is one object with keypoints where it holds points of different labels and besides just one
rectangle, or another shape. All other points are objects of their own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from variegate.annotations.annotation import Number, Object, Skeleton

OCCLUDED = "occluded"
"""The flag of a keypoint that is hidden."""
POINTS = "points"
"""In an object's `extra`: what LabelMe says of its keypoints besides, by their names."""
_HIDDEN, _VISIBLE = 1, 2
_USUAL: Mapping[str, Any] = {"description": "", "flags": {}, "mask": None}
_OUTLINES = ("rectangle", "polygon", "circle", "mask", "rotation", "oriented_rectangle")


class Membership(NamedTuple):
    """To what a point belongs.

    Attributes:
        group: of the shapes.
        category: the label of the object.
    """

    group: str
    category: str


@dataclass(slots=True)
class _Group:
    owners: list[tuple[str, str]] = field(default_factory=list)
    points: dict[str, int] = field(default_factory=dict)
    doubled: bool = False


def memberships(shapes: Sequence[Any]) -> dict[int, Membership]:
    """Return, by the numbers of the points among the shapes of one image, what they belong to."""
    groups: dict[str, _Group] = {}
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or shape.get("group_id") is None:
            continue
        label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
        group = groups.setdefault(repr(shape["group_id"]), _Group())
        if kind == "point" and isinstance(label, str):
            group.doubled = group.doubled or label in group.points
            group.points[label] = number
        elif kind in _OUTLINES and isinstance(label, str):
            group.owners.append((kind, label))
    return {
        number: Membership(name, group.owners[0][1])
        for name, group in groups.items()
        if not group.doubled and _is_one(group.owners)
        for number in group.points.values()
    }


def _is_one(owners: list[tuple[str, str]]) -> bool:
    """Say whether shapes are one object: a single one, or polygons of one label."""
    return len(owners) == 1 or (len({*owners}) == 1 and owners[0][0] == "polygon")


def point_names(files: Iterable[list[Any]]) -> tuple[set[str], dict[str, dict[str, None]]]:
    """Return the classes of a set, and by class the names of its keypoints in their order.

    Args:
        files: the shapes of each image.
    """
    classes, names = set[str](), dict[str, dict[str, None]]()
    for shapes in files:
        known = memberships(shapes)
        for number, shape in enumerate(shapes):
            label = shape.get("label") if isinstance(shape, dict) else None
            if number in known:
                names.setdefault(known[number].category, {})[str(label)] = None
            elif isinstance(label, str):
                classes.add(label)
    return classes, names


def with_keypoints(
    found: Sequence[tuple[int, Object]], shapes: Sequence[Any], skeletons: Mapping[str, Skeleton]
) -> list[tuple[int, Object]]:
    """Give objects the points of their groups.

    Args:
        found: the objects of an image, each with the number of its shape.
        shapes: all shapes.
        skeletons: category -> its keypoints.
    """
    known = memberships(shapes)
    points: dict[Membership, dict[str, Object]] = {}
    first: dict[Membership, int] = {}
    for number, one in found:
        if number in known:
            points.setdefault(known[number], {})[one.category] = one
            first.setdefault(known[number], number)
    joined = []
    for number, one in found:
        if number in known:
            continue
        own = Membership(repr(one.extra.get("group_id")), one.category)
        joined.append((number, _joined(one, points.pop(own, {}), skeletons)))
    # What is left has lost its outline, which could not be used.
    for own, rest in points.items():
        bare = Object(category=own.category, extra={"group_id": _first(rest).extra["group_id"]})
        joined.append((first[own], _joined(bare, rest, skeletons)))
    return sorted(joined, key=lambda one: one[0])


def _first(points: Mapping[str, Object]) -> Object:
    return next(iter(points.values()))


def _joined(one: Object, points: Mapping[str, Object], skeletons: Mapping[str, Skeleton]) -> Object:
    if not points or one.category not in skeletons:
        return one
    keypoints: list[tuple[Number, Number, int]] = []
    said: dict[str, Any] = {}
    for name in skeletons[one.category].names:
        point = points.get(name)
        if point is None:
            keypoints.append((0, 0, 0))
            continue
        ((x, y, _),) = point.keypoints or ((0, 0, 0),)
        flags = point.extra.get("flags")
        hidden = isinstance(flags, dict) and flags.get(OCCLUDED) is True
        keypoints.append((x, y, _HIDDEN if hidden else _VISIBLE))
        own = {key: value for key, value in point.extra.items() if key != "group_id"}
        if own != {key: _USUAL[key] for key in own if key in _USUAL}:
            said[name] = own
    extra = {**one.extra, POINTS: said} if said else one.extra
    return one.changed(keypoints=tuple(keypoints), extra=extra)


def named_points(one: Object, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the shapes of an object's keypoints, without their group.

    Args:
        one: the object.
        names: of its keypoints.
    """
    said = one.extra.get(POINTS)
    known: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    for name, (x, y, visible) in zip(names, one.keypoints or (), strict=False):
        if not visible:
            continue
        own = known.get(name)
        shape = {"description": "", "flags": {}, **(own if isinstance(own, Mapping) else {})}
        flags = shape["flags"] if isinstance(shape["flags"], Mapping) else {}
        others = {key: value for key, value in flags.items() if key != OCCLUDED}
        shape["flags"] = {**others, OCCLUDED: True} if visible == _HIDDEN else others
        yield {"label": name, "points": [[x, y]], **shape, "shape_type": "point"}


def keypoint_skeletons(
    names: Mapping[str, Iterable[str]], pairs: Sequence[tuple[str, str]]
) -> dict[str, Skeleton]:
    """Return the skeletons of classes whose keypoints have these names."""
    return {one: Skeleton.of(tuple(parts), given=pairs) for one, parts in names.items()}


def all_names(names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the names of all keypoints."""
    yield from chain.from_iterable(names.values())
