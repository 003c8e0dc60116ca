"""What became of inputs that came one by one: a part of the manifest for each.

A run numbers its sources and writes parts for ranges of them (`manifest`). Events have no numbers.
Each input has one part of its own, named by a digest of its key, so that a repeated event
overwrites itself and a replaced input its predecessor. The first line says of which version of the
input, made by which job; the rows follow.

Both kinds may be in one output: a run over all that was there, and events for what came later.
`WithEvents` shows them as one manifest, in the order of the keys, as a run over all would have
written it. Where both know an input, the event counts.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from variegate.runs.manifest import (
    FOLDER,
    MANIFEST,
    parsed,
    read_index_record,
    rows,
    whole_record,
    write_lines,
)
from variegate.runs.rows import Counts, Row
from variegate.storage import PassingStorage, Storage
from variegate.storage.json import dumped, loaded

_FOLDER = f"{FOLDER}/events"

# Parts that are read at a time: small files, each of which may take a journey.
_READERS = 32
_AHEAD = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPart:
    """What became of one input.

    Attributes:
        key: of the input.
        version: of the input, as `Storage.version` gave it.
        job: digest of what was done.
        about: what else the event said, such as the version's id: JSON values.
        rows: as in the manifest; their `source` has no meaning.
    """

    key: str
    version: str
    job: str
    about: dict[str, Any]
    rows: tuple[Row, ...]

    @property
    def counts(self) -> Counts:
        """What became of the input, and how much came out."""
        return Counts.of(self.rows)


def event_part_key(key: str) -> str:
    """Return the key of an input's part."""
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    # Folders of some thousands, where there are millions.
    return f"{_FOLDER}/{name[:2]}/{name}.jsonl"


def write_event_part(storage: Storage, part: EventPart) -> str:
    """Write an input's part, after its files; return its key."""
    head = {"version": part.version, "job": part.job, "about": part.about}
    values = [{"event": head, "counts": asdict(part.counts)}, *(r.to_fields() for r in part.rows)]
    key = event_part_key(part.key)
    storage.write(key, b"".join(dumped(value) + b"\n" for value in values))
    return key


def read_event_part(storage: Storage, key: str) -> EventPart | None:
    """Return the part of the input `key`, or None."""
    place = event_part_key(key)
    return _read(storage, place) if storage.exists(place) else None


def _read(storage: Storage, place: str) -> EventPart:
    """Read a part.

    Raises:
        InputError: it is none.
    """
    data = storage.read(place)
    with whole_record(storage, place):
        head, *lines = data.splitlines()
        found = tuple(parsed(lines))
        return EventPart(key=found[0].key, rows=found, **loaded(head)["event"])


def has_events(storage: Storage) -> bool:
    """Say whether an output has parts of events."""
    return next(iter(storage.list(_FOLDER)), None) is not None


def event_parts(storage: Storage) -> Iterator[EventPart]:
    """Yield all parts, many of them read at a time."""
    keys = (entry.key for entry in storage.list(_FOLDER))
    with ThreadPoolExecutor(_READERS) as pool:
        while some := list(islice(keys, _AHEAD)):
            yield from pool.map(partial(_read, storage), some)


class WithEvents(PassingStorage):
    """An output as if a run over all its inputs had just ended: its manifest holds the events.

    The manifest is made when the storage is, in a temporary file; nothing is written elsewhere.
    Memory: about 200 bytes an input.
    """

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._manifest = tempfile.NamedTemporaryFile(suffix=".parquet")  # noqa: SIM115 - held
        try:
            with (
                Path(self._manifest.name).open("wb") as file,
                tempfile.TemporaryFile() as spool,
            ):
                write_lines(file, _ordered(inner, spool), read_index_record(inner))
        except BaseException:
            self._manifest.close()
            raise

    def open_read(self, key: str) -> BinaryIO:
        if key == MANIFEST:
            return Path(self._manifest.name).open("rb")
        return super().open_read(key)

    def exists(self, key: str) -> bool:
        return key == MANIFEST or super().exists(key)


def _ordered(storage: Storage, spool: BinaryIO) -> Iterator[bytes]:
    """Yield the rows of events and of a run before them, as lines, in the order of the keys."""
    places: dict[str, tuple[int, int]] = {}

    def keep(key: str, some: Iterable[Row]) -> None:
        start = spool.tell()
        spool.writelines(dumped(row.to_fields()) + b"\n" for row in some)
        places[key] = start, spool.tell() - start

    for part in event_parts(storage):
        keep(part.key, part.rows)
    if storage.exists(MANIFEST):
        for _, group in groupby(rows(storage), key=attrgetter("source")):
            some = list(group)
            if some[0].key not in places:
                keep(some[0].key, some)
    for number, key in enumerate(sorted(places)):
        start, size = places[key]
        spool.seek(start)
        for line in spool.read(size).splitlines():
            yield dumped(loaded(line) | {"source": number}) + b"\n"
