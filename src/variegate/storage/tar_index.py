"""Where the members of a tar file stand, found in one look through its headers.

Nothing of a member is trusted but its bytes: links, devices and sparse files are passed over, and
names that climb are refused. A broken header is an error and no end: what stands behind it would
be lost unseen.
"""

import io
import tarfile

from variegate.storage.archive import AGAIN, MemberIndex
from variegate.storage.keys import hostile

# Long names and extended headers are held in memory; real ones have a few hundred bytes.
_LONGEST_HEADER = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
# Where other data may stand behind the end: archives are padded to 10 KB.
_BEHIND = 1 << 16
_MOST_SKIPPED = 100_000


def read_index(path: str) -> MemberIndex:
    """Look through an uncompressed tar file; a member's place is its content's first byte.

    Raises:
        OSError: it cannot be read.
        tarfile.TarError, and what else `archive.explained` knows: it is broken.
    """
    members: dict[str, tuple[int, int]] = {}
    skipped: list[tuple[str, str]] = []
    with (
        _Bounded(io.FileIO(path)) as file,
        tarfile.open(
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive,
    ):
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            if (problem := _add(member, members)) and len(skipped) < _MOST_SKIPPED:
                skipped.append((member.name, problem))
        _check_end(file, archive.offset, skipped)
    return MemberIndex.of(members, skipped)


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
    return AGAIN if again else None


def _check_end(file: io.BufferedReader, end: int, skipped: list[tuple[str, str]]) -> None:
    """Make sure that the archive ends where its reading ended."""
    file.seek(end)
    block = file.read(_BLOCK)
    if block.strip(b"\0") or len(block) % _BLOCK:
        raise tarfile.ReadError(f"broken header at byte {end:,}")
    if file.read(_BEHIND).strip(b"\0"):
        reason = "more data stands behind the end of the archive; unpack it with --ignore-zeros"
        skipped.append((f"(byte {end + _BLOCK})", reason))


class _Bounded(io.BufferedReader):
    """A file from which no header can read more than real headers have."""

    def read(self, size: int = -1, /) -> bytes:  # type: ignore[override]
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return super().read(size)
