"""The core that every back end calls: `run_shard`.

A `Job` says what is to be done, a `Shard` to which sources; both are small JSON values, and so is
the `Report` that comes back. Pixels stay where they are read and written.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Self

from variegate.codecs import EXTENSIONS, IMAGE_ENDINGS, Header, Limits, decode, encode, probe
from variegate.codecs import kind_of as kind_of_bytes
from variegate.errors import InputError, PictureError, ShapeError, UsageError
from variegate.formats import Source, output_key
from variegate.manifest import Counts, Row, write_part
from variegate.plan import Variant, execute
from variegate.recipes import Recipe
from variegate.sample import Sample
from variegate.storage import Storage, key_from_text, key_to_text, open_storage

_log = logging.getLogger(__name__)

_ALPHA_FORMATS = ("png", "webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done.

    Attributes:
        recipe: as `Recipe.to_data` gives it, its seed included.
        input: location of the sources.
        output: location of the results.
        splits: whether the data set has splits; then only "train" is augmented.
        limits: larger pictures are quarantined.
    """

    recipe: dict[str, Any]
    input: str
    output: str
    splits: bool = False
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal job."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a job from what `to_json` gave."""
        return cls(**{**data, "limits": Limits(**data["limits"])})


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

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal shard."""
        return {"start": self.start, "sources": [source_to_json(s) for s in self.sources]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a shard from what `to_json` gave."""
        return cls(data["start"], tuple(source_from_json(s) for s in data["sources"]))

    def singles(self) -> "Iterator[Shard]":
        """Yield a shard for every source."""
        for number, source in enumerate(self.sources, self.start):
            yield Shard(number, (source,))


def source_to_json(source: Source) -> dict[str, Any]:
    """Return the JSON values of a source."""
    return {**asdict(source), "key": key_to_text(source.key)}


def source_from_json(data: dict[str, Any]) -> Source:
    """Make a source from what `source_to_json` gave."""
    return Source(**{**data, "key": key_from_text(data["key"])})


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
    job: Job, shard: Shard, *, on_progress: Callable[[Counts], None] | None = None
) -> Report:
    """Make all results of a shard's sources, then write its part of the manifest.

    Args:
        job: what is to be done.
        shard: to which sources.
        on_progress: told of every output as it is written, and of every source that is done.

    Raises:
        InputError: the input as a whole cannot be read.
        OutputError: results cannot be written.
    """
    worker = _worker(json.dumps(job.to_json()))
    rows: list[Row] = []
    tell = on_progress or (lambda _: None)
    for number, source in enumerate(shard.sources, shard.start):
        made = worker.run(number, source, tell)
        rows += made
        counts = Counts.of(made)
        # The outputs themselves were told of one by one.
        counts.outputs = counts.bytes = 0
        tell(counts)
    part = write_part(worker.output, shard.start, shard.stop, rows)
    return Report(shard.start, shard.stop, part, Counts.of(rows))


def quarantine_shard(job: Job, shard: Shard, reason: str) -> Report:
    """Write the part of a shard whose sources cannot be worked on without harm."""
    output = open_storage(job.output)
    rows = [
        _without_output(number, source, "quarantined", reason)
        for number, source in enumerate(shard.sources, shard.start)
    ]
    part = write_part(output, shard.start, shard.stop, rows)
    return Report(shard.start, shard.stop, part, Counts.of(rows))


def make_variant(job: Job, source: Source, index: int) -> bytes:
    """Make one result again.

    Args:
        job: as it was.
        source: whose variant.
        index: number of the variant.

    Raises:
        PictureError: the source cannot be read as a picture any more.
    """
    for _, encoded in make_variants(job, source, only=index):
        return encoded
    raise InputError(f"{key_to_text(source.key)}: the recipe has no variant {index}")


def make_variants(
    job: Job, source: Source, *, only: int | None = None
) -> Iterator[tuple[Variant, bytes]]:
    """Make all results of a source, or one, in memory: nothing is written.

    Raises:
        PictureError: the source cannot be read as a picture.
    """
    worker = _worker(json.dumps(job.to_json()))
    data = worker.input.read(source.key, limit=job.limits.max_bytes)
    for variant, encoded, _ in worker.variants(source, data, only=only):
        yield variant, encoded


@lru_cache(maxsize=4)
def _worker(job: str) -> "_Worker":
    return _Worker.of(Job.from_json(json.loads(job)))


def _without_output(number: int, source: Source, status: Any, reason: str) -> Row:
    return Row(
        source=number,
        key=source.key,
        status=status,
        reason=reason,
        split=source.split,
        label=source.label,
    )


