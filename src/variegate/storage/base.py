"""What every place with keys can do."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO

from variegate.errors import LimitError
from variegate.storage.keys import printable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a storage.

    Attributes:
        key: its path.
        size: bytes.
        modified: when it was written, seconds since 1970; None where the storage does not tell.
    """

    key: str
    size: int
    modified: float | None = field(default=None, compare=False)


OnSkip = Callable[[str, str], None]
"""Told of a file that a listing passes over: its key (perhaps an impossible one), and why."""


def log_skip(key: str, reason: str) -> None:
    """The `OnSkip` that writes a warning to the log."""
    _log.warning("%s: skipped: %s", printable(key), reason)


class Storage(ABC):
    """A place with keys. Small, picklable, cheap to open in every process.

    Failures of reading raise `InputError`, of writing `OutputError`. An `InputError` from `read`,
    `size` or `open_read` is about that one key.
    """

    url: str
    """How the user named the place; for messages and records."""
    is_tar: bool = False
    """It is one tar file."""

    @abstractmethod
    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        """Yield every file below the folder `prefix`, in the code-point order of whole keys.

        A folder that is not there has no files. Unfinished files are never shown.
        """

    @abstractmethod
    def read(self, key: str, *, limit: int | None = None) -> bytes:
        """Return the whole content.

        Raises:
            InputError: no such file, or it cannot be read.
            LimitError: it is larger than `limit` bytes; found out before reading more than that.
        """

    @abstractmethod
    def open_read(self, key: str) -> BinaryIO:
        """Open for reading in pieces; the caller closes it."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Return the number of bytes, as declared where it is stored."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Say whether `key` is a file."""

    def doubts(self) -> Iterator[str]:
        """Yield what had to be guessed about names, one sentence each."""
        return iter(())

    def version(self, key: str) -> str | None:
        """Return what changes whenever the file's content does, or None if there is no such file.

        Here its size, which is enough where nobody writes.
        """
        return str(self.size(key)) if self.exists(key) else None

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Put the whole content, or nothing: no reader ever sees half of it."""

    def write_later(self, key: str, data: bytes) -> None:
        """As `write`, but it need not be done before `flush`, which may raise its failure."""
        self.write(key, data)

    def flush(self) -> None:
        """Wait until everything is written."""
        return

    def read_ahead(self, entries: Sequence[Entry], *, limit: int) -> None:
        """Be told what will be read soon, in this order, and that no more than `limit` bytes are.

        Where reading takes long, it begins.
        """
        del entries, limit

    def create(self, key: str, data: bytes) -> bool:
        """Put the whole content if there is no such file; say whether it was put."""
        if self.exists(key):
            return False
        self.write(key, data)
        return True

    @abstractmethod
    def open_write(self, key: str, *, replace: bool = True) -> AbstractContextManager[BinaryIO]:
        """Write in pieces. The file appears when the block ends; after an exception, never.

        Without `replace` a file that is there by then stays, and what was written is dropped.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the file, if there is one."""

    def _check_size(self, key: str, size: int, limit: int | None) -> None:
        """Make sure that a file is not larger than `limit` bytes.

        Raises:
            LimitError: it is.
        """
        if limit is not None and size > limit:
            raise LimitError(f"{self.place(key)}: {size:,} bytes, the limit is {limit:,}")

    def place(self, key: str) -> str:
        """Return the file's place as text for a message."""
        return f"{printable(self.url.rstrip('/'))}/{printable(key)}"
