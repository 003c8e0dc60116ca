"""A dataset as its first listing found it: it is listed once, and no annotation is read twice.

Finding out what format a dataset has takes many looks at the same names and the same annotation
files, by one format after the other, and listing a run's sources takes one more. In a bucket each
look costs requests: a thousand names a page, a file a request.
"""

import hashlib
import io
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Self, TypeVar

from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import OutputError, UnavailableError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key
from variegate.storage.ranges import open_ranges
from variegate.storage.wrapper import PassingStorage

T = TypeVar("T")

_PIECE = 1 << 20
_MOST_BYTES = 8 << 30
_TABLES = """
pragma journal_mode = off;
create table entry (key blob primary key, size integer, modified real) without rowid;
create table skipped (key blob, reason blob);
create table piece (key blob, number integer, data blob, primary key (key, number));
"""
_SIZE = "select size from entry where key = ?"
_SKIPPED = "select * from skipped where key >= ? and key < ? order by rowid"
_ENTRIES = "select * from entry where key >= ? and key < ? order by key"


class Snapshot(PassingStorage):
    """Passes on to `inner` what it does not know yet. Use it in a with statement.

    The first `list` lists the whole storage; every other one, and then `exists` and `size`, are
    answered from what it found. Files that are not images by their extension are kept as they are
    read, in pieces of 1 MB, so that each byte is asked for once; images are passed on.

    All of this waits in a temporary database on disk, about 100 bytes a file and the annotations,
    and takes 2 MB of memory however much it is. Annotations take at most 8 GB, and half of the
    space that is free when this begins: what does not fit is read again wherever it is needed.

    Attributes:
        times: digest of the times at which the files were written; "" before the first `list`.

    Raises:
        OutputError: from any method: the database cannot be written.
    """

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._complete = False
        self.times = ""
        # For all files together: what is gone for good must not hold up a large dataset.
        self._pauses_s = [0.2, 0.8, 2.0, 4.0]
        self._room = min(_MOST_BYTES, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        # A file that has no name: it goes with the connection, however the process ends. pyarrow
        # reads from threads of its own, and SQLite sees to it that they take turns.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        prefix = prefix.rstrip("/")
        if prefix:
            check_key(prefix)
        self._complete = self._complete or self._fill()
        # "0" comes behind "/", and 0xFF behind all text.
        limits = (_raw(f"{prefix}/"), _raw(f"{prefix}0")) if prefix else (b"", b"\xff")
        for key, reason in self._rows(_SKIPPED, limits):
            on_skip(_text(key), _text(reason))
        for key, size, modified in self._rows(_ENTRIES, limits):
            yield Entry(_text(key), size, modified)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        if _is_image(key):
            return self._patiently(key, lambda: self._inner.read(key, limit=limit))
        if self._one("select 1 from piece where key = ?", key) is None:
            data = self._patiently(key, lambda: self._inner.read(key, limit=limit))
            # The last piece is a short one, if need be an empty one.
            for start in range(0, len(data) + 1, _PIECE):
                self._keep(key, start // _PIECE, data[start : start + _PIECE])
            return data
        if limit is not None and self.size(key) > limit:
            return super().read(key, limit=limit)  # which says so in its own words
        with self._opened(key) as file:
            return file.read()

    def open_read(self, key: str) -> BinaryIO:
        if _is_image(key):
            return self._patiently(key, lambda: self._inner.open_read(key))
        if self.size(key) < _PIECE:
            # In a bucket one request, where asking for the size would be another.
            return io.BytesIO(self.read(key))
        return self._opened(key)

    def _patiently(self, key: str, action: Callable[[], T]) -> T:
        """Read a file, again after a while where it was listed and is away for a moment."""
        while True:
            try:
                return action()
            except UnavailableError:
                if not self._pauses_s or not self.exists(key):
                    raise
                time.sleep(self._pauses_s.pop(0))

    def _opened(self, key: str) -> BinaryIO:
        pieces = _Pieces(self, key)
        return open_ranges(pieces.part, lambda: self.size(key), closing=pieces.close)

    def size(self, key: str) -> int:
        known = self._one(_SIZE, key)
        return super().size(key) if known is None else int(known)

    def exists(self, key: str) -> bool:
        check_key(key)
        return self._one(_SIZE, key) is not None if self._complete else super().exists(key)

    def open_inner(self, key: str) -> BinaryIO:
        """Open a file where it is, whatever is kept of it."""
        return self._patiently(key, lambda: self._inner.open_read(key))

    def piece(self, key: str, number: int, source: "_Pieces") -> bytes:
        """Return the bytes from `number` MB on, up to 1 MB, from `source` if they are not kept."""
        found = self._one("select data from piece where key = ? and number = ?", key, number)
        if found is None:
            data = source.fetched(number)
            self._keep(key, number, data)
            return data
        return bytes(found)

    def _keep(self, key: str, number: int, data: bytes) -> None:
        if len(data) <= self._room:
            self._room -= len(data)
            row = (_raw(key), number, data)
            with _on_disk():
                self._database.execute("insert or ignore into piece values (?, ?, ?)", row)

    def _fill(self) -> bool:
        """List everything; what an attempt has left behind that failed is forgotten."""

        def skip(key: str, reason: str) -> None:
            row = (_raw(key), _raw(reason))
            self._database.execute("insert into skipped values (?, ?)", row)

        entries = self._inner.list(on_skip=skip)
        times = hashlib.sha256()

        def noted() -> Iterator[tuple[bytes, int, float | None]]:
            for entry in entries:
                times.update(f"{entry.modified}\n".encode())
                yield _raw(entry.key), entry.size, entry.modified

        with _on_disk():
            self._database.execute("delete from entry")
            self._database.execute("delete from skipped")
            self._database.execute("begin")
            try:
                self._database.executemany("insert or replace into entry values (?, ?, ?)", noted())
            finally:
                if self._database.in_transaction:
                    self._database.execute("commit")
        self.times = times.hexdigest()
        return True

    def _rows(self, query: str, values: tuple[bytes, ...]) -> Iterator[tuple[Any, ...]]:
        with _on_disk():
            yield from self._database.execute(query, values)

    def _one(self, query: str, key: str, *more: int) -> Any:
        """Return the one value of a query about a key; None where there is none."""
        with _on_disk():
            found = self._database.execute(query, (_raw(key), *more)).fetchone()
        return found and found[0]


class _Pieces:
    """What is read of a file, of which every piece is kept, or read where it is kept."""

    def __init__(self, snapshot: Snapshot, key: str) -> None:
        self._snapshot, self._key = snapshot, key
        self._number, self._data = -1, b""
        self._source: BinaryIO | None = None

    def part(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` on, to `end` or the end of the piece."""
        number, first = divmod(start, _PIECE)
        if number != self._number:
            self._number, self._data = number, self._snapshot.piece(self._key, number, self)
        return self._data[first : first + end - start]

    def fetched(self, number: int) -> bytes:
        """Return a piece as the storage has it."""
        if self._source is None:
            self._source = self._snapshot.open_inner(self._key)
        self._source.seek(number * _PIECE)
        data = b""
        while more := self._source.read(_PIECE - len(data)):
            data += more
        return data

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _is_image(key: str) -> bool:
    """Say whether a file is one of images, or without an extension, as some images are."""
    name = key[key.rfind("/") + 1 :].lower()
    dot = name.rfind(".")
    return dot <= 0 or name[dot:] in IMAGE_EXTENSIONS


def _raw(text: str) -> bytes:
    # Their order as bytes is that of code points, stray bytes of names included.
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(
            f"the list of the input's files, in {tempfile.gettempdir()}: cannot be kept ({error}); "
            "free some space there, or set TMPDIR to another folder"
        ) from error
