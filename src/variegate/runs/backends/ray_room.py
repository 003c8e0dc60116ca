"""What tasks on a Ray cluster reserve, and whether its nodes have that."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread

_log = logging.getLogger(__name__)

# A cluster that grows takes minutes for a node; who waits should know what for.
_FIRST_TOLD_S = 30.0
_TOLD_EVERY_S = 300.0

Resources = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Room:
    """What a task reserves.

    Attributes:
        cpus: as Ray counts them.
        memory: MB; None for whatever it takes.
    """

    cpus: float
    memory: int | None

    def __str__(self) -> str:
        return _words(self.cpus, self.memory)

    def fits(self, resources: Resources) -> bool:
        """Say whether a node with these resources can run a task."""
        memory = (self.memory or 0) << 20
        return resources.get("CPU", 0) >= self.cpus and resources.get("memory", 0) >= memory

    def lacking(self, nodes: Sequence[Resources]) -> str | None:
        """Return what is to be said where no node can run a task, and what would fit."""
        if any(map(self.fits, nodes)):
            return None
        able = [one for one in nodes if one.get("CPU", 0) > 0]
        if not able:
            return f"a task reserves {self}, and no node of the cluster takes tasks"
        largest = max(able, key=lambda one: (one["CPU"], one.get("memory", 0)))
        memory = int(largest.get("memory", 0)) >> 20
        remedy = f"--cpus-per-task {min(self.cpus, largest['CPU']):g}"
        if self.memory is not None:
            remedy += f" --memory-per-task {min(self.memory, memory)}"
        return (
            f"a task reserves {self}, and no node of the cluster has that: the largest has "
            f"{_words(largest['CPU'], memory)}; {remedy} would fit"
        )


def _words(cpus: float, memory: int | None) -> str:
    words = "1 CPU" if cpus == 1 else f"{cpus:g} CPUs"
    return words if memory is None else f"{words} and {memory:,} MB"


class RoomWatch:
    """Says in the log, in a thread of its own, that no task has begun where none fits."""

    def __init__(
        self,
        room: Room,
        nodes: Callable[[], Sequence[Resources]],
        *,
        first_told_s: float = _FIRST_TOLD_S,
        told_every_s: float = _TOLD_EVERY_S,
    ) -> None:
        self._room, self._nodes = room, nodes
        self._times = first_told_s, told_every_s
        self._begun = Event()
        Thread(target=self._look, daemon=True, name="variegate-room").start()

    def _look(self) -> None:
        wait, more = self._times
        while not self._begun.wait(wait):
            try:
                nodes = self._nodes()
            except Exception:  # noqa: BLE001 - a cluster that is gone: others say so
                return
            if lacking := self._room.lacking(nodes):
                _log.warning("no task has begun yet: %s; waiting for a node that does", lacking)
            wait = more

    def close(self) -> None:
        """A task has begun, or none will."""
        self._begun.set()
