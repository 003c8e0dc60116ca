"""A zip file as a storage to read from, as it is: nothing is unpacked to disk."""

import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from variegate.errors import InputError
from variegate.storage.archive import AGAIN, ArchiveStorage, MemberIndex, explained
from variegate.storage.keys import hostile, printable

_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
# bzip2 and LZMA members would be expanded by zipfile without a bound on one step's memory.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class ZipStorage(ArchiveStorage):
    """The members of the zip file at `path`."""

    _archive: zipfile.ZipFile | None = None
    _process = 0

    def open_read(self, key: str) -> BinaryIO:
        index, number = self._members(), self._number(key)
        archive, place = cast("zipfile.ZipFile", self._archive), self.place(key)
        member = archive.infolist()[index.places[number]]
        if member.flag_bits & _ENCRYPTED:
            raise InputError(f"{place}: encrypted; unpack the archive with its password first")
        if member.compress_type not in _METHODS:
            raise InputError(
                f"{place}: compressed by method {member.compress_type}, expected 0 (stored) or "
                "8 (deflate); pack the archive again"
            )
        with explained(place):
            return cast("BinaryIO", archive.open(member))

    def doubts(self) -> Iterator[str]:
        self._members()
        members = cast("zipfile.ZipFile", self._archive).infolist()
        guessed = [name for member in members if not _is_stated(member, name := _name(member))]
        if guessed:
            names = "name is" if len(guessed) == 1 else "names are"
            yield (
                f"{len(guessed):,} {names} not in UTF-8, and the archive does not say in which "
                f"encoding: read as cp437, such as {printable(guessed[0])!r}; if that is wrong, "
                "pack it again with names in UTF-8"
            )

    def _members(self) -> MemberIndex:
        # A forked child shares its parent's file position, so it has to open the file for itself.
        if self._index is None or self._process != os.getpid():
            with explained(printable(self.url)):
                self._archive = zipfile.ZipFile(self.path)
                self._index = _index_of(self._archive)
            self._process = os.getpid()
        return self._index


def _index_of(archive: zipfile.ZipFile) -> MemberIndex:
    """Return where members stand in the archive's directory."""
    members: dict[str, tuple[int, int]] = {}
    skipped: list[tuple[str, str]] = []
    for number, member in enumerate(archive.infolist()):
        name = _name(member)
        if problem := hostile(name):
            skipped.append((name, problem))
        elif not name.endswith("/"):
            if name in members:
                skipped.append((name, AGAIN))
            members[name] = number, member.file_size
    return MemberIndex.of(members, skipped)


def _is_stated(member: zipfile.ZipInfo, name: str) -> bool:
    """Say whether there is no doubt about a member's name."""
    flagged = member.flag_bits & _UTF8_NAME
    return bool(flagged) or name.isascii() or name != member.orig_filename


def _name(member: zipfile.ZipInfo) -> str:
    """Return the member's name; macOS and others write UTF-8 without saying so."""
    if member.flag_bits & _UTF8_NAME or member.orig_filename.isascii():
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.orig_filename
