"""The head of a Ray cluster: whether it answers, before a run and as long as it lasts.

Ray itself waits for minutes for a head that takes connections and says nothing, and ends the whole
program, without a word of ours, when a head is gone for 60 seconds.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from variegate.errors import UsageError

_CONNECTED_WITHIN_S = 10.0
_ANSWERED_WITHIN_S = 15.0

# What a client of HTTP/2, which gRPC is, says first; a server answers with settings of its own,
# whatever it serves. RFC 9113, section 3.4.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_HEADER_BYTES, _KIND, _SETTINGS = 9, 3, 4

_REMEDY = "name the head node and the port that `ray start --head` printed, 6379 if none was chosen"

# Ray ends the program after 60 seconds without its head.
_LOST_AFTER_S = 40.0
_LOOK_EVERY_S = 4.0

# Between looks at the watch while nothing comes.
_PATIENCE_S = 0.5
_LEFT_WITHIN_S = 1.0
_MOST_WAITING = 64


def check_head(
    address: str,
    *,
    connected_within_s: float = _CONNECTED_WITHIN_S,
    answered_within_s: float = _ANSWERED_WITHIN_S,
) -> None:
    """Make sure that a head of a cluster answers at "host:port".

    Raises:
        UsageError: nobody listens there, nobody answers, or another kind of server does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"address: expected 'host:port' or 'auto', got {address!r}")
    place = (host.strip("[]"), int(port))
    try:
        connection = socket.create_connection(place, connected_within_s)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"address: no Ray cluster answers at {address} ({reason}); {_REMEDY}"
        ) from error
    with connection:
        try:
            answer = _greeted(connection, time.monotonic() + answered_within_s)
        except TimeoutError as error:
            raise UsageError(
                f"address: {address} takes connections, but nothing answered there within "
                f"{answered_within_s:g} seconds; see whether the head node hangs, or {_REMEDY}"
            ) from error
        except OSError:
            answer = b""
    # With TLS no greeting is understood, but one that is there says so.
    if not _is_settings(answer) and os.environ.get("RAY_USE_TLS", "0") != "1":
        raise UsageError(
            f"address: what answers at {address} is not the head of a Ray cluster; {_REMEDY}"
        )


def _greeted(connection: socket.socket, deadline: float) -> bytes:
    """Return the first bytes that a server says to a greeting; fewer if it hangs up.

    Raises:
        TimeoutError: it says nothing, nor hangs up.
    """
    connection.settimeout(max(0.1, deadline - time.monotonic()))
    connection.sendall(_GREETING)
    answer = b""
    while len(answer) < _HEADER_BYTES:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        more = connection.recv(_HEADER_BYTES - len(answer))
        if not more:
            break
        answer += more
    return answer


def _is_settings(answer: bytes) -> bool:
    return len(answer) == _HEADER_BYTES and answer[_KIND] == _SETTINGS


class HeadWatch:
    """Asks a head again and again, in a thread of its own, whether it is there."""

    def __init__(
        self,
        address: str,
        *,
        lost_after_s: float = _LOST_AFTER_S,
        every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self.address = address
        self._lost_after_s, self._every_s = lost_after_s, every_s
        self._heard = time.monotonic()
        self._ended = Event()
        Thread(target=self._look, daemon=True, name="variegate-head").start()

    def _look(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                check_head(
                    self.address,
                    connected_within_s=self._every_s,
                    answered_within_s=self._every_s,
                )
            except UsageError:
                continue
            self._heard = time.monotonic()

    @property
    def is_lost(self) -> bool:
        """Whether it has not answered for so long that the run cannot go on."""
        return time.monotonic() - self._heard > self._lost_after_s

    def check(self) -> None:
        """Make sure that the head is there.

        Raises:
            UsageError: it is lost.
        """
        if self.is_lost:
            raise UsageError(
                f"the head of the Ray cluster at {self.address} has not answered for "
                f"{self._lost_after_s:.0f} seconds; what is done is kept: start the cluster "
                "again, and run the same command again to resume"
            )

    def close(self) -> None:
        """Look no more."""
        self._ended.set()


def watched(items: Callable[[], Iterator[Any]], look: Callable[[], None]) -> Iterator[Any]:
    """Yield what another thread reads, and look at something else while it waits.

    Where reading hangs in a library, this does not, and is interrupted at once.

    Args:
        items: makes what is read, in that thread.
        look: called some times a second, and before each item; what it raises ends all.

    Raises:
        Exception: from reading, or from `look`.
    """
    waiting: Queue[tuple[bool, Any]] = Queue(_MOST_WAITING)
    left = Event()

    def put(ended: bool, what: Any) -> None:
        while not left.is_set():
            try:
                waiting.put((ended, what), timeout=_PATIENCE_S)
            except Full:
                continue
            return

    def read() -> None:
        try:
            for one in items():
                put(False, one)
                if left.is_set():
                    return
            put(True, None)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            put(True, error)

    thread = Thread(target=read, daemon=True, name="variegate-answers")
    thread.start()
    try:
        while True:
            look()
            try:
                ended, what = waiting.get(timeout=_PATIENCE_S)
            except Empty:
                continue
            if ended:
                if what is not None:
                    raise what
                return
            yield what
    finally:
        left.set()
        thread.join(_LEFT_WITHIN_S)
