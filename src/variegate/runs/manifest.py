"""What became of every input and how every output came about.

While a job runs, each shard leaves one *part*: JSON lines, written after the shard's files, so
that a part means that its files are there. At the end the parts are merged, in the order of the
sources, into ``manifest.parquet``; two runs that made the same files have the same manifest.

Its columns are those of `variegate.runs.rows`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from variegate.annotations.annotation import Annotation
from variegate.errors import InputError, OutputError
from variegate.formats import Item
from variegate.runs.rows import COLUMN_NAMES, COLUMNS, Counts, Row
from variegate.storage import (
    Entry,
    LocalStorage,
    ObjectStorage,
    Storage,
    key_to_text,
)
from variegate.storage.json import dumped, loaded

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MANIFEST = "manifest.parquet"
FOLDER = ".variegate"
INDEX = f"{FOLDER}/index.json"
_PARTS = f"{FOLDER}/parts"
_PART_NAME = re.compile(rf"{re.escape(_PARTS)}/(\d+)-(\d+)\.jsonl")

# Rows in a row group: what is in memory at a time, 1 kB each. Larger groups save less than 1%.
_GROUP_ROWS = 2_000

# Where the Parquet file holds its totals.
_TOTALS = "variegate"


# What is raised where values are others than those that were written.
_NO_RECORD = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError),
    msgspec.MsgspecError,
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a finished manifest says in sum.

    Attributes:
        counts: of inputs and outputs.
        digest: of all outputs: equal for two runs that made the same files. Annotations are in it
            in whatever file the format keeps them: beside the image, or in one for the whole set.
        transient: inputs whose files could not be read just then.
    """

    counts: Counts
    digest: str
    transient: int = 0


def part_key(start: int, stop: int) -> str:
    """Return the key of the part of the sources from `start` to before `stop`."""
    return f"{_PARTS}/{start:012d}-{stop:012d}.jsonl"


def write_part(storage: Storage, start: int, stop: int, rows: Iterable[Row]) -> str:
    """Write the part of the sources from `start` to before `stop`; return its key.

    Its first line holds the counts: whoever wants to know how far a run is reads no further.
    """
    key = part_key(start, stop)
    written = list(rows)
    values = [asdict(Counts.of(written)), *(row.to_fields() for row in written)]
    storage.write(key, b"".join(dumped(value) + b"\n" for value in values))
    return key


def read_part(storage: Storage, key: str) -> Iterator[Row]:
    """Yield the rows of a part."""
    with whole_record(storage, key):
        yield from parsed(_lines(storage, key))


