"""Which images belong together: the rules of `--group`.

A rule gives an image the name of its group, or none, where the image is a group of its own.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from variegate.datasets.inspection.copies import original_of
from variegate.datasets.prepare.audit_rule import AuditRule, is_audit
from variegate.datasets.prepare.burst_rule import BurstRule, is_burst
from variegate.datasets.prepare.group_rule import GroupRule
from variegate.errors import InputError, UsageError
from variegate.formats import Source
from variegate.formats.base import counted, named
from variegate.formats.delimited import Head, body_rows, comparable, read_head
from variegate.formats.scan import relative_name
from variegate.formats.table.file import FILE_NAMES
from variegate.storage import Storage, open_storage, printable

_KINDS = (
    "original, folder, folder:N, burst:SECONDS, a column (patient or FILE.csv:patient), a "
    "folder of variegate audit, or a regular expression with a group"
)
_TABLES = (".csv", ".tsv")
_MOST_TABLES = 20
_DEEPEST = 2
_FOLDER = re.compile(r"folder(?::([1-9]\d?))?")
_IN_FILE = re.compile(r"(?P<file>.+\.(?:csv|tsv)):(?P<column>.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class OriginalRule(GroupRule):
    """Images that a tool has made of one original: ``7_jpg.rf.<digest>.jpg``."""

    text: str = "original"
    description: str = "the original before an export's suffix (.rf.)"

    def group(self, source: Source) -> str | None:
        # The same name in two classes is two originals.
        original = original_of(source.key)
        return original if original is None or not source.label else f"{source.label}/{original}"


@dataclass(frozen=True, slots=True)
class FolderRule(GroupRule):
    """Images in one folder.

    Attributes:
        level: the folder that many levels below the dataset's; 0 for the innermost.
    """

    text: str
    description: str
    level: int

    def group(self, source: Source) -> str | None:
        folders = source.key.split("/")[:-1]
        return "/".join(folders[: self.level] if self.level else folders) or None


@dataclass(frozen=True, slots=True)
class PatternRule(GroupRule):
    """What the group of a regular expression finds in an image's path."""

    text: str
    description: str
    pattern: re.Pattern[str]

    def group(self, source: Source) -> str | None:
        found = self.pattern.search(source.key)
        if found is None:
            return None
        name = found["group"] if "group" in self.pattern.groupindex else found[1]
        return name or None


class ColumnRule(GroupRule):
    """The value of a column of a table that names the images.

    The table waits in a temporary database on disk.
    """

    def __init__(self, text: str, storage: Storage, key: str, head: Head, place: int) -> None:
        self.text = text
        self.description = f"column {head.cells[place]!r} of {printable(key)}"
        self._folder = key.rpartition("/")[0]
        self._missing = self._ambiguous = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "pragma journal_mode = off; create table cell (path blob primary key, name blob, "
            "value blob) without rowid; begin;"
        )
        self._fill(storage, key, head, place)
        self._database.executescript("create index by_name on cell (name);")

    def _fill(self, storage: Storage, key: str, head: Head, place: int) -> None:
        file_at = head.find("file", FILE_NAMES)
        rows = body_rows(storage, key, delimiter=head.delimiter, encoding=head.encoding)
        for line, row in rows:
            if max(file_at or 0, place) >= len(row):
                continue
            path = row[file_at or 0].strip().replace("\\", "/").removeprefix("./")
            value = row[place].strip()
            if not path or not value:
                continue
            known = self._one("select value from cell where path = ?", path)
            if known is not None and known != value:
                raise InputError(
                    f"{storage.place(key)}:{line}: {path!r} has {head.cells[place]} {value!r} here "
                    f"and {known!r} in an earlier line; expected one group for each image"
                )
            name = path[path.rfind("/") + 1 :]
            self._database.execute(
                "insert or ignore into cell values (?, ?, ?)", (_raw(path), _raw(name), _raw(value))
            )

    def _one(self, query: str, text: str) -> str | None:
        found = self._database.execute(query, (_raw(text),)).fetchone()
        return None if found is None else _text(found[0])

    def group(self, source: Source) -> str | None:
        for path in self._spellings(source.key):
            value = self._one("select value from cell where path = ?", path)
            if value is not None:
                return value
        name = source.key[source.key.rfind("/") + 1 :]
        query = "select distinct value from cell where name = ? limit 2"
        values = self._database.execute(query, (_raw(name),)).fetchall()
        self._ambiguous += len(values) > 1
        self._missing += not values
        return _text(values[0][0]) if len(values) == 1 else None

    def _spellings(self, key: str) -> Iterator[str]:
        """Yield how a table may call a file: by its path, the end of it, or without extension."""
        yield key
        if self._folder and key.startswith(f"{self._folder}/"):
            yield key[len(self._folder) + 1 :]
        parts = key.split("/")
        for start in range(1, len(parts)):
            yield "/".join(parts[start:])
        yield parts[-1].rpartition(".")[0] or parts[-1]

    def notes(self) -> Iterator[str]:
        for count, words in (
            (self._missing, "without a value in"),
            (self._ambiguous, "whose name has several values in"),
        ):
            if count:
                images = counted(count, "image", "images")
                yield f"{images} {words} {self.description}: each is a group of its own"


