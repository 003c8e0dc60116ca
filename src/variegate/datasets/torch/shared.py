"""Integers that a dataset shares with the loader's worker processes, however they are started."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.context import get_spawning_popen
from typing import Any

# What it makes can be inherited by forked processes and sent to spawned ones.
_CONTEXT = multiprocessing.get_context("spawn")


class SharedNumbers:
    """Some integers that every process sees and may set.

    A copy, or one that was pickled for anything but a process that is starting, has numbers of its
    own.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers: Any = _CONTEXT.RawArray("q", list(numbers))

    def __getitem__(self, index: int) -> int:
        return int(self._numbers[index])

    def __setitem__(self, index: int, number: int) -> None:
        self._numbers[index] = number

    def __getstate__(self) -> dict[str, Any]:
        shared = get_spawning_popen() is not None
        return {"shared": self._numbers} if shared else {"own": list(self._numbers)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = state.get("own")
        self._numbers = state["shared"] if own is None else _CONTEXT.RawArray("q", own)


class SharedCounts(SharedNumbers):
    """Counts that several processes raise at a time."""

    def __init__(self, count: int) -> None:
        super().__init__([0] * count)
        self._lock = _CONTEXT.Lock()

    def is_first(self, index: int) -> bool:
        """Add one to a count; say whether it was 0, which one process alone is told."""
        with self._lock:
            self[index] += 1
            return self[index] == 1

    def above_zero(self) -> dict[int, int]:
        """Return the counts that were raised, by their index."""
        return {index: number for index, number in enumerate(self._numbers) if number}

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return state if "own" in state else {**state, "lock": self._lock}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = state.get("lock") or _CONTEXT.Lock()
