"""Workers of this machine, started before it is known what there is to do.

A worker imports for half a second before it can do anything, and so does the program that wants to
know what there is to do. `early_workers` begins with the first before the second; whoever needs
workers takes them from there (`WorkerSource`), and what nobody took is ended.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

from variegate.runs.fork_server import ForkedProgram, ForkServer
from variegate.runs.options import Options
from variegate.runs.programs import WorkerProgram

# macOS forks, too, but its own libraries do not bear it.
FORKS = sys.platform == "linux"

# A run may turn out to be refused, done already, or small.
_MOST_EARLY = 2

P = TypeVar("P", ForkServer, WorkerProgram)

_EARLY: ContextVar[list[ForkServer | WorkerProgram] | None] = ContextVar(
    "early workers", default=None
)


@contextmanager
def early_workers(options: Options) -> Iterator[None]:
    """Have some workers on their way that a run with these options will most likely need."""
    if _EARLY.get():
        # Who called this has done so.
        yield
        return
    wanted = 0
    if options.backend == "local":
        wanted = _MOST_EARLY if options.workers is None else min(options.workers, _MOST_EARLY)
    early: list[ForkServer | WorkerProgram] = []
    # Where none can be started, the run itself says so when it needs one.
    with suppress(OSError):
        if FORKS and wanted:
            early.append(ForkServer.start())
        else:
            for _ in range(wanted):
                early.append(WorkerProgram.start())  # noqa: PERF401 - those before a failure count
    token = _EARLY.set(early)
    try:
        yield
    finally:
        _EARLY.reset(token)
        for one in early:
            one.stop()


@contextmanager
def kept() -> Iterator[None]:
    """Look for no garbage while much is imported, which is kept: it takes a tenth of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class WorkerSource:
    """Where a pool has its workers from: forked where the system can, started one by one elsewhere.

    Those that were started early are taken first.
    """

    def __init__(self) -> None:
        self._servers: list[ForkServer] = []

    def worker(self) -> ForkedProgram | WorkerProgram:
        """Return a worker that nobody has yet.

        Raises:
            OSError: the system starts none.
        """
        if not FORKS:
            early = _early(WorkerProgram)
            return WorkerProgram.start() if early is None else early
        if not self._servers or not self._servers[-1].is_usable():
            found = _early(ForkServer)
            self._servers.append(ForkServer.start() if found is None else found)
        return self._servers[-1].fork()

    def close(self) -> None:
        """End all that were forked."""
        for server in self._servers:
            server.stop()
        self._servers.clear()


def _early(kind: type[P]) -> P | None:
    """Return what was started early, the first that is usable."""
    early = _EARLY.get()
    while early:
        one = early.pop(0)
        if isinstance(one, kind) and one.is_usable():
            return one
        one.stop()
    return None
