"""What zip and tar files have in common as storages: members to read, and nothing to write.

Nothing of a member is trusted but its bytes: names that climb are refused, sizes are bounded, and
what a damaged archive raises becomes one sentence.
"""

import gzip
import struct
import tarfile
import zipfile
import zlib
from abc import abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from variegate.errors import InputError, OutputError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, printable
from variegate.storage.os_errors import reading

# A member's size where the caller sets no limit. Deflate grows at most 1,032 times, so that a
# 2 MB archive could otherwise fill 2 GB of memory.
MEMBER_LIMIT = 1 << 30

AGAIN = "the archive holds this name again later; the last counts"
"""Why a member is passed over whose name comes twice."""

_PIECE = 1 << 20
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, IndexError, KeyError, OverflowError, RecursionError),
)


@dataclass(frozen=True, slots=True)
class MemberIndex:
    """The members of an archive that are files; arrays, because there may be millions.

    Attributes:
        keys: in code-point order.
        places: where each is, in whatever way the archive counts.
        sizes: of their content, in bytes.
        skipped: members passed over, with reasons.
        base: of places that the archive itself names, where it does not begin with its file.
    """

    keys: Sequence[str]
    places: Sequence[int]
    sizes: Sequence[int]
    skipped: list[tuple[str, str]]
    base: int = 0

    @classmethod
    def of(
        cls, members: Mapping[str, tuple[int, int]], skipped: list[tuple[str, str]], base: int = 0
    ) -> Self:
        """Return the index of members: key -> place and size."""
        keys = sorted(members)
        places, sizes = (array("Q", (members[key][which] for key in keys)) for which in (0, 1))
        return cls(keys, places, sizes, skipped, base)

    def find(self, key: str) -> int | None:
        """Return the number of a member, or None."""
        number = bisect_left(self.keys, key)
        return number if number < len(self.keys) and self.keys[number] == key else None

    def below(self, folder: str) -> range:
        """Return the numbers of the members below a folder; all for ""."""
        if not folder:
            return range(len(self.keys))
        # "0" comes behind "/".
        return range(bisect_left(self.keys, f"{folder}/"), bisect_left(self.keys, f"{folder}0"))


class ArchiveStorage(Storage):
    """The members of the archive at `path`; read-only.

    The file is opened at first use, and again in every process: only path and name are pickled.
    """

    def __init__(self, path: str, *, url: str) -> None:
        self.path = path
        self.url = url
        self._index: MemberIndex | None = None

    def __getstate__(self) -> tuple[str, str]:
        return self.path, self.url

    def __setstate__(self, state: tuple[str, str]) -> None:
        self.__init__(state[0], url=state[1])  # type: ignore[misc]

    @abstractmethod
    def _members(self) -> MemberIndex:
        """Return the index, made at first use."""

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        folder = check_key(prefix.rstrip("/")) if prefix else ""
        index = self._members()
        for name, reason in index.skipped:
            if not folder or name.startswith(f"{folder}/"):
                on_skip(name, reason)
        with reading(printable(self.url)):
            modified = Path(self.path).stat().st_mtime
        for number in index.below(folder):
            yield Entry(index.keys[number], index.sizes[number], modified)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        self._check_size(key, self.size(key), MEMBER_LIMIT if limit is None else limit)
        with self.open_read(key) as file, explained(self.place(key)):
            # To the end of the file, not of the declared size: only there a checksum is tested.
            return b"".join(iter(lambda: file.read(_PIECE), b""))

    def size(self, key: str) -> int:
        return self._members().sizes[self._number(key)]

    def exists(self, key: str) -> bool:
        return self._members().find(check_key(key)) is not None

    def write(self, key: str, data: bytes = b"") -> NoReturn:
        raise OutputError(f"{printable(self.url)}: archives are only read; write to a folder")

    def open_write(self, key: str, *, replace: bool = True) -> NoReturn:
        del replace
        self.write(key)

    delete = write

    def _number(self, key: str) -> int:
        number = self._members().find(check_key(key))
        if number is None:
            raise InputError(f"{self.place(key)}: not found in the archive; check the spelling")
        return number


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what a damaged archive raises inside the block into an `InputError`."""
    with reading(place):
        try:
            yield
        except _DAMAGE as error:
            reason = str(error) or "the data ends early"
            raise InputError(
                f"{place}: the archive is damaged here ({reason}); fetch or pack it again"
            ) from error
        except RuntimeError as error:  # of zipfile, which does not support the member
            raise InputError(f"{place}: {error}; pack the archive again") from error
