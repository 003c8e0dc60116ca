"""Shards on their way to workers on other machines: files in the output that hold some shards each.

Keys and annotations of millions of sources fit into no message and no one's memory. They go from
the run's list into files, one after the other, and a worker reads the file it needs: what the run
keeps of a shard is its place.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from variegate.errors import UsageError
from variegate.runs.job import Shard
from variegate.runs.manifest import FOLDER
from variegate.storage import Storage
from variegate.storage.json import dumped, loaded

_PARCELS = f"{FOLDER}/parcels"

# Reading so much costs a worker some 50 ms, once in a task. A task has the shards of one file at
# most, and takes 20 kB of the run's memory.
FILE_BYTES = 2 << 20
MOST_SHARDS = 50


class ParcelPlace(NamedTuple):
    """Where a shard, or a part of one, is to be found.

    Attributes:
        key: of the file.
        line: of the shard in it.
        start, stop: the sources that are meant.
    """

    key: str
    line: int
    start: int
    stop: int

    def one_by_one(self) -> Iterator["ParcelPlace"]:
        """Yield the places of its sources."""
        for number in range(self.start, self.stop):
            yield self._replace(start=number, stop=number + 1)


def write_parcels(storage: Storage, shards: Iterable[Shard]) -> list[ParcelPlace]:
    """Write shards into files; return where they are.

    Raises:
        OutputError: they cannot be written.
    """
    places: list[ParcelPlace] = []
    for key, data, found in _files(shards):
        storage.write_later(key, data)
        places += found
    storage.flush()
    return places


def _files(shards: Iterable[Shard]) -> Iterator[tuple[str, bytes, list[ParcelPlace]]]:
    """Yield keys, contents, and where shards are in them."""
    lines: list[bytes] = []
    found: list[ParcelPlace] = []
    key, size = "", 0
    for shard in shards:
        if not lines:
            key = f"{_PARCELS}/{shard.start:012d}.jsonl"
        lines.append(dumped(shard.to_json()))
        found.append(ParcelPlace(key, len(found), shard.start, shard.stop))
        size += len(lines[-1])
        if size >= FILE_BYTES or len(lines) == MOST_SHARDS:
            yield key, b"\n".join(lines), found
            lines, found, size = [], [], 0
    if lines:
        yield key, b"\n".join(lines), found


def read_parcel(storage: Storage, key: str, places: Iterable[ParcelPlace]) -> Iterator[Shard]:
    """Yield what is at places of one file.

    Raises:
        InputError: the file cannot be read.
    """
    lines = storage.read(key).split(b"\n")
    for place in places:
        shard = Shard.from_json(loaded(lines[place.line]))
        yield shard.part(place.start, place.stop)


def delete_parcels(storage: Storage) -> None:
    """Delete all such files; what cannot be deleted stays, for it does no harm."""
    with suppress(UsageError):
        for entry in storage.list(_PARCELS):
            storage.delete(entry.key)
