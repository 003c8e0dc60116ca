"""What the operating system's errors mean to the user: one sentence with place and remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from variegate.errors import InputError, OutputError, UsageError

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
    errno.EFBIG: "the file is too large for the file system; choose another place",
}


@contextmanager
def _told(
    kind: type[UsageError], meanings: dict[int, str], otherwise: str, place: str
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        unknown = f"{otherwise} ({error.strerror or error}); check the disk and the path"
        raise kind(f"{place}: {meanings.get(error.errno or 0, unknown)}") from error


reading = partial(_told, InputError, _READING, "cannot be read")
"""Turn an OSError inside the block into an `InputError` that says what went wrong at a place."""
writing = partial(_told, OutputError, _WRITING, "cannot be written")
"""Turn an OSError inside the block into an `OutputError` that says what went wrong at a place."""
