"""Reading and writing tables of files and labels: delimiters, headers, rows."""

import posixpath
from dataclasses import dataclass

from variegate.errors import InputError
from variegate.formats.delimited import (
    SPLIT_COLUMNS,
    body_rows,
    first_column,
    read_head,
    said_columns,
)
from variegate.formats.hints import NO_HINTS, Hints
from variegate.formats.scan import SPLITS, canonical_split, relative_name
from variegate.storage import Storage, printable

# The usual names, the most telling first: names of classes before their numbers.
_FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "path"),
    *("image", "image_name", "image_file", "image_path", "img", "picture", "photo"),
    *("image_id", "id"),
)
_LABEL_NAMES = (
    *("label_name", "class_name", "category_name", "label", "class", "category"),
    *("class_label", "labels", "species", "target"),
)
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


@dataclass(frozen=True, slots=True)
class Table:
    """What a table says.

    Attributes:
        rows: file, as the table names it, relative and with forward slashes -> label and split.
        split_names: canonical split -> the table's own word for it.
        outside: files named by an absolute path or one that climbs out of the dataset.
    """

    rows: dict[str, Place]
    split_names: dict[str, str]
    outside: list[str]


def find_columns(storage: Storage, key: str, hints: Hints = NO_HINTS) -> Columns | str:
    """Find the columns by the header, or say why this is no table of files and labels."""
    head = read_head(storage, key, hints.encoding)
    if isinstance(head, str):
        return head
    names = head.names
    usual = {"file": _FILE_NAMES, "label": _LABEL_NAMES, "split": SPLIT_COLUMNS}
    said = said_columns(head, hints.columns, tuple(usual))
    if isinstance(said, str):
        return said
    file_at, label_at, split_at = (
        said[what] if what in said else first_column(names, usual[what]) for what in usual
    )
    if label_at is None and file_at is not None:
        # The only one that is left can only be the label.
        left = [at for at in range(len(names)) if at not in (file_at, split_at)]
        label_at = left[0] if len(left) == 1 else None
    if file_at is None:
        return f"it has no column for the file, such as '{_FILE_NAMES[0]}' (--columns file=NAME)"
    if label_at is None:
        return "it has no column for the label, such as 'label' (--columns label=NAME)"
    if _BOX_NAMES & set(names):
        return "it holds boxes, which csv-boxes may read"
    return Columns(head.delimiter, head.cells, file_at, label_at, split_at)


def read_table(storage: Storage, key: str, columns: Columns, encoding: str | None = None) -> Table:
    """Read the rows.

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
            table.outside.append(name)
            continue
        canonical = canonical_split(split)
        if split and canonical is None:
            raise InputError(f"{where}: split {split!r}: expected one of {', '.join(SPLITS)}")
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
