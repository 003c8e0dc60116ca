"""Ask an HTTP server from many connections at a time, and tell how long its answers took.

    python load.py URL CONNECTIONS SECONDS FOLDER

FOLDER holds whole requests as files: NAME.request, and NAME.expect with the status that is right
and text that has to be in the answer. Each connection sends them one after the other, kept alive
where the server keeps it. It costs little of the processor that the server needs: plain sockets,
one thread, nothing but the standard library. Prints one JSON object.
"""

import json
import selectors
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


class Connection:
    """One of the clients."""

    def __init__(self, place: tuple[str, int], requests: list, first: int) -> None:
        self._place, self._requests, self._next = place, requests, first
        self.socket: socket.socket | None = None

    def begin(self) -> None:
        """Send the next request."""
        if self.socket is None:
            self.socket = socket.create_connection(self._place)
        self.data, self.expected = self._requests[self._next % len(self._requests)]
        self._next += 1
        self._sent, self.answer, self.begun = 0, b"", time.perf_counter()
        self.socket.setblocking(False)

    def send(self) -> bool:
        """Send what the socket takes; say whether all is sent."""
        try:
            self._sent += self.socket.send(self.data[self._sent : self._sent + (1 << 18)])
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        return self._sent == len(self.data)

    def receive(self) -> bool:
        """Take what is there; say whether the answer is whole."""
        try:
            piece = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            piece = b""
        self.answer += piece
        head, found, body = self.answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        lengths = [int(one.split(b":")[1]) for one in lines if one.startswith(b"content-length")]
        whole = bool(found and lengths and len(body) >= lengths[0])
        if not piece or (whole and b"connection: close" in lines):
            self.socket.close()
            self.socket = None
        return whole or not piece


def run(url: str, connections: int, seconds: float, folder: Path) -> dict:
    """Load a server; return counts and times."""
    place = urlsplit(url)
    requests = []
    for path in sorted(folder.glob("*.request")):
        status, _, text = path.with_suffix(".expect").read_text().partition("\n")
        requests.append((path.read_bytes(), (status.encode(), text.encode())))
    selector = selectors.DefaultSelector()
    times, wrong, busy = [], [], 0
    begun = time.perf_counter()
    for number in range(connections):
        one = Connection((place.hostname, place.port), requests, number * 7)
        one.begin()
        selector.register(one.socket, selectors.EVENT_WRITE, one)
    while time.perf_counter() - begun < seconds:
        for key, events in selector.select(1):
            one = key.data
            if events & selectors.EVENT_WRITE and one.send():
                selector.modify(key.fileobj, selectors.EVENT_READ, one)
            if not events & selectors.EVENT_READ or not one.receive():
                continue
            times.append(time.perf_counter() - one.begun)
            status, text = one.expected
            got = one.answer[9:12]
            if got == b"503":
                busy += 1
            elif got != status or text not in one.answer:
                wrong.append(one.answer[:200].decode("latin-1"))
            selector.unregister(key.fileobj)
            one.begin()
            selector.register(one.socket, selectors.EVENT_WRITE, one)
    took = time.perf_counter() - begun
    times.sort()
    return {
        "answers": len(times),
        "per_second": len(times) / took,
        "p50": times[len(times) // 2] if times else None,
        "p99": times[int(len(times) * 0.99)] if times else None,
        "busy": busy,
        "wrong": len(wrong),
        "examples": wrong[:3],
    }


if __name__ == "__main__":
    found = run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
    print(json.dumps(found))
