"""The output as results see it: without its records, which no name may reach.

Images and classes are called as somebody called them. What is below ``.variegate/`` and
``manifest.parquet`` are records of the output itself: no result is written there, and none deleted.
"""

from contextlib import AbstractContextManager, suppress
from typing import BinaryIO

from variegate.errors import KeyRefusedError
from variegate.runs.manifest import FOLDER, MANIFEST
from variegate.storage import PassingStorage, Storage


def is_reserved(key: str) -> bool:
    """Say whether a key is that of a record of the output, as any file system compares names."""
    # Windows also drops dots and spaces at the end of a name.
    return key.partition("/")[0].casefold().rstrip(". ") in (FOLDER, MANIFEST)


class ResultStorage(PassingStorage):
    """Refuses the names of records.

    Attributes:
        records: the output as it is, for those who write them.
        at_once: nothing is written behind other work, so that a name that the store does not take
            is told where it belongs.
    """

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.records = inner
        self.at_once = False

    def write(self, key: str, data: bytes) -> None:
        self._check(key)
        super().write(key, data)

    def write_later(self, key: str, data: bytes) -> None:
        self._check(key)
        if self.at_once:
            super().write(key, data)
        else:
            super().write_later(key, data)

    def create(self, key: str, data: bytes) -> bool:
        self._check(key)
        return super().create(key, data)

    def open_write(self, key: str, *, replace: bool = True) -> AbstractContextManager[BinaryIO]:
        self._check(key)
        return super().open_write(key, replace=replace)

    def delete(self, key: str) -> None:
        # What cannot have been written need not be deleted.
        if not is_reserved(key):
            with suppress(KeyRefusedError):
                super().delete(key)

    def _check(self, key: str) -> None:
        if is_reserved(key):
            raise KeyRefusedError(
                f"{self.place(key)}: this name is reserved for variegate's own records; "
                "rename the file, its folder or its class"
            )
