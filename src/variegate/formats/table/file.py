"""Reading and writing tables of files and labels: delimiters, headers, rows."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import InputError
from variegate.formats.base import NotThisFormat, named
from variegate.formats.coco.path_ends import foreign_path, is_foreign
from variegate.formats.delimited import SPLIT_COLUMNS, Head, body_rows, class_name, comparable
from variegate.formats.scan import NOTHING_SAID, SPLITS, Said, canonical_split, relative_name
from variegate.storage import Storage, printable

# The usual names, the most telling first: names of classes before their numbers.
FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "path"),
    *("image", "image_name", "image_file", "image_path", "img", "picture", "photo"),
    *("image_id", "id"),
)
_LABEL_NAMES = (
    *("label_name", "class_name", "category_name", "label", "class", "category"),
    *("class_label", "labels", "species", "target"),
)
_LONGEST_LABEL = 100
# A column of labels says the same again and again.
_REPEATED = 0.5
# Where more columns could be that of labels, the table is about something else.
_MOST_ASKED = 3
_MARKS = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}
_BOX_NAMES = {"bbox", "box", "xmin", "x_min", "x1", "x", "left", "x_center", "xcenter"}

Place = tuple[str | None, str | None]
"""The label and the split of one row."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table has what: indices and names of its columns."""

    delimiter: str
    header: tuple[str, ...]
    file: int
    label: int
    split: int | None

    @property
    def is_guess(self) -> bool:
        """Whether the name of the label's column does not say that it is."""
        return comparable(self.header[self.label]) not in _LABEL_NAMES


@dataclass(frozen=True, slots=True)
class Table:
    """What a table says.

    Attributes:
        rows: file, as the table names it, relative and with forward slashes -> label and split.
        split_names: canonical split -> the table's own word for it.
        outside: files named by an absolute path or one that climbs out of the dataset.
        by_end: names that are paths on another computer -> their last part, as in `rows`.
    """

    rows: dict[str, Place]
    split_names: dict[str, str]
    outside: list[str]
    by_end: dict[str, str] = field(default_factory=dict)


def find_columns(head: Head) -> Columns | NotThisFormat:
    """Find the columns by the header, or say why this is no table of files and labels.

    Where no name is a usual one, a column is taken that alone can be it: of file names, by their
    extensions; of labels, by values that repeat.
    """
    if first := next(filter(_names_image, head.cells), None):
        reason = f"its first line, with {printable(first)!r}, is no header"
        remedy = "write one above it, such as file,label"
        return NotThisFormat(f"{reason}; {remedy}", question=f"{reason}; {remedy}")
    file_at, split_at = head.find("file", FILE_NAMES), head.find("split", SPLIT_COLUMNS)
    if _BOX_NAMES & set(head.names):
        return NotThisFormat("it holds boxes, which csv-boxes may read")
    if file_at is None:
        files = [place for place in range(len(head.cells)) if _holds_files(head, place)]
        if len(files) != 1:
            return NotThisFormat(
                f"it has no column for the file, such as '{FILE_NAMES[0]}'; say which it is, "
                "such as --columns file=NAME"
            )
        (file_at,) = files
    label_at = head.find("label", _LABEL_NAMES)
    if label_at is None:
        labels = [p for p in _label_columns(head) if p not in (file_at, split_at)]
        if len(labels) != 1:
            names = [head.cells[place] for place in labels]
            few = f"it may be any of {named(names)}" if names else "such as 'label'"
            reason = f"it has no column for the label, {few}"
            remedy = f"say which it is, such as --columns label={names[0] if names else 'NAME'}"
            asked = f"{reason}; {remedy}, or choose --format unlabelled"
            is_asked = 0 < len(names) <= _MOST_ASKED or _is_one_hot(head, file_at)
            return NotThisFormat(f"{reason}; {remedy}", question=asked if is_asked else None)
        (label_at,) = labels
    return Columns(head.delimiter, head.cells, file_at, label_at, split_at)


def _names_image(cell: str) -> bool:
    return posixpath.splitext(cell)[1].lower() in IMAGE_EXTENSIONS


