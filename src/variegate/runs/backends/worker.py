"""A worker process of the local back end.

It reads one JSON value a line from standard input, first the job with the indexes of archives that
there are, then shards, and answers on standard output with {"ready": true}, {"at": source,
"progress": counts}, {"report": report} or {"error": ...}. It ends at once when its input does, so
that it never outlives the run that started it, even one that is killed.
"""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

import cv2

from variegate.errors import UsageError
from variegate.runs.job import Job, Shard
from variegate.runs.rows import Counts
from variegate.runs.worker import run_shard
from variegate.storage.json import loaded
from variegate.storage.member_file import ONLY_READ, use_indexes

# Often enough for a live progress bar, seldom enough to cost nothing.
_PROGRESS_INTERVAL_S = 0.1


def main() -> None:
    """Work until standard input ends."""
    # An interrupt goes to the whole group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    os.environ[ONLY_READ] = "1"
    answers = _Answers()
    lines: SimpleQueue[bytes] = SimpleQueue()
    # Not sys.stdin itself: an orderly end would wait for who reads from it.
    pipe = os.fdopen(os.dup(0), "rb")
    Thread(target=_read, args=(pipe, lines), daemon=True).start()
    # Without a parent there is nobody to answer.
    with suppress(BrokenPipeError):
        _work(lines, answers)


def _read(pipe: BinaryIO, lines: "SimpleQueue[bytes]") -> None:
    for line in pipe:
        lines.put(line)
    # The parent has closed it, or is dead: what is being made now is made again by another.
    os._exit(0)


def _work(lines: "SimpleQueue[bytes]", answers: "_Answers") -> None:
    first = json.loads(lines.get())
    job = Job.from_json(first["job"])
    use_indexes(first["indexes"])
    answers.send({"ready": True})
    while True:
        shard = Shard.from_json(loaded(lines.get()))
        try:
            report = run_shard(job, shard, on_source=answers.begin, on_progress=answers.count)
        except UsageError as error:
            answers.send({"error": {"kind": type(error).__name__, "message": str(error)}})
            return
        answers.report(report.to_json())


class _Answers:
    """The way back, which nothing else may write to."""

    def __init__(self) -> None:
        self._pipe: BinaryIO = os.fdopen(os.dup(1), "wb")
        # Whatever a library prints goes to the error output, not between the answers.
        os.dup2(2, 1)
        self._since = Counts()
        self._last = time.monotonic()

    def send(self, message: dict[str, Any]) -> None:
        self._pipe.write(json.dumps(message).encode() + b"\n")
        self._pipe.flush()

    def begin(self, number: int) -> None:
        """Say which source comes next: if this process dies, it is the one to blame."""
        self.send({"at": number})

    def count(self, counts: Counts) -> None:
        """Collect progress and send it now and then."""
        self._since.add(counts)
        if time.monotonic() - self._last >= _PROGRESS_INTERVAL_S:
            self.send({"progress": asdict(self._since)})
            self._since, self._last = Counts(), time.monotonic()

    def report(self, report: dict[str, Any]) -> None:
        """Send a report, which stands for all progress of its shard."""
        self._since = Counts()
        self.send({"report": report})
