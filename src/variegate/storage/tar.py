"""A tar file as a storage to read from, as it is: nothing but a compressed one is unpacked."""

from pathlib import Path
from typing import BinaryIO

from variegate.errors import InputError
from variegate.storage.archive import ArchiveStorage, MemberIndex, explained
from variegate.storage.gunzip import unpacked
from variegate.storage.keys import printable
from variegate.storage.member_file import shared_index
from variegate.storage.ranges import open_ranges
from variegate.storage.tar_index import read_index


class TarStorage(ArchiveStorage):
    """The members of the tar file at `path`."""

    is_tar = True
    _content = ""

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        data = super().read(key, limit=limit)
        if len(data) != self.size(key):
            raise InputError(
                f"{self.place(key)}: the archive ends before it; fetch or pack it again"
            )
        return data

    def open_read(self, key: str) -> BinaryIO:
        index, number = self._members(), self._number(key)
        start, size = index.places[number], index.sizes[number]
        with explained(self.place(key)):
            # Its own file, and so its own position: processes and threads may read side by side.
            file = Path(self._content).open("rb", buffering=0)  # noqa: SIM115 - closed with it

        def part(begin: int, end: int) -> bytes:
            file.seek(start + begin)
            return file.read(max(0, min(end, size) - begin))

        return open_ranges(part, lambda: size, closing=file.close)

    def _members(self) -> MemberIndex:
        if self._index is None:
            place = printable(self.url)
            with explained(place):
                self._content = unpacked(self.path, place)
                self._index = shared_index(self._content, read_index)
        return self._index