def parsed(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the rows that lines of a part hold.

    Raises:
        TypeError, msgspec.ValidationError: one holds something else.
    """
    for line in lines:
        yield Row.from_fields(loaded(line))


@contextmanager
def whole_record(storage: Storage, key: str) -> Iterator[None]:
    """Say in a sentence that a record of ours, read inside the block, is none.

    Raises:
        InputError: it is not JSON, or other values than a record has.
    """
    try:
        yield
    except _NO_RECORD as error:
        raise InputError(
            f"{storage.place(key)}: damaged, not what variegate writes there "
            f"({type(error).__name__}); delete this file and run the same command again"
        ) from error


def read_counts(storage: Storage, key: str) -> Counts:
    """Return the counts of a part, without reading its rows."""
    with storage.open_read(key) as lines, whole_record(storage, key):
        return _counts(json.loads(lines.readline()))


def _counts(data: Any) -> Counts:
    """Return counts from their JSON values; anything else raises a TypeError."""
    if any(type(data[name]) is not int for name in Counts.__dataclass_fields__):
        raise TypeError("no counts")
    return Counts(**data)


def _lines(storage: Storage, key: str) -> Iterator[bytes]:
    """Yield the lines of a part's rows."""
    with storage.open_read(key) as lines:
        if not lines.readline():
            raise InputError(
                f"{storage.place(key)}: empty; delete this file and run the same command again"
            )
        yield from lines


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a manifest, or what counts of it.

    Attributes:
        start, stop: the sources that count.
        key: of the file.
        modified: when it was written, seconds since 1970; None where the storage does not tell.
        whole: whether the file holds no other sources.
    """

    start: int
    stop: int
    key: str
    modified: float | None = None
    whole: bool = True

    def counts(self, storage: Storage) -> Counts:
        """Return the counts of the sources that count."""
        if self.whole:
            return read_counts(storage, self.key)
        return Counts.of(parsed(self.lines(storage)))

    def lines(self, storage: Storage) -> Iterator[bytes]:
        """Yield the lines of the sources that count.

        Raises:
            InputError: one is no row, or there is a source without one.
        """
        reached = self.start - 1
        for line in _lines(storage, self.key):
            with whole_record(storage, self.key):
                source = Row.from_fields(loaded(line)).source
                if source >= self.start:
                    if source not in (reached, reached + 1) or source >= self.stop:
                        raise ValueError("not in order")
                    reached = source
            if source >= self.start:
                yield line
        if reached != self.stop - 1:
            raise InputError(
                f"{storage.place(self.key)}: damaged, it ends at input {reached:,} and not at "
                f"{self.stop - 1:,}; delete this file and run the same command again"
            )


def parts(storage: Storage) -> Iterator[Part]:
    """Yield the parts that count, by start.

    A source may stand in two parts: its shard was taken apart after the worker died, and the
    worker had after all just written the whole; or a node was lost, and another took a shard apart
    at another place. The first that covers it counts.
    """
    yield from _counting(storage.list(_PARTS))


def _counting(entries: Iterable[Entry]) -> Iterator[Part]:
    reached = 0
    for entry in entries:
        found = _PART_NAME.fullmatch(entry.key)
        if found is None:
            # A copy that a file manager made, for example.
            continue
        start, stop = map(int, found.groups())
        if stop > reached:
            first, reached = max(start, reached), stop
            yield Part(first, stop, entry.key, entry.modified, whole=first == start)


def gaps(storage: Storage, total: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (start, stop) of sources below `total` that no part covers."""
    return missing(parts(storage), total)


def missing(found: Iterable[Part], total: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (start, stop) of sources below `total` that none of these parts covers."""
    reached = 0
    for part in found:
        if part.start > reached:
            yield reached, part.start
        reached = part.stop
    if reached < total:
        yield reached, total


def part_rows(storage: Storage, chosen: Iterable[Part] | None = None) -> Iterator[Row]:
    """Yield the rows of all parts, or of those `chosen`, ordered by source."""
    yield from parsed(_part_lines(storage, parts(storage) if chosen is None else chosen))


def _part_lines(storage: Storage, chosen: Iterable[Part]) -> Iterator[bytes]:
    for part in chosen:
        yield from part.lines(storage)


def merge(storage: Storage, chosen: Iterable[Part] | None = None) -> None:
    """Write the manifest from the parts, unless one is there that tells of as many sources.

    Safe without a lock. The parts are listed once: one that another run has deleted since is an
    error, and then nothing is written. Of two runs that merge all parts the first writes.

    Args:
        storage: the output.
        chosen: the parts; None for all that are there.

    Raises:
        InputError: a part has vanished, or is damaged.
        OutputError: what was written cannot be read back.
    """
    listed = list(parts(storage) if chosen is None else chosen)
    sources = _covered(listed)
    there = sources_told(storage)
    if there is not None and there >= sources:
        return
    # What tells of fewer is no manifest of these results: it is damaged, or of a run cut short.
    with storage.open_write(MANIFEST, replace=there is not None) as file:
        write_lines(file, _part_lines(storage, listed), read_index_record(storage))
    _check_written(storage, sources)


def _covered(listed: Iterable[Part]) -> int:
    return sum(part.stop - part.start for part in listed)


def sources_told(storage: Storage) -> int | None:
    """Return of how many sources the manifest tells: 0 if it is damaged, None if there is none."""
    if not storage.exists(MANIFEST):
        return None
    try:
        return totals(storage).counts.sources
    except InputError:
        return 0


def is_whole(storage: Storage, total: int) -> bool:
    """Say whether the manifest is there and tells of all of `total` sources."""
    told = sources_told(storage)
    return told is not None and told >= total


def _check_written(storage: Storage, sources: int) -> None:
    """Make sure that the manifest can be read, and tells of enough.

    Raises:
        OutputError: it does not.
    """
    told = sources_told(storage) or 0
    if told < sources:
        raise OutputError(
            f"{storage.place(MANIFEST)}: tells of {told:,} of {sources:,} inputs; the parts that "
            "tell of all are kept; run the same command again"
        )


def prepare_merge() -> None:
    """Load what `merge` needs, while others work: it takes as long as some images do."""
    Thread(target=_load).start()


def _load() -> None:
    # If it cannot be loaded, who needs it will say so.
    with suppress(ImportError):
        import pyarrow.json
        import pyarrow.parquet  # noqa: F401


def write_lines(file: BinaryIO, lines: Iterator[bytes], index: Mapping[str, str]) -> None:
    """Write a manifest.

    Args:
        file: where to.
        lines: of rows, as in parts, ordered by source.
        index: digests of the files that belong to the whole set, as `read_index_record` gives them.
    """
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, _schema(), compression="zstd") as writer:

        def written() -> Iterator[Row]:
            while group := list(islice(lines, _GROUP_ROWS)):
                yield from parsed(group)
                writer.write_table(_table(group))

        writer.add_key_value_metadata({_TOTALS: json.dumps(asdict(summed(written(), index)))})


def delete_parts(storage: Storage) -> None:
    """Delete the parts of a manifest that is written, after reading it back.

    Raises:
        OutputError: it tells of fewer sources than they do.
    """
    entries = list(storage.list(_PARTS))
    if entries:
        _check_written(storage, _covered(_counting(entries)))
    for entry in entries:
        storage.delete(entry.key)


def forget_parts(storage: Storage) -> None:
    """Delete the parts of a run that will not go on."""
    for entry in list(storage.list(_PARTS)):
        storage.delete(entry.key)


def may_reopen(storage: Storage) -> bool:
    """Say whether a finished output has inputs to be tried again, and can take their results.

    Archives cannot, nor can folders of tar files: their results are packed.
    """
    if not isinstance(storage, ObjectStorage) and type(storage) is not LocalStorage:
        return False
    return totals(storage).transient > 0


def reopen(storage: Storage) -> bool:
    """Turn the manifest back into parts, without the inputs to be tried again; say whether it was.

    It may be stopped at any moment: first the parts are written, then the manifest goes.
    """
    if not may_reopen(storage):
        return False
    for group in _groups(rows(storage)):
        write_part(storage, group[0].source, group[-1].source + 1, group)
    storage.delete(MANIFEST)
    return True


def _groups(some: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows of sources that follow each other, none of which is to be tried again."""
    group: list[Row] = []
    for row in some:
        apart = group and row.source != group[-1].source
        if apart and (row.source > group[-1].source + 1 or len(group) >= _GROUP_ROWS):
            yield group
            group = []
        if not row.transient:
            group.append(row)
    if group:
        yield group


def write_index_record(storage: Storage, keys: Iterable[str]) -> None:
    """Write down the digests of the files that belong to the whole set (``.variegate/index.json``).

    Args:
        storage: the output.
        keys: of those files.
    """
    digests = {}
    for key in keys:
        with storage.open_read(key) as file:
            digests[key_to_text(key)] = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    storage.write(INDEX, json.dumps(digests, indent=2).encode())


def read_index_record(storage: Storage) -> dict[str, str]:
    """Return what `write_index_record` wrote, keys as text."""
    if not storage.exists(INDEX):
        return {}
    with whole_record(storage, INDEX):
        digests = json.loads(storage.read(INDEX))
        return {key: str(digest) for key, digest in digests.items()}


def items(storage: Storage, chosen: Iterable[Part] | None = None) -> Iterator[Item]:
    """Yield every output as a writer sees it, from the parts."""
    for row in part_rows(storage, chosen):
        if row.output is None:
            continue
        annotation = loaded(row.annotation) if row.annotation else None
        yield Item(
            key=row.output,
            split=row.split,
            label=row.label,
            size=(row.height or 0, row.width or 0),
            annotation=None if annotation is None else Annotation.from_json(annotation),
            source=row.key,
        )


def summed(rows: Iterable[Row], index: Mapping[str, str]) -> Totals:
    """Return the totals of rows.

    Args:
        rows: in the manifest's order.
        index: digests of the files that belong to the whole set, as `read_index_record` gives them.
    """
    digest = hashlib.sha256()
    transient = 0

    def digested() -> Iterator[Row]:
        nonlocal transient
        for row in rows:
            # Such a source has one row.
            transient += row.transient is True
            if row.output is not None:
                image = {key_to_text(row.output): row.sha256 or ""}
                digest.update(_digested_files(image | row.sidecar_digests))
            yield row

    counts = Counts.of(digested())
    digest.update(_digested_files(dict(sorted(index.items()))))
    return Totals(counts, digest.hexdigest(), transient)


def _digested_files(files: Mapping[str, str]) -> bytes:
    return "".join(f"{key}\t{digest}\n" for key, digest in files.items()).encode()


def _schema() -> "pa.Schema":
    import pyarrow as pa

    numbers = {"source": pa.int64(), "bytes": pa.int64()}
    small = ("variant", "height", "width", "identical")
    objects = ("objects", "objects_left_out", "objects_written")
    numbers |= dict.fromkeys((*small, *objects), pa.int32())
    others = numbers | {"transient": pa.bool_(), "predicted_error": pa.float64()}
    return pa.schema([(name, others.get(name, pa.string())) for name in COLUMNS])


def _table(lines: list[bytes]) -> "pa.Table":
    # Not Table.from_pylist: it imports pandas where that is installed, 45 MB and half a second.
    import pyarrow as pa
    import pyarrow.json as pj

    text = b"".join(lines)
    return pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text)),
        parse_options=pj.ParseOptions(explicit_schema=_schema(), unexpected_field_behavior="error"),
    )


