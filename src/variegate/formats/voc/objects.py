"""One image's Pascal VOC annotation: from XML to an `Annotation` and back.

Where pixels are counted from. The devkit (VOC2012, "the top-left pixel in the image has coordinates
(1,1)") counts pixels from 1, and xmax is the last pixel inside. As edges that is x1 = xmin - 1,
x2 = xmax, which is what detectron2's reader of VOC does; so `origin` 1 reads and writes. Many tools
(Roboflow, CVAT, labelImg's successors) write edges from 0 under the same names; a set in which an
xmin or ymin of 0 occurs is one of these, and then, `origin` 0, the numbers are the edges. In both
the numbers that are read are written again, whatever the set was.

A box that is one point (xmin = xmax and ymin = ymax) is a slip of the mouse and has no area, though
by the letter it is one pixel.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context
from functools import partial
from typing import Any

from variegate.annotations.annotation import Annotation, Object, Point
from variegate.annotations.boxes import Box, around
from variegate.annotations.checks import Problems, Size, mend_box, mend_ring, shares_problem, usable
from variegate.formats.voc.xml import Node

_EXACT = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LONGEST = 100
# This number of digits is exact in a float.
_SHORT = 15
# What an <annotation> holds besides fields that are carried through.
_OWN_TAGS = ("object", "size", "path", "filename")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(slots=True)
class Reading:
    """What is needed to read the objects of one image.

    Attributes:
        origin: number of the first pixel, 1 or 0.
        size: the image's (height, width), if it is known.
        problems: where to say what was wrong.
    """

    origin: int
    size: Size | None
    problems: Problems

    def number(self, node: Node | None, *, shift: float = 0) -> float | None:
        """Return the number in an element less `shift`, exactly; NaN where it is not finite."""
        text = "" if node is None else node.text.strip()
        if len(text) < _SHORT and text.isascii() and text.isdigit():
            return int(text) - shift
        if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
            return math.nan if text.lower().lstrip("+-") in ("nan", "inf", "infinity") else None
        if not math.isfinite(float(text)):
            return math.nan
        return float(_EXACT.subtract(_EXACT.create_decimal(text), _EXACT.create_decimal(shift)))

    def box(self, bounds: Node) -> Box | None:
        """Return the box of a <bndbox>, repaired, or None."""
        say = partial(self.problems.add, bounds.line)
        raw = [self.number(bounds.find(tag)) for tag in _EDGES]
        if None in raw:
            tag = _EDGES[raw.index(None)]
            say(f"expected a number as <{tag}>, found {bounds.word(tag)!r}; object left out")
            return None
        numbers = [number for number in raw if number is not None]
        if problem := shares_problem(numbers, self.size):
            say(f"{problem}; object left out")
            return None
        if raw[0] == raw[2] and raw[1] == raw[3]:
            say("box with no area; object left out")
            return None
        ends = []
        for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
            nodes = bounds.find(low), bounds.find(high)
            pair = self._pair(*nodes)
            if pair[1] < pair[0]:
                say(f"<{high}> below <{low}>; exchanged")
                pair = self._pair(nodes[1], nodes[0])
            ends.append(pair)
        (x1, x2), (y1, y2) = ends
        return usable(mend_box((x1, y1, x2, y2), size=self.size), say)

    def _pair(self, low: Node | None, high: Node | None) -> tuple[float, float]:
        return self.number(low, shift=self.origin) or 0.0, self.number(high) or 0.0

    def ring(self, node: Node) -> tuple[Point, ...] | None:
        """Return a polygon as Roboflow writes it: <x1>, <y1>, <x2>, <y2>, ..."""
        numbers = {child.tag: self.number(child) for child in node.children}
        points = []
        for i in range(1, len(numbers) // 2 + 1):
            x, y = numbers.get(f"x{i}"), numbers.get(f"y{i}")
            if x is None or y is None:
                self.problems.add(node.line, f"polygon without point {i}; object left out")
                return None
            points.append((x, y))

        say = partial(self.problems.add, node.line)
        return usable(mend_ring(tuple(points), size=self.size), say)


def read_objects(root: Node, reading: Reading, stem: str) -> Iterator[tuple[int, int, Object]]:
    """Yield (number in the file from 1, line, object); parts follow what they are parts of.

    A part's object says in extra "part_of" which "object" it belongs to; the image's `stem` keeps
    those of several images apart.
    """
    nodes = [child for child in root.children if child.tag == "object"]
    for number, node in enumerate(nodes, 1):
        parts = [child for child in node.children if child.tag == "part"]
        one = _object(node, reading)
        if one is None:
            continue
        if parts:
            one = _with(one, object=f"{stem}:{number}")
        yield number, node.line, one
        for part in parts:
            if (piece := _object(part, reading)) is not None:
                yield 0, part.line, _with(piece, part_of=f"{stem}:{number}")


def _with(one: Object, **extra: Any) -> Object:
    return one.changed(extra={**one.extra, **extra})


def _object(node: Node, reading: Reading) -> Object | None:
    name = node.word("name")
    if not name:
        reading.problems.add(node.line, f"{node.tag} without a name; object left out")
        return None
    bounds, polygon, point = map(node.find, ("bndbox", "polygon", "point"))
    if bounds is None and polygon is None:
        reading.problems.add(node.line, f"{node.tag} without a <bndbox>; object left out")
        return None
    box = None if bounds is None else reading.box(bounds)
    if bounds is not None and box is None:
        return None
    ring = None if polygon is None else reading.ring(polygon)
    if ring is None and box is None:
        return None
    keypoints = None
    if point is not None:
        # The centre of a pixel that is counted from 1.
        half = reading.origin / 2
        x, y = (reading.number(point.find(axis), shift=half) for axis in "xy")
        if x is None or y is None or not math.isfinite(x + y):
            reading.problems.add(point.line, "point without two numbers; point left out")
        else:
            keypoints = ((x, y, 2),)
    return Object(
        category=name,
        box=box,
        polygons=None if ring is None else (ring,),
        keypoints=keypoints,
        extra=node.values(without=("name", "bndbox", "polygon", "part", "point")),
    )


def read_size(root: Node, problems: Problems) -> Size | None:
    """Return (height, width) as the file says."""
    node = root.find("size")
    if node is None:
        return None
    words = [node.word(tag) or "" for tag in ("height", "width")]
    if all(word.isascii() and word.isdigit() and int(word[:9]) > 0 for word in words):
        return int(words[0][:9]), int(words[1][:9])
    problems.add(node.line, f"size {' x '.join(words)!r} (height, width) is none; ignored")
    return None


def read_extra(root: Node) -> dict[str, Any]:
    """Return what else the file says of the image. <path> is dropped: it is another machine's."""
    extra = root.values(without=_OWN_TAGS)
    depth = (root.find("size") or root).find("depth")
    return extra if depth is None else {**extra, "depth": depth.value()}


