"""Before anything is made of a dataset with splits: whether an image stands on two sides.

A quick look, not the whole search of `variegate.datasets.prepare.leaks`: names of exports, which
cost nothing, and bytes of files of one size, of which the beginnings are read first. Sizes that few
files share come first, and the number of files that are read is limited: where a million files are
all of one size, what was not compared is said. Where an audit stands beside the dataset, its copies
and edits count, too.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby

from variegate.datasets.inspection.copies import original_of
from variegate.datasets.prepare.audit_rule import AGAIN, SAME, AuditRule, is_audit
from variegate.errors import InputError
from variegate.formats import Source
from variegate.formats.base import counted
from variegate.formats.image_size import HEAD_BYTES
from variegate.runs.run import Prepared
from variegate.storage import Storage, printable

#: The job's option that says that leaks were accepted.
ALLOWED = "allow_leaks"

_SHOWN = 3
_PIECE = 1 << 20
# Beginnings of files, 16 kB each: some seconds where they are at hand, and in a bucket.
_MOST_READ, _MOST_READ_REMOTE = 20_000, 2_000
_REMOTE_THREADS = 16
_TABLE = """
pragma journal_mode = off;
create table file (key blob, size integer, split text, original blob);
begin;
"""
_SIZES = """
select size, count(*) from file where size > 0
group by size having count(distinct split) > 1 order by count(*), size
"""
_FILES = "select key, split from file where size = ? order by rowid"
_ORIGINALS = """
select original from file where original is not null
group by original having count(distinct split) > 1 order by original
"""
_EXPORTS = "select key, split from file where original = ? order by rowid"


@dataclass(slots=True)
class QuickLeaks:
    """What a quick look found.

    Attributes:
        same: sets of identical files on two sides.
        exports: sets of exports of one original on two sides.
        copies: groups of an audit that show the same and are on two sides.
        again: groups of what was photographed again; they are told, and refuse nothing.
        examples: the first of them.
        not_compared: files of a size that another side has, too, which were not read.
    """

    same: int = 0
    exports: int = 0
    copies: int = 0
    again: int = 0
    examples: list[str] = field(default_factory=list)
    not_compared: int = 0

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return bool(self.same or self.exports or self.copies)

    def words(self) -> str:
        """Say what was found, a clause with examples."""
        parts = []
        if self.same:
            parts.append(counted(self.same, "image", "images"))
        if self.exports:
            originals = counted(self.exports, "original", "originals")
            parts.append(f"{originals} with exports (.rf.)")
        if self.copies:
            parts.append(f"{counted(self.copies, 'group', 'groups')} of copies (by its audit)")
        verb = "stands" if self.same + self.exports + self.copies == 1 else "stand"
        return f"{' and '.join(parts)} {verb} in two splits: {'; '.join(self.examples)}"


def without_leaks(prepared: Prepared, *, allow: bool = False) -> Prepared:
    """Return a job whose dataset has no image on two sides, or in which that is accepted.

    Args:
        prepared: the checked job.
        allow: go on all the same; what was found becomes a note, and the record tells of it.

    Raises:
        InputError: an image stands on two sides.
    """
    if len(prepared.dataset_format.splits) < 2:
        return prepared
    found = quick_leaks(prepared.listing.sources(), prepared.source)
    if found.found and not allow:
        raise InputError(
            f"{prepared.source.url}: {found.words()}; what is measured on one would be known from "
            "the other: correct the splits (variegate leaks lists all of them, variegate split "
            "makes new ones), or go on with --allow-leaks"
        )
    notes = []
    if found.found:
        notes.append(f"{found.words()}; accepted (--allow-leaks)")
    if found.again:
        groups = counted(found.again, "group", "groups")
        notes.append(
            f"{groups} of what was photographed again (by its audit) in two splits; variegate "
            f"split --group {printable(audit_beside(prepared.source))} keeps them together"
        )
    if found.not_compared:
        files = counted(found.not_compared, "image was", "images were")
        notes.append(
            f"{files} not compared between the splits, for too many have the same size; variegate "
            "leaks compares all"
        )
    dataset_format = prepared.dataset_format
    noted = replace(dataset_format, notes=(*dataset_format.notes, *notes))
    options = dict(prepared.options) | ({ALLOWED: True} if found.found else {})
    return replace(prepared, dataset_format=noted, options=options)


def quick_leaks(sources: Iterable[Source], storage: Storage) -> QuickLeaks:
    """Look for images on two sides without decoding any.

    Args:
        sources: of a dataset with splits.
        storage: where they are.
    """
    found = QuickLeaks()
    # On disk, for any number of images.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript(_TABLE)
        database.executemany("insert into file values (?, ?, ?, ?)", _rows(sources))
        database.executescript(
            "create index by_size on file (size); create index by_original on file (original);"
        )
        _look_at_names(database, found)
        _look_at_bytes(database, storage, found)
        if is_audit(audit_beside(storage)):
            _look_at_audit(database, storage, found)
    return found


def audit_beside(storage: Storage) -> str:
    """Return where the audit of a dataset is looked for: where variegate prepare leaves one."""
    return f"{storage.url.rstrip('/')}.audit"


def _look_at_audit(database: sqlite3.Connection, storage: Storage, found: QuickLeaks) -> None:
    for kind in (SAME, AGAIN):
        rule = AuditRule(audit_beside(storage), storage, kinds=(kind,))
        groups: dict[str, list[tuple[bytes, str]]] = {}
        for key, split in database.execute("select key, split from file order by rowid"):
            if (name := rule.name(_text(key))) is not None:
                groups.setdefault(name, []).append((key, split))
        crossing = [files for files in groups.values() if len({split for _, split in files}) > 1]
        if kind == AGAIN:
            found.again = len(crossing)
            continue
        found.copies = len(crossing)
        for files in crossing[: _SHOWN - len(found.examples)]:
            found.examples.append(f"{_told(files)} (show the same)")


def _rows(sources: Iterable[Source]) -> Iterator[tuple[bytes, int, str, bytes | None]]:
    for one in sources:
        if one.split is None or not one.seems_usable:
            continue
        original = original_of(one.key)
        # The same name in two classes is two originals.
        named = None if original is None else _raw(f"{one.label or ''}/{original}")
        yield _raw(one.key), one.size, one.split, named


def _look_at_names(database: sqlite3.Connection, found: QuickLeaks) -> None:
    for (original,) in database.execute(_ORIGINALS).fetchall():
        found.exports += 1
        if len(found.examples) < _SHOWN:
            files = database.execute(_EXPORTS, (original,)).fetchall()
            found.examples.append(f"{_told(files)} (of one original)")


def _look_at_bytes(database: sqlite3.Connection, storage: Storage, found: QuickLeaks) -> None:
    remote = "://" in storage.url
    left = _MOST_READ_REMOTE if remote else _MOST_READ
    with ThreadPoolExecutor(_REMOTE_THREADS if remote else 1) as pool:
        for size, count in database.execute(_SIZES).fetchall():
            if count > left:
                found.not_compared += count
                continue
            left -= count
            files = database.execute(_FILES, (size,)).fetchall()
            keys = [_text(key) for key, _ in files]
            heads = list(pool.map(lambda key: _digest(storage, key, HEAD_BYTES), keys))
            for same in _alike(files, heads):
                whole = [_digest(storage, _text(key), None) for key, _ in same]
                for copies in _alike(same, whole):
                    found.same += 1
                    if len(found.examples) < _SHOWN:
                        found.examples.append(_told(copies))


def _alike(
    files: Sequence[tuple[bytes, str]], digests: Sequence[bytes | None]
) -> Iterator[list[tuple[bytes, str]]]:
    """Yield files with equal digests that are on two sides."""
    known = [(digest, file) for digest, file in zip(digests, files, strict=True) if digest]
    known.sort(key=lambda one: one[0])
    for _, group in groupby(known, key=lambda one: one[0]):
        same = [file for _, file in group]
        if len({split for _, split in same}) > 1:
            yield same


def _digest(storage: Storage, key: str, limit: int | None) -> bytes | None:
    """Return the digest of a file, or of its beginning; None where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with storage.open_read(key) as file:
            while piece := file.read(limit or _PIECE):
                digest.update(piece)
                if limit is not None:
                    break
    except InputError:
        # A run quarantines it.
        return None
    return digest.digest()


def _told(files: Sequence[tuple[bytes, str]]) -> str:
    """Return the first file of each side."""
    firsts: dict[str, str] = {}
    for key, split in files:
        firsts.setdefault(split, printable(_text(key)))
    return " = ".join(f"{name} ({split})" for split, name in sorted(firsts.items()))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
