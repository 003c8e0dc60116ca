"""One named object has appeared: make its variants.

What a function behind a bucket and a watcher of a folder have in common. They tell a `EventWorker`
the key of an input, as often and in whatever order they hear of it; afterwards the output holds
what `variegate augment` would have made of the input as it is now, and a part of the manifest that
says so (`variegate.runs.event_manifest`).

Three things make that safe. The input is read as it is when it is worked on, so that it does not
matter which event came first. Its version is looked at again after its files and its part are
written; if it was replaced meanwhile, perhaps under the eyes of another worker, all is done again.
And an input whose part says that this version was done by this job is known, and costs one look.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

from variegate.errors import InputError, RecipeError, UsageError
from variegate.formats import Source, is_hidden, writer_to_json
from variegate.formats.plain import ClassFoldersWriter, UnlabelledWriter
from variegate.formats.scan import canonical_split
from variegate.recipes.recipe import Recipe
from variegate.runs.class_names import names_classes
from variegate.runs.event_manifest import (
    EventPart,
    event_part_key,
    read_event_part,
    write_event_part,
)
from variegate.runs.identity import JOB, digest_of, record_of
from variegate.runs.job import Job, Shard
from variegate.runs.lock import check_record
from variegate.runs.rows import Counts, Row
from variegate.runs.worker import without_output, worker_of
from variegate.storage import PassingStorage, open_storage, printable

__all__ = ["FORMATS_OF_EVENTS", "EventOutcome", "EventWorker", "Guard", "Naming"]

FORMATS_OF_EVENTS = ("unlabelled", "classes")

# An input that is replaced more often while it is worked on is being written to without end.
_MOST_TURNS = 5

Guard = Callable[[Job, Shard], str | None]
"""Says why a source must not be worked on in this process, or None; see `EventWorker.handle`."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What an input's key says about it: there is no dataset to look at.

    Attributes:
        format: "unlabelled", or "classes": the folder is the class.
        splits: the first folder is the split (train, val, test); only "train" is augmented.
    """

    format: Literal["unlabelled", "classes"] = "unlabelled"
    splits: bool = False

    def source(self, key: str) -> Source:
        """Return an input as a listing would have it."""
        folders = key.split("/")[:-1]
        split = None
        if self.splits and folders:
            split = canonical_split(folders[0])
            folders = folders[1:] if split else []
        label = folders[0] if folders and self.format == "classes" else None
        return Source(key, 0, split, label)

    def writer(self) -> dict[str, Any]:
        """Return how results are written, as a job has it."""
        known = {"unlabelled": UnlabelledWriter, "classes": ClassFoldersWriter}
        if self.format not in known:
            raise RecipeError(
                f"format: expected {' or '.join(FORMATS_OF_EVENTS)}, got {self.format!r}"
            )
        return writer_to_json(known[self.format]())


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of one event.

    Attributes:
        key: of the input.
        kind: "made"; "known": done before; "gone": it is not there any more; "deleted": neither
            are its outputs; "hidden": a file that no listing would take for a part of the dataset.
        counts: of the input and its outputs.
        reason: why it was quarantined or skipped.
        notes: what is wrong with its file and costs no pixel, and what depth is lost.
    """

    key: str
    kind: Literal["made", "known", "gone", "deleted", "hidden"]
    counts: Counts
    reason: str | None = None
    notes: tuple[str, ...] = ()


