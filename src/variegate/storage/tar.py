"""A tar file as a storage to read from, as it is: nothing but a compressed one is unpacked."""

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from variegate.errors import InputError, LimitError, OutputError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.gunzip import is_gzip, unpacked
from variegate.storage.keys import check_key, printable
from variegate.storage.os_errors import read_failure
from variegate.storage.tar_index import DAMAGE, TarIndex, read_index

# A member's size where the caller sets no limit.
MEMBER_LIMIT = 1 << 30


class TarStorage(Storage):
    """The members of the tar file at `path`; read-only.

    Its headers are read at first use, and again in every process: only path and name are pickled.
    """

    is_tar = True

    def __init__(self, path: str, *, url: str) -> None:
        self.path = path
        self.url = url
        self._content = path
        self._index: TarIndex | None = None

    def __getstate__(self) -> tuple[str, str]:
        return self.path, self.url

    def __setstate__(self, state: tuple[str, str]) -> None:
        TarStorage.__init__(self, state[0], url=state[1])

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        folder = check_key(prefix.rstrip("/")) if prefix else ""
        index = self._open()
        for name, reason in index.skipped:
            if not folder or name.startswith(f"{folder}/"):
                on_skip(name, reason)
        for number in index.below(folder):
            yield Entry(index.keys[number], index.sizes[number])

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        place, size = self.place(key), self.size(key)
        limit = MEMBER_LIMIT if limit is None else limit
        if size > limit:
            raise LimitError(f"{place}: {size:,} bytes, the limit is {limit:,}")
        with self.open_read(key) as file, self._explained(place):
            data = file.read()
        if len(data) != size:
            raise InputError(f"{place}: the archive ends before it; fetch or pack it again")
        return data

    def open_read(self, key: str) -> BinaryIO:
        index, number = self._open(), self._number(key)
        with self._explained(self.place(key)):
            # Its own file, and so its own position: processes and threads may read side by side.
            file = Path(self._content).open("rb")  # noqa: SIM115 - the slice closes it
            part = _Slice(file, index.offsets[number], index.sizes[number])
            return cast("BinaryIO", io.BufferedReader(part))

    def size(self, key: str) -> int:
        number = self._number(key)
        return self._open().sizes[number]

    def exists(self, key: str) -> bool:
        check_key(key)
        return self._open().find(key) is not None

    def write(self, key: str, data: bytes) -> NoReturn:
        self._refuse()

    def open_write(self, key: str) -> AbstractContextManager[BinaryIO]:
        self._refuse()

    def delete(self, key: str) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise OutputError(f"{printable(self.url)}: tar files are only read; write to a folder")

    def _number(self, key: str) -> int:
        check_key(key)
        number = self._open().find(key)
        if number is None:
            raise InputError(f"{self.place(key)}: not found in the archive; check the spelling")
        return number

    def _open(self) -> TarIndex:
        if self._index is None:
            place = printable(self.url)
            with self._explained(place):
                self._content = unpacked(self.path, place) if is_gzip(self.path) else self.path
                with Path(self._content).open("rb") as file:
                    self._index = read_index(file)
        return self._index

    @contextmanager
    def _explained(self, place: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise read_failure(error, place) from error
        except DAMAGE as error:
            reason = str(error) or "the data ends early"
            raise InputError(
                f"{place}: the archive is damaged here ({reason}); fetch or pack it again"
            ) from error


class _Slice(io.RawIOBase):
    """A part of a file as a file; closes the whole with itself."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = min(max(0, base + offset), self._size)
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
