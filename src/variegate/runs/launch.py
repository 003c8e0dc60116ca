"""Worker programs of this machine: started, and not told yet what to work on.

A worker imports for half a second before it can do anything, and so does the program that wants to
know what there is to do. `early_workers` starts some before that; whoever needs a worker takes one
of them (`worker_program`), and those that nobody took are ended.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO

from variegate.runs.options import Options

# The parent's search path, whole: what can be imported here can be imported there.
_PROGRAM = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from variegate.runs.backends.worker import main; main()"
)

# One thread a worker: libraries that start more only take memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

# A run may turn out to be refused, done already, or small.
_MOST_EARLY = 2


@dataclass(frozen=True, eq=False)
class WorkerProgram:
    """A process that waits for a job on its standard input.

    Attributes:
        process: with pipes to its standard input and output.
        log: what it says on its error output.
        path: where it looks for modules.
        environment: of this process when it was started.
    """

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    path: list[str]
    environment: dict[str, str]

    @classmethod
    def start(cls) -> "WorkerProgram":
        """Start one.

        Raises:
            OSError: the system does not.
        """
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        path, environment = [*sys.path], dict(os.environ)
        try:
            process = subprocess.Popen(
                [sys.executable or "python", "-P", "-c", _PROGRAM, json.dumps(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_ONE_THREAD | environment,
            )
        except OSError:
            log.close()
            raise
        return cls(process, log, path, environment)

    def is_usable(self) -> bool:
        """Say whether it lives, and is what would be started now."""
        # Whoever needs a worker has imported this, and who starts one early has not.
        from variegate.storage.member_file import VARIABLE

        # With the job comes what has been indexed since.
        then, now = ({**one, VARIABLE: ""} for one in (self.environment, os.environ))
        return (self.path, then) == (sys.path, now) and self.process.poll() is None

    def stop(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            # What was still to be sent cannot be any more.
            with suppress(OSError):
                if stream is not None:
                    stream.close()


_EARLY: ContextVar[list[WorkerProgram] | None] = ContextVar("early workers", default=None)


@contextmanager
def early_workers(options: Options) -> Iterator[None]:
    """Have some workers started that a run with these options will most likely need."""
    wanted = 0
    if options.backend == "local":
        wanted = _MOST_EARLY if options.workers is None else min(options.workers, _MOST_EARLY)
    early: list[WorkerProgram] = []
    # Where none can be started, the run itself says so when it needs one.
    with suppress(OSError):
        for _ in range(wanted):
            early.append(WorkerProgram.start())  # noqa: PERF401 - those before a failure count
    token = _EARLY.set(early)
    try:
        yield
    finally:
        _EARLY.reset(token)
        for one in early:
            one.stop()


def worker_program() -> WorkerProgram:
    """Return a worker that nobody has yet, started early or now.

    Raises:
        OSError: the system starts none.
    """
    early = _EARLY.get()
    while early:
        one = early.pop(0)
        if one.is_usable():
            return one
        one.stop()
    return WorkerProgram.start()