@dataclass(frozen=True, slots=True)
class _Worker:
    """A job, made ready to work on sources."""

    job: Job
    recipe: Recipe
    input: Storage
    output: Storage

    @classmethod
    def of(cls, job: Job) -> Self:
        recipe = Recipe.from_data(job.recipe)
        return cls(job, recipe, open_storage(job.input), open_storage(job.output))

    def run(self, number: int, source: Source, tell: Callable[[Counts], None]) -> list[Row]:
        """Work on one source; return its rows."""
        if (reason := _no_picture_by_name(source.key)) is not None:
            return [_without_output(number, source, "skipped", reason)]
        rows: list[Row] = []
        try:
            data = self.input.read(source.key, limit=self.job.limits.max_bytes)
            if kind_of_bytes(data) is None and not _named_as_picture(source.key):
                return [_without_output(number, source, "skipped", "not a picture")]
            if self.job.splits and source.split != "train":
                return [self._copied(number, source, data)]
            for row in self._made(number, source, data):
                rows.append(row)
                tell(Counts(outputs=1, bytes=row.bytes or 0))
            return sorted(rows, key=lambda row: row.variant or 0)
        except UsageError as error:
            if not isinstance(error, InputError):
                raise
            reason = str(error)
        except PictureError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a plug-in or decoder raises
            _log.debug("%s", key_to_text(source.key), exc_info=True)
            reason = f"unexpected {type(error).__name__}: {error}"
        for row in rows:
            self.output.delete(row.output or "")
            tell(Counts(outputs=-1, bytes=-(row.bytes or 0)))
        return [_without_output(number, source, "quarantined", reason)]

    def _copied(self, number: int, source: Source, data: bytes) -> Row:
        """Pass a source through that is not to be augmented."""
        header = probe(data, self.job.limits)
        self.output.write(source.key, data)
        digest = hashlib.sha256(data).hexdigest()
        return Row(
            source=number,
            key=source.key,
            status="copied",
            source_sha256=digest,
            split=source.split,
            label=source.label,
            output=source.key,
            sha256=digest,
            bytes=len(data),
            height=header.height,
            width=header.width,
        )

    def _made(self, number: int, source: Source, data: bytes) -> Iterator[Row]:
        """Make, write and record all variants of a source."""
        digest = hashlib.sha256(data).hexdigest()
        for variant, encoded, file_format in self.variants(source, data):
            key = self._key(source, variant, file_format)
            self.output.write(key, encoded)
            yield Row(
                source=number,
                key=source.key,
                status="output",
                source_sha256=digest,
                split=source.split,
                label=source.label,
                variant=variant.index,
                name=variant.name,
                operations=json.dumps([one.to_json() for one in variant.drawn]),
                output=key,
                sha256=hashlib.sha256(encoded).hexdigest(),
                bytes=len(encoded),
                height=variant.size[0],
                width=variant.size[1],
            )

    def variants(
        self, source: Source, data: bytes, *, only: int | None = None
    ) -> Iterator[tuple[Variant, bytes, str]]:
        """Yield variants, encoded, with their format, each as soon as it can be had."""
        header = probe(data, self.job.limits)
        size = (header.height, header.width)
        output = self.recipe.output
        file_format = output_format(output.format, header)
        keep_alpha = output.alpha == "keep" and file_format in _ALPHA_FORMATS

        def load(times: int) -> Sample:
            image = decode(data, limits=self.job.limits, keep_alpha=keep_alpha, reduce=times)
            return Sample(image, source.label)

        planned = self.recipe.plan(key=source.key, size=size)
        if only is not None:
            planned = [variant for variant in planned if variant.index == only]
        made = execute(planned, load, size=size, reducible=header.reducible)
        for variant, sample in made:
            try:
                encoded = encode(
                    sample.image,
                    format=file_format,
                    quality=output.quality,
                    subsampling=output.subsampling,
                )
            except ShapeError as error:
                raise PictureError(f"variant {variant.index}: {error}") from error
            yield variant, encoded, file_format

    def _key(self, source: Source, variant: Variant, file_format: str) -> str:
        endings = EXTENSIONS[file_format]
        return output_key(
            source.key,
            suffix=variant_suffix(variant.index, self.recipe.count()),
            ending=endings[0],
            own_endings=endings,
        )


def variant_suffix(index: int, count: int) -> str:
    """Return what tells a variant's file name from its siblings': "-v05"."""
    return f"-v{index:0{max(2, len(str(count - 1)))}d}"


def output_format(wanted: str, header: Header) -> str:
    """Return the format of a result: the wanted one; for "same" the source's, or PNG."""
    if wanted != "same":
        return wanted
    return header.kind if header.kind in EXTENSIONS else "png"


def _named_as_picture(key: str) -> bool:
    name = key.rpartition("/")[2].lower()
    return any(name.endswith(ending) for ending in IMAGE_ENDINGS)


def _no_picture_by_name(key: str) -> str | None:
    """Return why a file is passed over unread, or None."""
    folders, _, name = key.rpartition("/")
    if name.startswith("._") or "__MACOSX" in folders.split("/"):
        return "a side file of macOS"
    if name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        return "a side file of the operating system"
    return None
