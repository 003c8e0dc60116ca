"""The core that every back end calls: `run_shard`.

What is done to a source depends on the kind of the job. A `Worker` of that kind gives the results
of one source, in memory; everything else is the same for all kinds and stands here: reading, faults
and the quarantine, writing, the rows of the manifest, and making a result again.
"""

import hashlib
import importlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

import cv2

from variegate.codecs import IMAGE_EXTENSIONS, Header, Limits, faults_of, kind_of, probe
from variegate.errors import (
    ImageError,
    InputError,
    KeyRefusedError,
    LateRefusalError,
    RecipeError,
    UnavailableError,
    UsageError,
    VariegateError,
    did_you_mean,
)
from variegate.formats import Item, Source, Writer, writer_from_json
from variegate.recipes.plugins import load_plugin
from variegate.recipes.recipe import Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.file_notes import depth_note, frames_note, gray_levels
from variegate.runs.job import Job, Report, Shard, labels_digest
from variegate.runs.manifest import part_key, read_counts, write_part
from variegate.runs.result_storage import ResultStorage
from variegate.runs.rows import Counts, Row, Status
from variegate.storage import Entry, Storage, key_to_text, open_storage, printable
from variegate.storage.json import dumped

_log = logging.getLogger(__name__)

# So much of a file whose name promises no image is read to see whether it is one all the same.
_HEAD_BYTES = 1 << 20

# A file that is away is looked for again after so long, at the end of its shard.
_PAUSES_S = (0.2, 0.8, 2.0)

# Of a source of which no result is wanted.
_LEFT_OUT = "there are results enough without it (--balance, --count)"

_INSUFFICIENT_MEMORY = -4  # cv2.error.code

