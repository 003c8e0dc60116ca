"""Tables (CSV) of boxes: a row for each, with the image, the class and four numbers.

As TensorFlow's and Roboflow's exports (`filename,width,height,class,xmin,ymin,xmax,ymax`), as
VoTT's, as keras-retinanet's (`path,x1,y1,x2,y2,class` without a header), or with x, y, width and
height. Several tables are several splits, told by their names or folders. An image that no table
names is no part of the set.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, ClassVar

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import Box, edges_of, sides_of, written_alike
from variegate.annotations.checks import (
    ROUNDED,
    Size,
    are_numbers,
    image_size_of,
    mend_box,
    shares_problem,
    usable,
)
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import InputError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, Source, counted, named
from variegate.formats.box_table.file import (
    WANTED,
    BoxColumns,
    BoxTableFile,
    find_box_columns,
    holds_boxes,
    is_guessed,
    number,
)
from variegate.formats.box_table.writer import CSV, BoxTableWriter
from variegate.formats.coco.path_ends import inside_folder
from variegate.formats.coco.places import Located, Places, inside, locate
from variegate.formats.delimited import Head, body_rows, chosen_tables, class_name, read_head
from variegate.formats.hints import Hints
from variegate.formats.notes import Information
from variegate.formats.scan import (
    Said,
    Survey,
    canonical_split,
    is_hidden,
    leave_unsaid,
    said_depth,
    split_below,
    split_of,
)
from variegate.formats.spooled import Spooled
from variegate.formats.stated_size import SettledSize, SizeEvidence, StatedSize
from variegate.formats.writer import Writer
from variegate.storage import Entry, Storage, printable

# What people call columns of coordinates: cx, x_center, center_x, x3, left.
_PLACE = re.compile(
    r"(?:[xy]_?(?:c|mid|center|centre|min|max|\d)?|(?:c|mid|center|centre|min|max)_?[xy]"
    r"|left|right|top|bottom|(?:angle|theta|rotation)(?:_degrees)?)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Table:
    """A table that has been read: its rows wait on disk, by image."""

    file: BoxTableFile
    slots: dict[str, int] = field(default_factory=dict)
    rows: Spooled = field(default_factory=Spooled)
    classes: set[str] = field(default_factory=set)
    keys: dict[str, int] = field(default_factory=dict)
    found: Located = field(default=Located())
    unnamed: list[int] = field(default_factory=list)

    def where(self, key: str) -> str:
        """Return the place of the first row about an image, for messages."""
        _, (line, *_) = next(self.rows.group(self.keys[key]))
        return f"{printable(self.file.key)}: line {line:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTable(DatasetFormat):
    """What the tables say has been read when the format is known, and waits on disk."""

    name: ClassVar[str] = "csv-boxes"
    choosable: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = frozenset(("classes", "columns", "encoding", "images"))

    tables: tuple[_Table, ...] = field(compare=False, repr=False)
    survey: Survey = field(compare=False, repr=False)
    sizes: SizeEvidence = field(default_factory=SizeEvidence, compare=False, repr=False)

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        hints = survey.hints
        keys = chosen_tables(survey, storage)
        heads = {key: read_head(storage, key, hints.encoding) for key in keys}
        found = {key: _find_columns(head, key, hints) for key, head in heads.items()}
        fitting = {key: c for key, c in found.items() if isinstance(c, BoxColumns)}
        if not fitting:
            reasons = {printable(key): reason for key, reason in found.items()}
            lost = [key for key, head in heads.items() if _holds_boxes(head)]
            # What is missing in a table that has boxes goes before what others are about.
            told = [f"{printable(key)}: {found[key]}" for key in lost]
            told = told or [f"{key}: {reason}" for key, reason in reasons.items()]
            return NotThisFormat(
                "; ".join(told) or "there is no table", noteworthy=bool(lost), annotated=bool(lost)
            )
        encodings = {key: head.encoding for key, head in heads.items() if isinstance(head, Head)}
        tables = [
            _read(storage, key, columns, encodings[key], hints) for key, columns in fitting.items()
        ]
        total = _locate(storage, survey, tables)
        _check_apart(storage, tables)
        dataset_format = cls(
            classes=tuple(sorted(set().union(*(table.classes for table in tables)))),
            labels_from=survey.labels,
            said=hints.splits,
            tables=tuple(tables),
            survey=survey,
        )
        images = Counter(dataset_format.split(key) or "" for table in tables for key in table.keys)
        if not images:
            return NotThisFormat(
                f"none of the images in {named(fitting)} is there; name the folder that holds both "
                "the table and the images, say where in it these are with --images DIR",
                noteworthy=True,
                annotated=True,
            )
        guesses = [note for key in fitting for note in _head_notes(heads[key])]
        guesses += (
            f"{printable(key)}: the class is taken from {columns.header[columns.label]!r}, the "
            "only column that can hold it; --columns label=NAME says otherwise"
            for key, columns in fitting.items()
            if columns.header is not None and is_guessed(columns, hints.columns)
        )
        notes = (*guesses, *_notes(tables, total - images.total()))
        return replace(dataset_format, images=images, notes=notes)

    @property
    def heading(self) -> str:
        more = f" and {len(self.tables) - 1} more" if len(self.tables) > 1 else ""
        return f"table of boxes ({printable(self.tables[0].file.key)}{more})"

    def split(self, key: str) -> str | None:
        for table in self.tables:
            if key in table.keys:
                if said_depth(key.split("/")[:-1], self.said):
                    return split_below(key, self.said)
                own = _own_split(table, key, self.said)
                return own or table.file.split or split_below(key)
        return None

    def source(self, entry: Entry, storage: Storage) -> Source:
        key = entry.key
        for at, table in enumerate(self.tables):
            if key in table.keys:
                known, said = _annotation(table, at, key)
                settled = self._settled(storage, key, known.size)
                if settled.size != known.size:
                    known, said = _annotation(table, at, key, partial(_first, settled.size))
                    known = known.changed(size=settled.size)
                if settled.problem:
                    said.insert(0, f"{table.where(key)}: {settled.problem}")
                return Source(
                    key,
                    entry.size,
                    self.split(key),
                    annotation=known,
                    problems=tuple(said),
                    unusable=settled.unusable,
                )
            if key == table.file.key:
                problems = tuple(_lost(table))
                return Source(key, entry.size, skip="a label file", problems=problems)
        is_image = self.survey.is_image(key) and not is_hidden(key)
        skip = "not listed in the table of boxes" if is_image else None
        return Source(key, entry.size, skip=skip)

    def _settled(self, storage: Storage, key: str, stated: Size | None) -> SettledSize:
        return self.sizes.settled(
            storage, key, stated, claim=lambda: self._stated(key), others=self._all_stated
        )

    def _stated(self, key: str) -> StatedSize | None:
        """Return what the tables say of an image's size."""
        at, table = next((at, one) for at, one in enumerate(self.tables) if key in one.keys)
        return StatedSize.of(key, _annotation(table, at, key, lambda _: None)[0])

    def _all_stated(self) -> Iterator[StatedSize]:
        keys = chain.from_iterable(table.keys for table in self.tables)
        return filter(None, map(self._stated, keys))

    def writer(self) -> Writer:
        return BoxTableWriter(
            classes=self.classes, files=tuple(table.file for table in self.tables)
        )


