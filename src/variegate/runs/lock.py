"""Whom an output belongs to: the job that wrote its record, ``.variegate/job.json``, there first.

The same job may go on with it, every other is refused. A zip file cannot be written piece by piece:
its results are collected in a folder beside it, and packed at the end.
"""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from variegate.errors import InputError, OutputError
from variegate.runs.identity import JOB, differences, is_of_events, read_record
from variegate.runs.manifest import FOLDER, MANIFEST, delete_parts, is_whole, may_reopen
from variegate.storage import (
    LocalStorage,
    ObjectStorage,
    Storage,
    is_archive_name,
    open_storage,
    pack,
    printable,
)
from variegate.storage.keys import TEMPORARY_PREFIX
from variegate.storage.os_errors import writing

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_UNFINISHED_S = 60.0


def lock_of(output: str | Path, record: dict[str, Any]) -> "OutputLock | BucketLock":
    """Return a job's claim to an output."""
    storage = open_storage(output) if "://" in str(output) else None
    if isinstance(storage, ObjectStorage):
        return BucketLock(storage, record)
    return OutputLock(output, record)


class BucketLock:
    """One job's claim to a folder of a bucket.

    A bucket knows no locks. Two runs of the same job write the same bytes, so they may meet; of two
    different jobs the second finds the record of the first, which is put only where there is none.

    Attributes:
        folder, url: where results are written.
        touched: whether the input's files have other times than the record tells.
    """

    def __init__(self, storage: ObjectStorage, record: dict[str, Any]) -> None:
        self._storage = storage
        self._record = record
        self.folder = self.url = storage.url
        self.touched = False

    def is_finished(self) -> bool:
        """Say whether the job has been done before. Nothing is written.

        Raises:
            OutputError: the output holds something else.
        """
        if not self._storage.exists(JOB):
            for entry in self._storage.list():
                if not entry.key.startswith(f"{FOLDER}/"):
                    raise OutputError(
                        f"{printable(self.folder)}: holds {printable(entry.key)} and is not an "
                        "output of variegate; choose a new folder of the bucket"
                    )
            return False
        self.touched = check_record(self.folder, self._storage.read(JOB), self._record)
        return _is_done(self._storage, self._record)

    @contextmanager
    def held(self) -> Iterator[Storage]:
        """Put the job's record where it is not there.

        Raises:
            OutputError: another job's is.
        """
        _put_record(self._storage, self._record)
        yield self._storage

    @contextmanager
    def updated(self) -> Iterator[Storage]:
        """Give the output to an update."""
        yield self._storage

    def pack(self, target: Storage) -> None:
        """A bucket is no archive."""

    def clean(self) -> None:
        """Remove what a finished output does not need any more."""
        delete_parts(self._storage)


