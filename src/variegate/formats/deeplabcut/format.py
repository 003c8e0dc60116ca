"""DeepLabCut: keypoints of animals in tables (`labeled-data/VIDEO/CollectedData_SCORER.csv`).

DeepLabCut knows no classes: every animal is an "animal"; points that each image has once, which it
gives to an individual called "single", are a class of that name. Coordinates are taken as they are.
The .h5 file beside a table holds the same for DeepLabCut's own use and is not opened; after a run
`deeplabcut.convertcsv2h5` makes it anew. An image that no table names is no part of the set.
"""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import ClassVar

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.errors import InputError
from variegate.formats.base import (
    DatasetFormat,
    NotThisFormat,
    Recognised,
    Source,
    about,
    counted,
    named,
)
from variegate.formats.coco.places import Places
from variegate.formats.deeplabcut.file import (
    DEEPLABCUT,
    PointHead,
    name_of,
    read_head,
    read_objects,
)
from variegate.formats.deeplabcut.writer import DeepLabCutWriter, PointTable
from variegate.formats.delimited import csv_rows
from variegate.formats.hints import Hints
from variegate.formats.notes import Information, information
from variegate.formats.scan import Survey, is_hidden, leave_unsaid, split_below
from variegate.formats.writer import Writer
from variegate.storage import Entry, Storage, printable

_CALLED = "collecteddata"
_HEAD = 4
_COPY = "DeepLabCut's own copy of a table, not read"

Row = tuple[int, list[str]]
"""The number of its line, and its cells."""
Located = tuple[str, Row, str | None]
"""The name of an image, its row, its key where it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepLabCut(DatasetFormat):
    """The tables are small and held in memory."""

    name: ClassVar[str] = "deeplabcut"
    takes: ClassVar[frozenset[str]] = frozenset(("encoding", "pairs"))

    tables: tuple[PointTable, ...]
    rows: Mapping[str, tuple[int, Row]] = field(repr=False)
    survey: Survey = field(compare=False, repr=False)
    called: tuple[str, ...] = ()

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        del chosen
        keys = _called_so(storage)
        if not keys:
            return NotThisFormat("there is no CollectedData_*.csv")
        read = {key: _read(storage, key, survey.hints.encoding or "utf-8") for key in keys}
        reasons = [f"{printable(key)}: {one}" for key, one in read.items() if isinstance(one, str)]
        tables = {key: one for key, one in read.items() if not isinstance(one, str)}
        if not tables:
            return NotThisFormat("; ".join(reasons), noteworthy=True)
        heads = [head for head, _ in tables.values()]
        found = _Finder.of(storage, survey, tables)
        if not found.rows:
            return NotThisFormat(
                f"no image is there that {printable(next(iter(tables)))} names; name the folder "
                "that holds both the table and the images",
                noteworthy=True,
                annotated=True,
            )
        skeletons = _skeletons(heads, survey.hints)
        dataset_format = cls(
            classes=tuple(sorted(skeletons)),
            skeletons=skeletons,
            said=survey.hints.splits,
            tables=found.tables,
            rows=found.rows,
            survey=survey,
            called=tuple(keys),
        )
        images = Counter(dataset_format.split(key) or "" for key in found.rows)
        copies = about(
            filter(dataset_format._is_copy, _files(storage, ".h5")),
            ".h5 file is",
            ".h5 files are",
            "not read (DeepLabCut has the same there as in the tables); after a run "
            "deeplabcut.convertcsv2h5 makes them anew",
        )
        notes = (*reasons, *found.notes(), *information(copies))
        return replace(dataset_format, images=images, notes=notes)

    @property
    def heading(self) -> str:
        more = f" and {len(self.tables) - 1} more" if len(self.tables) > 1 else ""
        return f"DeepLabCut ({printable(self.tables[0].key)}{more})"

    def split(self, key: str) -> str | None:
        return split_below(key, self.said) if key in self.rows else None

    def source(self, entry: Entry, storage: Storage) -> Source:
        key = entry.key
        if key not in self.rows:
            is_table = any(key == table.key for table in self.tables)
            is_copy = key.lower().endswith(".h5") and self._is_copy(key)
            skip = "a label file" if is_table else _COPY if is_copy else None
            if self.survey.is_image(key) and not is_hidden(key):
                skip = "not listed in DeepLabCut's tables"
            return Source(key, entry.size, skip=skip)
        number, (line, row) = self.rows[key]
        table, problems = self.tables[number], list[str]()
        order = {category: one.names for category, one in self.skeletons.items()}
        objects = read_objects(
            row,
            table.head,
            order,
            lambda text: problems.append(f"{printable(table.key)}: line {line:,}: {text}"),
        )
        extra = {DEEPLABCUT: number} if number else {}
        return Source(
            key,
            entry.size,
            self.split(key),
            annotation=Annotation(objects=tuple(objects), extra=extra),
            problems=tuple(problems),
        )

    def _is_copy(self, key: str) -> bool:
        """Say whether an .h5 file stands beside a table of its name."""
        return any(key.rpartition(".")[0] == one.rpartition(".")[0] for one in self.called)

    def writer(self) -> Writer:
        return DeepLabCutWriter(classes=self.classes, skeletons=self.skeletons, tables=self.tables)


def _called_so(storage: Storage) -> list[str]:
    """Return the tables, wherever they stand; those of a project's backups included."""
    return _files(storage, ".csv")


