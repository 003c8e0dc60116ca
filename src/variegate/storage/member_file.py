"""An archive's index in a file: made once, and read by all processes of a run.

The process that makes one removes it when it ends; the processes that it starts find it by an
environment variable. They map it into memory, so that all of them together hold it once. A process
that may be killed at any time, as workers are, makes none: nobody would remove it.
"""

import atexit
import json
import mmap
import os
import struct
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import overload

from variegate.storage.archive import MemberIndex

VARIABLE = "VARIEGATE_INDEXED"
# For processes that make none.
ONLY_READ = "VARIEGATE_INDEXED_BY_OTHERS"

# Fewer are found again as fast as a file is opened.
_FEWEST = 2_000
_HEAD = struct.Struct("=QQQq")
_NUMBER = 8


class MappedNames(Sequence[str]):
    """Names that stand behind each other in memory."""

    def __init__(self, names: memoryview, ends: "memoryview[int]") -> None:
        self._names, self._ends = names, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        start = self._ends[number - 1] if number else 0
        return str(self._names[start : self._ends[number]], "utf-8", "surrogatepass")


def shared_index(path: str, read: Callable[[str], MemberIndex]) -> MemberIndex:
    """Return the index of an archive: what a process before has found, or what `read` finds.

    Raises:
        Exception: from `read`.
    """
    status = os.stat(path)  # noqa: PTH116 - one call, no object
    identity = f"{path}|{status.st_size}|{status.st_mtime_ns}"
    known = known_indexes()
    # One that cannot be used is no loss.
    with suppress(OSError, ValueError, KeyError):
        return _opened(known[identity])
    index = read(path)
    if len(index.keys) < _FEWEST or ONLY_READ in os.environ:
        return index
    try:
        written = _written(index)
    except OSError:
        return index
    atexit.register(_remove, written, os.getpid())
    use_indexes({**known, identity: written})
    return _opened(written)


def known_indexes() -> dict[str, str]:
    """Return the files with the indexes that this process knows of, by archive."""
    known: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))
    return known


def use_indexes(known: dict[str, str]) -> None:
    """Have this process, and those that it starts, find indexes."""
    os.environ[VARIABLE] = json.dumps(known)


def _written(index: MemberIndex) -> str:
    """Write an index into a file; return its path."""
    ends, end = array("Q"), 0
    for name in _raw(index.keys):
        end += len(name)
        ends.append(end)
    skipped = json.dumps(index.skipped).encode()
    descriptor, path = tempfile.mkstemp(prefix="variegate-", suffix=".index")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEAD.pack(len(index.keys), end, len(skipped), index.base))
            for numbers in (index.places, index.sizes, ends):
                file.write(array("Q", numbers))
            file.writelines(_raw(index.keys))
            file.write(skipped)
    except BaseException:
        Path(path).unlink()
        raise
    return path


def _raw(names: Sequence[str]) -> Iterator[bytes]:
    return (name.encode("utf-8", "surrogatepass") for name in names)


def _opened(path: str) -> MemberIndex:
    """Return the index that is in a file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    count, length, more, base = _HEAD.unpack(data[: _HEAD.size])
    at = _HEAD.size
    columns = []
    for _ in range(3):
        columns.append(data[at : at + count * _NUMBER].cast("Q"))
        at += count * _NUMBER
    names, rest = data[at : at + length], data[at + length :]
    if len(rest) != more:
        raise ValueError(f"{path}: not whole")
    skipped = [(name, reason) for name, reason in json.loads(bytes(rest))]
    return MemberIndex(MappedNames(names, columns[2]), columns[0], columns[1], skipped, base)


def _remove(path: str, process: int) -> None:
    if os.getpid() == process:
        with suppress(OSError):
            Path(path).unlink()
