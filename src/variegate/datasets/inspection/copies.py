"""Which files are the same, and which were made of the same original.

What is known of each image waits in a temporary database on disk, so that ten million images take
no more memory than ten thousand.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from variegate.datasets.inspection.figures import Exports, Faults, count_fault
from variegate.errors import InputError
from variegate.formats import Source
from variegate.formats.image_size import HEAD_BYTES
from variegate.storage import Storage, printable

# Roboflow's exports: "7_jpg.rf.0f4e...c1.jpg" of "7.jpg".
_EXPORT = re.compile(r"(?P<stem>.+)\.rf\.[0-9A-Za-z]{8,}\.\w+")
_PIECE = 1 << 20
_SHOWN = 3
_TABLE = """
pragma journal_mode = off;
create table file (key blob, size integer, head blob, split text, label blob, original blob);
begin;
"""
_ALIKE = """
select size, head, key, split, label from file
join (select size s, head h from file group by size, head having count(*) > 1)
on size = s and head = h order by size, head, key
"""
_ORIGINALS = """
select original, count(*), count(distinct split), group_concat(distinct split)
from (select original, label, nullif(split, '') split from file where original is not null)
group by original, label order by original
"""


def original_of(key: str) -> str | None:
    """Return the name of the original of which a tool has made an image, if its name tells."""
    export = _EXPORT.fullmatch(key[key.rfind("/") + 1 :])
    return export["stem"] if export else None


class _Copy(NamedTuple):
    size: int
    head: bytes
    key: str
    split: str
    label: str

    @property
    def place(self) -> str:
        """The file, with its split and class."""
        about = ", ".join(printable(one) for one in (self.split, self.label) if one)
        return f"{printable(self.key)} ({about})" if about else printable(self.key)


class CopyFinder:
    """Finds identical files and exports of one original among images."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLE)

    def add(self, source: Source, head: bytes) -> None:
        """Take an image, with the digest of its beginning."""
        original = original_of(source.key)
        self._database.execute(
            "insert into file values (?, ?, ?, ?, ?, ?)",
            (
                _raw(source.key),
                source.size,
                head,
                source.split or "",
                _raw(", ".join(sorted(source.shares))),
                _raw(original) if original else None,
            ),
        )

    def identical(self, storage: Storage, findings: Faults) -> int:
        """Count files whose bytes another has; say which are in two classes or splits.

        Only files of one size and one beginning are read.
        """
        rows = self._database.execute(_ALIKE)
        files = 0
        candidates = (
            _Copy(size, head, _text(key), split, _text(label))
            for size, head, key, split, label in rows
        )
        for _, group in groupby(candidates, key=lambda one: (one.size, one.head)):
            for same in _same(storage, group):
                files += len(same)
                example = " = ".join(one.place for one in _telling(same)[:_SHOWN])
                if len(same) > _SHOWN:
                    example += f" and {len(same) - _SHOWN:,} more"
                for kind in _kinds(same):
                    count_fault(findings, f"identical files{kind}", example)
        return files

    def exports(self) -> Exports | None:
        """Return what was made of originals; None where no name tells of one."""
        found = Exports()
        for original, files, splits, names in self._database.execute(_ORIGINALS):
            found.originals += 1
            found.files += files
            found.several += files > 1
            if splits > 1:
                where = ", ".join(sorted(names.split(",")))
                found.in_splits.add(f"{printable(_text(original))}: {files:,} files, in {where}")
        return found if found.originals else None

    def close(self) -> None:
        """Forget all of it."""
        self._database.close()


def _kinds(same: list[_Copy]) -> list[str]:
    """Return what is the matter with identical files."""
    kinds = []
    if len({one.label for one in same if one.label}) > 1:
        kinds.append(" in different classes")
    if len({one.split for one in same if one.split}) > 1:
        kinds.append(" in different splits")
    return kinds or [""]


def _same(storage: Storage, group: Iterable[_Copy]) -> Iterator[list[_Copy]]:
    """Yield those with the same bytes, of files of one size and beginning."""
    by_digest: dict[bytes, list[_Copy]] = {}
    for one in group:
        try:
            digest = one.head if one.size <= HEAD_BYTES else _digest(storage, one.key)
        except InputError:
            continue
        by_digest.setdefault(digest, []).append(one)
    yield from (same for same in by_digest.values() if len(same) > 1)


def _digest(storage: Storage, key: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with storage.open_read(key) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.digest()


def _telling(same: list[_Copy]) -> list[_Copy]:
    """Return the files, the first of every class and split in front."""
    firsts = {(one.label, one.split): one for one in reversed(same)}
    chosen = sorted(firsts.values(), key=lambda one: one.key)
    return [*chosen, *(one for one in same if one not in chosen)]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
