"""The first line of a table, and which columns it names."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

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


def read_head(storage: Storage, key: str) -> Head | str:
    """Read the first line of a table, or say why it is none."""
    with storage.open_read(key) as file:
        line = file.readline(_LIMIT)
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        return "it is not in UTF-8"
    delimiter = max(_DELIMITERS, key=text.count)
    cells = next(csv.reader([text], delimiter=delimiter), [])
    return Head(delimiter, tuple(cell.strip() for cell in cells))


def first_column(names: list[str], wanted: Iterable[str]) -> int | None:
    """Return the place of the first wanted name that there is."""
    return next((names.index(name) for name in wanted if name in names), None)
