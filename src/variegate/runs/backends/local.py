"""The local back end: worker processes on this machine."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from variegate.runs.backends.base import Backend, OnCounts
from variegate.runs.backends.pool import Pool
from variegate.runs.job import Job, Report, Shard
from variegate.runs.rows import Counts
from variegate.runs.worker import run_shard


def default_workers() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBackend(Backend):
    """Worker processes on this machine.

    Attributes:
        workers: processes; 0 for none but this one, None for one a processor.
    """

    workers: int | None = None

    LEAST = {"workers": 0}  # noqa: RUF012

    @contextmanager
    def opened(self, job: Job) -> "Iterator[_Local]":
        """Nothing needs to be made ready."""
        workers = default_workers() if self.workers is None else self.workers
        yield _Local(job, workers, self.silence_limit_s, parallel=max(1, workers))


@dataclass(frozen=True, slots=True)
class _Local:
    """The back end at work on a job."""

    job: Job
    workers: int
    silence_limit_s: float
    parallel: int

    def run(self, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
        """Run shards."""
        if self.workers == 0:
            yield from _run_here(self.job, shards, on_progress)
            return
        limit_s = self.silence_limit_s
        with closing(Pool(self.job, size=self.workers, silence_limit_s=limit_s)) as pool:
            yield from pool.run(shards, on_progress)


def _run_here(job: Job, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
    for shard in shards:
        done = Counts()

        def tell(counts: Counts, done: Counts = done) -> None:
            done.add(counts)
            on_progress(done)

        yield run_shard(job, shard, on_progress=tell)