def content(annotation: Annotation, *, filename: str, size: Size, origin: int) -> dict[str, Any]:
    """Return the content of an <annotation> as JSON values for `xml.write`."""
    extra = {name: value for name, value in annotation.extra.items() if name not in _OWN_EXTRA}
    result: dict[str, Any] = {"filename": filename}
    if "folder" in extra:
        result = {"folder": extra.pop("folder"), **result}
    depth = {"depth": extra.pop("depth")} if "depth" in extra else {}
    result.update(extra)
    result["size"] = {"width": size[1], "height": size[0], **depth}
    result["object"] = [
        _content(one, annotation.objects, origin) for one in outer_objects(annotation)
    ]
    return result


def outer_objects(annotation: Annotation) -> list[Object]:
    """Return the objects that are not parts, in order: the n-th has the value n in masks."""
    return [one for one in annotation.objects if "part_of" not in one.extra]


def _content(one: Object, others: tuple[Object, ...], origin: int) -> dict[str, Any]:
    extra = {key: value for key, value in one.extra.items() if key not in _LINKS}
    plain = {key: value for key, value in extra.items() if not isinstance(value, Mapping | list)}
    result: dict[str, Any] = {"name": one.category, **plain}
    if (box := one.box or around(one)) is not None:
        edges = map(_text, box, (origin, origin, 0, 0))
        result["bndbox"] = dict(zip(_EDGES, edges, strict=True))
    if one.polygons:
        result["polygon"] = {
            f"{axis}{i}": _text(value)
            for i, point in enumerate(one.polygons[0], 1)
            for axis, value in zip("xy", point, strict=True)
        }
    if one.keypoints and len(one.keypoints) == 1:
        x, y, _ = one.keypoints[0]
        result["point"] = {"x": _text(x, origin / 2), "y": _text(y, origin / 2)}
    result.update((key, value) for key, value in extra.items() if key not in plain)
    number = one.extra.get("object")
    if number is not None:
        parts = [part for part in others if part.extra.get("part_of") == number]
        result["part"] = [_content(part, (), origin) for part in parts]
    return result


_OWN_EXTRA = ("image_sets", "no_file", *_OWN_TAGS)
_LINKS = ("object", "part_of", "image_sets")


def _text(value: float, shift: float = 0) -> str:
    """Return the shortest text that is read as this number again."""
    exact = _EXACT.add(_EXACT.create_decimal(repr(float(value))), _EXACT.create_decimal(shift))
    return str(int(exact)) if exact == exact.to_integral_value() else format(exact, "f")