#: Kinds of jobs: where the class of each is, "module:Class". It is imported when a job of the kind
#: comes. A package of somebody else's brings its own by an entry point of the group
#: ``variegate.jobs``.
KINDS = {
    "augment": "variegate.runs.augmenter:Augmenter",
    "convert": "variegate.runs.converter:Converter",
    "audit": "variegate.datasets.prepare.auditor:Auditor",
    "prepare": "variegate.datasets.prepare.cleaner:Cleaner",
    "stats": "variegate.datasets.prepare.pixel_counter:PixelCounter",
    "synthesize": "variegate.tolerance.synthesizer:Synthesizer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of a source, before it is written.

    Attributes:
        item: as a writer sees it.
        content: of its file; None where the row alone is the result.
        sidecars: key and content of the files that belong to it.
        status, columns: of its row in the manifest, and what else the row says of this kind.
    """

    item: Item
    content: bytes | None
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
    output: ResultStorage
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

    def decodes(self, source: Source, header: Header) -> bool:
        """Say whether results are made of the pixels of a source, and not of its file."""
        del source, header
        return True

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
            labels = labels_digest(source)
            notes = tuple(f"{printable(source.key)}: {one}" for one in self._notes(source, data))
            source = replace(source, problems=(*source.problems, *notes))
            seen, identical = set[tuple[str | None, ...]](), 0
            origin = {
                "source": number,
                "key": source.key,
                "source_sha256": digest,
                "source_labels": labels,
                "problems": json.dumps(source.problems) if source.problems else None,
                "objects": source.objects or None,
                "objects_left_out": source.objects_left_out or None,
            }
            for done in self.results(source, data):
                row = _row_of(origin, done)
                # What shows the same, and says the same of it.
                made = (row.sha256, row.annotation, row.labels)
                identical += made in seen
                if made in seen and self.recipe.distinct:
                    continue
                seen.add(made)
                rows.append(self._written(row, done))
                if done.content is not None:
                    tell(Counts(outputs=1, bytes=len(done.content)))
            if not rows:
                return [without_output(number, source, "skipped", _LEFT_OUT)]
            rows.sort(key=lambda row: row.variant or 0)
            return [replace(rows[0], identical=identical), *rows[1:]] if identical else rows
        except (ImageError, InputError, KeyRefusedError) as error:
            reason = self._cause(source, error)
            transient = isinstance(error, UnavailableError) or None
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plug-in or decoder raises
            _log.debug("%s", key_to_text(source.key), exc_info=True)
            reason, transient = _reason(error), None
        self.discard(source)
        for row in rows:
            self.annotations.delete_sidecars(row.sidecar_digests)
        written = [row.bytes for row in rows if row.bytes is not None]
        tell(Counts(outputs=-len(written), bytes=-sum(written)))
        row = without_output(number, source, "quarantined", reason)
        return [replace(row, transient=transient)]

    def _cause(self, source: Source, error: VariegateError) -> str:
        """Return in words why a source is quarantined.

        Raises:
            UsageError: more is wrong than that: the run must not go on without all the others.
        """
        if isinstance(error, InputError):
            open_storage(self.input.url)
        if isinstance(error, KeyRefusedError):
            open_storage(self.output.url)
            return f"its result cannot be written: {error}"
        return str(error).removeprefix(f"{self.input.place(source.key)}: ")

    def _read(self, source: Source) -> bytes | None:
        """Return the content of an image, however broken; None for what never was one."""
        if not _named_as_image(source.key):
            with self.input.open_read(source.key) as file:
                head = file.read(_HEAD_BYTES)
            if kind_of(head) is None:
                return None
        return self.input.read(source.key, limit=self.limits.max_bytes)

    def _notes(self, source: Source, data: bytes) -> Iterator[str]:
        """Yield what is wrong with a source's file and costs no pixel, and what depth is lost.

        Raises:
            ImageError: it cannot be read as an image.
        """
        yield from faults_of(data, self.limits)
        header = probe(data, self.limits)
        if header.frames > 1 and self.decodes(source, header):
            yield frames_note(header.frames)
        if header.bits > 8 and self.decodes(source, header):
            yield depth_note(header.bits, gray_levels(data, self.limits))

    def _written(self, row: Row, done: Result) -> Row:
        """Write one result with what belongs to it; return its row with the files' digests."""
        if done.content is not None:
            self.output.write_later(done.item.key, done.content)
        digests = self.annotations.write_sidecars(done.sidecars)
        return replace(row, sidecars=json.dumps(digests)) if digests else row


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
    worker, told = worker_of(job), Counts()

    def tell(counts: Counts) -> None:
        told.add(counts)
        if on_progress:
            on_progress(counts)

    try:
        rows = _made(worker, shard, on_source, tell)
    except LateRefusalError:
        # To which image the name belongs is seen when each file is written by itself.
        with suppress(LateRefusalError):
            worker.output.flush()
        tell(told.negative())
        worker.output.at_once = True
        try:
            rows = _made(worker, shard, on_source, tell)
        finally:
            worker.output.at_once = False
    return _reported(worker, shard, rows)


def _made(
    worker: Worker,
    shard: Shard,
    on_source: Callable[[int], None] | None,
    tell: Callable[[Counts], None],
) -> list[Row]:
    """Make all results of a shard's sources; return their rows once all is written."""
    made: dict[int, list[Row]] = {}
    usable = [s for s in shard.sources if s.skip is None and s.unusable is None]
    ahead = [Entry(source.key, source.size) for source in usable]
    worker.input.read_ahead(ahead, limit=worker.limits.max_bytes)
    waiting = dict(enumerate(shard.sources, shard.start))
    for pause_s in (0.0, *_PAUSES_S):
        if waiting and pause_s:
            time.sleep(pause_s)
        for number, source in waiting.items():
            if on_source:
                on_source(number)
            made[number] = worker.make(number, source, tell)
            if pause_s == _PAUSES_S[-1] or not made[number][0].transient:
                tell(Counts.of(made[number]).without_outputs())
        # What was away for a moment may be there again.
        waiting = {n: source for n, source in waiting.items() if made[n][0].transient}
    # A part says that all its files are there.
    worker.output.flush()
    return [row for number in sorted(made) for row in made[number]]


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
    part = write_part(worker.output.records, shard.start, shard.stop, rows)
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
    files = {} if done.content is None else {done.item.key: done.content}
    return {**files, **dict(done.sidecars)}


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
        ResultStorage(open_storage(job.output)),
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


def _row_of(origin: Mapping[str, Any], done: Result) -> Row:
    """Return the row of a result, but for the files that belong to it.

    Args:
        origin: what it says of its source.
        done: the result.
    """
    item = done.item
    made = {
        "status": done.status,
        "split": item.split,
        "label": item.label,
        "annotation": dumped(item.annotation).decode() if item.annotation else None,
        "height": item.size[0],
        "width": item.size[1],
        "objects_written": len(item.annotation.objects) if item.annotation else None,
    }
    if done.content is not None:
        made |= {
            "output": item.key,
            "sha256": hashlib.sha256(done.content).hexdigest(),
            "bytes": len(done.content),
        }
    return Row(**{**origin, **made, **done.columns})


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
        problems=json.dumps(source.problems) if source.problems else None,
        objects=source.objects or None,
        objects_left_out=source.objects_left_out or None,
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
