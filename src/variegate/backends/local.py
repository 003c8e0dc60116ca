"""The local back end: worker processes on this machine.

Workers are programs of their own (`variegate.backends.worker`), not forks: a script that calls
`variegate.augment` needs no ``if __name__ == "__main__"``, and a worker that is killed or crashes
takes nothing with it. Its shard is then taken apart into single sources; a source on which a
worker dies twice is quarantined.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from variegate import errors
from variegate.job import Job, Report, Shard, quarantine_shard, run_shard
from variegate.manifest import Counts

# A worker says something after every output; one so long silent hangs in a decoder.
SILENCE_LIMIT_S = 600.0

_DEATHS_ALLOWED = 1
_STARTS_ALLOWED = 3


def default_workers() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    job: Job,
    shards: Iterable[Shard],
    *,
    workers: int,
    on_progress: Callable[[Counts], None] | None = None,
    silence_limit_s: float = SILENCE_LIMIT_S,
) -> Iterator[Report]:
    """Run shards on this machine.

    Args:
        job: what is to be done.
        shards: read as they are needed.
        workers: processes; 0 for none but this one.
        on_progress: told what shards that are not reported yet have done so far.
        silence_limit_s: a worker silent for so long is killed, and its shard taken apart.

    Yields:
        A report for every shard, or for each of its parts, as they are done.

    Raises:
        UsageError: the input or output as a whole cannot be used.
    """
    if workers == 0:
        for shard in shards:
            yield run_shard(job, shard)
        return
    with _Pool(job, iter(shards), workers, on_progress, silence_limit_s) as pool:
        yield from pool.reports()


@dataclass(eq=False)
class _Worker:
    """A worker process and what it is doing."""

    process: "subprocess.Popen[bytes]"
    log: Any
    shard: Shard | None = None
    deaths: int = 0
    ready: bool = False
    done: Counts = field(default_factory=Counts)
    heard: float = field(default_factory=time.monotonic)
    pending: bytes = b""

    @classmethod
    def start(cls, job: Job) -> Self:
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        process = subprocess.Popen(
            [sys.executable, "-m", "variegate.backends.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        worker = cls(process, log)
        worker.send(job.to_json())
        return worker

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        # A worker that has just died is noticed by the end of its output.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def read(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come, or None at the end."""
        assert self.process.stdout is not None
        chunk = os.read(self.process.stdout.fileno(), 1 << 16)
        if not chunk:
            return None
        *lines, self.pending = (self.pending + chunk).split(b"\n")
        self.heard = time.monotonic()
        return [json.loads(line) for line in lines]

    def cause_of_death(self) -> str:
        code = self.process.wait()
        if code < 0:
            hint = ": out of memory?" if -code == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}"
        return f"ended with exit code {code}"

    def last_words(self) -> str:
        """Return the last line of the worker's error output."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            # What was still to be sent cannot be any more.
            with suppress(OSError):
                if stream is not None:
                    stream.close()


class _Pool:
    """Worker processes, and the shards they are given."""

    def __init__(
        self,
        job: Job,
        shards: Iterator[Shard],
        size: int,
        on_progress: Callable[[Counts], None] | None,
        silence_limit_s: float,
    ) -> None:
        self._job = job
        self._shards = shards
        self._again: deque[tuple[Shard, int]] = deque()
        self._size = size
        self._on_progress = on_progress
        self._silence_limit_s = silence_limit_s
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.stop()
        self._selector.close()

    def reports(self) -> Iterator[Report]:
        """Run everything."""
        while True:
            self._assign()
            if not any(worker.shard for worker in self._workers):
                return
            for key, _ in self._selector.select(timeout=1.0):
                yield from self._hear(key.data)
            for worker in self._workers:
                if worker.shard and time.monotonic() - worker.heard > self._silence_limit_s:
                    worker.process.kill()
            if self._on_progress:
                in_flight = Counts()
                for worker in self._workers:
                    in_flight.add(worker.done)
                self._on_progress(in_flight)

    def _next(self) -> tuple[Shard, int] | None:
        if self._again:
            return self._again.popleft()
        shard = next(self._shards, None)
        return (shard, 0) if shard else None

    def _assign(self) -> None:
        """Give every idle worker a shard; start workers while there is work for them."""
        idle = [worker for worker in self._workers if worker.shard is None]
        while idle or len(self._workers) < self._size:
            work = self._next()
            if work is None:
                return
            worker = idle.pop() if idle else self._start()
            worker.shard, worker.deaths = work
            worker.heard = time.monotonic()
            worker.send(worker.shard.to_json())

    def _start(self) -> _Worker:
        worker = _Worker.start(self._job)
        self._workers.append(worker)
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _hear(self, worker: _Worker) -> Iterator[Report]:
        messages = worker.read()
        if messages is None:
            yield from self._bury(worker)
            return
        for message in messages:
            if "progress" in message:
                worker.done.add(Counts(**message["progress"]))
            elif "report" in message:
                worker.shard, worker.done = None, Counts()
                yield Report.from_json(message["report"])
            elif "error" in message:
                fault = message["error"]
                raise getattr(errors, fault["kind"], errors.UsageError)(fault["message"])
            else:
                worker.ready, self._failed_starts = True, 0

    def _bury(self, worker: _Worker) -> Iterator[Report]:
        """Take a dead worker's shard apart, or quarantine its only source."""
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        self._workers.remove(worker)
        silent = time.monotonic() - worker.heard > self._silence_limit_s
        cause, shard = worker.cause_of_death(), worker.shard
        words = worker.last_words()
        worker.stop()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS_ALLOWED:
                raise errors.VariegateError(f"worker processes do not start: {words}")
        if shard is None:
            return
        if not worker.ready:
            self._again.append((shard, worker.deaths))
        elif len(shard.sources) > 1:
            self._again.extend((single, 0) for single in shard.singles())
        elif worker.deaths < _DEATHS_ALLOWED:
            # Once may be chance (somebody killed it, or other programs took the memory).
            self._again.append((shard, worker.deaths + 1))
        else:
            if silent:
                cause = f"silent for {self._silence_limit_s:g} s"
            reason = f"the worker process died on it {worker.deaths + 1} times ({cause})"
            yield quarantine_shard(self._job, shard, reason)
