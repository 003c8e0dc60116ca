"""The core that every back end calls: `run_shard`.

What is done to a source depends on the kind of the job. A `Worker` of that kind gives the results
of one source, in memory; everything else is the same for all kinds and stands here: reading, faults
and the quarantine, writing, the rows of the manifest, and making a result again.
"""

import hashlib
import importlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

import cv2

from variegate.codecs import IMAGE_EXTENSIONS, Limits, kind_of
from variegate.errors import ImageError, InputError, RecipeError, UsageError, did_you_mean
from variegate.formats import Item, Source, Writer, writer_from_json
from variegate.recipes.plugins import load_plugin
from variegate.recipes.recipe import Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.job import Job, Report, Shard
from variegate.runs.manifest import Counts, Row, Status, part_key, read_counts, write_part
from variegate.storage import Entry, Storage, key_to_text, open_storage
from variegate.storage.json import dumped

_log = logging.getLogger(__name__)

# So much of a file whose name promises no image is read to see whether it is one all the same.
_HEAD_BYTES = 1 << 20

_INSUFFICIENT_MEMORY = -4  # cv2.error.code

#: Kinds of jobs: where the class of each is, "module:Class". It is imported when a job of the kind
#: comes. A package of somebody else's brings its own by an entry point of the group
#: ``variegate.jobs``.
KINDS = {
    "augment": "variegate.runs.augmenter:Augmenter",
    "convert": "variegate.runs.converter:Converter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of a source, before it is written.

    Attributes:
        item: as a writer sees it.
        content: of its file.
        sidecars: key and content of the files that belong to it.
        status, columns: of its row in the manifest, and what else the row says of this kind.
    """

    item: Item
    content: bytes
    sidecars: Iterable[tuple[str, bytes]]
    status: Status = "copied"
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worker(ABC):
    """A job, made ready to work on sources.

    Attributes:
        recipe: what is made of each.
        input: where they are.
        output: where the results go.
        splits: whether the dataset has splits.
        limits: larger images are quarantined.
        writer: how results are written.
        options: what the kind of job needs to know besides.
    """

    recipe: Recipe
    input: Storage
    output: Storage
    splits: bool
    limits: Limits
    writer: Writer
    options: Mapping[str, Any]

    @abstractmethod
    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        """Yield the results of a source whose file holds `data`; nothing is written.

        Raises:
            ImageError: it cannot be read as an image, or its annotation does not fit it.
        """

    @abstractmethod
    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        """Return the one result that a row of the manifest tells of; nothing is written.

        Raises:
            ImageError: the source cannot be read as an image any more.
        """

    @abstractmethod
    def discard(self, source: Source) -> None:
        """Delete whatever was written of a source that is quarantined in the end."""

    @property
    def annotations(self) -> AnnotationWriter:
        """What reads and writes the annotations of this job."""
        return AnnotationWriter(
            self.recipe.labels, self.writer, self.input, self.output, self.limits
        )

    def make(self, number: int, source: Source, tell: Callable[[Counts], None]) -> list[Row]:
        """Work on one source; return its rows.

        Args:
            number: of the source, in the listing.
            source: what to work on.
            tell: told of every output as it is written.

        Raises:
            OutputError: results cannot be written.
            InputError: the input as a whole is gone.
        """
        rows: list[Row] = []
        try:
            if (why := source.skip or _no_image_by_name(source.key)) is not None:
                return [without_output(number, source, "skipped", why)]
            if source.unusable is not None:
                return [without_output(number, source, "quarantined", source.unusable)]
            data = self._read(source)
            if data is None:
                return [without_output(number, source, "skipped", "not an image")]
            digest = hashlib.sha256(data).hexdigest()
            for done in self.results(source, data):
                rows.append(self._written(number, source, done, digest))
                tell(Counts(outputs=1, bytes=len(done.content)))
            return sorted(rows, key=lambda row: row.variant or 0)
        except (ImageError, InputError) as error:
            if isinstance(error, InputError):
                # If more is gone than this file, the run must not go on without all the others.
                open_storage(self.input.url)
            place = f"{self.input.place(source.key)}: "
            reason = str(error).removeprefix(place)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plug-in or decoder raises
            _log.debug("%s", key_to_text(source.key), exc_info=True)
            reason = _reason(error)
        self.discard(source)
        for row in rows:
            self.annotations.delete_sidecars(row.sidecar_digests)
        tell(Counts(outputs=-len(rows), bytes=-sum(row.bytes or 0 for row in rows)))
        return [without_output(number, source, "quarantined", reason)]

    def _read(self, source: Source) -> bytes | None:
        """Return the content of an image, however broken; None for what never was one."""
        if not _named_as_image(source.key):
            with self.input.open_read(source.key) as file:
                head = file.read(_HEAD_BYTES)
            if kind_of(head) is None:
                return None
        return self.input.read(source.key, limit=self.limits.max_bytes)

    def _written(self, number: int, source: Source, done: Result, digest: str) -> Row:
        """Write one result with what belongs to it; return its row.

        Args:
            number, source: what it was made of.
            done: the result.
            digest: of the source's content.
        """
        item, data = done.item, done.content
        self.output.write_later(item.key, data)
        digests = self.annotations.write_sidecars(done.sidecars)
        row = Row(
            source=number,
            key=source.key,
            status=done.status,
            source_sha256=digest,
            split=item.split,
            label=item.label,
            annotation=dumped(item.annotation).decode() if item.annotation else None,
            problems=json.dumps(source.problems) if source.problems else None,
            output=item.key,
            sha256=hashlib.sha256(data).hexdigest(),
            sidecars=json.dumps(digests) if digests else None,
            bytes=len(data),
            height=item.size[0],
            width=item.size[1],
        )
        return replace(row, **done.columns)


def run_shard(
    job: Job,
    shard: Shard,
    *,
    on_source: Callable[[int], None] | None = None,
    on_progress: Callable[[Counts], None] | None = None,
) -> Report:
    """Make all results of a shard's sources, then write its part of the manifest.

    Args:
        job: what is to be done.
        shard: to which sources.
        on_source: told the number of every source before it is read.
        on_progress: told of every output as it is written, and of every source that is done.

    Raises:
        InputError: the input as a whole cannot be read.
        OutputError: results cannot be written.
    """
    worker = worker_of(job)
    rows: list[Row] = []
    usable = [s for s in shard.sources if s.skip is None and s.unusable is None]
    ahead = [Entry(source.key, source.size) for source in usable]
    worker.input.read_ahead(ahead, limit=job.limits.max_bytes)
    tell = on_progress or (lambda _: None)
    for number, source in enumerate(shard.sources, shard.start):
        if on_source:
            on_source(number)
        made = worker.make(number, source, tell)
        rows += made
        tell(Counts.of(made).without_outputs())
    # A part says that all its files are there.
    worker.output.flush()
    return _reported(worker, shard, rows)


def finished_report(job: Job, shard: Shard) -> Report | None:
    """Return the report of a shard that is done already, or None."""
    output = open_storage(job.output)
    part = part_key(shard.start, shard.stop)
    if not output.exists(part):
        return None
    return Report(shard.start, shard.stop, part, read_counts(output, part))


def quarantine_shard(job: Job, shard: Shard, reason: str) -> Report:
    """Write the part of a shard whose sources cannot be worked on without harm."""
    worker = worker_of(job)
    rows = []
    for number, source in enumerate(shard.sources, shard.start):
        worker.discard(source)
        rows.append(without_output(number, source, "quarantined", reason))
    return _reported(worker, shard, rows)


def _reported(worker: Worker, shard: Shard, rows: list[Row]) -> Report:
    """Write the part of a shard that is done."""
    part = write_part(worker.output, shard.start, shard.stop, rows)
    return Report(shard.start, shard.stop, part, Counts.of(rows))


def remake(job: Job, source: Source, row: Row) -> dict[str, bytes]:
    """Make the files again that a row of the manifest tells of; nothing is written.

    Args:
        job: as it was.
        source: of the row; its partners are those that the draws name.
        row: of the manifest.

    Returns:
        Contents by key, the image's first.

    Raises:
        ImageError: the source cannot be read as an image any more.
    """
    worker = worker_of(job)
    data = worker.input.read(source.key, limit=worker.limits.max_bytes)
    done = worker.result_again(source, data, row)
    return {done.item.key: done.content, **dict(done.sidecars)}


def worker_of(job: Job) -> Worker:
    """Return a job made ready to work on sources, its plugins loaded.

    Raises:
        UsageError: input or output cannot be opened, a plugin does not load, or there is no such
            kind of job.
    """
    return _worker(json.dumps(job.to_json()))


@lru_cache(maxsize=4)
def _worker(text: str) -> Worker:
    job = Job.from_json(json.loads(text))
    for plugin in job.plugins:
        load_plugin(plugin)
    made: Worker = _kind(job.kind)(
        Recipe.from_data(job.recipe),
        open_storage(job.input),
        open_storage(job.output),
        job.splits,
        job.limits,
        writer_from_json(job.writer),
        job.options,
    )
    return made


def _kind(name: str) -> type[Worker]:
    """Return the class of a kind of jobs."""
    known = KINDS
    if name not in KINDS:
        known = {one.name: one.value for one in entry_points(group="variegate.jobs")}
    if name not in known:
        names = [*KINDS, *known]
        raise RecipeError(
            f"kind of job: expected one of {', '.join(names)}, got {name!r}"
            f"{did_you_mean(name, names)}"
        )
    module, _, kind = known[name].partition(":")
    found: type[Worker] = getattr(importlib.import_module(module), kind)
    return found


def without_output(number: int, source: Source, status: Status, reason: str) -> Row:
    """Return the row of a source that gave nothing."""
    return Row(
        source=number,
        key=source.key,
        status=status,
        # Names that are not text may be part of it.
        reason=reason.encode("utf-8", "backslashreplace").decode("utf-8"),
        split=source.split,
        label=source.label,
    )


def _reason(error: Exception) -> str:
    """Return in words what nobody foresaw."""
    if isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and error.code == _INSUFFICIENT_MEMORY
    ):
        return "not enough memory for this image"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__


def _named_as_image(key: str) -> bool:
    dot = key.rfind(".", key.rfind("/") + 1)
    return dot >= 0 and key[dot:].lower() in IMAGE_EXTENSIONS


def _no_image_by_name(key: str) -> str | None:
    """Return why a file is skipped without being opened, or None."""
    if key.rpartition("/")[2] in ("Thumbs.db", "desktop.ini"):
        return "a side file of the operating system"
    return None
