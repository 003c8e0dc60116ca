"""Many requests at the same time, with a bound on memory: reading ahead and writing behind.

A worker that waits for every answer of a store does little else. So what it will read is asked for
before it is needed, and what it writes is on its way while the next image is made.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from variegate.storage.base import Entry

_THREADS = 16
_MOST_BYTES = 64 << 20


class Flow:
    """Requests on their way, of one process to one store."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="variegate-store")
        self._lock = threading.Lock()
        # Still to be asked for, and asked for, in this order.
        self._coming: deque[Entry] = deque()
        self._asked: dict[str, tuple[Future[bytes], int]] = {}
        self._fetch: Callable[[str], bytes] | None = None
        self._writing: deque[tuple[Future[None], int]] = deque()

    def expect(self, entries: Iterable[Entry], fetch: Callable[[str], bytes]) -> None:
        """Ask for what will be read soon, in this order; what was expected before is forgotten."""
        with self._lock:
            for future, _ in self._asked.values():
                future.cancel()
            self._asked.clear()
            self._coming, self._fetch = deque(entries), fetch
            self._ask()

    def taken(self, key: str) -> bytes | None:
        """Return what was asked for, or None: then it has to be read now.

        Raises:
            Exception: whatever reading it raised.
        """
        with self._lock:
            asked = self._asked.pop(key, None)
            if asked is None:
                return None
        try:
            return asked[0].result()
        finally:
            with self._lock:
                self._ask()

    def _ask(self) -> None:
        """Ask for more, as much as may be on its way."""
        fetch = self._fetch
        if fetch is None:
            return
        held = sum(size for _, size in self._asked.values())
        while self._coming and len(self._asked) < _THREADS // 2:
            one = self._coming[0]
            if self._asked and held + one.size > _MOST_BYTES // 2:
                return
            self._coming.popleft()
            self._asked[one.key] = (self._threads.submit(fetch, one.key), one.size)
            held += one.size

    def later(self, put: Callable[[], None], size: int) -> None:
        """Do a writing soon; wait first where too much is on its way.

        Raises:
            Exception: whatever an earlier writing raised.
        """
        while self._writing and (
            len(self._writing) >= _THREADS
            or sum(held for _, held in self._writing) + size > _MOST_BYTES // 2
        ):
            self._writing.popleft()[0].result()
        self._writing.append((self._threads.submit(put), size))

    def flush(self) -> None:
        """Wait until all is written.

        Raises:
            Exception: whatever a writing raised; the others are done all the same.
        """
        if not self._writing:
            return
        waiting = [future for future, _ in self._writing]
        self._writing.clear()
        wait(waiting)
        for future in waiting:
            future.result()
