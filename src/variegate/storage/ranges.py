"""A file of which ranges can be had, as a file that is read as any other."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast


def open_ranges(
    part: Callable[[int, int], bytes],
    size: int,
    *,
    buffer_bytes: int = io.DEFAULT_BUFFER_SIZE,
    closing: Callable[[], None] | None = None,
) -> BinaryIO:
    """Return a file, open for reading.

    Args:
        part: gives the bytes from one position to before another; fewer where the data end early.
        size: bytes.
        buffer_bytes: how much is asked for at a time, at least.
        closing: called when the file is closed.
    """
    return cast("BinaryIO", io.BufferedReader(_Ranges(part, size, closing), buffer_bytes))


class _Ranges(io.RawIOBase):
    def __init__(
        self,
        part: Callable[[int, int], bytes],
        size: int,
        closing: Callable[[], None] | None,
    ) -> None:
        self._part, self._size, self._closing, self._at = part, size, closing, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        data = self._part(self._at, end) if end > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if self._closing:
            self._closing()
        super().close()
