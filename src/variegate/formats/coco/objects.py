"""From an entry of "annotations" to an `Object` and back.

What COCO knows and we do not stands in `extra`: fields of other programs under their own names,
"iscrowd" where it is set, and under "coco" a record for each file that has the entry:

    file        number of the file; left out for the first
    id          of the annotation; left out where it is missing or used twice
    category_id where the file has several of that name
    bbox        where x2 - x1 does not give the number that was read
    area, shape the area that was read, and of which shape (see `shape_digest`)
    counted     the area was counted in the mask of this very image
    keypoints   where the numbers that were read do not follow from ours
    runs        "list" where the mask was not compressed
    bare        this file has no outline, another has
    standard    the usual fields, where they are not those of the file
    fields      other fields, where they are not those of the first file

Keypoints stand in the coordinates of the boxes, as pycocotools (which makes boxes of them) and
ultralytics (which divides them by width and height) take them: a mirror image has width - x.
detectron2 takes them for numbers of pixels instead, half a pixel further. A keypoint that is not
labelled has no place; its numbers stay as they are.
"""

from array import array
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any
from zlib import crc32

from variegate.annotations import rle as run_lengths
from variegate.annotations.annotation import Annotation, Object, Point, Rle
from variegate.annotations.boxes import (
    Box,
    area_of,
    around,
    edges_of,
    sides_of,
    whole_if_exact,
    written_alike,
)
from variegate.annotations.checks import (
    OUTSIDE,
    Say,
    Size,
    are_numbers,
    is_number,
    mend_mask,
    mend_rings,
    mend_sides,
    usable,
)
from variegate.formats.coco.read import STANDARD, CocoFile, is_id, named_categories, standard_of
from variegate.storage import printable

COCO = "coco"
_KNOWN = frozenset((*STANDARD, "id", "image_id", "category_id", COCO))
# What an annotation has where nothing else says so.
_USUAL = ("segmentation", "area", "bbox", "iscrowd")

Keypoints = tuple[tuple[float, float, int], ...]
Rings = tuple[tuple[Point, ...], ...]
Raw = Mapping[str, Any]
Fields = dict[str, Any]


