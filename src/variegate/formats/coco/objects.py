"""From an entry of "annotations" to an `Object`.

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
"""

from collections.abc import Mapping
from typing import Any

from variegate.annotations.annotation import Annotation, Object, Rle
from variegate.formats.coco import geometry
from variegate.formats.coco.file import STANDARD, CocoFile
from variegate.formats.coco.geometry import Box, Keypoints, Rings, Size
from variegate.storage import printable

COCO = "coco"
_KNOWN = frozenset((*STANDARD, "id", "image_id", "category_id", COCO))
Raw = Mapping[str, Any]


class Reader:
    """Reads the annotations of one file."""

    def __init__(self, file: CocoFile, number: int) -> None:
        """Prepare for the file with this number."""
        self._file = file
        self._number = number
        first: dict[str, Any] = {}
        for identity, name in file.names.items():
            first.setdefault(name, identity)
        self._first = first
        self._points = {
            one["name"]: len(one["keypoints"])
            for one in file.categories
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
        one = self._object(raw, size, problems)
        record = {"file": self._number} if self._number else {}
        record |= self._identity(raw, number, problems)
        self.say(raw, number, problems, said)
        if one is None:
            return None
        record |= self._numbers(raw, one)
        extra = {name: value for name, value in raw.items() if name not in _KNOWN}
        if raw.get("iscrowd"):
            extra["iscrowd"] = raw["iscrowd"]
        return _with_extra(one, extra | {COCO: [record]})

    def say(self, raw: Raw, number: int, problems: list[str], said: list[str]) -> None:
        """Put file and place before each problem."""
        if problems:
            identity = f" (id {raw['id']})" if "id" in raw else ""
            where = f"{printable(self._file.key)}: annotations[{number}]{identity}"
            said += (f"{where}: {problem}" for problem in problems)

    def category(self, raw: Raw, problems: list[str]) -> str | None:
        """Return the class, or None where the file has no such category."""
        identity = raw.get("category_id")
        name = None if isinstance(identity, list | dict) else self._file.names.get(identity)
        if name is None:
            problems.append(f"category_id {identity!r} is not in categories; object left out")
        return name

    def segment(
        self, raw: Raw, *, mask_file: str, size: Size | None, problems: list[str]
    ) -> Object | None:
        """Return an entry of "segments_info"."""
        identity = raw.get("id")
        category = self.category(raw, problems)
        if category is None:
            return None
        if type(identity) is not int or not 0 < identity < 1 << 24:
            problems.append(f"segment id {identity!r}, expected 1 to 16,777,215; segment left out")
            return None
        box = None
        if "bbox" in raw:
            box, problem = geometry.mend_box(raw["bbox"], size)
            if problem:
                problems.append(f"segment {identity}: {problem}")
        one = Object(category=category, box=box, mask_file=mask_file, mask_value=identity)
        record = {"file": self._number} if self._number else {}
        extra = {name: value for name, value in raw.items() if name not in _KNOWN}
        if raw.get("iscrowd"):
            extra["iscrowd"] = raw["iscrowd"]
        return _with_extra(one, extra | {COCO: [record | self._numbers(raw, one)]})

    def _object(self, raw: Raw, size: Size | None, problems: list[str]) -> Object | None:
        category = self.category(raw, problems)
        if category is None:
            return None
        rings, mask = _segmentation(raw.get("segmentation"), size, problems)
        points = self._keypoints(raw, category, problems)
        box, problem = None, None
        if "bbox" in raw:
            box, problem = geometry.mend_box(raw["bbox"], size)
        outline = Object(category=category, polygons=rings, rle=mask, keypoints=points)
        return _settled(outline, box, problem, problems)

    def _keypoints(self, raw: Raw, category: str, problems: list[str]) -> Keypoints | None:
        if "keypoints" not in raw:
            return None
        points, problem = geometry.mend_keypoints(raw["keypoints"], self._points.get(category))
        if problem:
            problems.append(problem)
        return points

    def _identity(self, raw: Raw, number: int, problems: list[str]) -> dict[str, Any]:
        identity = raw.get("id")
        if identity is None or isinstance(identity, list | dict):
            return {}
        first = self._file.duplicates.get(identity, number)
        if first == number:
            return {"id": identity}
        problems.append(f"the id of annotations[{first}], too; it gets another")
        return {}

    def _numbers(self, raw: Raw, one: Object) -> dict[str, Any]:
        """Return what is needed to write the same numbers again."""
        record: dict[str, Any] = {}
        box, area, points = raw.get("bbox"), raw.get("area"), raw.get("keypoints")
        if raw["category_id"] != self._first[one.category]:
            record["category_id"] = raw["category_id"]
        if one.box and geometry.are_numbers(box, 4) and geometry.edges(box or ()) == one.box:
            if not geometry.same(geometry.raw_box(one.box), box):
                record["bbox"] = box
            plain = not (one.polygons or one.rle or one.mask_file)
            computed = plain and geometry.same([geometry.area(one)], [area])
            if geometry.is_number(area) and not computed:
                record |= {"area": area, "shape": geometry.shape_digest(one)}
        if one.keypoints and not geometry.same(geometry.raw_keypoints(one.keypoints), points):
            record["keypoints"] = points
        if one.rle and isinstance(raw["segmentation"]["counts"], list):
            record["runs"] = "list"
        if (standard := standard_of(raw)) != self._file.standard and not one.mask_file:
            record["standard"] = list(standard)
        return record


def standard_of(raw: Raw) -> tuple[str, ...]:
    """Return the usual fields that an entry has."""
    return tuple(name for name in STANDARD if name in raw)


def _segmentation(
    raw: Any, size: Size | None, problems: list[str]
) -> tuple[Rings | None, Rle | None]:
    if raw is None or raw == []:
        return None, None
    if isinstance(raw, list):
        rings, said = geometry.mend_rings(raw)
        problems += said
        return rings, None
    if isinstance(raw, dict):
        mask, problem = geometry.mend_mask(raw, size)
        if problem:
            problems.append(problem)
        return None, mask
    problems.append("segmentation is neither polygons nor a mask; left out")
    return None, None


def _settled(
    outline: Object, box: Box | None, problem: str | None, problems: list[str]
) -> Object | None:
    """Join box and outline; a box that cannot be used is taken from the outline."""
    if box is None and problem != "box outside the image":
        box = geometry.around(outline)
        if problem and box:
            problem += "; taken from its outline"
    useless = box is None and not outline.keypoints
    if useless or problem == "box outside the image":
        problems.append(f"{problem or 'neither box nor segmentation'}; object left out")
        return None
    if problem:
        problems.append(problem)
    return Object(
        category=outline.category,
        box=box,
        polygons=outline.polygons,
        rle=outline.rle,
        keypoints=outline.keypoints,
    )


def _with_extra(one: Object, extra: dict[str, Any]) -> Object:
    return Object(
        category=one.category,
        box=one.box,
        polygons=one.polygons,
        rle=one.rle,
        mask_file=one.mask_file,
        mask_value=one.mask_value,
        keypoints=one.keypoints,
        extra=extra,
    )


def records(thing: Object | Annotation) -> list[dict[str, Any]]:
    """Return the records of an object or image that came from COCO files."""
    found = thing.extra.get(COCO)
    return found if isinstance(found, list) else []