class EventWorker:
    """Works on the inputs of one job as they come. Cheap to make; nothing is read or written yet.

    Args:
        job: what is to be done; its writer and splits are those of `naming`.
        naming: what keys say.
        forget: whether the outputs of an input that is gone are deleted.

    Raises:
        RecipeError: the recipe needs several images at a time, or classes that no key tells.
    """

    def __init__(self, job: Job, naming: Naming, *, forget: bool = False) -> None:
        recipe = Recipe.from_data(job.recipe)
        if recipe.mixes:
            raise RecipeError(
                "the recipe makes results of several images, and here they come one by one; "
                "use `variegate augment`, or a recipe without such transforms"
            )
        if names_classes(recipe) and naming.format == "unlabelled":
            raise RecipeError(
                "the recipe names classes, and here images have none; say that the first folder is "
                "the class (watch --classes; the format classes)"
            )
        self.job = replace(
            job,
            splits=naming.splits,
            writer=naming.writer(),
            limits=recipe.hints.decoding(job.limits),
        )
        self.naming = naming
        self.forget = forget
        self._input = open_storage(job.input)
        self._output = open_storage(job.output, create=True)
        self._record = record_of(self.job, format=naming.format)
        self._digest = digest_of(self._record)
        self._locked = False

    def handle(
        self, key: str, about: Mapping[str, Any] | None = None, *, guard: Guard | None = None
    ) -> EventOutcome:
        """Work on an input that has appeared, or has changed, or is only said to have.

        Args:
            key: its path inside the input.
            about: what else is known about the event, for the record; JSON values.
            guard: asked before the input is worked on; what it answers goes to the quarantine.

        Raises:
            UsageError: it cannot be read or results cannot be written; perhaps later.
        """
        self._lock()
        if is_hidden(key):
            return EventOutcome(key, "hidden", Counts())
        for _ in range(_MOST_TURNS):
            version = self._input.version(key)
            before = read_event_part(self._output, key)
            if version is None:
                if not self.forget or before is None:
                    return EventOutcome(key, "gone", Counts())
                self._forget(before)
                if self._input.version(key) is None:
                    return EventOutcome(key, "deleted", before.counts)
                # It has come back, and perhaps its new outputs were deleted with the old ones.
                continue
            if before is not None and (before.version, before.job) == (version, self._digest):
                return EventOutcome(key, "known", before.counts, _reason(before.rows))
            try:
                rows = self._rows(self.naming.source(key), guard)
            except UsageError as error:
                # What is still being written is nobody else's, nor are its failures.
                with suppress(UsageError):
                    self._output.flush()
                if not isinstance(error, _UnreadableError):
                    raise
                if self._input.version(key) is None:
                    continue
                raise InputError(str(error)) from error
            if before is not None:
                self._delete_others(before.rows, rows)
            part = EventPart(
                key=key,
                version=version,
                job=self._digest,
                about=dict(about or {}),
                rows=tuple(rows),
            )
            write_event_part(self._output, part)
            if self._input.version(key) in (version, None):
                reason, notes = _reason(part.rows), _notes(part.rows, printable(key))
                return EventOutcome(key, "made", part.counts, reason, notes)
        raise InputError(
            f"{self._input.place(key)}: it was replaced {_MOST_TURNS} times while it was worked on"
        )

    def _rows(self, source: Source, guard: Guard | None) -> list[Row]:
        """Make the results of an input; return its rows."""
        shard = Shard(number(source.key), (source,))
        if guard is not None and (reason := guard(self.job, shard)) is not None:
            return [without_output(0, source, "quarantined", reason)]
        worker = worker_of(self.job)
        return replace(worker, input=_Faithful(worker.input)).make(0, source, lambda _: None)

    def _delete_others(self, before: tuple[Row, ...], now: list[Row]) -> None:
        """Delete files of a version before that this one does not have."""
        kept = {key for row in now for key in _files(row)}
        for key in {key for row in before for key in _files(row)} - kept:
            self._output.delete(key)

    def _forget(self, part: EventPart) -> None:
        """Delete what was made of an input: the files of its part, where they are still those."""
        # No version, so that nobody takes the input for done should this end in the middle.
        write_event_part(self._output, replace(part, version=""))
        for row in part.rows:
            for key, digest in _digests(row):
                if self._output.exists(key) and _sha256(self._output.read(key)) == digest:
                    self._output.delete(key)
        self._output.delete(event_part_key(part.key))

    def _lock(self) -> None:
        """Make sure, once, that the output is this job's.

        Raises:
            OutputError: it is another's.
        """
        if self._locked:
            return
        own = json.dumps(self._record, indent=2).encode()
        # To look first costs less than to try, and others may be trying at this moment.
        if self._output.exists(JOB) or not self._output.create(JOB, own):
            check_record(self._output.url, self._output.read(JOB), self._record)
        self._locked = True


class _UnreadableError(UsageError):
    """The store did not answer; no fault of the image."""


class _Faithful(PassingStorage):
    """Says that a store does not answer, where a run would blame the image: it may come again."""

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        with _blamed():
            return super().read(key, limit=limit)

    def open_read(self, key: str) -> BinaryIO:
        with _blamed():
            return super().open_read(key)

    def exists(self, key: str) -> bool:
        with _blamed():
            return super().exists(key)


@contextmanager
def _blamed() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise _UnreadableError(str(error)) from error


def number(key: str) -> int:
    """Return a number for a source that has none in a listing: 52 bits of its key's digest."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return int(digest[:13], 16)


def _files(row: Row) -> Iterator[str]:
    yield from (key for key, _ in _digests(row))


def _digests(row: Row) -> Iterator[tuple[str, str | None]]:
    """Yield the files of a row, with their digests."""
    if row.output is not None:
        yield row.output, row.sha256
        yield from row.sidecar_digests.items()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _notes(rows: tuple[Row, ...], place: str) -> tuple[str, ...]:
    """Return the problems of an input, each without its place."""
    found = (text for row in rows if row.problems for text in json.loads(row.problems))
    return tuple(text.removeprefix(f"{place}: ") for text in found)


def _reason(rows: tuple[Row, ...]) -> str | None:
    return next((row.reason for row in rows if row.reason), None)