def group_rules(texts: Sequence[str], storage: Storage) -> list[GroupRule]:
    """Return the rules that the user names, behind the one that always holds.

    Args:
        texts: as the user writes them.
        storage: the dataset.

    Raises:
        UsageError: one is no rule.
        InputError: a table cannot be used.
    """
    return [OriginalRule(), *(_rule(one, storage) for one in texts if one != "original")]


def _rule(text: str, storage: Storage) -> GroupRule:
    if found := _FOLDER.fullmatch(text):
        level = int(found[1] or 0)
        return FolderRule(text, f"the folder at level {level}" if level else "the folder", level)
    if is_burst(text):
        return BurstRule(text, storage)
    if is_audit(text):
        return AuditRule(text, storage)
    if found := _IN_FILE.fullmatch(text):
        return _column_of_file(text, found["file"], found["column"], storage)
    if "(" in text:
        return _pattern(text)
    return _column(text, storage)


def _pattern(text: str) -> PatternRule:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UsageError(f"--group {text!r}: not a regular expression ({error})") from error
    if not pattern.groups:
        raise UsageError(f"--group {text!r}: expected a group in the regular expression: (...)")
    return PatternRule(text, f"what {text!r} finds in paths", pattern)


def _column_of_file(text: str, file: str, column: str, storage: Storage) -> ColumnRule:
    if Path(file).is_file():
        place: Storage = open_storage(Path(file).resolve().parent)
        key = Path(file).name
    elif relative_name(file) is not None and storage.exists(file):
        place, key = storage, file
    else:
        raise InputError(f"--group {text}: there is no file {file!r}, here or in the dataset")
    head = read_head(place, key)
    if isinstance(head, str):
        raise InputError(f"--group {text}: {printable(key)} cannot be read: {head}")
    at = _find(head, column)
    if at is None:
        cells = ", ".join(map(repr, head.cells))
        raise InputError(f"--group {text}: {printable(key)} has no such column; it has {cells}")
    if head.find("file", FILE_NAMES) is None:
        raise InputError(
            f"--group {text}: {printable(key)} has no column for the file; call one "
            f"{FILE_NAMES[0]!r}"
        )
    return ColumnRule(text, place, key, head, at)


def _column(text: str, storage: Storage) -> ColumnRule:
    """Find a column of this name in the tables of the dataset."""
    seen: list[str] = []
    for key in _tables(storage):
        head = read_head(storage, key)
        if isinstance(head, str) or head.find("file", FILE_NAMES) is None:
            continue
        at = _find(head, text)
        if at is not None:
            return ColumnRule(text, storage, key, head, at)
        seen.append(f"{printable(key)} has {named(head.cells, most=8)}")
    there = "; ".join(seen) or "the dataset has no table of its images"
    raise InputError(f"--group {text}: no such column: {there}; expected {_KINDS}")


def _tables(storage: Storage) -> list[str]:
    found = []
    for entry in storage.list(on_skip=lambda _key, _reason: None):
        if entry.key.lower().endswith(_TABLES) and entry.key.count("/") <= _DEEPEST:
            found.append(entry.key)
            if len(found) == _MOST_TABLES:
                break
    return found


def _find(head: Head, column: str) -> int | None:
    """Return the place of a column; "sender" is "sender_id", too."""
    wanted = comparable(column)
    for name in (wanted, f"{wanted}_id", f"{wanted}id"):
        if name in head.names:
            return head.names.index(name)
    return None


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
