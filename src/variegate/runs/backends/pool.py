"""Worker processes and the shards they are given.

A worker that dies or hangs costs one image at most. The source it was at is tried once more, by
itself; the sources before and behind it go on in shards of their own. A source on which a worker
dies twice is quarantined.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue

from variegate.errors import UsageError, raised_elsewhere
from variegate.runs.backends.base import OnCounts
from variegate.runs.backends.process import Message, WorkerProcess
from variegate.runs.job import Job, Report, Shard
from variegate.runs.launch import WorkerSource
from variegate.runs.rows import Counts
from variegate.runs.worker import finished_report, quarantine_shard

# Once may be chance: somebody killed it, or other programs took the memory.
_DEATHS_ALLOWED = 1
_STARTS_ALLOWED = 3

# How often silence is looked for, and progress told where nothing is heard.
_PATIENCE_S = 0.5


class Pool:
    """Worker processes of one job; they live until `close` is called."""

    def __init__(self, job: Job, *, size: int, silence_limit_s: float) -> None:
        self._job = job
        self._size = size
        self._silence_limit_s = silence_limit_s
        # What is still to be given, and how many workers died on it.
        self._work: Iterator[tuple[Shard, int]] = iter(())
        self._source = WorkerSource()
        self._workers: list[WorkerProcess] = []
        self._inbox: SimpleQueue[tuple[WorkerProcess, Message | None]] = SimpleQueue()
        # What dead workers left: shards, and how many workers died on them.
        self._again: deque[tuple[Shard, int]] = deque()
        self._failed_starts = 0

    def close(self) -> None:
        """End all workers at once."""
        self._source.close()
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def run(self, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
        """Run shards; read them as workers become free.

        Yields:
            A report for every shard, or for each of its parts, as they are done.
        """
        self._work = ((shard, 0) for shard in shards)
        while True:
            self._assign()
            if not any(worker.shard for worker in self._workers):
                return
            try:
                worker, message = self._inbox.get(timeout=min(_PATIENCE_S, self._silence_limit_s))
            except Empty:
                for one in self._workers:
                    if one.is_silent(self._silence_limit_s):
                        one.hung = True
                        one.kill()
            else:
                report = self._bury(worker) if message is None else self._hear(worker, message)
                if report is not None:
                    yield report
            in_flight = Counts()
            for worker in self._workers:
                in_flight.add(worker.done)
            on_progress(in_flight)

    def _assign(self) -> None:
        """Give every idle worker a shard; start workers while there is work for them."""
        idle = [worker for worker in self._workers if worker.shard is None]
        while idle or len(self._workers) < self._size:
            work = self._again.popleft() if self._again else next(self._work, None)
            if work is None:
                return
            if not idle:
                idle.append(WorkerProcess.start(self._job, self._source, self._inbox))
                self._workers += idle
            idle.pop().give(*work)

    def _hear(self, worker: WorkerProcess, message: Message) -> Report | None:
        self._failed_starts = 0
        worker.hear()
        if "error" in message:
            kind, text = message["error"]["kind"], message["error"]["message"]
            raise raised_elsewhere(kind, text) or UsageError(text)
        if "report" in message:
            worker.shard, worker.done = None, Counts()
            return Report.from_json(message["report"])
        worker.at = message.get("at", worker.at)
        worker.done.add(Counts(**message.get("progress", {})))
        return None

    def _bury(self, worker: WorkerProcess) -> Report | None:
        """See to what a dead worker leaves behind."""
        self._workers.remove(worker)
        cause = worker.cause_of_death()
        if worker.hung:
            cause = f"silent for {self._silence_limit_s:g} s"
        worker.stop()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS_ALLOWED:
                raise UsageError(
                    f"worker processes do not start ({cause}); use workers=0 to do without"
                )
        shard = worker.shard
        if shard is None:
            return None
        if (report := finished_report(self._job, shard)) is not None:
            return report
        if worker.at is None:
            # It died before it had begun.
            self._again.append((shard, worker.deaths))
            return None
        culprit = shard.part(worker.at, worker.at + 1)
        self._again += [
            (rest, 0)
            for rest in (shard.part(shard.start, worker.at), shard.part(worker.at + 1, shard.stop))
            if rest.sources
        ]
        deaths = worker.deaths if len(shard.sources) == 1 else 0
        if deaths < _DEATHS_ALLOWED:
            self._again.append((culprit, deaths + 1))
            return None
        reason = f"the worker process died on it {deaths + 1} times ({cause})"
        return quarantine_shard(self._job, culprit, reason)
