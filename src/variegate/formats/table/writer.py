"""Writing a table (CSV) of files and labels."""

import csv
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from variegate.formats.delimited import open_table
from variegate.formats.formulas import guarded
from variegate.formats.output_names import joined
from variegate.formats.pairing import parts_of
from variegate.formats.table.file import Columns
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

_COLUMNS = Columns(",", ("file", "label"), 0, 1, None)
_WITH_SPLITS = Columns(",", ("file", "label", "split"), 0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class CsvTableWriter(Writer):
    """Writes a row for every result.

    Attributes:
        table: key of the table.
        columns: of it.
        split_names: canonical split -> the table's own word for it.
    """

    name: ClassVar = "csv"
    holds: ClassVar[frozenset[Content]] = frozenset(("label",))
    kinds: ClassVar = None

    table: str = "labels.csv"
    columns: Columns = _COLUMNS
    split_names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        columns = _WITH_SPLITS if dataset.splits else _COLUMNS
        return cls(classes=dataset.classes, skeletons=dataset.skeletons, columns=columns)

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return joined("images", split, parts_of(key)[1] + extension)

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        """Write files, labels and, where the columns have them, splits, row by row."""
        columns = self.columns
        picked = [columns.file, columns.label]
        picked += [] if columns.split is None else [columns.split]
        folder = posixpath.dirname(self.table) or "."
        with open_table(storage, self.table) as text:
            writer = csv.writer(text, delimiter=columns.delimiter, lineterminator="\n")
            writer.writerow([columns.header[index] for index in picked])
            for item in items:
                split = self.split_names.get(item.split, item.split) if item.split else ""
                cells = [posixpath.relpath(item.key, folder), item.label or "", split]
                shown = (guarded(cell, raw=self.raw_labels) for cell in cells[: len(picked)])
                writer.writerow(shown)
        return (self.table,)
