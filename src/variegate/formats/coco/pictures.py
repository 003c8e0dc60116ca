"""From the entries of several files about one image to its `Annotation`.

Fields of "images" that we do not know stand in `extra` under their own names, the texts of captions
as "captions", and under "coco" a record for each file that lists the image:

    file        number of the file; left out for the first
    id          of the image
    fields      other fields, where they are not those of the first file
    captions    what else each caption has, "id" and so on; the texts stand in `extra["captions"]`
    labels      what else each label of the whole image has, with its "category"
    panoptic    other fields of the panoptic annotation

The same object in several files, such as "instances" and "person_keypoints", has the same id, class
and box there; it becomes one.
"""

from collections.abc import Iterable
from typing import Any

from variegate.annotations.annotation import Annotation, Object
from variegate.formats.coco.file import GEOMETRY, CocoFile
from variegate.formats.coco.geometry import Size, is_number, shape_digest
from variegate.formats.coco.objects import COCO, Raw, Reader, records
from variegate.formats.coco.places import Places, inside
from variegate.storage import printable

_KNOWN = frozenset(("id", "width", "height", "file_name", COCO, "captions"))


class Image:
    """Collects what the files say of one image."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.problems: list[str] = []
        self.unusable: str | None = None
        self._size: Size | None = None
        self._extra: dict[str, Any] = {}
        self._records: list[dict[str, Any]] = []
        self._objects: list[Object] = []
        self._by_id: dict[Any, list[int]] = {}
        self._captions: list[str] = []
        self._labels: dict[str, float] = {}

    def add(self, part: "Part", entry: int) -> None:
        """Add what one file says.

        Args:
            part: the file.
            entry: number of the image in its list of images.
        """
        file = part.file
        (first, _), *_ = entries = list(file.images.group(file.owners[entry]))
        value = dict(entries)[entry]
        where = f"{printable(file.key)}: images[{entry}] (id {value['id']})"
        if first != entry:
            self._repeated(where, first, file.files[first], value["file_name"])
            return
        if self._records and self._records[-1].get("file", 0) == part.number:
            self.problems.append(f"{where}: {value['file_name']!r} is listed twice; both joined")
        size = _size_of(value)
        if self._size is None:
            self._size = size
        record = {"file": part.number} if part.number else {}
        record |= {"id": value["id"]} | self._fields(value)
        for number, raw in file.annotations.group(file.owners[entry]):
            self._annotation(part, raw, number=number, size=size, record=record)
        self._records.append(record)

    def done(self) -> Annotation:
        """Return all of it."""
        extra = dict(self._extra)
        if self._captions:
            extra["captions"] = self._captions
        return Annotation(
            size=self._size,
            labels=self._labels,
            objects=tuple(self._objects),
            extra=extra | {COCO: self._records},
        )

    def _repeated(self, where: str, first: int, other: str | None, name: str) -> None:
        if other == name:
            self.problems.append(f"{where}: the same as images[{first}]; left out")
        else:
            self.unusable = f"{where}: the id of images[{first}], too, which is {other!r}"

    def _fields(self, value: Raw) -> dict[str, Any]:
        fields = {name: field for name, field in value.items() if name not in _KNOWN}
        if not self._records:
            self._extra = fields
        return {} if fields == self._extra else {"fields": fields}

    def _annotation(
        self, part: "Part", raw: Raw, *, number: int, size: Size | None, record: dict[str, Any]
    ) -> None:
        if "segments_info" in raw:
            self._segments(part, raw, number=number, size=size, record=record)
        elif isinstance(raw.get("caption"), str):
            rest = {n: v for n, v in raw.items() if n not in ("image_id", "caption")}
            self._captions.append(raw["caption"])
            record.setdefault("captions", []).append(rest)
        elif part.kind == "labels" and not any(name in raw for name in GEOMETRY):
            self._label(part, raw, number=number, record=record)
        else:
            one = part.reader.object(raw, number, size, self.problems)
            if one is not None:
                self._join(one)

    def _label(self, part: "Part", raw: Raw, *, number: int, record: dict[str, Any]) -> None:
        problems: list[str] = []
        category = part.reader.category(raw, problems)
        part.reader.say(raw, number, problems, self.problems)
        if category is None:
            return
        share = raw.get("share", 1)
        self._labels[category] = share if is_number(share) else 1
        left = ("image_id", "category_id", "share")
        rest = {name: value for name, value in raw.items() if name not in left}
        record.setdefault("labels", []).append({"category": category} | rest)

    def _segments(
        self,
        part: "Part",
        raw: Raw,
        *,
        number: int,
        size: Size | None,
        record: dict[str, Any],
    ) -> None:
        problems: list[str] = []
        left = ("image_id", "file_name", "segments_info")
        record["panoptic"] = {name: value for name, value in raw.items() if name not in left}
        key = part.mask(raw.get("file_name"))
        segments = raw["segments_info"]
        if key is None:
            problems.append(f"mask {raw.get('file_name')!r} is missing; its segments left out")
        elif not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
            problems.append("segments_info is not a list of objects; left out")
        else:
            for segment in segments:
                one = part.reader.segment(segment, mask_file=key, size=size, problems=problems)
                if one is not None:
                    self._objects.append(one)
        part.reader.say(raw, number, problems, self.problems)

    def _join(self, one: Object) -> None:
        """Add an object, or join it to the one that another file has."""
        identity = records(one)[0].get("id")
        places = self._by_id.setdefault(identity, [])
        for index in places if identity is not None else ():
            if _is_same(one, self._objects[index]):
                self._objects[index] = _joined(self._objects[index], one)
                return
        places.append(len(self._objects))
        self._objects.append(one)


class Part:
    """One file of the set, with what is needed to read its entries."""

    def __init__(self, file: CocoFile, number: int, masks: str | None, places: Places) -> None:
        """Take the file with this number, whose panoptic masks lie in the folder `masks`."""
        self.file = file
        self.number = number
        self.kind = file.kind
        self.reader = Reader(file, number)
        self._masks = masks
        self._places = places

    def mask(self, name: object) -> str | None:
        """Return the key of a mask, or None where it is missing."""
        relative = inside(name, self.file.key) if isinstance(name, str) else None
        if relative is None or self._masks is None:
            return None
        key = relative[1:] if relative.startswith("/") else self._masks + relative
        return key if self._places.holds(key) else None


def _is_same(one: Object, other: Object) -> bool:
    """Say whether two objects with the same id, of different files, are one."""
    if one.category != other.category or one.box != other.box or one.mask_file:
        return False
    (record,), there = records(one), records(other)
    number = record.get("file", 0)
    outlines = [(o.polygons, o.rle) for o in (one, other) if o.polygons or o.rle]
    points = [o.keypoints for o in (one, other) if o.keypoints]
    agree = all(len(found) < 2 or found[0] == found[1] for found in (outlines, points))
    return agree and all(r.get("file", 0) != number for r in there)


def _joined(first: Object, second: Object) -> Object:
    """Return one object for what two files say of it."""
    joined = first.changed(
        polygons=first.polygons or second.polygons,
        rle=first.rle or second.rle,
        keypoints=first.keypoints or second.keypoints,
    )
    digest = shape_digest(joined)
    both = []
    mine, others = ({n: v for n, v in o.extra.items() if n != COCO} for o in (second, first))
    for one, own in ((first, {}), (second, {} if mine == others else {"fields": mine})):
        bare = {"bare": True} if joined.polygons != one.polygons or joined.rle != one.rle else {}
        for record in records(one):
            area = {"shape": digest} if "shape" in record else {}
            both.append(record | own | bare | area)
    return joined.changed(extra={**first.extra, COCO: both})


def _size_of(value: Raw) -> Size | None:
    height, width = value.get("height"), value.get("width")
    if height is None or width is None or not (is_number(height) and is_number(width)):
        return None
    return (int(height), int(width)) if height >= 1 and width >= 1 else None


def all_categories(files: Iterable[CocoFile]) -> tuple[str, ...]:
    """Return the classes of all files, each once, in their order."""
    return tuple(dict.fromkeys(name for file in files for name in file.names.values()))
