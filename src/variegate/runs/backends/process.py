"""One worker process, as the run that started it sees it.

A worker is a program of its own (`variegate.runs.backends.worker`) or a fork of one, and never of
this process: a script that calls `variegate.augment` needs no ``if __name__ == "__main__"``, and a
worker that is killed or crashes takes nothing with it.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from signal import Signals
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from variegate.errors import UsageError
from variegate.runs.fork_server import ForkedProgram
from variegate.runs.job import Job, Shard
from variegate.runs.launch import WorkerSource
from variegate.runs.programs import WorkerProgram
from variegate.runs.rows import Counts
from variegate.storage.json import dumped
from variegate.storage.member_file import known_indexes

if TYPE_CHECKING:
    from queue import SimpleQueue

_LAST_WORDS_BYTES = 4096

# Half a second, on a machine with nothing else to do.
_START_LIMIT_S = 60.0

Message = dict[str, Any]


@dataclass(eq=False)
class WorkerProcess:
    """A worker process and what it is doing.

    Attributes:
        program: that runs in it.
        shard: what it was given, None while it has nothing to do.
        deaths: of other workers on this shard.
        at: number of the source it is working on.
        done: what it has done of the shard.
        ready: whether it has started well.
        hung: whether it was killed because it was silent for too long.
    """

    program: ForkedProgram | WorkerProgram
    shard: Shard | None = None
    deaths: int = 0
    at: int | None = None
    done: Counts = field(default_factory=Counts)
    ready: bool = False
    hung: bool = False
    heard: float = field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls,
        job: Job,
        source: WorkerSource,
        inbox: "SimpleQueue[tuple[WorkerProcess, Message | None]]",
    ) -> Self:
        """Take a worker from `source`; what it says goes to `inbox`, and at its end None.

        Raises:
            UsageError: the system does not start it.
        """
        try:
            program = source.worker()
        except OSError as error:
            raise UsageError(
                f"worker processes do not start ({error}); use workers=0 to do without"
            ) from error
        worker = cls(program)
        Thread(target=worker._listen, args=(inbox,), daemon=True).start()
        # One that was started early has not seen what was indexed since.
        worker._send({"job": job.to_json(), "indexes": known_indexes()})
        return worker

    def _listen(self, inbox: "SimpleQueue[tuple[WorkerProcess, Message | None]]") -> None:
        with suppress(OSError, ValueError):
            for line in self.program.stdout:
                inbox.put((self, json.loads(line)))
        inbox.put((self, None))

    def give(self, shard: Shard, deaths: int) -> None:
        """Hand out a shard, on which a number of workers died before."""
        self.shard, self.deaths, self.at, self.done = shard, deaths, None, Counts()
        self.heard = time.monotonic()
        self._send(shard.to_json())

    def _send(self, message: Message) -> None:
        # A worker that has just died is noticed by the end of its answers.
        with suppress(BrokenPipeError):
            self.program.stdin.write(dumped(message) + b"\n")
            self.program.stdin.flush()

    def hear(self) -> None:
        """Take note that it lives."""
        self.ready, self.heard = True, time.monotonic()

    def is_silent(self, limit_s: float) -> bool:
        """Say whether it owes an answer for longer than `limit_s`."""
        if not self.ready:
            limit_s = max(limit_s, _START_LIMIT_S)
        return self.shard is not None and time.monotonic() - self.heard > limit_s

    def cause_of_death(self) -> str:
        """Return how the process ended, after it has, with the last line of its error output."""
        code = self.program.wait()
        if code < 0:
            hint = "; out of memory?" if Signals(-code).name == "SIGKILL" else ""
            return f"killed by {Signals(-code).name}{hint}"
        size = self.program.log.seek(0, os.SEEK_END)
        self.program.log.seek(max(0, size - _LAST_WORDS_BYTES))
        lines = self.program.log.read().decode(errors="replace").strip().splitlines()
        return f"ended with exit code {code}: {lines[-1] if lines else 'it said nothing'}"

    def kill(self) -> None:
        """Have it end at once, which its last message tells."""
        self.program.kill()

    def stop(self) -> None:
        """End it at once."""
        self.program.stop()
