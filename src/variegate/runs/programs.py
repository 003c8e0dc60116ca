"""Programs of this package that other processes run: started, and not told yet what to work on."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Self

# The parent's search path, whole: what can be imported here can be imported there. What is imported
# is kept to the end: to look through it for garbage takes a tenth of the time.
_PROGRAM = (
    "import gc, sys, json; gc.disable(); sys.path[:] = json.loads(sys.argv[-1]); "
    "from {program} import main; gc.freeze(); gc.enable(); main()"
)

# One thread a worker: libraries that start more only take memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

# Where OpenCV adds its own folder as it is imported, in every process for itself.
_LIBRARY_PATH = "PATH" if sys.platform == "win32" else "LD_LIBRARY_PATH"

WORKER = "variegate.runs.backends.worker"


@dataclass(frozen=True)
class Inherited:
    """What a process inherits from the one that starts it.

    Attributes:
        path: where it looks for modules.
        environment: of the process that starts it.
    """

    path: list[str]
    environment: dict[str, str]

    @classmethod
    def now(cls) -> Self:
        """Return those of a process that would be started now."""
        return cls([*sys.path], dict(os.environ))

    def are_the_same(self) -> bool:
        """Say whether a process that would be started now inherits the same."""
        # Whoever needs a worker has imported this, and who starts one early has not.
        from variegate.storage.member_file import VARIABLE

        # With the job comes what has been indexed since; and OpenCV, once imported, names itself.
        own = dict.fromkeys((VARIABLE, _LIBRARY_PATH), "")
        then, now = ({**one, **own} for one in (self.environment, os.environ))
        return (self.path, then) == (sys.path, now)


def start_program(program: str, around: Inherited, **streams: Any) -> "subprocess.Popen[bytes]":
    """Start the module `program`, which has a function `main`.

    Raises:
        OSError: the system does not.
    """
    code = _PROGRAM.format(program=program)
    return subprocess.Popen(
        [sys.executable or "python", "-P", "-c", code, json.dumps(around.path)],
        env=_ONE_THREAD | around.environment,
        **streams,
    )


def new_log() -> IO[bytes]:
    """Return a file without a name, for what a process says on its error output."""
    return tempfile.TemporaryFile()


class WorkerProgram:
    """A process that waits for a job on its standard input.

    Attributes:
        stdin, stdout: the ways to it and back.
        log: what it says on its error output.
        process: the process itself.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: IO[bytes], around: Inherited
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.log = process, log
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self._around = around

    @classmethod
    def start(cls) -> Self:
        """Start one.

        Raises:
            OSError: the system does not.
        """
        around, log = Inherited.now(), new_log()
        try:
            process = start_program(
                WORKER, around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        except OSError:
            log.close()
            raise
        return cls(process, log, around)

    def is_usable(self) -> bool:
        """Say whether it lives, and is what would be started now."""
        return self._around.are_the_same() and self.process.poll() is None

    def kill(self) -> None:
        """End it at once; it may not have ended yet."""
        self.process.kill()

    def wait(self) -> int:
        """Wait for its end; return its exit code, or less than 0 for a signal."""
        return self.process.wait()

    def stop(self) -> None:
        """End it at once."""
        self.kill()
        self.wait()
        close_all(self.stdin, self.stdout, self.log)


def close_all(*streams: IO[bytes]) -> None:
    """Close the ways to a process that has ended."""
    for stream in streams:
        # What was still to be sent cannot be any more.
        with suppress(OSError):
            stream.close()