def _files(storage: Storage, extension: str) -> list[str]:
    return sorted(
        entry.key
        for entry in storage.list(on_skip=leave_unsaid)
        if entry.key.lower().endswith(extension)
        and posixpath.basename(entry.key).lower().startswith(_CALLED)
        and not is_hidden(entry.key)
    )


def _read(storage: Storage, key: str, encoding: str) -> tuple[PointHead, list[Row]] | str:
    """Return a table's head and rows, or say why it is none."""
    rows = csv_rows(storage, key, encoding=encoding)
    first = list(islice(rows, _HEAD))
    head = read_head([row for _, row in first])
    if isinstance(head, str):
        return head
    body = chain(first[head.height :], rows)
    return head, [(line, row) for line, row in body if any(map(str.strip, row))]


def _skeletons(heads: list[PointHead], hints: Hints) -> dict[str, Skeleton]:
    """Return the body parts of each class, in the order in which the tables have them."""
    parts: dict[str, dict[str, None]] = {}
    for head in heads:
        for individual, part in head.points:
            parts.setdefault(head.category(individual), {})[part] = None
    if hints.pairs:
        hints.check_pairs(chain.from_iterable(parts.values()))
    return {name: Skeleton.of(tuple(own), given=hints.pairs) for name, own in parts.items()}


@dataclass(slots=True)
class _Finder:
    """Which image each row is about.

    Attributes:
        tables: those with images, in their order.
        rows: key of an image -> number of its table, and its row.
        missing: table -> names of images that are not there.
        others: tables of which other tables have all images.
        unlisted: how many images no table names.
    """

    tables: tuple[PointTable, ...] = ()
    rows: dict[str, tuple[int, Row]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    unlisted: int = 0

    @classmethod
    def of(
        cls, storage: Storage, survey: Survey, tables: Mapping[str, tuple[PointHead, list[Row]]]
    ) -> "_Finder":
        """Look through the listing.

        Raises:
            InputError: an image has two rows in one table, or a name may mean several images.
        """
        names = (name_of(row, head) for head, body in tables.values() for _, row in body)
        places, found = Places.of(storage, survey, names), cls()
        located = {key: list(_located(key, *table, places)) for key, table in tables.items()}

        def rank(table: str) -> tuple[int, str]:
            """The tables beside images go before those that a project has gathered elsewhere."""
            own = posixpath.dirname(table)
            return -sum(
                posixpath.dirname(image or "") == own for *_, image in located[table]
            ), table

        for key in sorted(tables, key=rank):
            found._take(storage, PointTable(key=key, head=tables[key][0]), located[key])
        found.unlisted = places.count - len(found.rows)
        return found

    def _take(self, storage: Storage, table: PointTable, rows: list[Located]) -> None:
        """Take the rows of one table, but those about images that another has taken."""
        number, own = len(self.tables), dict[str, str]()
        self.missing[table.key] = [name for name, _, image in rows if image is None]
        for name, row, image in rows:
            if image in own:
                raise InputError(
                    f"{storage.place(table.key)}: line {row[0]:,}: {name!r} has a row already; "
                    "keep one of them"
                )
            if image is not None and image not in self.rows:
                self.rows[image] = number, row
                own[image] = name
        if own:
            image, name = next(iter(own.items()))
            self.tables = (*self.tables, table.with_image(name, image))
        elif any(image for *_, image in rows):
            self.others.append(table.key)

    def notes(self) -> Iterator[str]:
        """Yield what the user should know."""
        for key, names in self.missing.items():
            listed = f"listed in {printable(key)} but missing"
            yield from about(names, "image is", "images are", listed)
        said = "names only images that have a table beside them"
        yield from (Information(f"{printable(key)} {said}; it is not used") for key in self.others)
        if self.unlisted:
            count = counted(self.unlisted, "image is", "images are")
            yield Information(f"{count} not listed in any table of DeepLabCut and left out")


def _located(table: str, head: PointHead, rows: list[Row], places: Places) -> Iterator[Located]:
    """Yield each row with the name and the key of its image.

    Raises:
        InputError: a name may mean several images.
    """
    for line, row in rows:
        name = name_of(row, head)
        beside = posixpath.join(posixpath.dirname(table), posixpath.basename(name))
        key = next(filter(places.holds, (name, beside)), None)
        ending = places.ending(name) if key is None else []
        if len(ending) > 1:
            raise InputError(
                f"{printable(table)}: line {line:,}: {name!r} may be any of {named(ending)}; "
                "put the table beside its images"
            )
        yield name, (line, row), ending[0] if ending else key