def _find_columns(head: Head | str, key: str, hints: Hints) -> BoxColumns | str:
    if isinstance(head, str):
        return head
    return find_box_columns(head.with_said(hints.columns, key, WANTED))


def _holds_boxes(head: Head | str) -> bool:
    return not isinstance(head, str) and holds_boxes(head)


def _lost(table: _Table) -> Iterator[str]:
    """Say how many boxes belong to images that are not there."""
    names = {*table.found.missing, *table.found.outside}
    if not names:
        return
    rows = (row for name in names for _, (_, *row) in table.rows.group(table.slots[name]))
    columns = table.file.columns
    count = sum(
        any(row[index].strip() for index in columns.box)
        for row in rows
        if len(row) >= columns.width
    )
    if count:
        images, objects = (
            counted(len(names), "image", "images"),
            counted(count, "object", "objects"),
        )
        yield f"{printable(table.file.key)}: {images} listed but missing; {objects} left out"


def _head_notes(head: Head | str) -> tuple[str, ...]:
    return () if isinstance(head, str) else head.notes


def _read(storage: Storage, key: str, columns: BoxColumns, encoding: str, hints: Hints) -> _Table:
    """Read a table, once."""
    split = split_of(key, hints.splits)
    table = _Table(BoxTableFile(key=key, split=split, columns=columns))
    headed, words = columns.header is not None, dict[str, str]()
    empty = not headed
    for line, row in body_rows(
        storage,
        key,
        delimiter=columns.delimiter,
        header=headed,
        spaced=True,
        encoding=encoding,
    ):
        name = row[columns.file].strip() if len(row) > columns.file else ""
        if not name:
            table.unnamed.append(line)
            continue
        if hints.classes and len(row) > columns.label:
            where = f"{storage.place(key)}: line {line:,}"
            row[columns.label] = class_name(row[columns.label].strip(), hints.classes, where)
        slot = table.slots.setdefault(name, len(table.slots))
        table.rows.add(slot, [line, *row])
        if len(row) < columns.width:
            continue
        if not any(row[index].strip() for index in (*columns.box, columns.label)):
            empty = True
        elif label := row[columns.label].strip():
            table.classes.add(label)
        if columns.split is not None and len(row) > columns.split:
            word = row[columns.split].strip()
            if canonical := hints.splits.get(word) or canonical_split(word):
                words.setdefault(canonical, word)
    table.rows.finish()
    table.file = replace(table.file, empty=empty, words=words)
    return table


