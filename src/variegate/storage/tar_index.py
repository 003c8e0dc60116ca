"""Where the members of a tar file stand, found in one look through its headers.

Nothing of a member is trusted but its bytes: links, devices and sparse files are passed over, and
names that climb are refused. A broken header is an error and no end: what stands behind it would
be lost unseen.

Nearly all headers are of the plainest kind, which is read here, ten times as fast as by tarfile;
tarfile reads all others.
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

# Fields of a header, POSIX.1-2024, pax, "ustar interchange format".
_NAME, _PREFIX = slice(0, 100), slice(345, 500)
_SIZE, _SUM, _KIND, _MAGIC = slice(124, 136), slice(148, 156), 156, slice(257, 265)
_POSIX, _REGULAR = b"ustar\00000", ord("0")


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
        offset = 0
        while True:
            if not archive.pax_headers and (plain := _plain(file, offset)) is not None:
                # tarfile has read the first one already.
                archive.firstmember = None  # type: ignore[attr-defined]
                name, size = plain
                problem = _add_file(name, offset + _BLOCK, size, members)
                offset += _BLOCK + -(-size // _BLOCK) * _BLOCK
            else:
                archive.offset = offset or archive.offset
                # Then tarfile looks whether there is anything before the next header.
                file.seek(0)
                if (member := archive.next()) is None:
                    break
                archive.members.clear()  # type: ignore[attr-defined]
                name, problem = member.name, _add(member, members)
                offset = archive.offset
            if problem and len(skipped) < _MOST_SKIPPED:
                skipped.append((name, problem))
        _check_end(file, archive.offset, skipped)
    return MemberIndex.of(members, skipped)


def _plain(file: io.BufferedReader, offset: int) -> tuple[str, int] | None:
    """Return name and size of a regular file; None where the header says anything else."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK or block[_KIND] != _REGULAR or block[_MAGIC] != _POSIX:
        return None
    size, given = block[_SIZE], block[_SUM].strip(b"\0 ")
    # Other ways to write a number are rare.
    if size[11] not in b"\0 " or not size[:11].isdigit() or not given.isdigit():
        return None
    try:
        same = int(given, 8) == sum(block) - sum(block[_SUM]) + 8 * ord(" ")
        length = int(size[:11], 8)
    except ValueError:
        return None
    if not same:
        return None
    name, prefix = (block[field].partition(b"\0")[0] for field in (_NAME, _PREFIX))
    whole = prefix + b"/" + name if prefix else name
    return whole.decode("utf-8", "surrogateescape"), length


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
    return _note(name, member.offset_data, member.size, members)


def _add_file(name: str, start: int, size: int, members: dict[str, tuple[int, int]]) -> str | None:
    """As `_add`, for a regular file."""
    name = name.removeprefix("./")
    return hostile(name) or _note(name, start, size, members)


def _note(name: str, start: int, size: int, members: dict[str, tuple[int, int]]) -> str | None:
    again = name in members
    members[name] = start, size
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
