"""One entry of a zip file's directory, without all others.

zipfile reads a directory as a whole, which takes seconds and much memory where there are hundreds
of thousands of members. So it is shown a file that has but one: `OneMember`.
"""

import os
import struct
import zipfile
from typing import BinaryIO

# Fields of an entry and of the end of a directory, APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16.
_ENTRY_BYTES = 46
_LENGTHS, _LENGTHS_AT = struct.Struct("<3H"), 28
_OFFSET, _OFFSET_AT = struct.Struct("<L"), 42
_END = struct.Struct("<4s4H2LH")
_LARGE_END = struct.Struct("<4sQ2H2L4Q")
_LARGE_END_PLACE = struct.Struct("<4sLQL")
_VERSION = 45
_NOT_HERE = 0xFFFFFFFF
_UTF8_NAME = 0x800


def entry_size(member: zipfile.ZipInfo) -> int:
    """Return how many bytes of the directory a member's entry has."""
    encoding = "utf-8" if member.flag_bits & _UTF8_NAME else "cp437"
    name = member.orig_filename.encode(encoding)
    return _ENTRY_BYTES + len(name) + len(member.extra) + len(member.comment)


def stated_offset(file: BinaryIO, place: int) -> int | None:
    """Return where the entry at a place says that its member begins; None for "see elsewhere"."""
    file.seek(place + _OFFSET_AT)
    (offset,) = _OFFSET.unpack(file.read(_OFFSET.size))
    return None if offset == _NOT_HERE else int(offset)


class OneMember:
    """A zip file up to an entry of its directory, as if that were the only one; to read from."""

    def __init__(self, path: str, place: int, base: int) -> None:
        """Open it.

        Args:
            path: of the file.
            place: where the entry stands.
            base: how far behind what the file itself says its members stand.

        Raises:
            OSError: the file cannot be read.
            zipfile.BadZipFile: it ends before the entry.
        """
        # Its own file, and so its own position: processes and threads may read side by side.
        self._file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - closed with it
        self._file.seek(place)
        entry = self._file.read(_ENTRY_BYTES)
        if len(entry) < _ENTRY_BYTES:
            raise zipfile.BadZipFile("the directory ends early")
        entry += self._file.read(sum(_LENGTHS.unpack_from(entry, _LENGTHS_AT)))
        self._cut, self._rest = place, entry + _end(len(entry), place - base)
        self._position = 0

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        begins = (0, self._position, self._cut + len(self._rest))
        position = begins[whence] + offset
        if position < 0:
            raise OSError("a position before the beginning")
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        length = self._cut + len(self._rest) - self._position
        size = length if size < 0 else min(size, length)
        data = b""
        if size > 0 and self._position < self._cut:
            self._file.seek(self._position)
            data = self._file.read(min(size, self._cut - self._position))
            self._position += len(data)
            if self._position < self._cut:
                return data
        begin = self._position - self._cut
        more = self._rest[begin : begin + max(0, size - len(data))]
        self._position += len(more)
        return data + more

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self) -> None:
        # zipfile closes no file that it has not opened.
        if hasattr(self, "_file"):
            self.close()


def _end(size: int, start: int) -> bytes:
    """Return the end of a directory with one entry of this size, which begins at `start`."""
    large = b""
    if start >= _NOT_HERE:
        fields = (_LARGE_END.size - 12, _VERSION, _VERSION, 0, 0, 1, 1, size, start)
        large = _LARGE_END.pack(b"PK\6\6", *fields)
        large += _LARGE_END_PLACE.pack(b"PK\6\7", 0, start + size, 1)
    return large + _END.pack(b"PK\5\6", 0, 0, 1, 1, size, min(start, _NOT_HERE), 0)
