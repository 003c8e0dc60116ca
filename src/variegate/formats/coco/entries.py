"""What is written of one image, file by file."""

from typing import Any

from variegate.annotations.annotation import Annotation, Object
from variegate.formats.coco import fields
from variegate.formats.coco.objects import COCO, records
from variegate.formats.coco.sheets import Record, Sheet, Sheets
from variegate.formats.writer import Item

_IMAGE_KEPT_BACK = frozenset(("id", "width", "height", "file_name", "captions", COCO))


class Entry:
    """What is written of one image, file by file."""

    def __init__(self, sheets: Sheets, item: Item) -> None:
        """Prepare to write what is to be said of `item`."""
        known = item.annotation or Annotation()
        self._sheets = sheets
        self._item = item
        self._known = known
        self._through = item.source == item.key and bool(sheets.files)
        self._records: dict[int, Record] = {}
        if sheets.files:
            for record in records(known):
                self._records.setdefault(record.get("file", 0), record)
        self._fresh_id = 0
        self._listed: dict[int, Any] = {}

    def write(self) -> None:
        known = self._known
        for number in self._records:
            self._image(number)
        for one in known.objects:
            self._object(one)
        self._panoptic()
        self._captions()
        self._labels()
        if not self._listed:
            self._image(self._sheets.sheet("instances", self._item.split))

    def _image(self, number: int) -> Any:
        """List the image in a file, once; return its id there."""
        if number in self._listed:
            return self._listed[number]
        record = self._records.get(number, {})
        identity = record["id"] if self._through and "id" in record else self._new_id()
        self._listed[number] = identity
        sheet, item = self._sheets.at(number), self._item
        sheet.image(
            {
                "id": identity,
                "width": item.size[1],
                "height": item.size[0],
                "file_name": item.key.removeprefix(sheet.file.images),
            }
            | fields.other_fields(self._known.extra, record, _IMAGE_KEPT_BACK)
        )
        return identity

    def _new_id(self) -> int:
        self._fresh_id = self._fresh_id or self._sheets.image_id()
        return self._fresh_id

    def _object(self, one: Object) -> None:
        """Write an object to each of its files."""
        own = {record.get("file", 0): record for record in records(one)}
        if not self._sheets.files or not own:
            own = {self._sheets.sheet("instances", self._item.split): {}}
        fresh = 0
        for number, record in own.items():
            sheet = self._sheets.at(number)
            if sheet.file.kind == "panoptic":
                continue
            identity = record.get("id") if self._through else None
            if identity is None:
                identity = fresh = fresh or self._sheets.annotation_id()
            head = {
                "id": identity,
                "image_id": self._image(number),
                "category_id": sheet.category_id(one.category, record),
            }
            entry = fields.entry(one, record, head=head, standard=sheet.file.standard)
            sheet.annotation(entry)

    def _panoptic(self) -> None:
        """Write one annotation for each panoptic file that has segments here."""
        if not self._sheets.panoptic:
            return
        segments: dict[tuple[int, str], list[Object]] = {}
        for one in self._known.objects:
            for record in records(one):
                number = record.get("file", 0)
                sheet = self._sheets.numbered(number)
                if sheet and sheet.file.kind == "panoptic" and one.mask_file is not None:
                    segments.setdefault((number, one.mask_file), []).append(one)
        for (number, mask), objects in segments.items():
            sheet = self._sheets.at(number)
            entries = self._segments(sheet, number, mask, objects)
            sheet.annotation(
                {
                    **self._records.get(number, {}).get("panoptic", {}),
                    "image_id": self._image(number),
                    "file_name": mask.removeprefix(sheet.file.masks or ""),
                    "segments_info": entries,
                }
            )

    def _segments(
        self, sheet: Sheet, number: int, mask: str, objects: list[Object]
    ) -> list[Record]:
        """Return the entries of the objects in one mask, whose areas are counted where needed."""
        entries = []
        areas: dict[int, int] | None = None
        for one in objects:
            record = next(r for r in records(one) if r.get("file", 0) == number)
            category_id = sheet.category_id(one.category, record)
            entry = fields.segment(one, record, category_id=category_id)
            if "area" in record and (self._through or record.get("counted")):
                entry["area"] = record["area"]
            if "area" not in entry:
                areas = self._sheets.areas(mask) if areas is None else areas
                entry["area"] = areas.get(one.mask_value or 0, 0)
            entries.append(entry)
        return entries

    def _captions(self) -> None:
        texts = self._known.extra.get("captions", ())
        if not isinstance(texts, list | tuple):
            return
        places = [(n, rest) for n, r in self._records.items() for rest in r.get("captions", ())]
        if len(places) != len(texts):
            number = places[0][0] if places else None
            if texts and number is None:
                number = self._sheets.sheet("captions", self._item.split)
            places = [(number or 0, {}) for _ in texts]
        for text, (number, rest) in zip(texts, places, strict=True):
            self._say(number, rest, {"caption": text})

    def _labels(self) -> None:
        shares = dict(self._known.labels)
        if self._item.label is not None:
            shares.setdefault(self._item.label, 1)
        if not shares:
            return
        places: dict[str, tuple[int, Record]] = {}
        for number, record in self._records.items():
            for rest in record.get("labels", ()):
                places.setdefault(rest["category"], (number, rest))
        for name, share in shares.items():
            if name not in places:
                places[name] = self._sheets.sheet("labels", self._item.split), {}
            number, rest = places[name]
            own = {n: v for n, v in rest.items() if n != "category"}
            category_id = self._sheets.at(number).category_id(name, own)
            part = {} if share == 1 else {"share": share}
            self._say(number, own, {"category_id": category_id, **part})

    def _say(self, number: int, rest: Record, content: Record) -> None:
        """Write an annotation of the whole image."""
        identity = rest.get("id") if self._through else None
        head = {
            "id": self._sheets.annotation_id() if identity is None else identity,
            "image_id": self._image(number),
        }
        self._sheets.at(number).annotation({**head, **content, **_without_id(rest)})


def _without_id(rest: Record) -> Record:
    return {name: value for name, value in rest.items() if name != "id"}
