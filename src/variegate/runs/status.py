"""How far a run is, read from its output alone: wherever it runs, and whoever asks.

The record says how many inputs there are, the parts of the manifest which of them are done, their
first lines what became of them, and the times at which they were written how fast it goes.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from variegate.errors import InputError
from variegate.runs import manifest
from variegate.runs.event_manifest import WithEvents, has_events
from variegate.runs.identity import JOB, read_record
from variegate.runs.manifest import Part
from variegate.runs.rows import Counts
from variegate.storage import Storage, is_archive_name, open_storage, printable

# What was written so long before the last part tells the rate: long enough to be steady, short
# enough to follow a cluster that grows.
_WINDOW_S = 600.0

# Parts whose first lines are read at a time.
_READERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a run is.

    Attributes:
        output: where.
        finished: whether all is done, and the manifest written.
        total: inputs in all.
        counts: of what is done.
        rate: inputs a second, of late; None where that cannot be told yet.
        remaining_s: seconds until the end at that rate; None where that cannot be told.
        silent_s: seconds since something was written last; None where that cannot be told.
        digest: of all outputs, of a finished run.
        events: whether inputs came one by one: then nobody knows how many will, and what is told
            is all that is done so far.
    """

    output: str
    finished: bool
    total: int
    counts: Counts
    rate: float | None = None
    remaining_s: float | None = None
    silent_s: float | None = None
    digest: str | None = None
    events: bool = False


def status(output: str | Path) -> Status:
    """Tell how far a run is, from its output.

    Raises:
        InputError: there is no run's output.
    """
    return Observer(output).look()


class Observer:
    """Looks at an output again and again; reads only what is new."""

    def __init__(self, output: str | Path) -> None:
        self._output = str(output)
        self._known: dict[Part, Counts] = {}

    def look(self) -> Status:
        """Tell how far the run is now.

        Raises:
            InputError: there is no run's output.
        """
        storage = _opened(self._output)
        events = has_events(storage)
        total = 0 if events else _total(storage)
        if events or storage.exists(manifest.MANIFEST):
            totals = manifest.totals(WithEvents(storage) if events else storage)
            return Status(
                output=self._output,
                finished=True,
                total=totals.counts.sources if events else total,
                counts=totals.counts,
                digest=totals.digest,
                events=events,
            )
        parts = list(manifest.parts(storage))
        self._read(storage, [part for part in parts if part not in self._known])
        counts = Counts()
        for part in parts:
            counts.add(self._known[part])
        found = Status(output=self._output, finished=False, total=total, counts=counts)
        return _with_times(found, parts)

    def _read(self, storage: Storage, parts: Sequence[Part]) -> None:
        with ThreadPoolExecutor(_READERS) as pool:
            told = pool.map(lambda part: part.counts(storage), parts)
            self._known |= dict(zip(parts, told, strict=True))


def _opened(output: str) -> Storage:
    if "://" in output:
        return open_storage(output)
    path = Path(output)
    beside = path.with_name(f"{path.name}.unpacked")
    # A zip file is written at the end.
    collecting = is_archive_name(path.name) and not path.exists() and beside.exists()
    return open_storage(beside if collecting else output)


def _total(storage: Storage) -> int:
    if not storage.exists(JOB):
        raise InputError(
            f"{printable(storage.url)}: no {JOB} there; is it the output of variegate augment?"
        )
    record = read_record(storage.read(JOB), storage.url)
    return int((record.get("input_files") or {}).get("files", 0))


def _with_times(found: Status, parts: Sequence[Part]) -> Status:
    """Add what the times of parts tell."""
    written = sorted((part.modified, part.stop - part.start) for part in parts if part.modified)
    if not written:
        return found
    last = written[-1][0]
    late = [(when, count) for when, count in written if when > last - _WINDOW_S]
    # What the first of them took is not known.
    seconds, sources = last - late[0][0], sum(count for _, count in late[1:])
    rate = sources / seconds if seconds > 0 else None
    left = found.total - found.counts.sources
    return replace(
        found,
        rate=rate,
        remaining_s=left / rate if rate else None,
        silent_s=max(0.0, time.time() - last),
    )
