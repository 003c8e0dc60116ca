"""Tables (CSV): their first line and which columns it names, their rows, new ones."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from variegate.errors import InputError
from variegate.formats.text import encoding_of, not_decoded
from variegate.storage import Storage

_DELIMITERS = ",;\t"
_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a table.

    Attributes:
        delimiter: what stands between its cells.
        cells: without the spaces around them.
    """

    delimiter: str
    cells: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The cells as names that can be compared: in lower case, with underscores."""
        return [re.sub(r"[\s-]+", "_", cell.lower()) for cell in self.cells]


def read_head(storage: Storage, key: str, encoding: str | None = None) -> Head | str:
    """Read the first line of a table, or say why it is none."""
    with storage.open_read(key) as file:
        line = file.readline(_LIMIT)
    known = encoding_of(line, encoding)
    # A line of UTF-16 ends with a byte more.
    line += b"\0" if known == "utf-16" and len(line) % 2 else b""
    try:
        text = line.decode(known).strip("\r\n")
    except UnicodeDecodeError:
        return f"it is not in {encoding or 'UTF-8'} (--encoding)"
    delimiter = max(_DELIMITERS, key=text.count)
    cells = next(csv.reader([text], delimiter=delimiter), [])
    return Head(delimiter, tuple(cell.strip() for cell in cells))


def said_columns(head: Head, said: Mapping[str, str], known: Iterable[str]) -> dict[str, int] | str:
    """Return the places of the columns that the user names, or what is wrong with them.

    Args:
        head: of the table.
        said: what a column is for ("file", "label", ...) -> its name.
        known: what there may be columns for.
    """
    places = {}
    for what, name in said.items():
        if what not in known:
            return f"--columns {what}={name}: expected one of {', '.join(known)}"
        if name not in head.cells:
            return f"it has no column {name!r} (--columns {what}={name})"
        places[what] = head.cells.index(name)
    return places


def first_column(names: list[str], wanted: Iterable[str]) -> int | None:
    """Return the place of the first wanted name that there is."""
    return next((names.index(name) for name in wanted if name in names), None)


#: What people call the column of splits.
SPLIT_COLUMNS = ("split", "subset", "set", "partition")


def csv_rows(
    storage: Storage,
    key: str,
    *,
    delimiter: str = ",",
    spaced: bool = False,
    encoding: str | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table, the header too, with the numbers of their lines.

    Args:
        storage, key: of the table.
        delimiter: between cells.
        spaced: there may be a space behind each delimiter.
        encoding: None for UTF-8, or what a mark at the beginning tells.

    Raises:
        InputError: it is not CSV, or not in its encoding.
    """
    place = storage.place(key)
    with _opened(storage, key, encoding) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=spaced)
        try:
            for row in reader:
                yield reader.line_num, [_unguarded(cell) for cell in row]
        except csv.Error as error:
            raise InputError(
                f"{place}: line {reader.line_num:,}: {error}; check the quotes in this line"
            ) from error
        except UnicodeDecodeError as error:
            raise not_decoded(place, reader.line_num + 1, encoding) from error


@contextmanager
def _opened(storage: Storage, key: str, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    with storage.open_read(key) as file:
        known = encoding_of(file.read(4), encoding)
    with (
        storage.open_read(key) as file,
        io.TextIOWrapper(file, encoding=known, newline="") as text,
    ):
        yield text


def body_rows(
    storage: Storage,
    key: str,
    *,
    delimiter: str,
    header: bool = True,
    spaced: bool = False,
    encoding: str | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows but the header, if there is one, and empty ones; see `csv_rows`."""
    every = csv_rows(storage, key, delimiter=delimiter, spaced=spaced, encoding=encoding)
    rows = islice(every, header, None)
    return ((line, row) for line, row in rows if any(cell.strip() for cell in row))


# What spreadsheets take for the beginning of a formula, and the apostrophe that tells them it is
# text. One that stands there already gets another, so that what is read is what was written.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def guarded(cell: Any, *, raw: bool = False) -> Any:
    """Return a cell that no spreadsheet computes: with an apostrophe before what looks like it.

    Args:
        cell: what is to be written; numbers stay as they are.
        raw: leave it as it is.
    """
    if raw or not isinstance(cell, str) or not _FORMULA.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@contextmanager
def open_table(storage: Storage, key: str) -> Iterator[io.TextIOWrapper]:
    """Open a table that is to be written; a name's stray bytes are written as they are."""
    with storage.open_write(key) as file:
        # See `variegate.storage.keys`. Not closed with the wrapper: the storage does it itself.
        text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        try:
            yield text
        finally:
            text.detach()
