"""Writing DeepLabCut's tables, row by row."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any, ClassVar, Self

from variegate.annotations.annotation import Object, Skeleton
from variegate.formats.deeplabcut.file import (
    ANIMAL,
    DEEPLABCUT,
    INDIVIDUAL,
    SCORER,
    SINGLE,
    PointHead,
    name_cells,
)
from variegate.formats.delimited import open_table
from variegate.formats.formulas import guarded
from variegate.formats.pairing import flattened
from variegate.formats.spooled import Spooled
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

_FOLDER = "labeled-data/"
_NEW = "images"

Columns = dict[tuple[str, str], None]
"""(individual, body part), in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTable:
    """One table of a set.

    Attributes:
        key: of the file.
        head: its first lines.
        folder: of its images, "" or with a slash at its end.
        prefix: what its names of images begin with instead.
    """

    key: str
    head: PointHead
    folder: str = ""
    prefix: str = ""

    def named(self, image: str) -> str:
        """Return the name of an image in this table."""
        return self.prefix + image.removeprefix(self.folder)

    def with_image(self, name: str, key: str) -> Self:
        """Return one that knows how its names and the keys of its images differ.

        Args:
            name: of an image in it.
            key: of that image.
        """
        names, keys = name.split("/"), key.split("/")
        while names and keys and names[-1] == keys[-1]:
            names.pop()
            keys.pop()
        folder, prefix = ("".join(f"{part}/" for part in parts) for parts in (keys, names))
        return replace(self, folder=folder, prefix=prefix)


@dataclass(frozen=True, kw_only=True)
class DeepLabCutWriter(Writer):
    """Writes the tables of a set again, or one for each split.

    An image of more animals than the tables had, as a mosaic is, gets more individuals.

    Attributes:
        tables: of the set that was read; empty for a new one.
    """

    name: ClassVar[str] = "deeplabcut"
    holds: ClassVar[frozenset[Content]] = frozenset(("keypoints", "keypoint names", "points"))
    own_fields: ClassVar = frozenset((DEEPLABCUT,))

    tables: tuple[PointTable, ...] = ()

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        return cls(classes=dataset.classes, skeletons=dataset.skeletons)

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        # All images of a table stand in one folder.
        return f"{_FOLDER}{split or _NEW}/{flattened(key, extension, splits=split is None)}"

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        sheets = [_Sheet(table) for table in self.tables]
        added: Columns = {}
        by_folder: dict[str, _Sheet] = {}
        for item in items:
            if item.annotation is None:
                continue
            if self.tables:
                sheet = sheets[table_number(item)]
            else:
                folder = item.key.rpartition("/")[0]
                if folder not in by_folder:
                    by_folder[folder] = _Sheet(_new_table(folder))
                    sheets.append(by_folder[folder])
                sheet = by_folder[folder]
            sheet.add(item, self.skeletons, added)
        for sheet in sheets or [_Sheet(_new_table(_FOLDER + _NEW))]:
            sheet.write(storage, added, raw=self.raw_labels)
            yield sheet.table.key


def table_number(item: Item) -> int:
    """Return the number of the table that names an image."""
    number: int = item.annotation.extra.get(DEEPLABCUT, 0) if item.annotation else 0
    return number


def _new_table(folder: str) -> PointTable:
    head = PointHead(scorer=SCORER, names=3, points=())
    return PointTable(key=f"{folder}/CollectedData_{SCORER}.csv", head=head)


@dataclass(slots=True)
class _Sheet:
    """One table that is being written: rows wait on disk until all columns are known.

    Attributes:
        table: what it is.
        own: its columns as they were.
        rows: values, as (name of the image, individual and body part -> x and y).
    """

    table: PointTable
    own: Columns = field(init=False)
    rows: Spooled = field(default_factory=Spooled)

    def __post_init__(self) -> None:
        self.own = dict.fromkeys(self.table.head.points)

    def add(self, item: Item, skeletons: Mapping[str, Skeleton], added: Columns) -> None:
        """Keep the row of one image.

        Args:
            item: the image.
            skeletons: category -> its keypoints.
            added: columns that no table had; those that this row needs are put in.
        """
        cells: dict[tuple[str, str], tuple[float, float]] = {}
        taken = set[str]()
        for one in item.annotation.objects if item.annotation else ():
            if one.keypoints is None:
                continue
            skeleton = skeletons.get(one.category)
            # Where nothing is said of a single point, it is called like its class.
            parts = (one.category,) if skeleton is None else skeleton.names
            individual = self._individual(one, taken)
            taken.add(individual)
            if not any(owner == individual for owner, _ in self.own):
                added.update(dict.fromkeys((individual, part) for part in parts))
            for part, (x, y, visible) in zip(parts, one.keypoints, strict=False):
                if visible:
                    cells[individual, part] = x, y
        added.update(dict.fromkeys(column for column in cells if column not in self.own))
        self.rows.add(0, (self.table.named(item.key), cells))

    def _individual(self, one: Object, taken: set[str]) -> str:
        """Return the name of an animal, another one than those of its image before it."""
        own = {individual for individual, _ in self.own}
        said = str(one.extra.get(INDIVIDUAL, "" if "" in own else None))
        if said in own and said not in taken:
            return said
        head = self.table.head
        alike = [name for name in own if head.category(name) == one.category]
        for name in chain(sorted(alike), _names(one.category)):
            # The one without a name is the first, once there are others.
            is_first = own == {""} and name == _first_name(one.category)
            if name not in taken and not is_first:
                return name
        raise AssertionError("there are names without end")

    def write(self, storage: Storage, added: Columns, *, raw: bool) -> None:
        """Write the table, with columns for all individuals of the set."""
        columns = {**self.own, **added}
        individuals = {individual for individual, _ in columns}
        named = {name: name for name in individuals}
        if individuals == {_first_name(ANIMAL)}:
            named = dict.fromkeys(individuals, "")
        elif "" in individuals and len(individuals) > 1:
            named[""] = _first_name(ANIMAL)
        points = tuple((named[individual], part) for individual, part in columns)
        head = replace(self.table.head, points=points)
        self.rows.finish()
        with open_table(storage, self.table.key) as text:
            sheet = csv.writer(text, lineterminator="\n")
            for row in (*head.rows(), *self._body(head, columns)):
                sheet.writerow(guarded(cell, raw=raw) for cell in row)

    def _body(self, head: PointHead, columns: Columns) -> Iterator[list[Any]]:
        for _, (name, cells) in self.rows.group(0):
            numbers = (number for column in columns for number in cells.get(column, ("", "")))
            yield [*name_cells(name, head), *numbers]


def _names(category: str) -> Iterator[str]:
    """Yield the names of individuals of a class: "animal1", "animal2"; "single", "single2"."""
    yield _first_name(category)
    yield from (f"{category}{number}" for number in count(2))


def _first_name(category: str) -> str:
    return category if category == SINGLE else f"{category}1"
