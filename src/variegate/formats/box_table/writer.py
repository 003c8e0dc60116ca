"""Writing tables of boxes, row by row."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import Box, around, edges_of, sides_of
from variegate.formats.box_table.file import BoxColumns, BoxTableFile
from variegate.formats.coco.locate import image_key
from variegate.formats.delimited import open_table
from variegate.formats.formulas import guarded
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

CSV = "csv"
_FRESH = BoxColumns(
    delimiter=",",
    header=("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"),
    file=0,
    label=3,
    box=(4, 5, 6, 7),
    style="edges",
    size=(2, 1),
)


@dataclass(frozen=True, kw_only=True)
class BoxTableWriter(Writer):
    """Writes the tables of a set again, or a new one for each split, as TensorFlow's tools do.

    A table without rows for images without boxes does not name such images.

    Attributes:
        files: of the set that was read; empty for a new one.
    """

    name: ClassVar[str] = "csv-boxes"
    holds: ClassVar[frozenset[Content]] = frozenset(("boxes",))
    names_empty: ClassVar = False
    own_fields: ClassVar = frozenset((CSV,))

    files: tuple[BoxTableFile, ...] = ()

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return image_key(key, split=split, extension=extension)

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        with ExitStack() as stack:
            raw = self.raw_labels
            sheets = [_Sheet(file, storage, stack, raw=raw) for file in self.files]
            fresh: dict[str | None, _Sheet] = {}
            for item in items:
                number = table_number(item.annotation)
                if self.files and number is not None and number < len(sheets):
                    sheets[number].add(item)
                    continue
                if item.split not in fresh:
                    fresh[item.split] = _Sheet(_new_file(item.split), storage, stack, raw=raw)
                fresh[item.split].add(item)
            if not sheets and not fresh:
                sheets.append(_Sheet(_new_file(None), storage, stack, raw=raw))
        return [sheet.key for sheet in (*sheets, *fresh.values())]

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        # Tables are begun when the first image of a split comes.
        return cls(classes=dataset.classes)


def table_number(annotation: Annotation | None) -> int | None:
    """Return the number of the table that names an image, or None."""
    if annotation is None or not isinstance(annotation.extra.get(CSV), dict):
        return None
    number: int = annotation.extra[CSV].get("table", 0)
    return number


def _new_file(split: str | None) -> BoxTableFile:
    return BoxTableFile(
        key=f"{split}_labels.csv" if split else "labels.csv",
        split=split,
        columns=_FRESH,
        images=f"images/{split}/" if split else "images/",
    )


class _Sheet:
    """One table that is being written."""

    def __init__(
        self, file: BoxTableFile, storage: Storage, stack: ExitStack, *, raw: bool
    ) -> None:
        self.key, self._file, self._raw = file.key, file, raw
        text = stack.enter_context(open_table(storage, file.key))
        self._writer = csv.writer(text, delimiter=file.columns.delimiter, lineterminator="\n")
        if file.columns.header is not None:
            self._writer.writerow(file.columns.header)

    def add(self, item: Item) -> None:
        """Write the rows of one image."""
        objects = item.annotation.objects if item.annotation else ()
        written = 0
        for one in objects:
            if (box := one.box or around(one)) is not None:
                self._write(self._row(item, one, box))
                written += 1
        if not written and self._file.empty:
            self._write(self._row(item, None, None))

    def _write(self, cells: list[Any]) -> None:
        self._writer.writerow(guarded(cell, raw=self._raw) for cell in cells)

    def _row(self, item: Item, one: Object | None, box: Box | None) -> list[Any]:
        columns = self._file.columns
        cells: list[Any] = [""] * len(columns.header or range(columns.width))
        cells[columns.file] = item.key.removeprefix(self._file.images)
        if columns.size:
            cells[columns.size[0]], cells[columns.size[1]] = item.size
        if columns.split is not None and item.split:
            cells[columns.split] = (self._file.words or {}).get(item.split, item.split)
        if one is None or box is None:
            return cells
        cells[columns.label] = one.category
        for index, number in zip(columns.box, _numbers(one, box, columns), strict=True):
            cells[index] = number
        for name, index in columns.others:
            cells[index] = one.extra.get(name, "")
        return cells


def _numbers(one: Object, box: Box, columns: BoxColumns) -> Iterator[float]:
    if columns.style == "edges":
        yield from box
        return
    record = one.extra.get(CSV)
    raw = record.get("box") if isinstance(record, dict) else None
    yield from raw if raw and edges_of(raw) == box else sides_of(box)
