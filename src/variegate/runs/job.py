"""What is told to workers, and what they answer.

A `Job` says what is to be done, a `Shard` to which sources; both are small JSON values, and so is
the `Report` that comes back. Pixels stay where they are read and written. The work itself is
`variegate.runs.worker.run_shard`.
"""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import msgspec

from variegate.annotations.annotation import Annotation
from variegate.codecs import Limits
from variegate.formats import PlainWriter, Source, writer_to_json
from variegate.recipes.plugins import Plugin
from variegate.runs.rows import Counts
from variegate.storage import key_from_text, key_to_text
from variegate.storage.json import dumped


@dataclass(frozen=True, slots=True)
class WorkMessage:
    """What goes between processes as JSON, its fields by their names."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal one."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make one from what `to_json` gave."""
        return msgspec.convert(data, cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(WorkMessage):
    """What is to be done.

    Attributes:
        recipe: as `Recipe.to_data` gives it, its seed included.
        input: location of the sources.
        output: location of the results.
        splits: whether the dataset has splits; then only "train" is augmented.
        writer: how results are written: {"name": ..., and what `Writer.to_json` gave}.
        limits: larger images are quarantined.
        plugins: files with transforms that the recipe needs.
        kind: what is done to each source; see `variegate.runs.worker.KINDS`.
        options: what that kind needs to know besides, JSON values.
    """

    recipe: dict[str, Any]
    input: str
    output: str
    splits: bool = False
    writer: dict[str, Any] = field(default_factory=lambda: writer_to_json(PlainWriter()))
    limits: Limits = field(default_factory=Limits)
    plugins: tuple[Plugin, ...] = ()
    kind: str = "augment"
    options: dict[str, Any] = field(default_factory=dict)


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
    if source.target is not None:
        data["target"] = key_to_text(source.target)
    if source.annotation is not None:
        data["annotation"] = source.annotation
    if source.partners:
        data["partners"] = [source_to_json(one) for one in source.partners]
    return data


def labels_digest(source: Source) -> str:
    """Return what tells all that is known of a source but its name and content."""
    known = source_to_json(replace(source, key="", size=0, partners=()))
    return hashlib.sha256(dumped(known)).hexdigest()[:16]


def source_from_json(data: dict[str, Any]) -> Source:
    """Make a source from what `source_to_json` gave."""
    annotation, target = data.get("annotation"), data.get("target")
    read = {
        "key": key_from_text(data["key"]),
        "annotation": None if annotation is None else Annotation.from_json(annotation),
        "problems": tuple(data.get("problems", ())),
        "target": None if target is None else key_from_text(target),
        "partners": tuple(map(source_from_json, data.get("partners", ()))),
    }
    return Source(**data | read)


@dataclass(frozen=True, slots=True)
class Report(WorkMessage):
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
