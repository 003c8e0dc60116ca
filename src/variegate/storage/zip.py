"""A zip file as a storage to read from, as it is: nothing is unpacked to disk."""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, NoReturn, cast

from variegate.errors import InputError, LimitError, OutputError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, hostile, printable
from variegate.storage.os_errors import read_failure

# A member's size where the caller sets no limit. Deflate grows at most 1,032 times, so that a
# 2 MB archive could otherwise fill 2 GB of memory.
MEMBER_LIMIT = 1 << 30

_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_PIECE = 1 << 20
# bzip2 and LZMA members would be expanded by zipfile without a bound on one step's memory.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError)


class ZipStorage(Storage):
    """The members of the zip file at `path`; read-only.

    The file is opened at first use, and again in every process: only path and name are pickled.
    """

    def __init__(self, path: str, *, url: str) -> None:
        self.path = path
        self.url = url
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._skipped: list[tuple[str, str]] = []
        self._process = 0

    def __getstate__(self) -> tuple[str, str]:
        return self.path, self.url

    def __setstate__(self, state: tuple[str, str]) -> None:
        ZipStorage.__init__(self, state[0], url=state[1])

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        folder = f"{check_key(prefix.rstrip('/'))}/" if prefix else ""
        self._open()
        for name, reason in self._skipped:
            if name.startswith(folder):
                on_skip(name, reason)
        for key, member in self._members.items():
            if key.startswith(folder):
                yield Entry(key, member.file_size)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        place = self.place(key)
        limit = MEMBER_LIMIT if limit is None else limit
        size = self._member(key).file_size
        if size > limit:
            raise LimitError(f"{place}: {size:,} bytes unpacked, the limit is {limit:,}")
        pieces: list[bytes] = []
        with self.open_read(key) as file, self._explained(place):
            # To the end of the file, not of the declared size: only there the checksum is tested.
            while piece := file.read(_PIECE):
                pieces.append(piece)
        return b"".join(pieces)

    def open_read(self, key: str) -> BinaryIO:
        member, place = self._member(key), self.place(key)
        if member.flag_bits & _ENCRYPTED:
            raise InputError(f"{place}: encrypted; unpack the archive with its password first")
        if member.compress_type not in _METHODS:
            raise InputError(
                f"{place}: compressed by method {member.compress_type}, expected 0 (stored) or "
                "8 (deflate); pack the archive again"
            )
        with self._explained(place):
            return cast("BinaryIO", self._open().open(member))

    def size(self, key: str) -> int:
        return self._member(key).file_size

    def exists(self, key: str) -> bool:
        check_key(key)
        self._open()
        return key in self._members

    def write(self, key: str, data: bytes) -> NoReturn:
        self._refuse()

    def open_write(self, key: str) -> AbstractContextManager[BinaryIO]:
        self._refuse()

    def delete(self, key: str) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise OutputError(f"{printable(self.url)}: zip files are only read; write to a folder")

    def _member(self, key: str) -> zipfile.ZipInfo:
        check_key(key)
        self._open()
        if key not in self._members:
            raise InputError(f"{self.place(key)}: not found in the archive; check the spelling")
        return self._members[key]

    def _open(self) -> zipfile.ZipFile:
        # A forked child shares its parent's file position, so it has to open the file for itself.
        if self._archive is None or self._process != os.getpid():
            with self._explained(printable(self.url)):
                self._archive = zipfile.ZipFile(self.path)
            self._process = os.getpid()
            self._members, self._skipped = _sort_members(self._archive)
        return self._archive

    @contextmanager
    def _explained(self, place: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise read_failure(error, place) from error
        except (NotImplementedError, RuntimeError) as error:
            raise InputError(f"{place}: {error}; pack the archive again") from error
        except _DAMAGE as error:
            reason = str(error) or "the data ends early"
            raise InputError(
                f"{place}: the archive is damaged here ({reason}); fetch or pack it again"
            ) from error


def _sort_members(
    archive: zipfile.ZipFile,
) -> tuple[dict[str, zipfile.ZipInfo], list[tuple[str, str]]]:
    """Return the files by key, in order, and the members passed over, with reasons."""
    members: dict[str, zipfile.ZipInfo] = {}
    skipped: list[tuple[str, str]] = []
    for member in archive.infolist():
        name = _name(member)
        if problem := hostile(name):
            skipped.append((name, problem))
        elif not name.endswith("/"):
            if name in members:
                skipped.append((name, "the archive holds this name again later; the last counts"))
            members[name] = member
    return dict(sorted(members.items())), skipped


def _name(member: zipfile.ZipInfo) -> str:
    """Return the member's name; macOS and others write UTF-8 without saying so."""
    if member.flag_bits & _UTF8_NAME or member.orig_filename.isascii():
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.orig_filename
