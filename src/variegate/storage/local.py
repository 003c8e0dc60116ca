"""A local folder as a storage."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from variegate.errors import (
    InputError,
    KeyRefusedError,
    OutputError,
    UnavailableError,
    UsageError,
)
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import TEMPORARY_PREFIX, check_key
from variegate.storage.os_errors import patiently, reading, writing

# What file systems without hard links answer, such as FAT and some network drives.
_NO_LINKS = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
)
# What is answered about a file that is not there, and could not be there.
_NOT_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP))
_NO_FILE = "expected a file, found a folder or a device; name a file"


@dataclass(frozen=True, slots=True)
class LocalStorage(Storage):
    """The files below `root`, an absolute path without symbolic links.

    Symbolic links to files inside the root are files. Links to folders are passed over, because
    what they lead to is listed under its own name (and so no circle can trap a listing). Links
    that lead outside are refused: a dataset's names must not reach the rest of the disk.
    """

    root: str
    url: str

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        prefix = prefix.rstrip("/")
        if prefix and not self._inside(prefix, InputError).is_dir():
            return
        # Holds the names still to come of one folder at each level. Folders carry their slash, so
        # that sorting one folder's names puts whole keys in order ("a-b" before "a/b").
        pending = [f"{prefix}/" if prefix else ""]
        while pending:
            key = pending.pop()
            if key == "" or key.endswith("/"):
                pending.extend(reversed(self._scanned(key, on_skip)))
                continue
            try:
                with reading(self.place(key)):
                    status = patiently(partial(self._stat, key))
            except UnavailableError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
                on_skip(key, "it vanished while the folder was being listed")
                continue
            yield Entry(key, status.st_size, status.st_mtime)

    def _stat(self, key: str) -> os.stat_result:
        # No Path here: it would intern the name of every file.
        return os.stat(f"{self.root}/{key}")  # noqa: PTH116

    def _scanned(self, folder: str, on_skip: OnSkip) -> Sequence[str]:
        """Return the keys in a folder, sorted; one that fails for a moment is read again."""
        skipped: dict[str, str] = {}
        with reading(self.place(folder)):
            keys = patiently(lambda: sorted(self._scan(folder, skipped.__setitem__)))
        for key, reason in skipped.items():
            on_skip(key, reason)
        return keys

    def _scan(self, folder: str, on_skip: OnSkip) -> Iterator[str]:
        with os.scandir(f"{self.root}/{folder}") as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY_PREFIX):
                    continue
                key = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield key + "/"
                elif problem := self._problem(entry):
                    on_skip(key, problem)
                else:
                    yield key

    def _problem(self, entry: "os.DirEntry[str]") -> str | None:
        """Say why something that is no folder cannot be listed as a file."""
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not self._holds(target):
                return "it is a symbolic link that leads out of the dataset"
            if Path(target).is_dir():
                return "it is a symbolic link to a folder, which is listed under its own name"
            if not Path(target).exists():
                return "it is a symbolic link that leads nowhere"
        if not entry.is_file():
            return "it is neither a file nor a folder"
        return None

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        with self.open_read(key) as file, reading(self.place(key)):
            if limit is None:
                return file.read()
            size = os.fstat(file.fileno()).st_size
            # One byte more than it has: the file may be growing while it is read.
            data = file.read(size + 1) if size <= limit else b""
            if len(data) > size:
                data += file.read(limit + 1 - len(data))
            size = max(size, len(data))
        self._check_size(key, size, limit)
        return data

    def open_read(self, key: str) -> BinaryIO:
        path = self._checked(key, InputError)
        with reading(self.place(key)):
            # Opening a pipe would wait for its writer for ever.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise InputError(f"{self.place(key)}: {_NO_FILE}")
            return os.fdopen(descriptor, "rb")

    def size(self, key: str) -> int:
        path = self._inside(key, InputError)
        with reading(self.place(key)):
            status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{self.place(key)}: {_NO_FILE}")
        return status.st_size

    def exists(self, key: str) -> bool:
        path = self._inside(key, InputError)
        with reading(self.place(key)):
            status = _status(path)
        return status is not None and stat.S_ISREG(status.st_mode)

    def version(self, key: str) -> str | None:
        path = self._inside(key, InputError)
        with reading(self.place(key)):
            status = _status(path)
        if status is None:
            return None
        # A file that replaces another is another file, even of the same size and moment.
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"

    def write(self, key: str, data: bytes) -> None:
        # As with open_write, but for millions of small files: a third of the time.
        path = self._checked(key, OutputError)
        temporary = _beside(path)
        try:
            with writing(self.place(key)):
                _fill(_create(temporary), data)
                os.replace(temporary, path)  # noqa: PTH105 - no Path here, see above
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise

    def create(self, key: str, data: bytes) -> bool:
        path = self._inside(key, OutputError)
        temporary = _beside(str(path))
        try:
            with writing(self.place(key)):
                _fill(_create(temporary), data)
                return _put_new(temporary, str(path))
        finally:
            with suppress(OSError):
                Path(temporary).unlink()

    def open_write(self, key: str, *, replace: bool = True) -> AbstractContextManager[BinaryIO]:
        return open_whole(self._inside(key, OutputError), self.place(key), replace=replace)

    def delete(self, key: str) -> None:
        path = self._inside(key, OutputError)
        with writing(self.place(key)):
            try:
                path.unlink()
            except OSError as error:
                # A folder is no file of this name, and unlinking one is EPERM on some systems.
                if error.errno not in _NOT_THERE and not path.is_dir():
                    raise

    def delete_leftovers(self, *, older_than_s: float = 0.0) -> int:
        """Remove the unfinished files of killed runs; return how many.

        Args:
            older_than_s: spare files younger than this many seconds, where another run may still
                be writing here.
        """
        newest = time.time() - older_than_s
        count = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                if not name.startswith(TEMPORARY_PREFIX):
                    continue
                path = Path(folder, name)
                # A neighbour may finish its file, and so take the name away, at any moment.
                with writing(str(path)), suppress(FileNotFoundError):
                    if path.lstat().st_mtime <= newest:
                        path.unlink()
                        count += 1
        return count

    def _inside(self, key: str, error: type[UsageError]) -> Path:
        return Path(self._checked(key, error))

    def _checked(self, key: str, error: type[UsageError]) -> str:
        """Return the path of `key`, after making sure that no link leads it out of the root."""
        check_key(key, KeyRefusedError if error is OutputError else error)
        path = f"{self.root.rstrip('/')}/{key}"
        # What is written replaces a link instead of following it: there the folder counts.
        followed = path if error is InputError else path[: path.rfind("/")]
        if self._has_link(followed) and not self._holds(os.path.realpath(followed)):
            raise error(
                f"{self.place(key)}: a symbolic link leads out of {self.url}; "
                "put the file itself there instead"
            )
        return path

    def _has_link(self, path: str) -> bool:
        """Say whether a link stands between the root, which has none, and `path`."""
        # Much quicker than os.path.realpath, which looks at every folder above the root, too.
        end = len(self.root.rstrip("/"))
        while end < len(path):
            end = path.find("/", end + 1)
            end = len(path) if end < 0 else end
            try:
                if stat.S_ISLNK(os.lstat(path[:end]).st_mode):
                    return True
            except OSError:
                return False  # nothing further is there; opening it will say so
        return False

    def _holds(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root.rstrip("/") + "/")


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file, or None if there is none of this name."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return None


@contextmanager
def open_whole(path: Path, place: str, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Write a file in pieces. It appears when the block ends; after an exception, never.

    Args:
        path: of the file; its folders are made where they are missing.
        place: how to call it in a message.
        replace: a file that is there; without it that one stays, and what was written is dropped.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = Path(_beside(str(path)))
    with writing(place):
        file = os.fdopen(_create(str(temporary)), "wb")
    try:
        # No fsync: a power cut may lose a finished file, `verify` finds that and the run makes it
        # again; waiting for the disk after every image would cost far more.
        with writing(place), file:
            yield file
        with writing(place):
            if replace:
                temporary.replace(path)
            elif not _put_new(str(temporary), str(path)):
                temporary.unlink()
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _beside(path: str) -> str:
    """Return a name for the file until it is whole."""
    return f"{path[: path.rfind('/') + 1]}{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def _create(path: str) -> int:
    """Create a new file, and its folders where they are missing; return its descriptor."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _put_new(temporary: str, path: str) -> bool:
    """Give a file its name if no other has it; say whether it got it. Needs no locks."""
    try:
        # One step, on network drives too, where a look and a renaming would be two.
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            return False
        os.replace(temporary, path)  # noqa: PTH105 - no Path here, see above
        return True
    os.unlink(temporary)  # noqa: PTH108 - no Path here, see above
    return True


def _fill(descriptor: int, data: bytes) -> None:
    """Write it all, and close the file."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)