@contextmanager
def opened(storage: Storage, key: str = MANIFEST) -> Iterator["pq.ParquetFile"]:
    """Open the manifest of a finished output.

    Raises:
        InputError: there is no manifest.
    """
    import pyarrow.parquet as pq

    if not storage.exists(key):
        raise InputError(f"{storage.url}: no {key} there; is it a finished output of variegate?")
    with storage.open_read(key) as file:
        with whole_record(storage, key):
            # Without pre_buffer: or all groups to come would be read ahead, and kept.
            table = pq.ParquetFile(file, pre_buffer=False)
            if not {"source", "key", "status"} <= set(table.schema_arrow.names) <= COLUMN_NAMES:
                raise KeyError("columns")
        yield table


def rows(storage: Storage, key: str = MANIFEST) -> Iterator[Row]:
    """Yield the rows of a finished output, without holding them all.

    Raises:
        InputError: there is no manifest.
    """
    with opened(storage, key) as table:
        for batch in table.iter_batches(batch_size=_GROUP_ROWS, use_threads=False):
            for fields in batch.to_pylist():
                yield Row.from_fields(fields)


def totals(storage: Storage) -> Totals:
    """Return the totals of a finished output.

    Raises:
        InputError: there is no manifest.
    """
    with opened(storage) as table, whole_record(storage, MANIFEST):
        data = json.loads(table.metadata.metadata[_TOTALS.encode()])
        return Totals(_counts(data["counts"]), str(data["digest"]), int(data.get("transient", 0)))
