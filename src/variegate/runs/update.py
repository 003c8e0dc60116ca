"""A finished output follows its input: what is new or changed is made, the rest keeps its bytes.

The rows of inputs that did not change become parts of a new run, under their new numbers. What they
do not cover is made as in any run that is resumed, and the end is that of one run over it all.
Until then the old manifest is kept (``.variegate/previous.parquet``), so that the same command
continues an update that was killed.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from variegate.errors import InputError, OutputError
from variegate.formats import Source
from variegate.formats.writer import WRITERS
from variegate.runs import manifest
from variegate.runs.identity import JOB, differences, read_record
from variegate.runs.job import labels_digest
from variegate.runs.lock import check_record
from variegate.runs.manifest import FOLDER, MANIFEST
from variegate.runs.rows import Row
from variegate.runs.sources import Listing
from variegate.storage import Storage, key_from_text, key_to_text, printable
from variegate.storage.json import dumped, loaded

PREVIOUS = f"{FOLDER}/previous.parquet"

# Sources whose rows go into one part.
_PART = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCounts:
    """What an update found.

    Attributes:
        kept: images whose results stay as they are.
        made: images that are new or changed, or gave nothing before.
        removed: images that are gone.
        removed_files: files that were made of those; they are no part of the output any more.
        pruned: whether they were deleted.
    """

    kept: int = 0
    made: int = 0
    removed: int = 0
    removed_files: int = 0
    pruned: bool = False


def begin_update(
    target: Storage,
    record: dict[str, Any],
    inputs: Storage,
    listing: Listing,
    *,
    mixes: bool,
    prune: bool,
) -> UpdateCounts:
    """Turn a finished output into an unfinished run, which lacks what has to be made.

    Args:
        target: the output.
        record: of the job, with the input as it is now.
        inputs, listing: the dataset as it is now.
        mixes: whether results are made of several images: then all of them depend on all inputs.
        prune: delete the files that were made of inputs that are gone.

    Raises:
        OutputError: the output is another job's, or is not finished, or its files are inside
            archives.
    """
    if not target.exists(JOB):
        return UpdateCounts(made=sum(one.skip is None for one in listing.sources()))
    if WRITERS[record["writer"]["name"]].folds:
        raise OutputError(
            f"{printable(target.url)}: its images are inside tar files, which an update cannot "
            "change; make the whole output anew, in another folder"
        )
    there = read_record(target.read(JOB), target.url)
    listed = {name: record[name] for name in ("input_files", "writer")}
    check_record(target.url, json.dumps(there | listed).encode(), record)
    if target.exists(MANIFEST):
        manifest.delete_parts(target)
        with target.open_read(MANIFEST) as old, target.open_write(PREVIOUS) as copy:
            shutil.copyfileobj(old, copy)
        target.delete(MANIFEST)
    elif not target.exists(PREVIOUS):
        raise OutputError(
            f"{printable(target.url)}: the run there is not finished; first run the same command "
            "without --update"
        )
    elif differences(there, record):
        # The input has changed once more since the update was killed.
        manifest.forget_parts(target)
    target.write(JOB, json.dumps(record, indent=2).encode())
    reusable = not mixes and there["writer"] == record["writer"]
    with _Previous(target) as previous:
        kept, made = _keep(target, inputs, listing, previous, reusable=reusable)
        removed, files = previous.left(delete=prune)
    return UpdateCounts(
        kept=kept, made=made, removed=removed, removed_files=files, pruned=prune and files > 0
    )


def end_update(target: Storage) -> None:
    """Forget the manifest that an update began with."""
    if target.exists(PREVIOUS):
        target.delete(PREVIOUS)


def _keep(
    target: Storage, inputs: Storage, listing: Listing, previous: "_Previous", *, reusable: bool
) -> tuple[int, int]:
    """Write the rows that stay as parts; return how many images stay, and how many do not."""
    missing = list(manifest.gaps(target, listing.total))
    counts = {True: 0, False: 0}
    waiting: list[list[Row]] = []

    def write(stop: int) -> None:
        if waiting:
            rows = [row for group in waiting for row in group]
            manifest.write_part(target, stop - len(waiting), stop, rows)
            waiting.clear()

    for number, source in enumerate(listing.sources()):
        rows = previous.take(source.key)
        while missing and missing[0][1] <= number:
            missing.pop(0)
        is_missing = bool(missing) and missing[0][0] <= number
        stays = bool(rows) and reusable and _is_unchanged(inputs, source, rows)
        counts[stays] += source.skip is None
        if stays and is_missing:
            waiting.append([replace(row, source=number) for row in rows])
            if len(waiting) == _PART:
                write(number + 1)
            continue
        write(number)
        if is_missing:
            previous.delete(rows)
    write(listing.total)
    return counts[True], counts[False]


def _is_unchanged(inputs: Storage, source: Source, rows: list[Row]) -> bool:
    """Say whether the content of an image and what is known of it are as they were."""
    first = rows[0]
    if source.skip or first.source_sha256 is None or first.source_labels != labels_digest(source):
        return False
    try:
        with inputs.open_read(source.key) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == first.source_sha256  # type: ignore[arg-type]
    except InputError:
        return False


class _Previous:
    """The rows of the old manifest by their source, on disk. Use it in a with statement."""

    def __init__(self, target: Storage) -> None:
        self._target = target
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("create table row (key text, line blob)")
        self._database.execute("create table seen (key text primary key)")
        self._database.execute("create table claimed (output text primary key)")
        self._database.execute("begin")
        for row in manifest.rows(target, PREVIOUS):
            values = (key_to_text(row.key), dumped(row.to_fields()))
            self._database.execute("insert into row values (?, ?)", values)
        self._database.execute("create index by_key on row (key)")
        # Files that were made since the update began may have the names of removed ones.
        for row in manifest.part_rows(target):
            for output in _files(row):
                self._database.execute("insert or ignore into claimed values (?)", (output,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def take(self, key: str) -> list[Row]:
        """Return the rows of a source that is still there."""
        text = key_to_text(key)
        self._database.execute("insert or ignore into seen values (?)", (text,))
        found = self._database.execute("select line from row where key = ? order by rowid", (text,))
        return [Row.from_fields(loaded(line)) for (line,) in found]

    def left(self, *, delete: bool) -> tuple[int, int]:
        """Return how many images are gone, and how many files were made of them.

        Args:
            delete: the files.
        """
        query = "select line from row where key not in (select key from seen)"
        sources, files = set[int](), 0
        for (line,) in self._database.execute(query).fetchall():
            row = Row.from_fields(loaded(line))
            if row.status != "skipped":
                sources.add(row.source)
            files += row.output is not None
            if delete:
                self.delete([row])
        return len(sources), files

    def delete(self, rows: list[Row]) -> None:
        """Delete the files of rows, but those that have been made anew."""
        for output in (output for row in rows for output in _files(row)):
            query = "select 1 from claimed where output = ?"
            if self._database.execute(query, (output,)).fetchone() is None:
                self._target.delete(key_from_text(output))


def _files(row: Row) -> Iterator[str]:
    """Yield the keys, as text, of an output and of what belongs to it."""
    if row.output is not None:
        yield key_to_text(row.output)
        yield from row.sidecar_digests
