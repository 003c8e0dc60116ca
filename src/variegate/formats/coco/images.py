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

from collections.abc import Callable
from typing import Any

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import Size, image_size_of, is_number
from variegate.formats.coco.objects import (
    COCO,
    Fields,
    Raw,
    Reader,
    other_fields,
    records,
    shape_digest,
)
from variegate.formats.coco.read import GEOMETRY
from variegate.storage import printable

_KNOWN = frozenset(("id", "width", "height", "file_name", COCO, "captions"))


class ImageReader:
    """Collects what the files say of one image."""

    def __init__(self, read_as: Callable[[Size | None], Size | None] = lambda size: size) -> None:
        """Begin with nothing.

        Args:
            read_as: returns the size to read coordinates with, given the one that is stated.
        """
        self._read_as = read_as
        self.where = ""
        self.problems: list[str] = []
        self.unusable: str | None = None
        self.stated: Size | None = None
        self._extra: Fields = {}
        self._records: list[Fields] = []
        self._objects: list[Object] = []
        self._annotated = False
        self._by_id: dict[Any, list[int]] = {}
        self._captions: list[str] = []
        self._labels: dict[str, float] = {}

    def add(self, reader: Reader, entry: int) -> None:
        """Add what one file says.

        Args:
            reader: of the file.
            entry: number of the image in its list of images.
        """
        file = reader.file
        (first, _), *_ = entries = list(file.images.group(file.owners[entry]))
        value = dict(entries)[entry]
        where = f"{printable(file.key)}: images[{entry}] (id {value['id']})"
        if first != entry:
            other = file.files[first]
            if other == value["file_name"]:
                self.problems.append(f"{where}: the same as images[{first}]; left out")
            else:
                self.unusable = f"{where}: the id of images[{first}], too, which is {other!r}"
            return
        if self._records and self._records[-1].get("file", 0) == reader.number:
            self._listed_again(reader, where, value, entry)
        else:
            self._annotated = False
        stated = image_size_of(value.get("height"), value.get("width"))
        self.where = self.where or where
        self.stated = self.stated or stated
        size = self._read_as(stated)
        fields = other_fields(value, {}, _KNOWN)
        if not self._records:
            self._extra = fields
        record = reader.mark() | {"id": value["id"]}
        if fields != self._extra:
            record["fields"] = fields
        for number, raw in file.about(file.owners[entry]):
            self._annotation(reader, raw, number=number, size=size, record=record)
        self._annotated |= file.is_annotated(file.owners[entry])
        self._records.append(record)

    def _listed_again(self, reader: Reader, where: str, value: Raw, entry: int) -> None:
        """Join two entries of one file, if only one of them has annotations.

        Otherwise they may be two images of one name, of which one is not here.
        """
        if self._annotated and reader.file.is_annotated(reader.file.owners[entry]):
            self.unusable = (
                f"{where}: {value['file_name']!r} is the image of id {self._records[-1]['id']}, "
                "too, and both have annotations"
            )
            return
        self.problems.append(f"{where}: {value['file_name']!r} is listed twice; both joined")

    def annotation(self) -> Annotation:
        """Return all of it."""
        captions = {"captions": self._captions} if self._captions else {}
        return Annotation(
            size=self.stated,
            labels=self._labels,
            objects=tuple(self._objects),
            extra=self._extra | captions | {COCO: self._records},
        )

    def _annotation(
        self, reader: Reader, raw: Raw, *, number: int, size: Size | None, record: Fields
    ) -> None:
        problems: list[str] = []
        if "segments_info" in raw:
            left = ("image_id", "file_name", "segments_info")
            record["panoptic"] = other_fields(raw, {}, left)
            self._segments(reader, raw, size, problems)
        elif isinstance(raw.get("caption"), str):
            self._captions.append(raw["caption"])
            rest = other_fields(raw, {}, ("image_id", "caption"))
            record.setdefault("captions", []).append(rest)
        elif reader.kind == "labels" and GEOMETRY.isdisjoint(raw):
            if (category := reader.category(raw, problems)) is not None:
                share = raw.get("share", 1)
                self._labels[category] = share if is_number(share) else 1
                rest = other_fields(raw, {}, ("image_id", "category_id", "share"))
                record.setdefault("labels", []).append({"category": category} | rest)
        else:
            one = reader.object(raw, number, size, self.problems)
            if one is not None:
                self._join(one)
        reader.say(raw, number, problems, self.problems)

    def _segments(self, reader: Reader, raw: Raw, size: Size | None, problems: list[str]) -> None:
        name, segments = raw.get("file_name"), raw["segments_info"]
        key = reader.masks.get(name) if isinstance(name, str) else None
        if key is None:
            problems.append(f"mask {name!r} is missing; its segments left out")
        elif not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
            problems.append("segments_info is not a list of objects; left out")
        else:
            for segment in segments:
                one = reader.segment(segment, mask_file=key, size=size, problems=problems)
                if one is not None:
                    self._objects.append(one)

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
