"""What images have in common: digests, sources, groups; on disk, for any number of images."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from variegate.datasets.prepare.group_rule import GroupRule
from variegate.datasets.prepare.group_rules import OriginalRule
from variegate.formats import Source
from variegate.runs import manifest
from variegate.runs.output import is_output, open_output
from variegate.runs.rows import Row
from variegate.storage import open_storage

BYTES, PIXELS, DERIVED, ORIGINAL = "same bytes", "same pixels", "same source", "same original"
GROUP = "same group"
_TABLES = """
pragma journal_mode = off;
create table image (number integer primary key, key blob, side text, bytes blob);
create table mark (grade text, value blob, number integer);
create table origin (place integer, output blob, value blob);
create table made (place integer, key blob, value blob);
begin;
"""
_INDEXES = """
create index if not exists by_value on mark (grade, value);
create index if not exists by_output on origin (place, output);
create index if not exists by_key on made (place, key);
"""
# Where all of it is the same bytes, a surer grade has said so.
_CROSSING = """
select value from mark join image using (number) where grade = ?
group by value having count(distinct side) > 1 and (count(distinct bytes) > 1 or ?)
order by value
"""
_MEMBERS = """
select key, side from mark join image using (number) where grade = ? and value = ?
order by side, number
"""


@dataclass(frozen=True, slots=True)
class Digests:
    """What tells an image from another.

    Attributes:
        content: digest of its bytes, as the manifest has it; None where they cannot be read.
        pixels: digest of what they decode to; None where they cannot be decoded.
        fault: why not.
    """

    content: bytes | None = None
    pixels: bytes | None = None
    fault: str | None = None


class SharedMarks:
    """What images have in common, on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)
        self._places = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def take_manifest(self, place: str) -> int:
        """Read what the images of an output were made of; return the number of the dataset."""
        self._places += 1
        storage = open_storage(place)
        if is_output(storage):
            for row in manifest.rows(open_output(place)):
                self._take(row)
        self._database.executescript(_INDEXES)
        return self._places

    def _take(self, row: Row) -> None:
        if row.output is None or row.source_sha256 is None:
            return
        digest = bytes.fromhex(row.source_sha256)
        output = _raw(row.output)
        self._database.execute(
            "insert into made values (?, ?, ?)", (self._places, _raw(row.key), digest)
        )
        self._database.execute(
            "insert into origin values (?, ?, ?)", (self._places, output, digest)
        )
        if row.operations and '"partners"' in row.operations:
            keys = {key for one in json.loads(row.operations) for key in one.get("partners", ())}
            for key in sorted(keys):
                # By its name until all sources are known.
                self._database.execute(
                    "insert into origin values (?, ?, ?)",
                    (self._places, output, f"partner:{key}".encode("utf-8", "surrogatepass")),
                )

    def add(
        self, source: Source, side: str, digests: Digests, rules: list[GroupRule], place: int
    ) -> None:
        """Take an image."""
        cursor = self._database.execute(
            "insert into image (key, side, bytes) values (?, ?, ?)",
            (_raw(source.key), side, digests.content),
        )
        number = cursor.lastrowid
        found: list[tuple[str, bytes | None]] = [
            (BYTES, digests.content),
            (PIXELS, digests.pixels),
            *((DERIVED, one) for one in self._origins(source.key, place, digests.content)),
        ]
        for rule in rules:
            name = rule.group(source)
            if name is not None:
                found.append((_grade(rule), _raw(name)))
        self._database.executemany(
            "insert into mark values (?, ?, ?)",
            ((grade, value, number) for grade, value in found if value is not None),
        )

    def _origins(self, key: str, place: int, content: bytes | None) -> Iterator[bytes]:
        """Yield the digests of the files that an image was made of; its own, where it is none."""
        query = "select distinct value from origin where place = ? and output = ?"
        rows = self._database.execute(query, (place, _raw(key))).fetchall()
        for (value,) in rows:
            if not value.startswith(b"partner:"):
                yield value
                continue
            query = "select value from made where place = ? and key = ? limit 1"
            partner = (place, value.removeprefix(b"partner:"))
            known = self._database.execute(query, partner).fetchone()
            if known:
                yield known[0]
        if not rows and content is not None:
            yield content

    def sets(self, grade: str, rule: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield the name and the members, key and side, of every set that is on two sides."""
        self._database.executescript(_INDEXES)
        named = grade in (GROUP, ORIGINAL)
        mark = f"{grade}:{rule}" if grade == GROUP else grade
        # Groups on two sides are told even where all of their images are the same file.
        whole = named or grade == BYTES
        for (value,) in self._database.execute(_CROSSING, (mark, whole)).fetchall():
            rows = self._database.execute(_MEMBERS, (mark, value))
            yield _text(value) if named else "", [(_text(key), side) for key, side in rows]


def _grade(rule: GroupRule) -> str:
    return ORIGINAL if isinstance(rule, OriginalRule) else f"{GROUP}:{rule.description}"


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
