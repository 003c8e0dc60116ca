"""What became of every input and how every output came about.

While a job runs, each shard leaves one *part*: JSON lines, written after the shard's files, so
that a part means that its files are there. At the end the parts are merged, in the order of the
sources, into ``manifest.parquet``; two runs that made the same files have the same manifest.

| column | meaning |
| --- | --- |
| source | number of the input file, in the order of the listing |
| key | its path inside the data set |
| status | output, copied (it belongs to no training split), quarantined or skipped |
| reason | why it was quarantined or skipped |
| source_sha256, split, label | of the input |
| variant, name | number of the variant, from 0; the names of its transforms |
| operations | JSON: what was drawn, with exact parameters |
| output, sha256, bytes, height, width | of the file that was written |
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from variegate.errors import InputError
from variegate.storage import Storage, key_from_text, key_to_text

if TYPE_CHECKING:
    import pyarrow as pa

Status = Literal["output", "copied", "quarantined", "skipped"]

MANIFEST = "manifest.parquet"
FOLDER = ".variegate"
_PARTS = f"{FOLDER}/parts"

# Rows in a row group: a few megabytes in memory, and pandas reads a column of it at once.
_GROUP_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One output, or one input that gave none. The columns are explained above."""

    source: int
    key: str
    status: Status
    reason: str | None = None
    source_sha256: str | None = None
    split: str | None = None
    label: str | None = None
    variant: int | None = None
    name: str | None = None
    operations: str | None = None
    output: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    height: int | None = None
    width: int | None = None

    def to_line(self) -> str:
        """Return the row as one line of JSON."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        fields["key"] = key_to_text(self.key)
        if self.output is not None:
            fields["output"] = key_to_text(self.output)
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Make a row from parsed JSON or from a row of the merged manifest."""
        fields = dict(fields, key=key_from_text(fields["key"]))
        if fields.get("output") is not None:
            fields["output"] = key_from_text(fields["output"])
        return cls(**fields)


@dataclass(slots=True)
class Counts:
    """What became of inputs, and how much came out.

    Attributes:
        augmented, copied, quarantined, skipped: inputs; their sum is all of them.
        outputs: files written, copies included.
        bytes: of those files.
    """

    augmented: int = 0
    copied: int = 0
    quarantined: int = 0
    skipped: int = 0
    outputs: int = 0
    bytes: int = 0

    @property
    def sources(self) -> int:
        """All inputs that are done."""
        return self.augmented + self.copied + self.quarantined + self.skipped

    def add(self, other: "Counts") -> None:
        """Count what `other` counts, too."""
        self.augmented += other.augmented
        self.copied += other.copied
        self.quarantined += other.quarantined
        self.skipped += other.skipped
        self.outputs += other.outputs
        self.bytes += other.bytes

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Count rows, which come ordered by source."""
        counts, last = cls(), None
        for row in rows:
            if row.bytes is not None:
                counts.outputs += 1
                counts.bytes += row.bytes
            if row.source != last:
                last = row.source
                counts.augmented += row.status == "output"
                counts.copied += row.status == "copied"
                counts.quarantined += row.status == "quarantined"
                counts.skipped += row.status == "skipped"
        return counts


def write_part(storage: Storage, start: int, stop: int, rows: Iterable[Row]) -> str:
    """Write the part of the sources from `start` to before `stop`; return its key."""
    key = f"{_PARTS}/{start:012d}-{stop:012d}.jsonl"
    text = "".join(f"{row.to_line()}\n" for row in rows)
    storage.write(key, text.encode("utf-8"))
    return key


def read_part(storage: Storage, key: str) -> Iterator[Row]:
    """Yield the rows of a part."""
    with storage.open_read(key) as lines:
        for line in lines:
            yield Row.from_fields(json.loads(line))


def parts(storage: Storage) -> Iterator[tuple[int, int, str]]:
    """Yield (start, stop, key) of the parts that count, by start.

    A source may stand in two parts: its shard was taken apart after the worker died, and the
    worker had after all just written the whole. The first that covers it counts.
    """
    reached = 0
    for entry in storage.list(_PARTS):
        start, stop = (int(number) for number in _name(entry.key).split("-"))
        if start >= reached:
            reached = stop
            yield start, stop, entry.key


def _name(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".jsonl")


def gaps(storage: Storage, total: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (start, stop) of sources below `total` that no part covers."""
    reached = 0
    for start, stop, _ in parts(storage):
        if start > reached:
            yield reached, start
        reached = stop
    if reached < total:
        yield reached, total


def merge(storage: Storage) -> None:
    """Write the manifest from the parts, then delete them."""
    import pyarrow.parquet as pq

    with (
        storage.open_write(MANIFEST) as file,
        pq.ParquetWriter(file, _schema(), compression="zstd") as writer,
    ):
        group: list[Row] = []
        for row in part_rows(storage):
            group.append(row)
            if len(group) == _GROUP_ROWS:
                writer.write_table(_table(group))
                group.clear()
        writer.write_table(_table(group))
    for entry in storage.list(_PARTS):
        storage.delete(entry.key)


def part_rows(storage: Storage) -> Iterator[Row]:
    """Yield the rows of all parts, ordered by source."""
    for _, _, key in parts(storage):
        yield from read_part(storage, key)


def digest(rows: Iterable[Row]) -> str:
    """Return one digest of all outputs: equal for two runs that made the same files.

    Args:
        rows: in the manifest's order.
    """
    total = hashlib.sha256()
    for row in rows:
        if row.output is not None:
            total.update(f"{key_to_text(row.output)}\t{row.sha256}\n".encode())
    return total.hexdigest()


def _schema() -> "pa.Schema":
    import pyarrow as pa

    numbers = {"source": pa.int64(), "bytes": pa.int64()}
    numbers |= {"variant": pa.int32(), "height": pa.int32(), "width": pa.int32()}
    return pa.schema([(name, numbers.get(name, pa.string())) for name in Row.__dataclass_fields__])


def _table(rows: list[Row]) -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_pylist([json.loads(row.to_line()) for row in rows], schema=_schema())


def rows(storage: Storage) -> Iterator[Row]:
    """Yield the rows of a finished output, without holding them all.

    Raises:
        InputError: there is no manifest.
    """
    import pyarrow.parquet as pq

    if not storage.exists(MANIFEST):
        raise InputError(
            f"{storage.url}: no {MANIFEST} there; is it a finished output of variegate?"
        )
    with storage.open_read(MANIFEST) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_GROUP_ROWS):
            for fields in batch.to_pylist():
                yield Row.from_fields(fields)
