"""A storage that passes everything on to another: the base of those that change one thing."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from variegate.storage.base import Entry, OnSkip, Storage, log_skip


class PassingStorage(Storage):
    """Passes everything on to `inner`."""

    def __init__(self, inner: Storage) -> None:
        self.url, self.is_tar = inner.url, inner.is_tar
        self._inner = inner

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        return self._inner.list(prefix, on_skip=on_skip)

    def doubts(self) -> Iterator[str]:
        return self._inner.doubts()

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        return self._inner.read(key, limit=limit)

    def open_read(self, key: str) -> BinaryIO:
        return self._inner.open_read(key)

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def exists(self, key: str) -> bool:
        return self._inner.exists(key)

    def version(self, key: str) -> str | None:
        return self._inner.version(key)

    def write(self, key: str, data: bytes) -> None:
        self._inner.write(key, data)

    def write_later(self, key: str, data: bytes) -> None:
        self._inner.write_later(key, data)

    def flush(self) -> None:
        self._inner.flush()

    def read_ahead(self, entries: Sequence[Entry], *, limit: int) -> None:
        self._inner.read_ahead(entries, limit=limit)

    def create(self, key: str, data: bytes) -> bool:
        return self._inner.create(key, data)

    def open_write(self, key: str, *, replace: bool = True) -> AbstractContextManager[BinaryIO]:
        return self._inner.open_write(key, replace=replace)

    def delete(self, key: str) -> None:
        self._inner.delete(key)
