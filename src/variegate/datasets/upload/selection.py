"""Which images of a dataset are uploaded, as what, and what is told of each.

The format says split, label and objects; where the dataset is an output of variegate, its manifest
says what each image was made of. The rows of the manifest are kept on disk, not in memory.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from variegate.annotations.annotation import Object
from variegate.errors import InputError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.formats.scan import seems_image
from variegate.runs import manifest
from variegate.runs.identity import JOB
from variegate.runs.output import is_output, open_output
from variegate.runs.rows import Row
from variegate.storage import Snapshot, Storage, key_to_text, open_storage

CATEGORIES = ("training", "testing", "split")

# What was drawn is told in a header, and all headers of a request together have 16 kB.
_MOST_OPERATIONS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadImage:
    """One image to be uploaded.

    Attributes:
        key: its path in the dataset.
        size: of its file, bytes.
        category: where it goes: "training", "testing", or "split" where the service decides.
        split: "train", "val", "test", or None.
        label: its class; None for none.
        objects: of which boxes are uploaded; None where the dataset has no objects for it.
        metadata: told beside the image.
        fault: why it cannot be uploaded, or None.
        problems: what is wrong with its annotation.
    """

    key: str
    size: int
    category: str
    split: str | None
    label: str | None
    objects: tuple[Object, ...] | None
    metadata: Mapping[str, str]
    fault: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How the images are read, and where they go.

    Attributes:
        format, label_pattern, hints: as for every dataset.
        category: of images without a split; None where there may be none.
        val: category of the split "val"; None where there may be none.
        each: tell of every image of an output what it was made of.
    """

    format: str | None = None
    label_pattern: str | None = None
    hints: Hints = NO_HINTS
    category: str | None = None
    val: str | None = None
    each: bool = True


@dataclass(frozen=True, slots=True)
class UploadSelection:
    """The images of one dataset.

    Attributes:
        storage: where they are.
        dataset_format: how they are read.
        total: how many there are, judged by their names.
        made: the dataset is an output of variegate.
    """

    storage: Storage
    dataset_format: DatasetFormat
    total: int
    made: bool
    _choice: Choice
    _origins: "_Origins"

    def parts(self) -> Iterator[UploadImage]:
        """Yield every image, in the order of the listing."""
        for source in self.dataset_format.sources(self.storage):
            if source.skip is None and seems_image(source.key):
                yield self._part(source)

    def _part(self, source: Source) -> UploadImage:
        annotation = source.annotation
        labels = source.shares
        fault = source.unusable
        if len(labels) > 1 and fault is None:
            named = ", ".join(f"{name} {share:.2g}" for name, share in labels.items())
            fault = f"has {len(labels)} labels ({named}); the service takes one"
        boxed = annotation is not None and (annotation.objects or not labels)
        return UploadImage(
            key=source.key,
            size=source.size,
            category=self._category(source.split),
            split=source.split,
            label=key_to_text(next(iter(labels))) if len(labels) == 1 else None,
            objects=annotation.objects if annotation is not None and boxed else None,
            metadata=self._origins.of(source.key),
            fault=fault,
            problems=source.problems,
        )

    def _category(self, split: str | None) -> str:
        said = {"train": "training", "test": "testing", "val": self._choice.val}
        # Checked before the first image; a format may find a split that its names did not tell.
        found = self._choice.category if split is None else said[split]
        if found is None:
            raise _question(self.storage.url, split)
        return found


@contextmanager
def selected(place: str, choice: Choice) -> Iterator[UploadSelection]:
    """Open a dataset, and find out where its images go.

    Raises:
        InputError: it cannot be read, or something only the user knows is not said.
    """
    inner = open_storage(place)
    with Snapshot(inner) as storage, closing(_Origins()) as origins:
        found = detect(
            storage, name=choice.format, label_pattern=choice.label_pattern, hints=choice.hints
        )
        for split in ("val", None):
            given = choice.val if split else choice.category
            if given is None and found.images.get(split or "", 0):
                raise _question(place, split)
        made = is_output(inner)
        if made:
            origins.take(place, each=choice.each)
        yield UploadSelection(storage, found, sum(found.images.values()), made, choice, origins)


def _question(place: str, split: str | None) -> InputError:
    if split == "val":
        return InputError(
            f"{place}: it has a validation split, and the service knows training and testing only; "
            "say where those images go with --val training or --val testing"
        )
    return InputError(
        f"{place}: it has images without a split; say where they go with --category training or "
        "--category testing (or --category split: the service divides them, and may put variants "
        "of one image into both), or divide them first with variegate split"
    )


class _Origins:
    """What the images of an output were made of, on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(
            "create table origin (output blob primary key, told text) without rowid"
        )
        self._shared: dict[str, str] = {}

    def close(self) -> None:
        self._database.close()

    def take(self, place: str, *, each: bool) -> None:
        """Read the manifest of an output."""
        storage = open_output(place)
        self._shared = _recipe_of(storage)
        if not each:
            return
        self._database.execute("begin")
        self._database.executemany(
            "insert or replace into origin values (?, ?)",
            (
                (_raw(row.output), json.dumps(_told(row)))
                for row in manifest.rows(storage)
                if row.output is not None
            ),
        )
        self._database.execute("commit")

    def of(self, key: str) -> Mapping[str, str]:
        """Return what is told of an image."""
        query = "select told from origin where output = ?"
        found = self._database.execute(query, (_raw(key),)).fetchone()
        return self._shared if found is None else {**self._shared, **json.loads(found[0])}


def _recipe_of(storage: Storage) -> dict[str, str]:
    told = {"made_by": "variegate"}
    if not storage.exists(JOB):
        return told
    try:
        record: dict[str, Any] = json.loads(storage.read(JOB))
    except (ValueError, InputError):
        return told
    recipe = record.get("recipe")
    if isinstance(recipe, dict):
        if description := recipe.get("description"):
            told["recipe"] = str(description)[:500]
        if "seed" in recipe:
            told["seed"] = str(recipe["seed"])
    return told


def _told(row: Row) -> dict[str, str]:
    told = {"source": key_to_text(row.key)}
    if row.source_sha256:
        told["source_sha256"] = row.source_sha256
    if row.variant is not None:
        told["variant"] = str(row.variant)
    if row.name:
        told["transforms"] = row.name
    if row.operations:
        drawn = json.dumps(json.loads(row.operations), separators=(",", ":"))
        whole = len(drawn) <= _MOST_OPERATIONS
        told["operations"] = drawn if whole else "too long; see manifest.parquet"
    return told


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")
