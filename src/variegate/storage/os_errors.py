"""What the operating system's errors mean to the user: one sentence with place and remedy."""

import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from variegate.errors import (
    InputError,
    KeyRefusedError,
    OutputError,
    UnavailableError,
    UsageError,
)

_T = TypeVar("_T")

_FULL = "the disk is full; free some space, or choose another place, and run the same command again"
_DENIED = "no permission; check the owner and the access rights of the file and its folders"
_COMMON = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENAMETOOLONG: "the name is too long for this file system; use a shorter one",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n) or use fewer workers",
    errno.ENFILE: "too many open files on this machine; use fewer workers",
    errno.ELOOP: "its symbolic links lead in a circle; remove them",
    errno.EIO: "the disk or its connection failed; check it and run the same command again",
    errno.ESTALE: "the network file system lost it; mount it again and run the same command again",
}
_READING = _COMMON | {
    errno.ENOENT: "not found; check the spelling, or whether it was moved meanwhile",
    errno.ENOTDIR: "not found: one of its folders is a file; check the spelling",
    errno.EISDIR: "expected a file, found a folder; name a file",
}
_WRITING = _COMMON | {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "its folder vanished while writing; run the same command again",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away, or choose another place",
    errno.EEXIST: "a file stands where a folder is needed; move it away, or choose another place",
    errno.EISDIR: "a folder stands where a file is to be written; move it away",
    errno.ENOTEMPTY: "a folder stands where a file is to be written; move it away",
    errno.EILSEQ: "this file system does not take the name; rename the file",
    errno.EINVAL: "this file system does not take the name; rename the file",
    errno.EFBIG: "the file is too large for the file system; choose another place",
}


# A file of such a name can never be written there, whatever is done about the disk.
_OF_THE_NAME = dict.fromkeys(
    (
        *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY),
        *(errno.EILSEQ, errno.EINVAL),
    ),
    KeyRefusedError,
)

# What network file systems answer while they or their servers come back.
_PASSING = frozenset((errno.EIO, errno.ESTALE))
_PAUSES_S = (0.2, 0.8, 2.0)

# All that is wrong with a file that was there a moment ago may pass; a name stays what it is.
_LASTING = dict.fromkeys((errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR), InputError)


def patiently(action: Callable[[], _T]) -> _T:
    """Return what an action returns, which is tried again where a file system is away."""
    for pause in _PAUSES_S:
        try:
            return action()
        except OSError as error:
            if error.errno not in _PASSING:
                raise
        time.sleep(pause)
    return action()


@dataclass(frozen=True, slots=True)
class _Side:
    """What errors of reading, or of writing, mean.

    Attributes:
        kind: of the exception; `kinds` are the exceptions from that, by errno.
        meanings: by errno.
        otherwise: what is said where there is none.
    """

    kind: type[UsageError]
    kinds: Mapping[int, type[UsageError]]
    meanings: Mapping[int, str]
    otherwise: str


class _Told:
    """A block whose `OSError` is told as one of ours. No generator: every file enters it."""

    __slots__ = ("_place", "_side")

    def __init__(self, side: _Side, place: str) -> None:
        self._side, self._place = side, place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not isinstance(error, OSError):
            return
        side, number = self._side, error.errno or 0
        unknown = f"{side.otherwise} ({error.strerror or error}); check the disk and the path"
        told = side.kinds.get(number, side.kind)
        raise told(f"{self._place}: {side.meanings.get(number, unknown)}") from error


reading = partial(_Told, _Side(UnavailableError, _LASTING, _READING, "cannot be read"))
"""Turn an OSError inside the block into an `InputError` that says what went wrong at a place."""
writing = partial(_Told, _Side(OutputError, _OF_THE_NAME, _WRITING, "cannot be written"))
"""Turn an OSError inside the block into an `OutputError` that says what went wrong at a place."""
