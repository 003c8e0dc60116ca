"""The program that forks the workers of the local back end (`variegate.runs.fork_server`).

Its standard input is a socket, on which it is asked, a JSON value a message: {"fork": number}, with
the worker's standard input, output and error output; {"kill": number}; {"wait": number}, which it
answers with {"code": exit code}; {"end": true}. It begins with {"ready": true}.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from variegate.recipes.recipe import Recipe
from variegate.runs.backends import worker
from variegate.runs.programs import WORKER, Inherited, start_program

if TYPE_CHECKING:
    import subprocess

# What nearly every worker imports and builds when its job comes.
_AUGMENTER = "variegate.runs.augmenter"
_COMMON_STEPS = (
    *("flip", "rotate", "scale", "translate", "shear"),
    *("brightness", "contrast", "gamma", "saturation"),
)

_MESSAGE_BYTES = 256
_STREAMS = 3


def main() -> None:
    """Fork when asked, until nobody can ask any more; be a worker in each that is forked."""
    # An interrupt goes to the whole group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its threads would not be there in a fork.
    cv2.setNumThreads(1)
    importlib.import_module(_AUGMENTER)
    Recipe.from_data({"variants": {"sequence": [*_COMMON_STEPS]}})
    # It is kept, and never looked through for garbage, which would copy it in every worker.
    gc.freeze()
    if _Forks(socket.socket(fileno=os.dup(0))).serve():
        worker.main()
    else:
        # At once: there is nothing to be brought to an end.
        os._exit(0)


class _Forks:
    """The workers that were forked, by the numbers that the parent gives them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}
        # Kept so that nobody else waits for them.
        self._started: list[subprocess.Popen[bytes]] = []

    def serve(self) -> bool:
        """Do what is asked; return whether this is a worker now."""
        self._say({"ready": True})
        while True:
            message, files, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, _STREAMS)
            match json.loads(message or b"{}"):
                case {"fork": number}:
                    if self._fork(number, files):
                        return True
                case {"kill": number}:
                    self._kill(number)
                case {"wait": number}:
                    self._say({"code": self._wait(number)})
                case _:
                    # The parent is at its end, or dead.
                    for number in [*self._pids]:
                        self._kill(number)
                        self._wait(number)
                    return False

    def _say(self, message: dict[str, Any]) -> None:
        # Without a parent, the next message is an end.
        with suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def _fork(self, number: int, files: Sequence[int]) -> bool:
        """Make a worker; return whether this is the new process."""
        pid = os.fork() if _is_alone() else self._start(files)
        if pid:
            self._pids[number] = pid
            for file in files:
                os.close(file)
            return False
        self._control.close()
        for stream, file in enumerate(files):
            os.dup2(file, stream)
            os.close(file)
        # Plug-ins may draw from it; Python sees to its own.
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()
        return True

    def _start(self, files: Sequence[int]) -> int:
        """Start a worker anew."""
        stdin, stdout, stderr = files
        around = Inherited.now()
        made = start_program(WORKER, around, stdin=stdin, stdout=stdout, stderr=stderr)
        self._started.append(made)
        return made.pid

    def _kill(self, number: int) -> None:
        # Nobody else waits for it: its number is no other's.
        if number in self._pids:
            os.kill(self._pids[number], signal.SIGKILL)

    def _wait(self, number: int) -> int | None:
        if (pid := self._pids.pop(number, None)) is None:
            return None
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _is_alone() -> bool:
    """Say whether this process has one thread: what others hold is held forever in a fork."""
    with suppress(OSError):
        return sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    return False
