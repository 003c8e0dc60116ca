"""A storage as one archive."""

import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

from variegate.errors import OutputError
from variegate.storage.base import Entry, Storage
from variegate.storage.keys import ARCHIVE_EXTENSIONS, is_archive_name, key_to_text, printable
from variegate.storage.local import LocalStorage, open_whole

_COMPRESSED = (".tar.gz", ".tgz")
_RIGHTS = 0o644
# The earliest date that zip can hold. The same files give the same archive, whenever it is made.
_DATE = (1980, 1, 1, 0, 0, 0)
_POSIX = 3
_LARGE = 1 << 31


def pack(storage: Storage, path: str | os.PathLike[str], *, replace: bool = True) -> int:
    """Write every file of `storage` into an archive at `path`; return how many there are.

    Its name tells the kind. Tar files are compressed where it ends in .tar.gz or .tgz; zip files
    never are, for images are already, and are zip64 with files beyond 2 GB or beyond 4 GB as a
    whole. Sorted, without dates, owners and rights: the same files give the same bytes. The archive
    appears when it is whole. Without `replace`, one that is there by then stays.

    Raises:
        OutputError: there is no such kind; it cannot be written, or lies inside `storage`; or a
            name fits no zip file.
    """
    target, place = Path(os.path.realpath(path)), printable(str(path))
    if not is_archive_name(os.fspath(path)):
        raise OutputError(f"{place}: expected one of {', '.join(ARCHIVE_EXTENSIONS)}")
    if isinstance(storage, LocalStorage) and target.is_relative_to(storage.root):
        raise OutputError(
            f"{place}: lies inside {printable(storage.url)}, which it is to hold; move it out"
        )
    name = target.name.lower()
    with open_whole(target, place, replace=replace) as sink:
        if name.endswith(".zip"):
            return _write_zip(storage, sink)
        if not name.endswith(_COMPRESSED):
            return write_tar(storage, storage.list(), sink)
        with gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0) as packed:
            return write_tar(storage, storage.list(), cast("BinaryIO", packed))


def _write_zip(storage: Storage, sink: BinaryIO) -> int:
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for entry in storage.list():
            if "\\" in entry.key or key_to_text(entry.key) != entry.key:
                raise OutputError(
                    f"{storage.place(entry.key)}: a backslash or a byte that is not UTF-8 in the "
                    "name fits no zip file; rename it"
                )
            member = zipfile.ZipInfo(entry.key, _DATE)
            member.create_system = _POSIX
            member.external_attr = (0o100000 | _RIGHTS) << 16
            large = entry.size >= _LARGE
            with (
                storage.open_read(entry.key) as source,
                archive.open(member, "w", force_zip64=large) as inside,
            ):
                shutil.copyfileobj(source, inside, 1 << 20)
        return len(archive.infolist())


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
        for count, entry in enumerate(entries, 1):  # noqa: B007
            member = tarfile.TarInfo(entry.key.removeprefix(below))
            member.size, member.mode, member.mtime = entry.size, _RIGHTS, 0
            with storage.open_read(entry.key) as source:
                archive.addfile(member, source)
            archive.members.clear()  # type: ignore[attr-defined]
    return count
