"""Where the members of a tar file stand, found in one look through its headers.

Nothing of a member is trusted but its bytes: links, devices and sparse files are passed over, and
names that climb are refused. A broken header is an error and no end: what stands behind it would
be lost unseen.
"""

import io
import struct
import tarfile
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import BinaryIO

from variegate.storage.keys import hostile

# Long names and extended headers are held in memory; real ones have a few hundred bytes.
_LONGEST_HEADER = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
# Where other data may stand behind the end: archives are padded to 10 KB.
_BEHIND = 1 << 16
_MOST_SKIPPED = 100_000

DAMAGE = (
    tarfile.TarError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    struct.error,
)
"""What reading a broken tar file may raise, besides OSError."""


@dataclass(frozen=True, slots=True)
class TarIndex:
    """The members that are files.

    Attributes:
        keys: in code-point order.
        offsets, sizes: of their content, in bytes.
        skipped: members passed over, with reasons.
    """

    keys: list[str]
    offsets: "array[int]"
    sizes: "array[int]"
    skipped: list[tuple[str, str]]

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


def read_index(file: BinaryIO) -> TarIndex:
    """Look through an uncompressed tar file.

    Raises:
        OSError: it cannot be read.
        tarfile.TarError, and others of `DAMAGE`: it is broken.
    """
    members: dict[str, tuple[int, int]] = {}
    skipped: list[tuple[str, str]] = []
    with tarfile.open(
        fileobj=_Bounded(file), mode="r:", encoding="utf-8", errors="surrogateescape"
    ) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            if (problem := _add(member, members)) and len(skipped) < _MOST_SKIPPED:
                skipped.append((member.name, problem))
        end = archive.offset
    _check_end(file, end, skipped)
    keys = sorted(members)
    return TarIndex(
        keys=keys,
        offsets=array("q", (members[key][0] for key in keys)),
        sizes=array("q", (members[key][1] for key in keys)),
        skipped=skipped,
    )


def _add(member: tarfile.TarInfo, members: dict[str, tuple[int, int]]) -> str | None:
    """Note where a file stands, or say why a member is passed over."""
    # What `tar -C folder .` writes.
    name = member.name.removeprefix("./")
    if member.isdir():
        return hostile(name) if name not in ("", ".") else None
    if problem := hostile(name):
        return problem
    if member.issym() or member.islnk():
        return "it is a link"
    if not member.isreg():
        return "it is neither a file nor a folder"
    if member.issparse():
        return "it is a sparse file; pack the archive again without --sparse"
    again = name in members
    members[name] = member.offset_data, member.size
    return "the archive holds this name again later; the last counts" if again else None


def _check_end(file: BinaryIO, end: int, skipped: list[tuple[str, str]]) -> None:
    """Make sure that the archive ends where its reading ended."""
    file.seek(end)
    block = file.read(_BLOCK)
    if block.strip(b"\0") or len(block) % _BLOCK:
        raise tarfile.ReadError(f"broken header at byte {end:,}")
    if file.read(_BEHIND).strip(b"\0"):
        reason = "more data stands behind the end of the archive; unpack it with --ignore-zeros"
        skipped.append((f"(byte {end + _BLOCK})", reason))


class _Bounded(io.RawIOBase):
    """A file from which no header can read more than real headers have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