class Reader:
    """Reads the annotations of one file."""

    def __init__(self, file: CocoFile, number: int, masks: Mapping[str, str | None]) -> None:
        """Prepare for the file with this number; `masks` has the keys of its panoptic masks."""
        self.file = file
        self.number = number
        self.kind = file.kind
        self.masks = masks
        self._first: dict[str, Any] = {}
        for identity, name in file.names.items():
            self._first.setdefault(name, identity)
        self._points = {
            one["name"]: len(one["keypoints"])
            for one in named_categories(file.head)
            if isinstance(one.get("keypoints"), list)
        }

    def object(self, raw: Raw, number: int, size: Size | None, said: list[str]) -> Object | None:
        """Return the object, or None where nothing of it can be used.

        Args:
            raw: the entry.
            number: of the entry in its list.
            size: (height, width) of the image, as the file says.
            said: problems are added here.
        """
        problems: list[str] = []
        category = self.category(raw, problems)
        one, is_exact = None, False
        if category is not None:
            one, is_exact = self._object(raw, category, size, problems.append)
        record: Fields = {}
        if is_id(identity := raw.get("id")):
            first = self.file.duplicates.get(identity, number)
            if first == number:
                record["id"] = identity
            else:
                problems.append(f"the id of annotations[{first}], too; it gets another")
        self.say(raw, number, problems, said)
        return None if one is None else self._recorded(one, raw, record, is_exact=is_exact)

    def segment(
        self, raw: Raw, *, mask_file: str, size: Size | None, problems: list[str]
    ) -> Object | None:
        """Return an entry of "segments_info"."""
        identity = raw.get("id")
        category = self.category(raw, problems)
        if category is None:
            return None
        if type(identity) is not int or not 0 < identity < 1 << 24:
            problems.append(f"segment id {identity!r}, expected 1 to 16,777,215; object left out")
            return None
        box = None
        said: list[str] = []
        if "bbox" in raw:
            box = usable(mend_sides(raw["bbox"], size=size), said.append, cost="box left out")
            problems += (f"segment {identity}: {problem}" for problem in said)
        one = Object(category=category, box=box, mask_file=mask_file, mask_value=identity)
        return self._recorded(one, raw, {}, is_exact=not said)

    def say(self, raw: Raw, number: int, problems: list[str], said: list[str]) -> None:
        """Put file and place before each problem."""
        if problems:
            identity = f" (id {raw['id']})" if "id" in raw else ""
            where = f"{printable(self.file.key)}: annotations[{number}]{identity}"
            said += (f"{where}: {problem}" for problem in problems)

    def category(self, raw: Raw, problems: list[str]) -> str | None:
        """Return the class, or None where the file has no such category."""
        identity = self._category_id(raw)
        name = self.file.names.get(identity) if is_id(identity) else None
        if name is None:
            problems.append(f"category_id {identity!r} is not in categories; object left out")
        return name

    def _category_id(self, raw: Raw) -> Any:
        identity = raw.get("category_id")
        return self.file.respelled.get(identity, identity) if is_id(identity) else identity

    def _object(
        self, raw: Raw, category: str, size: Size | None, say: Say
    ) -> tuple[Object | None, bool]:
        """Return the object, and whether its box is exactly that of the entry."""
        rings, mask = _outline(raw.get("segmentation"), size, say)
        points = self._keypoints(raw, category, say)
        box, problems = mend_sides(raw["bbox"], size=size) if "bbox" in raw else (None, [])
        one = Object(category=category, box=box, polygons=rings, rle=mask, keypoints=points)
        if box is not None and not problems:
            return one, True
        outside = problems[-1:] == [OUTSIDE]
        if box is None and not outside and (box := around(one)):
            one = one.changed(box=box)
            problems = [f"{problem}; taken from its outline" for problem in problems[-1:]]
        if box is None and (outside or not points):
            return usable((None, problems or ["neither box nor segmentation"]), say), False
        for problem in problems:
            say(problem)
        return one, False

    def _keypoints(self, raw: Raw, category: str, say: Say) -> Keypoints | None:
        if "keypoints" not in raw:
            return None
        flat, expected = raw["keypoints"], self._points.get(category)
        if not are_numbers(flat) or len(flat) % 3 or any(v not in (0, 1, 2) for v in flat[2::3]):
            say("keypoints are not x, y, visibility (0, 1, 2), ...; keypoints left out")
        elif expected and len(flat) != 3 * expected:
            say(
                f"{len(flat) // 3} keypoints, expected {expected} as in the category; "
                "keypoints left out"
            )
        else:
            return _keypoints_of(flat) or None
        return None

    def _recorded(self, one: Object, raw: Raw, record: Fields, *, is_exact: bool) -> Object:
        """Return an object with what else the file says of it."""
        record = self.mark() | record | self._numbers(raw, one, is_exact=is_exact)
        extra = other_fields(raw, {}, _KNOWN)
        if raw.get("iscrowd"):
            extra["iscrowd"] = raw["iscrowd"]
        extra[COCO] = [record]
        return one.changed(extra=extra)

    def mark(self) -> Fields:
        """Return how a record begins."""
        return {"file": self.number} if self.number else {}

    def _numbers(self, raw: Raw, one: Object, *, is_exact: bool) -> Fields:
        """Return what is needed to write the same numbers again.

        Args:
            raw: the entry.
            one: what was made of it.
            is_exact: its box, if it has one, is that of the entry.
        """
        record: Fields = {}
        box, area, points = raw.get("bbox"), raw.get("area"), raw.get("keypoints")
        if (category := self._category_id(raw)) != self._first[one.category]:
            record["category_id"] = category
        if one.box and is_exact:
            if not written_alike(sides_of(one.box), box):
                record["bbox"] = box
            plain = not (one.polygons or one.rle or one.mask_file)
            computed = plain and written_alike([area_of(one)], [area])
            if is_number(area) and not computed:
                record |= {"area": area, "shape": shape_digest(one)}
        if one.keypoints and not written_alike(_raw_keypoints(one.keypoints), points):
            record["keypoints"] = points
        if one.rle and isinstance(raw["segmentation"]["counts"], list):
            record["runs"] = "list"
        if (standard := standard_of(raw)) != self.file.standard and not one.mask_file:
            record["standard"] = list(standard)
        return record


def _outline(raw: Any, size: Size | None, say: Say) -> tuple[Rings | None, Rle | None]:
    if isinstance(raw, dict):
        return None, usable(mend_mask(raw, size=size), say, cost="mask left out")
    if isinstance(raw, list):
        return mend_rings(_nested(raw, say), say, size=size), None
    if raw is not None:
        say("segmentation is neither polygons nor a mask; left out")
    return None, None