class OutputLock:
    """One job's claim to an output.

    Attributes:
        folder: where results are written: the output, or a folder beside the zip file.
        url: the same for other processes, and for this one should it go elsewhere.
        touched: whether the input's files have other times than the record tells.
    """

    def __init__(self, output: str | Path, record: dict[str, Any]) -> None:
        self._output = Path(output)
        self._record = record
        self.touched = False
        zipped = is_archive_name(self._output.name) and not self._output.is_dir()
        self._archive = self._output if zipped else None
        beside = self._output.with_name(f"{self._output.name}.unpacked")
        self.folder = beside if zipped else self._output
        self.url = str(self.folder.absolute())
        self._swept = False

    def is_finished(self) -> bool:
        """Say whether the job has been done before. Nothing is written.

        Raises:
            OutputError: the output holds something else.
        """
        if self._archive is not None and self._archive.exists():
            self._check_archive(self._archive)
            return True
        if not self._check_folder() or self._archive is not None:
            return False
        return _is_done(open_storage(self.folder), self._record)

    def _check_archive(self, path: Path) -> None:
        try:
            archive = open_storage(path)
            found = archive.read(JOB) if archive.exists(JOB) else None
        except InputError as error:
            raise OutputError(f"{error}; choose another output") from error
        if found is None or not archive.exists(MANIFEST):
            raise OutputError(
                f"{printable(str(path))}: exists and is not an output of variegate; choose another"
            )
        self.touched = check_record(str(path), found, self._record)

    def _check_folder(self) -> bool:
        """Say whether the folder is the job's already; False if it is new or empty."""
        place = printable(str(self.folder))
        with writing(place):
            if not os.path.lexists(self.folder):
                return False
            if (self.folder / JOB).is_file():
                there = (self.folder / JOB).read_bytes()
                self.touched = check_record(str(self.folder), there, self._record)
                return True
            # A run that was killed in its first moment leaves the hidden folder alone.
            names = {path.name for path in self.folder.iterdir()} - {FOLDER}
            hidden = (self.folder / FOLDER).rglob("*")
            names |= {path.name for path in hidden if not path.is_dir()}
        if any(not name.startswith(TEMPORARY_PREFIX) for name in names):
            raise OutputError(
                f"{place}: is not empty and not an output of variegate; choose a new folder"
            )
        return False

    @contextmanager
    def held(self) -> Iterator[Storage]:
        """Take the folder for the job, and nobody else's for as long as the block runs.

        Raises:
            OutputError: it holds something else, or another run is at work there.
        """
        target = open_storage(self.folder, create=True)
        with _alone(self.folder) as alone:
            # Another run may have been quicker.
            self._check_folder()
            _put_record(target, self._record)
            try:
                yield target
            finally:
                # The unfinished files of killed processes; without locks they may be those of
                # another run, which takes no minute for a file.
                _delete_leftovers(target, alone=alone)
                self._swept = True

    @contextmanager
    def updated(self) -> Iterator[Storage]:
        """Give the folder to an update, and to nobody else for as long as the block runs.

        Raises:
            OutputError: it is an archive, or another run is at work there.
        """
        if self._archive is not None:
            raise OutputError(
                f"{printable(str(self._archive))}: an archive cannot be updated; unpack it, and "
                "name the folder"
            )
        target = open_storage(self.folder, create=True)
        with _alone(self.folder):
            yield target

    def pack(self, target: Storage) -> None:
        """Make the zip file of what is written, if one is wanted and another run made none."""
        if self._archive is not None:
            pack(target, self._archive, replace=False)

    def clean(self) -> None:
        """Remove what a finished output does not need any more, and a killed run left."""
        if self._archive is None:
            target = open_storage(self.folder)
            delete_parts(target)
            if not self._swept:
                # A run that was killed at its very end is not seen to be unfinished.
                with suppress(OutputError), _alone(self.folder) as alone:
                    _delete_leftovers(target, alone=alone)
        elif self._is_staging():
            with _alone(self.folder), writing(printable(str(self.folder))):
                # The record goes last: it says whose the rest is.
                for path in self.folder.iterdir():
                    if path.name != FOLDER:
                        _remove(path)
                shutil.rmtree(self.folder)

    def _is_staging(self) -> bool:
        """Say whether the folder beside the zip file is one of this job."""
        try:
            return self._check_folder() or (self.folder / FOLDER).is_dir()
        except OutputError:
            return False


def _is_done(storage: Storage, record: dict[str, Any]) -> bool:
    """Say whether a job's manifest tells of all its inputs, and none is to be tried again."""
    return is_whole(storage, record["input_files"]["files"]) and not may_reopen(storage)


def _delete_leftovers(target: Storage, *, alone: bool) -> None:
    if isinstance(target, LocalStorage):
        target.delete_leftovers(older_than_s=0 if alone else _UNFINISHED_S)


def check_record(place: str, there: bytes, here: dict[str, Any]) -> bool:
    """Make sure that the record of an output is this job's.

    Returns:
        Whether the files of the input have other times than it tells.

    Raises:
        OutputError: it is another job's, or none.
    """
    try:
        record = read_record(there, place)
    except InputError as error:
        raise OutputError(str(error)) from error
    if found := differences(record, here):
        raise OutputError(
            f"{printable(place)}: holds the results of another job; it differs in "
            f"{' and in '.join(found)}; choose another output, or delete this one"
        )
    return _times(record) != _times(here)


def _times(record: dict[str, Any]) -> Any:
    return (record["input_files"] or {}).get("times")


def _put_record(storage: Storage, record: dict[str, Any]) -> None:
    """Write a job's record where there is none, or that of its events."""
    own = json.dumps(record, indent=2).encode()
    if not storage.create(JOB, own):
        there = storage.read(JOB)
        changed = check_record(storage.url, there, record)
        if there != own and (is_of_events(json.loads(there)) or changed):
            # The same job; only what it knows of the input is newer.
            storage.write(JOB, own)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder; the system releases it when the process ends, however it ends.

    Gives whether there is one: some file systems have none, and nothing may depend on it.
    """
    if sys.platform == "win32":
        yield False
        return
    with writing(printable(str(folder))):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{printable(str(folder))}: another run is at work there; "
                "wait for its end, or choose another output"
            ) from error
        except OSError:
            _log.debug("%s: no locks on this file system", folder)
            locked = False
        else:
            locked = True
        yield locked
    finally:
        os.close(descriptor)
