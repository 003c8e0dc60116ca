"""A storage that remembers what was written through it."""

from contextlib import AbstractContextManager
from typing import BinaryIO

from variegate.storage.base import Storage
from variegate.storage.wrapper import PassingStorage


class NotingStorage(PassingStorage):
    """Passes everything on to another storage.

    Attributes:
        written: keys, in the order in which they were first written.
    """

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.written: list[str] = []

    def write(self, key: str, data: bytes) -> None:
        self._note(key)
        super().write(key, data)

    def write_later(self, key: str, data: bytes) -> None:
        self._note(key)
        super().write_later(key, data)

    def create(self, key: str, data: bytes) -> bool:
        self._note(key)
        return super().create(key, data)

    def open_write(self, key: str) -> AbstractContextManager[BinaryIO]:
        self._note(key)
        return super().open_write(key)

    def _note(self, key: str) -> None:
        if key not in self.written:
            self.written.append(key)