def _nested(raw: list[Any], say: Say) -> list[Any]:
    """Return a list of polygons, x, y, x, y, ... each, of what other tools write for one."""
    if raw and is_number(raw[0]):
        say("segmentation is one list of numbers; taken as one polygon")
        return [raw]
    if len(raw) > 2 and all(are_numbers(point, 2) for point in raw):
        say("segmentation is a list of points; taken as one polygon")
        return [list(chain.from_iterable(raw))]
    if raw and all(_are_points(ring) for ring in raw):
        say("segmentation is lists of points; taken as polygons")
        return [list(chain.from_iterable(ring)) for ring in raw]
    return raw


def _are_points(ring: Any) -> bool:
    return isinstance(ring, list) and bool(ring) and all(are_numbers(point, 2) for point in ring)


def _keypoints_of(raw: Sequence[float]) -> Keypoints:
    return tuple(
        (x, y, int(v)) if v else (x, y, 0)
        for x, y, v in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    )


def _raw_keypoints(points: Keypoints) -> list[float]:
    """Return x, y, visibility, ... as COCO has them: whole pixels as integers."""
    flat: list[float] = []
    for x, y, v in points:
        flat += (whole_if_exact(x), whole_if_exact(y), v) if v else (0, 0, 0)
    return flat


def shape_digest(one: Object) -> int:
    """Return a number that changes when box, outline or mask do."""
    numbers = array("d", one.box or ())
    for ring in one.polygons or ():
        numbers.extend(chain.from_iterable(ring))
    return crc32(one.rle.counts.encode() if one.rle else b"", crc32(numbers.tobytes()))


def records(thing: Object | Annotation) -> list[Fields]:
    """Return the records of an object or image that came from COCO files."""
    found = thing.extra.get(COCO)
    return found if isinstance(found, list) else []


def entry(one: Object, record: Raw, *, head: Fields, standard: tuple[str, ...]) -> Fields:
    """Return the entry of one object.

    Args:
        one: the object.
        record: what the file had of it, or nothing.
        head: its ids.
        standard: the usual fields that the file has.
    """
    usual = (*_USUAL, "keypoints", "num_keypoints") if one.keypoints else _USUAL
    names = record.get("standard", standard or usual)
    fields = dict(head)
    if "segmentation" in names:
        fields["segmentation"] = _segmentation(one, record)
    if "area" in names:
        known = "area" in record and record["shape"] == shape_digest(one)
        fields["area"] = record["area"] if known else area_of(one)
    if "bbox" in names and (box := one.box or around(one)):
        fields["bbox"] = _sides(box, record)
    if "iscrowd" in names:
        fields["iscrowd"] = one.extra.get("iscrowd", 0)
    if "keypoints" in names and one.keypoints is not None:
        raw = record.get("keypoints")
        same = raw and _keypoints_of(raw) == one.keypoints
        fields["keypoints"] = raw if same else _raw_keypoints(one.keypoints)
    if "num_keypoints" in names:
        fields["num_keypoints"] = sum(v > 0 for _, _, v in one.keypoints or ())
    return fields | other_fields(one.extra, record, _KNOWN)


def segment(one: Object, record: Raw, *, category_id: Any) -> Fields:
    """Return the entry of one object in "segments_info", without its area."""
    head = {"id": one.mask_value, "category_id": category_id}
    fields: Fields = head | {"iscrowd": one.extra.get("iscrowd", 0)}
    if one.box:
        fields["bbox"] = _sides(one.box, record)
    return fields | other_fields(one.extra, record, _KNOWN)


def other_fields(extra: Raw, record: Raw, known: Collection[str]) -> Fields:
    """Return the fields that we do not know, as this file had them."""
    fields = record.get("fields", extra)
    return {name: value for name, value in fields.items() if name not in known}


def _sides(box: Box, record: Raw) -> list[float]:
    raw = record.get("bbox")
    return raw if raw and edges_of(raw) == box else sides_of(box)


def _segmentation(one: Object, record: Raw) -> Any:
    """Return polygons or run lengths; a mask is exact, so it goes first."""
    if record.get("bare"):
        return []
    if one.rle is not None:
        counts: Any = one.rle.counts
        if record.get("runs") == "list":
            counts = run_lengths.runs(one.rle).tolist()
        return {"size": [one.rle.height, one.rle.width], "counts": counts}
    rings = one.polygons or ((one.corners,) if one.corners else ())
    return [[number for point in ring for number in point] for ring in rings]
