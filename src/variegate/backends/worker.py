"""A worker process of the local back end: `python -m variegate.backends.worker`.

It reads one JSON value a line from standard input, first the job, then shards, and answers on
standard output with {"ready": true}, {"progress": counts}, {"report": report} or {"error": ...}.
It ends when its input does, so it never outlives the run that started it for long.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from typing import Any, BinaryIO

import cv2

from variegate.errors import UsageError
from variegate.job import Job, Shard, run_shard
from variegate.manifest import Counts

# Often enough for a live progress bar, seldom enough to cost nothing.
_PROGRESS_INTERVAL_S = 0.1


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

    def count(self, counts: Counts) -> None:
        """Collect progress and send it now and then."""
        self._since.add(counts)
        if time.monotonic() - self._last >= _PROGRESS_INTERVAL_S:
            self.send({"progress": asdict(self._since)})
            self._since, self._last = Counts(), time.monotonic()

    def report(self, message: dict[str, Any]) -> None:
        """Send a report, which stands for all progress of its shard."""
        self._since = Counts()
        self.send(message)


def main() -> None:
    """Work until standard input ends."""
    # An interrupt goes to the whole group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    answers = _Answers()
    lines = sys.stdin.buffer
    job = Job.from_json(json.loads(lines.readline()))
    answers.send({"ready": True})
    for line in lines:
        shard = Shard.from_json(json.loads(line))
        try:
            report = run_shard(job, shard, on_progress=answers.count)
        except UsageError as error:
            answers.send({"error": {"kind": type(error).__name__, "message": str(error)}})
            return
        answers.report({"report": report.to_json()})


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # The parent is gone: there is nobody to answer.
        os._exit(1)
