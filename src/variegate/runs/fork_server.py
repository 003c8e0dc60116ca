"""Workers that are forked from one program, which has imported for all of them.

A worker imports for longer than it works on a small dataset, and all of them import the same. Where
the system can, one program imports once (`variegate.runs.backends.fork_server`) and
forks as many workers as are asked for. It works on nothing itself, so that nothing kills it, and it
knows how each of its workers ended.
"""

import json
import os
import subprocess
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Self

from variegate.runs.programs import Inherited, close_all, new_log, start_program

if TYPE_CHECKING:
    import socket

_PROGRAM = "variegate.runs.backends.fork_server"

# The longest thing that it says.
_MESSAGE_BYTES = 256


class ForkServer:
    """A program that forks workers.

    Attributes:
        process: that forks; the workers are its children.
        log: what it says on its error output.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        log: IO[bytes],
        control: "socket.socket",
        around: Inherited,
    ) -> None:
        self.process, self.log = process, log
        self._control = control
        self._around = around
        self._asked = 0
        self._ready = False

    @classmethod
    def start(cls) -> Self:
        """Start one.

        Raises:
            OSError: the system does not.
        """
        # Not needed where nothing is forked.
        import socket

        around, log = Inherited.now(), new_log()
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = start_program(
                _PROGRAM, around, stdin=there, stdout=subprocess.DEVNULL, stderr=log
            )
        except OSError:
            close_all(log)
            here.close()
            raise
        finally:
            there.close()
        return cls(process, log, here, around)

    def is_usable(self) -> bool:
        """Say whether it lives, and is what would be started now."""
        return self._around.are_the_same() and self.process.poll() is None

    def fork(self) -> "ForkedProgram":
        """Return a worker; it may take a moment until it is there.

        Raises:
            OSError: the system gives no more files.
        """
        import socket

        self._asked += 1
        log = new_log()
        theirs, stdin = os.pipe()
        stdout, others = os.pipe()
        # Where it is dead, nobody holds the other ends: the worker is seen to be dead, too.
        with suppress(OSError):
            message = json.dumps({"fork": self._asked}).encode()
            socket.send_fds(self._control, [message], [theirs, others, log.fileno()])
        os.close(theirs)
        os.close(others)
        return ForkedProgram(
            self, self._asked, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"), log
        )

    def kill(self, number: int) -> None:
        """End a worker at once."""
        self._tell({"kill": number})

    def wait(self, number: int) -> int | None:
        """Wait for the end of a worker; return its exit code, None where nobody knows."""
        self._tell({"wait": number})
        with suppress(OSError):
            while answer := self._control.recv(_MESSAGE_BYTES):
                self._ready = True
                if "code" in (said := json.loads(answer)):
                    return said["code"]
        return None

    def _tell(self, message: dict[str, Any]) -> None:
        # That it has died is noticed by the end of its answers.
        with suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def stop(self) -> None:
        """End it at once, and all of its workers."""
        if self._has_begun():
            self._tell({"end": True})
        else:
            self.process.kill()
        self._control.close()
        self.process.wait()
        close_all(self.log)

    def _has_begun(self) -> bool:
        """Say whether there may be workers of it."""
        self._control.setblocking(False)
        with suppress(OSError):
            self._ready = self._ready or bool(self._control.recv(_MESSAGE_BYTES))
        self._control.setblocking(True)
        return self._ready


class ForkedProgram:
    """A worker that was forked, as `variegate.runs.programs.WorkerProgram`.

    Attributes:
        stdin, stdout: the ways to it and back.
        log: what it says on its error output.
    """

    def __init__(
        self,
        server: ForkServer,
        number: int,
        stdin: IO[bytes],
        stdout: IO[bytes],
        log: IO[bytes],
    ) -> None:
        self.stdin, self.stdout, self.log = stdin, stdout, log
        self._server = server
        self._number = number
        self._code: int | None = None

    def kill(self) -> None:
        """End it at once; it may not have ended yet."""
        self._server.kill(self._number)

    def wait(self) -> int:
        """Wait for its end; return its exit code, or less than 0 for a signal."""
        if self._code is None:
            self._code = self._server.wait(self._number)
        if self._code is None:
            # It went as its server did.
            close_all(self.log)
            self._code, self.log = self._server.process.wait(), self._server.log
        return self._code

    def stop(self) -> None:
        """End it at once."""
        self.kill()
        self.wait()
        close_all(self.stdin, self.stdout)
        if self.log is not self._server.log:
            close_all(self.log)
