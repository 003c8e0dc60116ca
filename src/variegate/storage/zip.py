"""A zip file as a storage to read from, as it is: nothing is unpacked to disk.

Its directory is read once, and of that only where each member's entry stands is kept, for all
processes of a run. Whoever reads a member reads its entry again.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from variegate.errors import InputError
from variegate.storage.archive import AGAIN, ArchiveStorage, MemberIndex, explained
from variegate.storage.keys import hostile, printable
from variegate.storage.member_file import shared_index
from variegate.storage.zip_entry import OneMember, entry_size, stated_offset

_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
# bzip2 and LZMA members would be expanded by zipfile without a bound on one step's memory.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class ZipStorage(ArchiveStorage):
    """The members of the zip file at `path`."""

    def open_read(self, key: str) -> BinaryIO:
        index, number, place = self._members(), self._number(key), self.place(key)
        with explained(place):
            archive = zipfile.ZipFile(
                cast("BinaryIO", OneMember(self.path, index.places[number], index.base))
            )
        (member,) = archive.infolist()
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
        index = self._members()
        skipped = (name for name, _ in index.skipped)
        if all(map(str.isascii, index.keys)) and all(map(str.isascii, skipped)):
            return
        with explained(printable(self.url)), zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
        guessed = [name for member in members if not _is_stated(member, name := _name(member))]
        if guessed:
            names = "name is" if len(guessed) == 1 else "names are"
            yield (
                f"{len(guessed):,} {names} not in UTF-8, and the archive does not say in which "
                f"encoding: read as cp437, such as {printable(guessed[0])!r}; if that is wrong, "
                "pack it again with names in UTF-8"
            )

    def _members(self) -> MemberIndex:
        if self._index is None:
            with explained(printable(self.url)):
                self._index = shared_index(self.path, _read_index)
        return self._index


def _read_index(path: str) -> MemberIndex:
    """Return where members' entries stand in the archive's directory."""
    members: dict[str, tuple[int, int]] = {}
    skipped: list[tuple[str, str]] = []
    base: int | None = None
    with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
        place = archive.start_dir
        for member in archive.infolist():
            name = _name(member)
            if problem := hostile(name):
                skipped.append((name, problem))
            elif not name.endswith("/"):
                if name in members:
                    skipped.append((name, AGAIN))
                members[name] = place, member.file_size
            # Of a file with something in front of it, such as a program that unpacks it.
            if base is None and (stated := stated_offset(file, place)) is not None:
                base = member.header_offset - stated
            place += entry_size(member)
    return MemberIndex.of(members, skipped, base or 0)


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
