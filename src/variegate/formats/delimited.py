"""Tables (CSV): their first line and which columns it names, their rows, new ones."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice

from variegate.errors import InputError, UsageError, did_you_mean
from variegate.formats.base import named
from variegate.formats.encodings import UnknownEncodingError, encoding_of, guess_note
from variegate.formats.formulas import unguarded
from variegate.formats.scan import Survey
from variegate.storage import Storage, printable

_DELIMITERS = ",;\t"
_LIMIT = 1 << 16
_LOOKED_AT = 1 << 20
_MOST_ROWS = 1_000
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a table.

    Attributes:
        delimiter: what stands between its cells.
        cells: without the spaces around them.
        encoding: of the file.
        rows: the first rows below it.
        notes: what the user should know of the encoding.
        said: place of a column -> what the user says that it holds.
    """

    delimiter: str
    cells: tuple[str, ...]
    encoding: str = "utf-8"
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    said: Mapping[int, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The cells as names that can be compared: in lower case, with underscores."""
        names = map(comparable, self.cells)
        return [self.said.get(place, name) for place, name in enumerate(names)]

    def find(self, what: str, usual: Iterable[str]) -> int | None:
        """Return the place of a column: as the user says, or the first that has a usual name."""
        said = next((place for place, named in self.said.items() if named == what), None)
        return first_column(self.names, usual) if said is None else said

    def with_said(self, columns: Mapping[str, str], key: str, known: Iterable[str]) -> "Head":
        """Return this with columns as the user calls them.

        Args:
            columns: what is wanted -> name of its column.
            key: of the table.
            known: what may be wanted.

        Raises:
            UsageError: that is not known, or there is no such column.
        """
        known, said = list(known), dict[int, str]()
        for what, name in columns.items():
            if what not in known:
                raise UsageError(
                    f"--columns {what}={name}: expected one of {', '.join(known)}"
                    f"{did_you_mean(what, known)}"
                )
            places = [i for i, cell in enumerate(self.cells) if name in (cell, self.names[i])]
            if not places:
                raise UsageError(
                    f"--columns {what}={name}: {printable(key)} has no such column; it has "
                    f"{', '.join(map(repr, self.cells))}"
                )
            said[places[0]] = what
        return replace(self, said=said)


def class_name(label: str, classes: Sequence[str] | None, where: str) -> str:
    """Return the name that the user gives a class by its number."""
    if not classes or not label or label in classes:
        return label
    if label.isascii() and label.isdigit() and int(label[:_MOST_DIGITS]) < len(classes):
        return classes[int(label)]
    raise InputError(f"{where}: label {label!r}: none of the {len(classes)} of --classes")


def comparable(name: str) -> str:
    """Return the name of a column in lower case, with underscores."""
    return re.sub(r"[\s-]+", "_", name.lower())


def read_head(storage: Storage, key: str, encoding: str | None = None) -> Head | str:
    """Read the first lines of a table, or say why it is none."""
    with storage.open_read(key) as file:
        data = file.read(_LOOKED_AT)
    try:
        found = encoding_of(data, encoding, cut=len(data) == _LOOKED_AT)
    except UnknownEncodingError as error:
        return f"it is {error}"
    text = data.decode(found, "replace").removeprefix("\ufeff")
    first = text[:_LIMIT].partition("\n")[0].strip("\r\n")
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        cells, *rest = islice(rows, _MOST_ROWS + 1)
    except (ValueError, csv.Error):
        cells, rest = next(csv.reader([first], delimiter=delimiter), []), []
    return Head(
        delimiter,
        tuple(cell.strip() for cell in cells),
        found,
        tuple(tuple(map(str.strip, row)) for row in rest if any(row)),
        tuple(guess_note(printable(key), found, encoding)),
    )


def chosen_tables(survey: Survey, storage: Storage) -> tuple[str, ...]:
    """Return the tables to look at: the one that the user names, or all that stand near the top.

    Raises:
        InputError: there is no such file.
    """
    if survey.labels is None:
        return survey.tables
    if not storage.exists(survey.labels):
        there = f"there are {named(survey.tables)}" if survey.tables else "there are none near it"
        raise InputError(f"{printable(storage.url)}: no table {survey.labels!r}; {there}")
    return (survey.labels,)


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
    encoding: str = "utf-8",
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table, the header too, with the numbers of their lines.

    Args:
        storage, key: of the table.
        delimiter: between cells.
        spaced: there may be a space behind each delimiter.
        encoding: of the file.

    Raises:
        InputError: it is not CSV in this encoding.
    """
    place = storage.place(key)
    with (
        storage.open_read(key) as file,
        io.TextIOWrapper(file, encoding=_marked(encoding), newline="") as text,
    ):
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=spaced)
        try:
            for row in reader:
                yield reader.line_num, [unguarded(cell) for cell in row]
        except csv.Error as error:
            raise InputError(
                f"{place}: line {reader.line_num:,}: {error}; check the quotes in this line"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{place}: not in {encoding.upper()} after line {reader.line_num:,}; say its "
                "encoding, such as --encoding gbk, or save it as CSV UTF-8"
            ) from error


def _marked(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding


def body_rows(
    storage: Storage,
    key: str,
    *,
    delimiter: str,
    header: bool = True,
    spaced: bool = False,
    encoding: str = "utf-8",
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows but the header, if there is one, and empty ones; see `csv_rows`."""
    rows = islice(
        csv_rows(storage, key, delimiter=delimiter, spaced=spaced, encoding=encoding), header, None
    )
    return ((line, row) for line, row in rows if any(cell.strip() for cell in row))


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
