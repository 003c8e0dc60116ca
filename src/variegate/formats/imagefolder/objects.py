"""Boxes in a row of metadata: lists side by side, or a list of dictionaries.

```
{"bbox": [[x, y, width, height], ...], "categories": ["cat", ...], "area": [...]}
[{"bbox": [x, y, width, height], "category": "cat"}, ...]
```

Outlines may stand under "segmentation", as COCO has them. What else is listed goes with its object.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from variegate.annotations.annotation import Object
from variegate.annotations.boxes import area_of, around, edges_of, sides_of
from variegate.annotations.checks import are_numbers, mend_rings, mend_sides, usable

_COLUMNS = ("objects", "annotations", "boxes", "instances")
_BOXES = ("bbox", "bboxes", "boxes", "box")
_CATEGORIES = ("categories", "category", "category_id", "labels", "label", "class", "name")
OUTLINES = "segmentation"
AREA = "area"
# In an object's `extra`: its box as it was read, where our numbers cannot give it back exactly.
RAW = "bbox"
_NO_CATEGORY = "object"

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectColumn:
    """How one set writes objects down.

    Attributes:
        name: of the column.
        box, category: names of the fields; "" for no category.
        fields: all of them, in their order.
        listed: a list of dictionaries, not lists side by side.
        numbered: categories are integers.
    """

    name: str = "objects"
    box: str = "bbox"
    category: str = "categories"
    fields: tuple[str, ...] = ("bbox", "categories")
    listed: bool = False
    numbered: bool = False

    @classmethod
    def find(cls, row: Mapping[str, Any]) -> Self | None:
        """Find the column in a row that has at least one object."""
        for name in (*_COLUMNS, *row):
            value = row.get(name)
            listed = isinstance(value, list)
            first = value[0] if listed and value else value
            if not isinstance(first, dict):
                continue
            box = next((field for field in _BOXES if field in first), None)
            if box is None or not first[box]:
                continue
            category = next((field for field in _CATEGORIES if field in first), "")
            values = first.get(category)
            example = values[0] if not listed and isinstance(values, list) and values else values
            return cls(
                name=name,
                box=box,
                category=category,
                fields=tuple(first),
                listed=listed,
                numbered=type(example) is int,
            )
        return None

    def read(self, row: Mapping[str, Any], size: Size | None) -> tuple[list[Object], list[str]]:
        """Return the objects of a row, and what was wrong with others."""
        value = row.get(self.name)
        if not value:
            return [], []
        objects, problems = [], []
        try:
            entries = list(self._entries(value))
        except (TypeError, ValueError) as error:
            return [], [f"{self.name}: {error}; left out"]
        for number, entry in enumerate(entries):
            one, said = self._object(entry, size)
            problems += [f"{self.name}[{number}]: {words}" for words in said]
            if one is not None:
                objects.append(one)
        return objects, problems

    def write(self, objects: Iterable[Object], *, moved: bool) -> Any:
        """Return what stands in the column.

        Args:
            objects: of an image.
            moved: their areas are not what they were.
        """
        entries = [self._entry(one, moved=moved) for one in objects]
        if self.listed:
            return entries
        names = dict.fromkeys(self.fields) | dict.fromkeys(n for entry in entries for n in entry)
        return {name: [entry.get(name) for entry in entries] for name in names}

    def _entries(self, value: Any) -> Iterator[dict[str, Any]]:
        """Yield one dictionary an object.

        Raises:
            ValueError, TypeError: it is neither of the two notations.
        """
        if isinstance(value, list):
            if not all(isinstance(entry, dict) for entry in value):
                raise ValueError("expected a list of dictionaries")
            yield from value
            return
        if not isinstance(value, dict) or not isinstance(value.get(self.box), list):
            raise ValueError(f"expected lists under {self.box!r} and others")
        count = len(value[self.box])
        categories = len(value.get(self.category) or ()) if self.category else count
        if categories != count:
            raise ValueError(f"{count} boxes, {categories} under {self.category!r}")
        lists = {k: v for k, v in value.items() if isinstance(v, list) and len(v) == count}
        for number in range(count):
            yield {name: values[number] for name, values in lists.items()}

    def _object(self, entry: dict[str, Any], size: Size | None) -> tuple[Object | None, list[str]]:
        raw = entry.get(self.box)
        problems: list[str] = []
        box = usable(mend_sides(raw, size=size), problems.append)
        if box is None:
            return None, problems
        extra = {k: v for k, v in entry.items() if k not in (self.box, self.category, OUTLINES)}
        if not problems and sides_of(box) != raw:
            extra[RAW] = raw
        polygons = None
        outlines = entry.get(OUTLINES)
        if isinstance(outlines, list) and outlines:
            nested = outlines if isinstance(outlines[0], list) else [outlines]
            polygons = mend_rings(nested, problems.append, size=size)
        category = entry.get(self.category) if self.category else _NO_CATEGORY
        if category is None:
            return None, ["no category; object left out"]
        return Object(category=str(category), box=box, polygons=polygons, extra=extra), problems

    def _entry(self, one: Object, *, moved: bool) -> dict[str, Any]:
        box = one.box or around(one) or (0.0, 0.0, 0.0, 0.0)
        numbers: Sequence[float] = sides_of(box)
        raw: Any = one.extra.get(RAW)
        if are_numbers(raw, 4) and edges_of(raw) == box:
            numbers = raw
        # All of them as floats: readers want one type in a column.
        entry: dict[str, Any] = {self.box: [float(value) for value in numbers]}
        if self.category:
            known = self.numbered and one.category.lstrip("-").isdecimal()
            entry[self.category] = int(one.category) if known else one.category
        if one.polygons is not None:
            entry[OUTLINES] = [[float(v) for xy in ring for v in xy] for ring in one.polygons]
        entry |= {name: value for name, value in one.extra.items() if name != RAW}
        if moved and AREA in entry:
            entry[AREA] = float(area_of(one.changed(box=box)))
        return entry
