"""A folder of tar files (shards) as one storage: ``shard-000000.tar/000123.jpg``.

Every tar file is shown as a folder of its name. A folder that is called ``*.tar`` is shown in the
same way: so results can be written as loose files, file by file, and be folded into a tar file
when all is done, and their keys stay what they were.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from variegate.annotations.splits import canonical_split
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import InputError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import TEMPORARY_PREFIX, check_key
from variegate.storage.local import LocalStorage
from variegate.storage.os_errors import writing
from variegate.storage.pack import write_tar
from variegate.storage.tar import TarStorage

SHARD_EXTENSION = ".tar"
_FOLDED = ".folded"
# Indices of so many shards are kept in memory.
_OPEN = 16


class ShardedTarStorage(LocalStorage):
    """The files below `root`, and the members of its tar files.

    Members are only read; everything else can be written as in every folder.
    """

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        prefix = prefix.rstrip("/")
        if prefix and (found := self._shard(f"{check_key(prefix)}/")):
            yield from self._members(*found, on_skip)
            return
        # As `LocalStorage.list`, but a tar file is a folder, and stands where folders stand.
        if prefix and not self._inside(prefix, InputError).is_dir():
            return
        pending = [f"{prefix}/" if prefix else ""]
        while pending:
            key = pending.pop()
            if key.endswith("/") and (found := self._shard(key)):
                yield from self._members(*found, on_skip)
            elif key == "" or key.endswith("/"):
                inside = self._scan(key, on_skip)
                names = (f"{one}/" if self._is_tar_file(one) else one for one in inside)
                pending.extend(sorted(names, reverse=True))
            else:
                with suppress(InputError):
                    yield Entry(key, super().size(key))

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        if found := self._shard(check_key(key)):
            return found[0].read(found[1], limit=limit)
        return super().read(key, limit=limit)

    def open_read(self, key: str) -> BinaryIO:
        if found := self._shard(check_key(key)):
            return found[0].open_read(found[1])
        return super().open_read(key)

    def size(self, key: str) -> int:
        if found := self._shard(check_key(key)):
            return found[0].size(found[1])
        return super().size(key)

    def exists(self, key: str) -> bool:
        if found := self._shard(check_key(key)):
            return found[0].exists(found[1])
        return super().exists(key)

    def _members(self, shard: TarStorage, inner: str, on_skip: OnSkip) -> Iterator[Entry]:
        name = shard.path.removeprefix(f"{self.root.rstrip('/')}/")
        for entry in shard.list(inner, on_skip=lambda key, why: on_skip(f"{name}/{key}", why)):
            yield Entry(f"{name}/{entry.key}", entry.size)

    def _is_tar_file(self, key: str) -> bool:
        return key.endswith(SHARD_EXTENSION) and self._inside(key, InputError).is_file()

    def _shard(self, key: str) -> tuple[TarStorage, str] | None:
        """Return the tar file that a key lies in, and the rest of the key."""
        at = key.find(f"{SHARD_EXTENSION}/")
        while at >= 0:
            name = key[: at + len(SHARD_EXTENSION)]
            if name in self._opened or self._is_tar_file(name):
                return self._open_shard(name), key[len(name) + 1 :]
            at = key.find(f"{SHARD_EXTENSION}/", at + 1)
        return None

    def _open_shard(self, name: str) -> TarStorage:
        opened = self._opened
        if name not in opened:
            path = os.path.realpath(self._inside(name, InputError))
            opened[name] = TarStorage(path, url=self.place(name))
            while len(opened) > _OPEN:
                opened.popitem(last=False)
        opened.move_to_end(name)
        return opened[name]

    @cached_property
    def _opened(self) -> "OrderedDict[str, TarStorage]":
        # Not a field: it is neither compared nor pickled.
        return OrderedDict()


def holds_shards(folder: Path) -> bool:
    """Say whether a folder holds tar files where a dataset would have its images.

    Folders of splits may stand between; an image, or any other folder, says that it does not.
    """
    found = _tar_files(folder)
    if found is None:
        return False
    tars, folders = found
    if any(canonical_split(path.name) is None for path in folders if path.name != "eval"):
        return False
    for path in folders:
        inner = _tar_files(path)
        if inner is None or inner[1]:
            return False
        tars += inner[0]
    return tars > 0


def _tar_files(folder: Path) -> tuple[int, list[Path]] | None:
    """Return the number of tar files, and the folders; None where there are images."""
    tars, folders = 0, []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.lower()
            if name.startswith("."):
                continue
            if entry.is_dir():
                if not name.endswith(SHARD_EXTENSION):
                    folders.append(Path(entry.path))
            elif os.path.splitext(name)[1] in IMAGE_EXTENSIONS:  # noqa: PTH122
                return None
            else:
                tars += name.endswith(SHARD_EXTENSION)
    return tars, folders


def fold_shards(storage: Storage) -> int:
    """Make a tar file of every folder ``*.tar`` of a local folder; return how many.

    Members stand in the order of their names, without dates and owners: the same files give the
    same bytes. It may be stopped at any moment and called again.
    """
    if not isinstance(storage, LocalStorage):
        return 0
    folders = sorted(_folders(storage))
    for folder in folders:
        packed = f"{folder}{_FOLDED}"
        if not storage.exists(packed):
            with storage.open_write(packed) as sink:
                write_tar(storage, storage.list(folder), sink, below=f"{folder}/")
        for entry in list(storage.list(folder)):
            storage.delete(entry.key)
        path = Path(storage.root, folder)
        with writing(storage.place(folder)):
            for place, _, names in os.walk(path, topdown=False):
                # Of a killed run that was still waiting for the disk.
                for name in names:
                    if name.startswith(TEMPORARY_PREFIX):
                        Path(place, name).unlink(missing_ok=True)
                Path(place).rmdir()
            Path(storage.root, packed).rename(path)
    return len(folders)


def _folders(storage: LocalStorage) -> Iterator[str]:
    """Yield the folders that are called as tar files are, the outermost ones."""
    found = set()
    for place, folders, names in os.walk(storage.root):
        for name in [name for name in folders if name.endswith(SHARD_EXTENSION)]:
            folders.remove(name)
            found.add(os.path.relpath(f"{place}/{name}", storage.root))
        # Stopped when the folder was gone, before the tar file had its name.
        cut = len(_FOLDED)
        late = [name[:-cut] for name in names if name.endswith(SHARD_EXTENSION + _FOLDED)]
        found.update(os.path.relpath(f"{place}/{name}", storage.root) for name in late)
    yield from found