def _locate(storage: Storage, survey: Survey, tables: list[_Table]) -> int:
    """Find the tables' images; return how many images there are in all."""
    within = None if survey.hints.images is None else inside_folder(survey.hints.images)
    names = [{name: inside(name, table.file.key) for name in table.slots} for table in tables]
    _complete(storage, survey, names)
    places = Places.of(storage, survey, [n for found in names for n in found.values() if n])
    for table, found in zip(tables, names, strict=True):
        split = None if table.file.columns.split is not None else table.file.split
        table.found = locate(table.file.key, found, places, split=split, within=within)
        table.file = replace(table.file, images=table.found.folder)
        for name, key in table.found.keys.items():
            if key in table.keys:
                raise InputError(
                    f"{storage.place(table.file.key)}: {name!r} and another name both mean "
                    f"{key!r}; write it in one way"
                )
            table.keys[key] = table.slots[name]
    return places.count


def _complete(storage: Storage, survey: Survey, names: list[dict[str, str | None]]) -> None:
    """Add their extensions to names that have none, as ids of images have."""
    bare = {
        posixpath.basename(inner)
        for found in names
        for inner in found.values()
        if inner and posixpath.splitext(inner)[1].lower() not in IMAGE_EXTENSIONS
    }
    if not bare:
        return
    extensions: dict[str, set[str]] = {}
    for entry in storage.list(on_skip=leave_unsaid):
        stem, extension = posixpath.splitext(posixpath.basename(entry.key))
        if stem in bare and survey.is_image(entry.key):
            extensions.setdefault(stem, set()).add(extension)
    for found in names:
        for name, inner in found.items():
            own = extensions.get(posixpath.basename(inner)) if inner else None
            if inner and own and len(own) == 1:
                found[name] = inner + next(iter(own))


def _check_apart(storage: Storage, tables: list[_Table]) -> None:
    owners: dict[str, str] = {}
    for table in tables:
        for key in table.keys:
            other = owners.setdefault(key, table.file.key)
            if other != table.file.key:
                raise InputError(
                    f"{printable(storage.url)}: {other!r} and {table.file.key!r} both name "
                    f"{key!r}; keep one of these tables there, or "
                    f"choose one: --format csv-boxes:{printable(table.file.key)}"
                )


