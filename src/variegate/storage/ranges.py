"""A file of which ranges can be had, as a file that is read as any other."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast


def open_ranges(
    part: Callable[[int, int], bytes],
    size: Callable[[], int],
    *,
    closing: Callable[[], object] = lambda: None,
    buffer_bytes: int = io.DEFAULT_BUFFER_SIZE,
) -> BinaryIO:
    """Return a file, open for reading.

    Args:
        part: gives the bytes from one position to before another; fewer, but some, at will; none
            at the end.
        size: gives the size in bytes; asked only where a position is counted from the end.
        closing: called when the file is closed.
        buffer_bytes: how much is asked for at a time, at least.
    """
    return cast("BinaryIO", io.BufferedReader(_Ranges(part, size, closing), buffer_bytes))


class _Ranges(io.RawIOBase):
    def __init__(
        self,
        part: Callable[[int, int], bytes],
        size: Callable[[], int],
        closing: Callable[[], object],
    ) -> None:
        self._part, self._size, self._closing, self._at = part, size, closing, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = max(0, offset + (self._size() if start is None else start))
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._part(self._at, self._at + len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._closing()
        super().close()
