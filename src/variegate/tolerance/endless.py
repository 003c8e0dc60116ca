"""Synthesis without an end: one numbered set after the other, until somebody or the disk says stop.

Each set is a dataset of its own, `OUT/000001`, `OUT/000002`, ..., with its manifest; they differ by
their seeds only, which follow from the seed and the number. So a set that is finished may be used
while others are made, and every one can be resumed, verified and rebuilt.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from variegate.errors import UsageError
from variegate.runs import manifest
from variegate.runs.run import Options, Prepared, Progress
from variegate.seeding import generator
from variegate.storage import open_storage
from variegate.tolerance.result import Tolerance
from variegate.tolerance.synthesis import Synthesis, SynthesisSummary, synthesize

#: Left free on the disk, whatever the limit.
RESERVE_BYTES = 1 << 30

_ARCHIVES = (".zip", ".tar")
_DIGITS = 6


class DiskLimitReached(KeyboardInterrupt):
    """The disk limit was reached; the message says where. It stops a run as Ctrl-C does."""


@dataclass(slots=True)
class _Budget:
    """What may still be written.

    Attributes:
        place: folder of all sets.
        limit: bytes of all sets; None for as many as the disk has.
        used: of finished sets.
    """

    place: str
    limit: int | None
    used: int = 0

    def check(self, more: int = 0) -> None:
        """Raise if no more may be written.

        Args:
            more: bytes of the set that is being made.
        """
        if self.limit is not None and self.used + more >= self.limit:
            raise DiskLimitReached(f"{self.place}: {self.used + more:,} bytes, the disk limit")
        folder = Path(self.place)
        if "://" not in self.place:
            while not folder.exists():
                folder = folder.parent
            if shutil.disk_usage(folder).free < RESERVE_BYTES:
                raise DiskLimitReached(f"{self.place}: less than 1 GB is left on its disk")


def synthesize_endlessly(
    source: str | Path,
    output: str | Path,
    tolerance: Tolerance | str | Path,
    *,
    synthesis: Synthesis | None = None,
    options: Options | None = None,
    allow_leaks: bool = False,
    limit_bytes: int | None = None,
    on_start: Callable[[Prepared], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[SynthesisSummary]:
    """Make one set after the other; yield what was made of each as it is finished.

    Sets that are finished already are not made again.

    Args:
        source, tolerance, options, allow_leaks: as for `synthesize`.
        output: a folder or bucket, of which every set is a folder.
        synthesis: what is to be made in each set.
        limit_bytes: of all sets; None for as many as the disk has.
        on_start, on_progress: as for `synthesize`, of each set.

    Raises:
        DiskLimitReached: it is; a set may be unfinished, and is resumed by the same call.
        UsageError: input, output, tolerance or an option is not right.
    """
    wanted = synthesis or Synthesis()
    if str(output).lower().endswith(_ARCHIVES):
        raise UsageError("--forever: expected a folder or bucket for OUT, got an archive")
    budget = _Budget(str(output), limit_bytes)

    def tell(progress: Progress) -> None:
        budget.check(progress.counts.bytes)
        if on_progress:
            on_progress(progress)

    for number in count(_first(str(output), budget)):
        budget.check()
        made = synthesize(
            source,
            place_of(str(output), number),
            tolerance,
            synthesis=replace(wanted, seed=seed_of(wanted.seed, number)),
            options=options,
            allow_leaks=allow_leaks,
            on_start=on_start,
            on_progress=tell,
        )
        budget.used += made.run.counts.bytes
        yield made
        if not made.made:
            raise UsageError(
                f"{made.run.output}: nothing was made; see its manifest for reasons. With a "
                "filter, allow more retries or wider bounds"
            )


def place_of(output: str, number: int) -> str:
    """Return where a set is, from 1."""
    return f"{output.rstrip('/')}/{number:0{_DIGITS}d}"


def seed_of(seed: int, number: int) -> int:
    """Return the seed of a set."""
    return int(generator(seed, "synthesize", number).integers(2**63))


def _first(output: str, budget: _Budget) -> int:
    """Return the number of the last finished set, or 1: that it is of this job is checked again."""
    last = 0
    for number in count(1):
        place = place_of(output, number)
        there = "://" in place or Path(place).exists()
        if not there or not (storage := open_storage(place)).exists(manifest.MANIFEST):
            # The last one is counted when it is looked at again.
            budget.used -= last
            return max(1, number - 1)
        last = manifest.totals(storage).counts.bytes
        budget.used += last
    raise AssertionError  # there is no last number