def _notes(tables: list[_Table], unlisted: int) -> Iterator[str]:
    for table in tables:
        key = printable(table.file.key)
        yield from table.found.notes(key)
        places = [name for name, _ in table.file.columns.others if _PLACE.fullmatch(name.strip())]
        if places:
            yield f"{key}: {named(places)} may be places in the image; kept as they are, not moved"
        if table.unnamed:
            count = counted(len(table.unnamed), "row", "rows")
            yield f"{count} of {key} without a file, the first in line {table.unnamed[0]:,}"
    if unlisted:
        count = counted(unlisted, "image is", "images are")
        yield Information(f"{count} not listed in any table of boxes and left out")


def _own_split(table: _Table, key: str, said: Said) -> str | None:
    column = table.file.columns.split
    if column is None:
        return None
    for _, (_, *row) in table.rows.group(table.keys[key]):
        word = row[column].strip() if len(row) > column else ""
        if split := said.get(word) or canonical_split(word):
            return split
    return None


def _first(size: Size | None, _: Size | None) -> Size | None:
    return size


def _annotation(
    table: _Table,
    at: int,
    key: str,
    read_as: Callable[[Size | None], Size | None] = lambda size: size,
) -> tuple[Annotation, list[str]]:
    """Return what a table says of one image, and what is wrong with it.

    Args:
        table: of the image.
        at: its number.
        key: of the image.
        read_as: returns the size to read coordinates with, given the one that is stated.
    """
    columns = table.file.columns
    size: tuple[int, int] | None = None
    objects, problems = [], list[str]()
    for _, (line, *row) in table.rows.group(table.keys[key]):
        said: list[str] = []
        size = size or _size(row, columns)
        one = _object(row, columns, read_as(size), said)
        if one is not None:
            objects.append(one)
        problems += (f"{printable(table.file.key)}: line {line:,}: {text}" for text in said)
    record = {"table": at} if at else {}
    return Annotation(size=size, objects=tuple(objects), extra={CSV: record}), problems


def _size(row: list[str], columns: BoxColumns) -> tuple[int, int] | None:
    if columns.size is None or len(row) <= max(columns.size):
        return None
    height, width = columns.size
    return image_size_of(number(row[height]), number(row[width]))


def _object(
    row: list[str], columns: BoxColumns, size: tuple[int, int] | None, said: list[str]
) -> Object | None:
    if len(row) < columns.width:
        said.append(f"expected {columns.width} cells, found {len(row)}; object left out")
        return None
    cells = [row[index].strip() for index in columns.box]
    category = row[columns.label].strip()
    if not any(cells) and not category:
        return None  # the image has no boxes
    if not category:
        said.append("no class; object left out")
        return None
    raw = [number(cell) for cell in cells]
    if not are_numbers(raw):
        said.append(f"box {', '.join(cells)} is not four finite numbers; object left out")
        return None
    if problem := shares_problem(raw, size):
        said.append(f"{problem}; object left out")
        return None
    values: Any = raw
    edges = edges_of(values) if columns.style == "sides" else tuple(values)
    box = usable(mend_box(edges, size=size, slack=ROUNDED), said.append)
    if box is None:
        return None
    return Object(category=category, box=box, extra=_extra(row, columns, raw=values, box=box))


def _extra(row: list[str], columns: BoxColumns, *, raw: list[float], box: Box) -> Mapping[str, Any]:
    """Return the other cells under their columns' names, and the numbers that x2 - x1 loses."""
    extra: dict[str, Any] = {
        name: row[index] for name, index in columns.others if index < len(row) and row[index]
    }
    extra.pop(CSV, None)
    sides = columns.style == "sides" and edges_of(raw) == box
    if sides and not written_alike(sides_of(box), raw):
        extra[CSV] = {"box": raw}
    return extra
