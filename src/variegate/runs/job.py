"""The core that every back end calls: `run_shard`.

A `Job` says what is to be done, a `Shard` to which sources; both are small JSON values, and so is
the `Report` that comes back. Pixels stay where they are read and written.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, Self

from variegate.annotations.annotation import Annotation
from variegate.annotations.targets import Targets
from variegate.codecs import Limits
from variegate.formats import PlainWriter, Source, writer_from_json, writer_to_json
from variegate.formats.conversion.capabilities import Conversion
from variegate.recipes.plugins import Plugin, load_plugin
from variegate.recipes.recipe import Recipe
from variegate.runs.converter import Converter
from variegate.runs.manifest import Counts, Row, part_key, read_counts, write_part
from variegate.runs.render import Rendered
from variegate.runs.worker import Worker, without_output
from variegate.storage import Entry, key_from_text, key_to_text, open_storage
from variegate.transforms.base import Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done.

    Attributes:
        recipe: as `Recipe.to_data` gives it, its seed included.
        input: location of the sources.
        output: location of the results.
        splits: whether the dataset has splits; then only "train" is augmented.
        writer: how results are laid out: {"name": ..., and what `Writer.to_json` gave}.
        limits: larger images are quarantined.
        plugins: files with transforms that the recipe needs.
        conversion: how labels are told in the writer's format (`Conversion.to_json`); None where
            that is the format of the sources. Then every source is written once, as it is.
    """

    recipe: dict[str, Any]
    input: str
    output: str
    splits: bool = False
    writer: dict[str, Any] = field(default_factory=lambda: writer_to_json(PlainWriter()))
    limits: Limits = field(default_factory=Limits)
    plugins: tuple[Plugin, ...] = ()
    conversion: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal job."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a job from what `to_json` gave."""
        plugins = tuple(Plugin(**one) for one in data.get("plugins", ()))
        return cls(**{**data, "limits": Limits(**data["limits"]), "plugins": plugins})


@dataclass(frozen=True, slots=True)
class Shard:
    """Some sources that stand together in the listing.

    Attributes:
        start: number of the first.
        sources: in the order of the listing.
    """

    start: int
    sources: tuple[Source, ...]

    @property
    def stop(self) -> int:
        """Number of the first source behind the shard."""
        return self.start + len(self.sources)

    def part(self, start: int, stop: int) -> "Shard":
        """Return the shard of the sources numbered `start` to before `stop`."""
        return Shard(start, self.sources[start - self.start : stop - self.start])

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal shard."""
        return {"start": self.start, "sources": [source_to_json(s) for s in self.sources]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a shard from what `to_json` gave."""
        return cls(data["start"], tuple(source_from_json(s) for s in data["sources"]))


def source_to_json(source: Source) -> dict[str, Any]:
    """Return the JSON values of a source, without what is None or empty."""
    data: dict[str, Any] = {"key": key_to_text(source.key), "size": source.size}
    for name in ("split", "label", "problems", "unusable", "skip"):
        if (value := getattr(source, name)) not in (None, ()):
            data[name] = value
    if source.annotation is not None:
        data["annotation"] = source.annotation
    if source.partners:
        data["partners"] = [source_to_json(one) for one in source.partners]
    return data


def source_from_json(data: dict[str, Any]) -> Source:
    """Make a source from what `source_to_json` gave."""
    annotation = data.get("annotation")
    return Source(
        key_from_text(data["key"]),
        data["size"],
        data.get("split"),
        data.get("label"),
        None if annotation is None else Annotation.from_json(annotation),
        tuple(data.get("problems", ())),
        data.get("unusable"),
        data.get("skip"),
        tuple(source_from_json(one) for one in data.get("partners", ())),
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a shard.

    Attributes:
        start, stop: its sources.
        part: key of the manifest's part.
        counts: of inputs and outputs.
    """

    start: int
    stop: int
    part: str
    counts: Counts

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal report."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a report from what `to_json` gave."""
        return cls(**{**data, "counts": Counts(**data["counts"])})


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
    part = write_part(worker.output, shard.start, shard.stop, rows)
    return Report(shard.start, shard.stop, part, Counts.of(rows))


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
    part = write_part(worker.output, shard.start, shard.stop, rows)
    return Report(shard.start, shard.stop, part, Counts.of(rows))


def make_again(job: Job, source: Source, drawn: tuple[Draw, ...], index: int) -> dict[str, bytes]:
    """Make one result again, with the files that belong to it; nothing is written.

    Args:
        job: as it was.
        source: whose variant; its partners are those that the draws name.
        drawn: what was drawn, all of it.
        index: number of the variant.

    Returns:
        Contents by key, the image's first.

    Raises:
        ImageError: the source cannot be read as an image any more.
    """
    return worker_of(job).again(source, drawn, index)


def copy_again(job: Job, source: Source) -> dict[str, bytes]:
    """Return the files of a source that passes through a job: contents by key; nothing is written.

    Raises:
        ImageError: it cannot be read as an image any more.
    """
    return worker_of(job).copied_again(source)


def carry_again(job: Job, source: Source) -> dict[str, bytes]:
    """Make the files again that a conversion made of a source; nothing is written.

    Returns:
        Contents by key, the image's first.

    Raises:
        ImageError: the source cannot be read as an image any more.
    """
    converter = worker_of(job)
    assert isinstance(converter, Converter)
    return converter.carried_again(source)


def make_variants(job: Job, source: Source, *, only: int | None = None) -> Iterator[Rendered]:
    """Make all results of a source, or one, in memory: nothing is written.

    Raises:
        ImageError: the source cannot be read as an image.
    """
    worker = worker_of(job)
    data = worker.input.read(source.key, limit=job.limits.max_bytes)
    yield from worker.variants(source, data, only=only)


def labels_of(job: Job, source: Source, made: Rendered | None = None) -> Targets | None:
    """Return what is known of a source, or what its result `made` will be said to show.

    Raises:
        ImageError: the source's annotation does not fit it.
    """
    worker = worker_of(job)
    if made is not None:
        return worker.labels_as_written(source, made)
    return worker.labels_of(source, worker.input.read(source.key, limit=job.limits.max_bytes))


def worker_of(job: Job) -> Worker:
    """Return a job made ready to work on sources, its plugins loaded.

    Raises:
        UsageError: input or output cannot be opened, or a plugin does not load.
    """
    return _worker(json.dumps(job.to_json()))


@lru_cache(maxsize=4)
def _worker(job: str) -> Worker:
    made = Job.from_json(json.loads(job))
    for plugin in made.plugins:
        load_plugin(plugin)
    worker = Worker(
        Recipe.from_data(made.recipe),
        open_storage(made.input),
        open_storage(made.output),
        made.splits,
        made.limits,
        writer_from_json(made.writer),
    )
    if made.conversion is None:
        return worker
    parts = {one.name: getattr(worker, one.name) for one in fields(worker)}
    return Converter(**parts, conversion=Conversion.from_json(made.conversion))
