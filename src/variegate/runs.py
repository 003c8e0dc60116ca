"""A run from its beginning to its end, wherever it was stopped before.

An output folder knows what made it: ``.variegate/job.json``. Running the same job again goes on
where it stopped; another job is refused. The order that makes this safe: the job first, then each
shard's files, then the shard's part of the manifest, at the end the manifest.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

from variegate import manifest
from variegate.backends import local
from variegate.codecs import Limits
from variegate.errors import InputError, OutputError, RecipeError
from variegate.formats import Layout, Source, detect
from variegate.job import Job
from variegate.listing import Listing, spool
from variegate.manifest import FOLDER, MANIFEST, Counts
from variegate.recipes import Recipe
from variegate.seeding import check_seed
from variegate.storage import (
    LocalStorage,
    Storage,
    check_apart,
    key_to_text,
    open_storage,
    pack_zip,
)

JOB = f"{FOLDER}/job.json"
DEFAULT_PRESET = "light"

# What decides bytes: another version of one of these may round differently.
_LIBRARIES = ("variegate", "opencv-python-headless", "numpy", "simplejpeg", "pillow")

# Enough shards that the progress of the last ones is seen, few enough that they cost nothing.
_LARGEST_SHARD = 32
_SHARDS_PER_WORKER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        counts: of all that is done, shards in flight included.
        total: sources in all.
        outputs: expected in all, if every source that may be augmented is a picture.
        before: what was already done when this run began.
    """

    counts: Counts
    total: int
    outputs: int
    before: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run made.

    Attributes:
        output: where.
        counts: of inputs and outputs.
        variants: for each augmented picture.
        digest: of all outputs; equal for equal results.
        layout: how the input was understood, one sentence.
        notes: what else should be known.
        elapsed_s: of this run.
        continued: whether some was done before.
    """

    output: str
    counts: Counts
    variants: int
    digest: str
    layout: str
    notes: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    continued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a data set is read and a run is carried out; all have sensible defaults.

    Attributes:
        layout: name of the input's layout, where it should not be guessed.
        label_pattern: regular expression with a group "label", for labels in file names.
        limit: only so many pictures, evenly spread.
        workers: processes; 0 for none but this one, None for one a processor.
        shard_size: sources in a shard; None for a sensible number.
        limits: larger pictures are quarantined.
    """

    layout: str | None = None
    label_pattern: str | None = None
    limit: int | None = None
    workers: int | None = None
    shard_size: int | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that has been checked: it can be run."""

    recipe: Recipe
    source: Storage
    layout: Layout
    listing: Listing
    workers: int

    @property
    def augmented(self) -> int:
        """How many sources get variants, if all that seem to be pictures are."""
        pictures = self.layout.pictures
        if not self.layout.splits:
            return min(sum(pictures.values()), self.listing.total)
        return min(pictures.get("train", 0), self.listing.splits["train"])

    @property
    def outputs(self) -> int:
        """How many files will come out, if all that seem to be pictures are."""
        copied = 0
        if self.layout.splits:
            others = ((s, n) for s, n in self.layout.pictures.items() if s != "train")
            copied = sum(min(number, self.listing.splits[split]) for split, number in others)
        return self.augmented * self.recipe.count() + copied


def load_recipe(recipe: "Recipe | str | Path | None", seed: int | None) -> Recipe:
    """Return a recipe from what a caller may give for one, with another seed if one is given."""
    loaded = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe or DEFAULT_PRESET)
    if seed is None:
        return loaded
    return loaded.model_copy(update={"seed": check_seed(seed)})


@contextmanager
def prepare(source: str | Path, recipe: Recipe, options: Options) -> Iterator[Prepared]:
    """Read names, not pictures: all that can be wrong with a run before it begins.

    Raises:
        InputError: there are no pictures, or their layout is unknown.
        OutputError: two sources would share an output's name.
        RecipeError: an option is out of range.
    """
    for name, value, least in (
        ("limit", options.limit, 1),
        ("workers", options.workers, 0),
        ("shard_size", options.shard_size, 1),
    ):
        if value is not None and value < least:
            raise RecipeError(f"{name}: expected at least {least}, got {value}")
    storage = open_storage(source)
    layout = detect(storage, layout=options.layout, label_pattern=options.label_pattern)
    if layout.splits and "train" not in layout.splits:
        raise InputError(
            f"{storage.url}: it has splits ({', '.join(layout.splits)}) but none for training, "
            "and only training pictures are augmented; name the folder of one split instead"
        )
    workers = local.default_workers() if options.workers is None else options.workers
    with spool(storage, layout, recipe, limit=options.limit) as listing:
        yield Prepared(recipe, storage, layout, listing, workers)


def augment(
    source: str | Path,
    output: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    seed: int | None = None,
    options: Options | None = None,
    on_start: Callable[[Prepared], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Make the variants of every picture of a data set.

    Args:
        source: a folder or zip file.
        output: a folder that is new, empty, or the same job's; or a zip file to be written.
        recipe: a recipe, its file, or a preset's name; None for the preset "light".
        seed: instead of the recipe's.
        options: how to read and run.
        on_start: told of the checked job before anything is written.
        on_progress: told of the progress, some times a second.

    Raises:
        UsageError: input, output, recipe or an option is not right.
    """
    loaded = load_recipe(recipe, seed)
    options = options or Options()
    check_apart(source, output)
    folder = _staging(Path(output))
    begun = time.monotonic()
    with prepare(source, loaded, options) as prepared:
        if on_start:
            on_start(prepared)
        record = _record(prepared)
        if Path(output) != folder and Path(output).is_file():
            _check_packed(Path(output), record)
        target = _claimed(folder, record)
        job = Job(
            recipe=loaded.to_data(),
            input=str(source),
            output=str(folder),
            splits=bool(prepared.layout.splits),
            limits=options.limits,
        )
        before = Counts()
        if not target.exists(MANIFEST):
            before = _run(job, prepared, target, options, on_progress)
            _finish(target, prepared)
        summary = _summary(target, prepared, str(output), time.monotonic() - begun, before)
    if Path(output) != folder:
        pack_zip(target, output)
    return summary


