"""A storage as one zip file."""

import os
import secrets
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from variegate.errors import OutputError
from variegate.storage.base import Entry, Storage
from variegate.storage.keys import TEMPORARY_PREFIX, key_to_text, printable
from variegate.storage.local import LocalStorage
from variegate.storage.os_errors import writing

# The earliest date that zip can hold. The same files give the same archive, whenever it is made.
_DATE = (1980, 1, 1, 0, 0, 0)
_RIGHTS = 0o100644
_POSIX = 3
_LARGE = 1 << 31


def pack_zip(storage: Storage, path: str | os.PathLike[str]) -> int:
    """Write every file of `storage` into a zip file at `path`; return how many there are.

    Stored, not compressed: images are. Sorted, with a fixed date: the same files give the same
    bytes. Files beyond 2 GB and archives beyond 4 GB are zip64. The file appears when it is whole.

    Raises:
        OutputError: it cannot be written, lies inside `storage`, or a name fits no zip file.
    """
    target = Path(os.path.realpath(path))
    place = printable(str(path))
    if isinstance(storage, LocalStorage) and target.is_relative_to(storage.root):
        raise OutputError(
            f"{place}: lies inside {printable(storage.url)}, which it is to hold; move it out"
        )
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    count = 0
    try:
        with writing(place):
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive:
                for entry in storage.list():
                    _add(archive, storage, entry)
                    count += 1
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return count


def _add(archive: zipfile.ZipFile, storage: Storage, entry: Entry) -> None:
    if "\\" in entry.key or key_to_text(entry.key) != entry.key:
        raise OutputError(
            f"{storage.place(entry.key)}: a backslash or a byte that is not UTF-8 in the name "
            "fits no zip file; rename it"
        )
    member = zipfile.ZipInfo(entry.key, _DATE)
    member.create_system = _POSIX
    member.external_attr = _RIGHTS << 16
    with (
        storage.open_read(entry.key) as source,
        archive.open(member, "w", force_zip64=entry.size >= _LARGE) as sink,
    ):
        shutil.copyfileobj(source, sink, 1 << 20)
