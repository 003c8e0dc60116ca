"""Values by group, kept on disk: lists of a million boxes, in which those of one image stand
anywhere.

A value costs 16 bytes of memory, whatever it holds. They are written in the order in which they
come, and each group is read on its own.
"""

import marshal
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


class Spooled:
    """Add values, then `finish`, then read groups in any order."""

    def __init__(self) -> None:
        """Open a temporary file, which goes with this object."""
        self._file = tempfile.TemporaryFile(prefix="variegate-")  # noqa: SIM115 - see below
        weakref.finalize(self, self._file.close)
        self._groups = array("q")
        self._offsets = array("q", [0])
        self._order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._sorted: npt.NDArray[np.int64] = self._order

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, group: int, value: Any) -> None:
        """Append a value of plain Python types."""
        self._file.write(data := marshal.dumps(value))
        self._groups.append(group)
        self._offsets.append(self._offsets[-1] + len(data))

    def finish(self) -> None:
        """Sort the groups; nothing can be added any more."""
        groups = np.frombuffer(self._groups, dtype=np.int64)
        self._order = np.argsort(groups, kind="stable")
        self._sorted = groups[self._order]

    def group(self, group: int) -> Iterator[tuple[int, Any]]:
        """Yield the values of a group in their order, each with its number among all."""
        start, stop = np.searchsorted(self._sorted, [group, group + 1])
        for number in self._order[start:stop].tolist():
            begin = self._offsets[number]
            self._file.seek(begin)
            data = self._file.read(self._offsets[number + 1] - begin)
            yield number, marshal.loads(data)  # noqa: S302 - written above, by this process

    def count(self, group: int) -> int:
        """Return how many values a group has."""
        start, stop = np.searchsorted(self._sorted, [group, group + 1])
        return int(stop - start)