def _staging(output: Path) -> Path:
    """Return the folder in which an output is made: itself, or one beside a zip file."""
    if output.suffix.lower() == ".zip" and not output.is_dir():
        return output.with_name(f"{output.name}.unpacked")
    return output


def _check_packed(output: Path, record: dict[str, Any]) -> None:
    archive = open_storage(output)
    if not archive.exists(JOB):
        raise OutputError(f"{output}: exists and is not an output of variegate; choose another")
    _compare(str(output), json.loads(archive.read(JOB)), record)


def _record(prepared: Prepared) -> dict[str, Any]:
    """Return what a run is known by."""
    return {
        "recipe": prepared.recipe.to_data(),
        "recipe_digest": prepared.recipe.digest,
        "seed": prepared.recipe.seed,
        "input": prepared.source.url,
        "input_digest": prepared.listing.digest,
        "sources": prepared.listing.total,
        "layout": prepared.layout.name,
        "splits": bool(prepared.layout.splits),
        "index": [key_to_text(key) for key in prepared.layout.index_keys],
        **machine(),
    }


def machine() -> dict[str, Any]:
    """Return what decides bytes besides input, recipe and seed: libraries and processor."""
    return {
        "versions": {name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "processor": _processor(),
    }


def _processor() -> str:
    """Return the machine and the widest vector instructions that OpenCV finds on it."""
    # For example "SSE SSE2 SSE3 *SSE4.1 *AVX2 *AVX512-SKX?": a question mark is for those missing.
    features = {name.lstrip("*") for name in cv2.getCPUFeaturesLine().split()}
    levels = ("AVX512-SKX", "AVX2", "AVX", "SSE4.2", "NEON")
    found = next((level for level in levels if level in features), "baseline")
    return f"{platform.machine()} {found}"


def _claimed(folder: Path, record: dict[str, Any]) -> Storage:
    """Open an output for a job; make it the job's if it is new.

    Raises:
        OutputError: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()):
        target = open_storage(folder, create=True)
        if not target.exists(JOB):
            if any(entry.key != JOB for entry in target.list()):
                raise OutputError(
                    f"{folder}: is not empty and not an output of variegate; choose a new folder"
                )
            target.write(JOB, json.dumps(record, indent=2).encode())
        _compare(str(folder), json.loads(target.read(JOB)), record)
    else:
        target = open_storage(folder, create=True)
        target.write(JOB, json.dumps(record, indent=2).encode())
    if isinstance(target, LocalStorage):
        target.delete_leftovers()
    return target


def _compare(place: str, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Refuse an output that another job made, and say how the two differ."""
    names = {
        "recipe_digest": "recipe",
        "seed": "seed",
        "input_digest": f"files of the input {here['input']}",
        "layout": "layout",
        "versions": "library versions",
    }
    found = []
    for key, name in names.items():
        one, two = there.get(key), here[key]
        if key == "versions" and one != two:
            changed = [lib for lib in two if (one or {}).get(lib) != two[lib]]
            one, two = ({lib: (v or {}).get(lib) for lib in changed} for v in (one, two))
        if one != two:
            found.append(f"{name} ({one} there, {two} now)")
    if found:
        raise OutputError(
            f"{place}: holds the results of another job; it differs in {' and '.join(found)}; "
            "choose another output, or delete this one"
        )


def _run(
    job: Job,
    prepared: Prepared,
    target: Storage,
    options: Options,
    on_progress: Callable[[Progress], None] | None,
) -> Counts:
    """Run every shard that has no part yet; return what was done before."""
    listing = prepared.listing
    counts = Counts()
    for _, _, key in manifest.parts(target):
        counts.add(Counts.of(manifest.read_part(target, key)))
    before = Counts(**asdict(counts))

    def tell(in_flight: Counts) -> None:
        if on_progress:
            now = Counts(**asdict(counts))
            now.add(in_flight)
            on_progress(
                Progress(counts=now, total=listing.total, outputs=prepared.outputs, before=before)
            )

    tell(Counts())
    even = listing.total // (max(1, prepared.workers) * _SHARDS_PER_WORKER)
    size = options.shard_size or min(_LARGEST_SHARD, max(1, even))
    gaps = iter(list(manifest.gaps(target, listing.total)))
    shards = listing.shards(gaps, size)
    for report in local.run(job, shards, workers=prepared.workers, on_progress=tell):
        counts.add(report.counts)
        tell(Counts())
    return before


def _finish(target: Storage, prepared: Prepared) -> None:
    """Write the layout's index and the manifest; the manifest says that all is done."""
    outputs = (
        Source(row.output, row.bytes or 0, row.split, row.label)
        for row in manifest.part_rows(target)
        if row.output is not None
    )
    prepared.layout.write_index(target, outputs)
    manifest.merge(target)


def _summary(
    target: Storage, prepared: Prepared, output: str, elapsed_s: float, before: Counts
) -> Summary:
    return Summary(
        output=output,
        counts=Counts.of(manifest.rows(target)),
        variants=prepared.recipe.count(),
        digest=manifest.digest(manifest.rows(target)),
        layout=prepared.layout.description,
        notes=prepared.layout.notes,
        elapsed_s=elapsed_s,
        continued=before.sources > 0,
    )
