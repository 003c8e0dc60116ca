"""A storage as one tar file."""

import gzip
import os
import secrets
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from variegate.errors import OutputError
from variegate.storage.base import Entry, Storage
from variegate.storage.keys import ARCHIVE_EXTENSIONS, TEMPORARY_PREFIX, printable
from variegate.storage.local import LocalStorage
from variegate.storage.os_errors import writing
from variegate.storage.pack import pack_zip

_RIGHTS = 0o644
_COMPRESSED = (".tar.gz", ".tgz")


def pack(storage: Storage, path: str | os.PathLike[str]) -> int:
    """Write every file of `storage` into an archive of the kind that its name tells.

    Raises:
        OutputError: as for `pack_zip` and `pack_tar`, or there is no such kind.
    """
    name = os.fspath(path).lower()
    if name.endswith(".zip"):
        return pack_zip(storage, path)
    if name.endswith(ARCHIVE_EXTENSIONS):
        return pack_tar(storage, path)
    raise OutputError(f"{printable(str(path))}: expected one of {', '.join(ARCHIVE_EXTENSIONS)}")


def pack_tar(storage: Storage, path: str | os.PathLike[str]) -> int:
    """Write every file of `storage` into a tar file at `path`; return how many there are.

    Compressed where the name ends in .tar.gz or .tgz. Sorted, without dates, owners and rights:
    the same files give the same bytes. The file appears when it is whole.

    Raises:
        OutputError: it cannot be written, or lies inside `storage`.
    """
    target = Path(os.path.realpath(path))
    place = printable(str(path))
    if isinstance(storage, LocalStorage) and target.is_relative_to(storage.root):
        raise OutputError(
            f"{place}: lies inside {printable(storage.url)}, which it is to hold; move it out"
        )
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    try:
        with writing(place), ExitStack() as stack:
            target.parent.mkdir(parents=True, exist_ok=True)
            sink: IO[bytes] = stack.enter_context(temporary.open("xb"))
            if target.name.lower().endswith(_COMPRESSED):
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0)
                sink = cast("IO[bytes]", stack.enter_context(packed))
            count = write_tar(storage, storage.list(), cast("BinaryIO", sink))
        with writing(place):
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return count


def write_tar(
    storage: Storage, entries: Iterable[Entry], sink: BinaryIO, *, below: str = ""
) -> int:
    """Write files into an open tar file, one after the other; return how many there are.

    Args:
        storage: where they are.
        entries: which.
        sink: open for writing.
        below: a folder, with its slash, that is left out of the members' names.
    """
    count = 0
    # GNU's format takes names of any length and any bytes, and sizes beyond 8 GB.
    with tarfile.open(
        fileobj=sink,
        mode="w:",
        format=tarfile.GNU_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        for entry in entries:
            member = tarfile.TarInfo(entry.key.removeprefix(below))
            member.size, member.mode, member.mtime = entry.size, _RIGHTS, 0
            with storage.open_read(entry.key) as source:
                archive.addfile(member, source)
            archive.members.clear()  # type: ignore[attr-defined]
            count += 1
    return count
