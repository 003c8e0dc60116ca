"""Work on the images of a dataset by several threads, in order; each opens the storage for itself.

Decoders and sums leave Python's lock while they work. No handle of an archive is shared.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from variegate.storage import Storage, open_storage

S = TypeVar("S")
T = TypeVar("T")


def worked_on(
    sources: Iterable[S],
    place: str,
    work: Callable[[Storage, S], T],
    *,
    workers: int | None = None,
) -> Iterator[tuple[S, T]]:
    """Yield sources in their order, each with what came out.

    Args:
        sources: images, in whatever form.
        place: of the dataset.
        work: what is done to one.
        workers: threads; 0 for none but this one, None for one a processor.
    """
    if workers == 0:
        storage = open_storage(place)
        for source in sources:
            yield source, work(storage, source)
        return
    own = threading.local()

    def act(source: S) -> T:
        if not hasattr(own, "storage"):
            own.storage = open_storage(place)
        return work(own.storage, source)

    count = workers or os.cpu_count() or 1
    waiting = deque[tuple[S, Future[T]]]()
    with ThreadPoolExecutor(count) as pool:
        for source in sources:
            waiting.append((source, pool.submit(act, source)))
            if len(waiting) > 4 * count:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