def _is_one_hot(head: Head, file_at: int) -> bool:
    """Say whether each row has one 1 among 0s: a column for each class."""
    rows = [[cell for at, cell in enumerate(row) if at != file_at] for row in head.rows]
    marks = [[cell for cell in row if cell in _MARKS] for row in rows]
    ones = [sum(_MARKS[cell] for cell in row) for row in marks]
    return bool(rows) and all(len(row) > 1 for row in marks) and {*ones} == {1}


def _column(head: Head, place: int) -> list[str]:
    return [row[place] for row in head.rows if len(row) > place and row[place]]


def _holds_files(head: Head, place: int) -> bool:
    values = _column(head, place)
    return bool(values) and all(map(_names_image, values))


def _label_columns(head: Head) -> Iterator[int]:
    """Yield the columns whose values may be labels."""
    for place in range(len(head.cells)):
        values = _column(head, place)
        kinds = set(values)
        few = _REPEATED * len(values) if len(head.cells) > 2 else len(values) - 1
        if values and len(kinds) <= few and all(map(_may_be_label, kinds)):
            yield place


def _may_be_label(value: str) -> bool:
    fraction = value.replace(".", "", 1).lstrip("-").isdigit() and not value.isdigit()
    return len(value) <= _LONGEST_LABEL and not fraction


def read_table(
    storage: Storage,
    key: str,
    columns: Columns,
    *,
    encoding: str = "utf-8",
    classes: Sequence[str] | None = None,
    said: Said = NOTHING_SAID,
) -> Table:
    """Read the rows.

    Args:
        storage, key, columns: of the table.
        encoding: of the file.
        classes: names for labels that are numbers.
        said: words for splits -> split, as the user says.

    Raises:
        InputError: a row is too short, its split is none, or it contradicts an earlier row.
    """
    place = storage.place(key)
    table = Table({}, {}, [])
    shared: dict[Place, Place] = {}
    for line, row in body_rows(storage, key, delimiter=columns.delimiter, encoding=encoding):
        where = f"{place}: line {line:,}"
        name, label, split = _cells(row, columns, where)
        file = _relative(name, posixpath.dirname(key))
        if file is None:
            foreign = foreign_path(name) if is_foreign(name) else None
            if foreign is None:
                table.outside.append(name)
                continue
            file = posixpath.basename(foreign)
            table.by_end[name] = file
        label = class_name(label, classes, where)
        canonical = said.get(split) or canonical_split(split)
        if split and canonical is None:
            raise InputError(
                f"{where}: split {split!r}: expected one of {', '.join(SPLITS)}; say which it is, "
                f"such as --split test={split}"
            )
        if canonical:
            table.split_names.setdefault(canonical, split)
        # A million rows share a few dozen pairs.
        value = shared.setdefault((label or None, canonical), (label or None, canonical))
        if table.rows.setdefault(file, value) != value:
            raise InputError(
                f"{where}: {name!r} stands in an earlier line too, with another "
                f"label or split ({table.rows[file][0]!r}, here {label!r}); keep one line"
            )
    return table


def _cells(row: list[str], columns: Columns, place: str) -> tuple[str, str, str]:
    """Return file, label and split of one row."""
    needed = max(columns.file, columns.label, columns.split or 0) + 1
    if len(row) < needed:
        raise InputError(
            f"{place}: expected {len(columns.header)} columns like the header, found {len(row)}"
        )
    split = "" if columns.split is None else row[columns.split].strip()
    return row[columns.file].strip(), row[columns.label].strip(), split


def _relative(name: str, folder: str) -> str | None:
    """Return a row's file as a relative path, or None where it lies outside the dataset."""
    plain = relative_name(name)
    if plain is None or ".." not in plain.split("/"):
        return plain and posixpath.normpath(plain)
    plain = posixpath.normpath(posixpath.join(folder, plain))
    return None if plain.startswith("..") else plain


def describe(columns: Columns, key: str) -> str:
    """Return "labels.csv (columns 'file', 'label')"."""
    used = [columns.file, columns.label, *([] if columns.split is None else [columns.split])]
    names = ", ".join(repr(columns.header[index]) for index in used)
    return f"{printable(key)} (columns {names})"
