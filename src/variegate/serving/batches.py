"""A bounded queue, and threads that take from it as many items at a time as wait there.

Nothing waits for a batch to fill: a thread that is free takes what has come meanwhile, its share of
it if other threads are free as well. So one client is answered at once, and many share the cost.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from variegate.serving.faults import RequestError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Of an item's time, in which the last one counts so much: a moving average.
_WEIGHT = 0.1
_LONGEST_S = 60
# Items that were alone one after the other, from which on the next is taken for alone as well: of
# many clients' one is alone by chance now and then.
_LONE = 3


class Batcher(Generic[Item, Result]):
    """Threads that work on what is submitted.

    Attributes:
        work: what they do: (items, whether nothing else is going on, nor was of late) -> a result
            or an exception for each item.
        dropped: items that nobody waited for any more when their turn came.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item], bool], Sequence[Result | Exception]],
        *,
        workers: int,
        batch: int,
        limit: int,
    ) -> None:
        self.work = work
        self.dropped = 0
        self._workers, self._batch, self._limit = workers, batch, limit
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._busy = self._lone = 0
        self._closed = False
        self._item_s = 0.0

    @property
    def depth(self) -> int:
        """Items that wait."""
        return len(self._waiting)

    def submit(self, items: Sequence[Item]) -> list[Future[Result]]:
        """Queue items, all or none of them.

        Raises:
            RequestError: 503, there is no room, or the server is stopping.
        """
        with self._changed:
            if self._closed:
                raise RequestError(503, "the server is stopping", retry_after_s=1)
            if len(self._waiting) + len(items) > self._limit:
                raise RequestError(
                    503,
                    f"busy: {len(self._waiting):,} images wait, and the limit is {self._limit:,}",
                    retry_after_s=self._retry_after_s(),
                )
            added: list[tuple[Item, Future[Result]]] = [(item, Future()) for item in items]
            self._waiting.extend(added)
            self._start()
            self._changed.notify(len(added))
        return [future for _, future in added]

    def _start(self) -> None:
        """Start the threads with the first item: none run where nothing is asked."""
        while len(self._threads) < self._workers:
            number = len(self._threads)
            thread = threading.Thread(target=self._run, name=f"model-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _retry_after_s(self) -> int:
        seconds = len(self._waiting) * self._item_s / self._workers
        return min(_LONGEST_S, max(1, math.ceil(seconds)))

    def _run(self) -> None:
        while taken := self._take():
            live = [one for one in taken if one[1].set_running_or_notify_cancel()]
            alone = self._seems_alone(len(taken))
            begun = time.perf_counter()
            if live:
                self._settle(live, alone)
            each = (time.perf_counter() - begun) / max(1, len(live))
            with self._changed:
                self.dropped += len(taken) - len(live)
                self._busy -= 1
                if live:
                    self._item_s += (each - self._item_s) * (_WEIGHT if self._item_s else 1)
                self._changed.notify_all()

    def _seems_alone(self, count: int) -> bool:
        with self._changed:
            alone = count == 1 and self._busy == 1 and not self._waiting
            self._lone = self._lone + 1 if alone else 0
            return self._lone > _LONE

    def _take(self) -> list[tuple[Item, "Future[Result]"]]:
        """Wait for items; nothing once the queue is closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            share = math.ceil(len(self._waiting) / max(1, self._workers - self._busy))
            count = max(1, min(self._batch, share))
            self._busy += 1
            return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def _settle(self, live: Sequence[tuple[Item, "Future[Result]"]], alone: bool) -> None:
        results: Sequence[Result | Exception]
        try:
            results = self.work([item for item, _ in live], alone)
        except Exception as error:  # noqa: BLE001 - it is the answer to all of them
            results = [error] * len(live)
        for (_, future), result in zip(live, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def close(self, timeout_s: float = 30.0) -> None:
        """Finish what waits, take nothing more, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
