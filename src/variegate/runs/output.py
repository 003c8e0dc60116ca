"""A finished output: opened, and its manifest read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from variegate.errors import InputError
from variegate.runs.event_manifest import WithEvents, has_events
from variegate.runs.identity import JOB, read_record
from variegate.runs.manifest import MANIFEST, opened
from variegate.storage import Storage, open_storage

if TYPE_CHECKING:
    import pyarrow as pa


def open_output(output: str | Path) -> Storage:
    """Open an output that has a manifest, or parts of one that events wrote.

    Raises:
        InputError: it is none, not finished, or another version of variegate wrote it.
    """
    storage = open_storage(output)
    if storage.exists(JOB):
        read_record(storage.read(JOB), storage.url)
    if has_events(storage):
        return WithEvents(storage)
    if storage.exists(MANIFEST):
        return storage
    if storage.exists(JOB):
        raise InputError(
            f"{output}: its run is not finished (no {MANIFEST} yet); "
            "run the same command again to resume"
        )
    raise InputError(f"{output}: not an output of variegate: it holds no {MANIFEST}")


def is_output(storage: Storage) -> bool:
    """Say whether a place holds an output whose manifest can be read."""
    return storage.exists(MANIFEST) or has_events(storage)


def read_manifest(
    output: str | Path,
    *,
    columns: Sequence[str] | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
) -> "pa.Table":
    """Read the manifest of a finished output; see `variegate.runs.manifest` for its columns.

    Args:
        output: a folder or zip file that variegate wrote.
        columns: only these.
        where: only rows with one of these values in a column, such as
            {"status": ["quarantined", "skipped"]}.

    Raises:
        InputError: there is no manifest.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    where = where or {}
    with opened(open_output(output)) as parquet:
        # Group by group, and not with pyarrow's own filters: those start threads on which the
        # process sometimes aborts at its end (pyarrow 26).
        schema = parquet.schema_arrow
        wanted = schema.names if columns is None else list(columns)
        read = list(dict.fromkeys([*wanted, *where]))
        batches = []
        for batch in parquet.iter_batches(columns=read, use_threads=False):
            for name, values in where.items():
                known = pa.array(values, schema.field(name).type)
                batch = batch.filter(pc.is_in(batch[name], value_set=known))
            batches.append(batch.select(wanted))
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in wanted]))
