"""Shared libraries without what they do: for those that are loaded, and never called.

OpenCV's wheel is linked with 40 MB of video codecs. Its own library is not loaded without them,
and nothing of variegate ever calls one. `hollow` keeps of such a library what the loader looks at
(names, versions and addresses of its symbols) and leaves out code, constants and relocations, so
that a call into it ends the process, and nothing else notices. `drop_unneeded` deletes libraries
that nobody is linked with any more.

Only the standard library is used: see `package`. The format: "man 5 elf".
"""

import struct
from collections.abc import Iterable
from pathlib import Path

_LOAD, _DYNAMIC, _NULL = 1, 2, 0

# Entries of the table for the loader.
_NEEDED, _STRINGS, _SONAME = 1, 5, 14
_KEPT_TABLES = (4, 5, 6, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC)
"""HASH, STRTAB, SYMTAB, GNU_HASH, VERSYM, VERDEF: what names are looked up in."""
_DROPPED = frozenset(
    (
        *(_NEEDED, 2, 7, 8, 9, 12, 13, 17, 18, 19, 20, 22, 23, 25, 26, 27, 28, 32, 33, 35, 36, 37),
        *(0x6FFFFFF9, 0x6FFFFFFA, 0x6FFFFFFE, 0x6FFFFFFF),
    )
)
"""NEEDED, relocations of all kinds, INIT, FINI and their arrays, VERNEED."""

_HEADER = struct.Struct("<IIQQQQQQ")  # type, flags, offset, address, -, in file, in memory, align
_ENTRY = struct.Struct("<qQ")


class SharedLibrary:
    """An ELF file for 64-bit little-endian machines.

    Attributes:
        data: its content.
        segments: of the file, as their headers say.
        entries: (tag, value) of the table for the loader.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        (self.table,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        self.segments = [
            list(_HEADER.unpack_from(data, self.table + index * size)) for index in range(count)
        ]
        self.entries: list[tuple[int, int]] = []
        for kind, _, offset, _, _, length, _, _ in self.segments:
            if kind == _DYNAMIC:
                found = _ENTRY.iter_unpack(data[offset : offset + length])
                self.entries = [(tag, value) for tag, value in found if tag != _NULL]

    def offset(self, address: int) -> int:
        """Return where in the file the byte at an address is."""
        for kind, _, offset, start, _, length, _, _ in self.segments:
            if kind == _LOAD and start <= address < start + length:
                return int(offset + address - start)
        raise ValueError(f"no byte of the file is at {address:#x}")

    def names(self, tag: int) -> list[str]:
        """Return the names that entries of a kind hold."""
        strings = self.offset(dict(self.entries)[_STRINGS]) if self.entries else 0
        return [
            self.data[strings + value : self.data.index(b"\0", strings + value)].decode()
            for one, value in self.entries
            if one == tag
        ]


def is_shared_library(path: Path) -> bool:
    """Whether a file is one that can be read here."""
    with path.open("rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def hollow(path: Path) -> None:
    """Keep of a library only what the loader looks at."""
    library = SharedLibrary(path.read_bytes())
    looked_at = [value for tag, value in library.entries if tag in _KEPT_TABLES]
    tables = [one[3] for one in library.segments if one[0] == _DYNAMIC] + looked_at
    kept = [
        one
        for one in library.segments
        if one[0] == _LOAD and any(one[3] <= place < one[3] + one[5] for place in tables)
    ]
    made = bytearray()
    for segment in library.segments:
        kind, _, offset, address, _, length, _, align = segment
        if kind == _LOAD and segment in kept:
            # The loader maps whole pages: a place in the file must fit the place in memory.
            start = -(-len(made) // align) * align + address % align if made else 0
            made += b"\0" * (start - len(made)) + library.data[offset : offset + length]
            segment[2] = start
        elif kind == _LOAD:
            segment[0] = _NULL
    for segment in library.segments:
        home = next((one for one in kept if one[3] <= segment[3] < one[3] + one[6]), None)
        if home is None:
            segment[0] = _NULL
        elif segment is not home and segment[0] != _NULL:
            segment[2] = home[2] + segment[3] - home[3]
    for index, segment in enumerate(library.segments):
        _HEADER.pack_into(made, library.table + index * _HEADER.size, *segment)
        if segment[0] == _DYNAMIC:
            _write_entries(made, segment[2], segment[5], library.entries)
    # Sections are for linkers and debuggers.
    struct.pack_into("<Q", made, 40, 0)
    struct.pack_into("<HHH", made, 58, 0, 0, 0)
    path.write_bytes(made)


def _write_entries(
    made: bytearray, offset: int, length: int, entries: Iterable[tuple[int, int]]
) -> None:
    kept = [one for one in entries if one[0] not in _DROPPED]
    for index in range(length // _ENTRY.size):
        tag, value = kept[index] if index < len(kept) else (_NULL, 0)
        _ENTRY.pack_into(made, offset + index * _ENTRY.size, tag, value)


def drop_unneeded(folder: Path) -> None:
    """Delete libraries of "*.libs" folders, which wheels bring, that nobody is linked with."""
    while True:
        found = [
            path for path in folder.rglob("*.so*") if path.is_file() and is_shared_library(path)
        ]
        needed = {
            name for path in found for name in SharedLibrary(path.read_bytes()).names(_NEEDED)
        }
        doomed = [
            path for path in found if path.parent.suffix == ".libs" and path.name not in needed
        ]
        for path in doomed:
            path.unlink()
        if not doomed:
            return
