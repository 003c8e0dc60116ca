"""A run from its beginning to its end, wherever it was stopped before.

An output folder knows what made it: ``.variegate/job.json``. Running the same job again
resumes it; another job is refused. The order that makes this safe: the job first, then each
shard's files, then the shard's part of the manifest, at the end the manifest.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from variegate.errors import InputError, OutputError, RecipeError
from variegate.formats import DatasetFormat, Writer, detect, writer_to_json
from variegate.formats.base import counted
from variegate.formats.hints import NO_HINTS
from variegate.formats.notes import stops_strict
from variegate.recipes.borders import border_notes
from variegate.recipes.plugins import Plugin
from variegate.recipes.recipe import Recipe
from variegate.recipes.trial import try_recipe
from variegate.runs import manifest
from variegate.runs.annotate import mirror_notes
from variegate.runs.backends import Backend, make_backend
from variegate.runs.backends.base import Opened
from variegate.runs.backends.local import default_workers
from variegate.runs.balance import BalancePlan, check_balance, plan_balance, plan_classes
from variegate.runs.changes import check_unchanged
from variegate.runs.class_names import check_class_names
from variegate.runs.failures import FirstFailures
from variegate.runs.file_notes import file_notes
from variegate.runs.forbidden_steps import forbid_notes
from variegate.runs.identity import record_of
from variegate.runs.job import Job, Shard
from variegate.runs.lock import BucketLock, OutputLock, lock_of
from variegate.runs.options import Options
from variegate.runs.rows import Counts, Row
from variegate.runs.sources import Listing, spool
from variegate.runs.update import UpdateCounts, begin_update, end_update
from variegate.seeding import check_seed
from variegate.storage import (
    ObjectStorage,
    SampledStorage,
    Snapshot,
    Storage,
    check_apart,
    open_storage,
    printable,
)

__all__ = [
    "Options",
    "Prepared",
    "Progress",
    "Summary",
    "load_recipe",
    "prepare",
    "run",
]

DEFAULT_PRESET = "light"

# Outputs in a shard: enough that handing it out costs nothing, few enough that a killed run loses
# little. In a small dataset fewer, so that all workers end together; in a very large one more, so
# that the parts of its manifest do not become too many for one folder.
_SHARD_OUTPUTS = 400
_SHARDS_PER_WORKER = 8
_MOST_PARTS = 20_000

# So often what is missing is made again; it is missing only where somebody deletes it.
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        counts: of all that is done, shards in flight included.
        total: sources in all.
        outputs: expected in all, if every source that may be augmented is an image.
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
        variants: for each augmented image.
        digest: of all outputs; equal for equal results.
        format: what the input was recognised as, one sentence.
        notes: what else should be known.
        problems: how many things were wrong with annotations, and repaired or left out.
        first_problems: some of them.
        file_notes: what was wrong with images' files and cost no pixel, and what depth was lost.
        elapsed_s: of this run, reading the names included.
        continued: whether some was done before.
        updated: what an update found; None where it was none.
    """

    output: str
    counts: Counts
    variants: int
    digest: str
    format: str
    notes: tuple[str, ...] = ()
    problems: int = 0
    first_problems: tuple[str, ...] = ()
    file_notes: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    continued: bool = False
    updated: UpdateCounts | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that has been checked: it can be run.

    Attributes:
        recipe: what is made of every image.
        source: the dataset.
        dataset_format: of it.
        listing: its files.
        workers: processes.
        fresh: writes the results in another format; None for that of the input.
        kind, options: of the job; see `Job`.
        raw_labels: see `Options`.
        chosen: how many variants there will be, where that depends on classes.
    """

    recipe: Recipe
    source: Storage
    dataset_format: DatasetFormat
    listing: Listing
    workers: int
    fresh: Writer | None = None
    kind: str = "augment"
    options: Mapping[str, Any] = field(default_factory=dict)
    raw_labels: bool = False
    chosen: BalancePlan | None = None

    @property
    def writer(self) -> Writer:
        """What writes the results."""
        made = self.fresh or self.dataset_format.writer()
        return replace(made, raw_labels=True) if self.raw_labels else made

    @property
    def augmented(self) -> int:
        """How many sources get variants, if all that seem to be images are."""
        if self.chosen is not None:
            return self.chosen.augmented
        images = self.dataset_format.images
        if self.fresh or not self.dataset_format.splits:
            return min(sum(images.values()), self.listing.total)
        return min(images.get("train", 0), self.listing.splits["train"])

    @property
    def copied(self) -> int:
        """How many sources are copied unchanged, if all that seem to be images are."""
        copied = 0 if self.chosen is None else self.chosen.copied
        if self.dataset_format.splits and not self.fresh:
            others = ((s, n) for s, n in self.dataset_format.images.items() if s != "train")
            copied += sum(min(number, self.listing.splits[split]) for split, number in others)
        return copied

    @property
    def outputs(self) -> int:
        """How many files will come out, if all that seem to be images are."""
        if self.chosen is not None:
            return self.chosen.outputs + self.copied
        return self.augmented * self.recipe.count() + self.copied

    def job(
        self, options: Options, output: str | None = None, *, plugins: tuple[Plugin, ...] = ()
    ) -> Job:
        """Return what workers are told.

        Args:
            options: how to run.
            output: location of the results; None where they are only made in memory.
            plugins: with the transforms that the recipe needs.
        """
        return Job(
            recipe=self.recipe.to_data(),
            input=self.source.url,
            # A worker opens its output, though it may put nothing there: the place must exist.
            output=self.source.url if output is None else output,
            splits=bool(self.dataset_format.splits),
            limits=options.all_hints(self.recipe).decoding(options.limits),
            writer=writer_to_json(self.writer),
            plugins=plugins,
            kind=self.kind,
            options=dict(self.options),
        )


def load_recipe(recipe: "Recipe | str | Path | None", seed: int | None) -> Recipe:
    """Return a recipe from what a caller may give for one, with another seed if one is given."""
    loaded = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe or DEFAULT_PRESET)
    if seed is None:
        return loaded
    return loaded.model_copy(update={"seed": check_seed(seed)})


def chosen_backend(options: Options) -> Backend:
    """Return the back end that the options name.

    Raises:
        UsageError: there is none of that name, or it cannot be used with these options.
    """
    common = {"workers": options.workers, "silence_limit_s": options.silence_limit_s}
    return make_backend(options.backend, common | dict(options.backend_options))


@contextmanager
def prepare(source: str | Path, recipe: Recipe, options: Options) -> Iterator[Prepared]:
    """Read names, not images: all that can be wrong with a run before it begins.

    Raises:
        InputError: there are no images, or their format is unknown.
        OutputError: two sources would share an output's name.
        RecipeError: an option is out of range, or a step does not return images.
    """
    check_options(options)
    if options.balance is not None and recipe.variants_by_class:
        raise RecipeError(
            "--balance and the recipe's variants_by_class: expected one of them; both say how many "
            "variants images of a class get"
        )
    try_recipe(recipe)
    storage = open_storage(source)
    some = _sample_of(storage, options)
    with Snapshot(some or storage) as seen:
        hints = options.all_hints(recipe)
        dataset_format = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=hints
        )
        said = mirror_notes(recipe.labels, dataset_format.skeletons, mirrors=recipe.mirrors)
        notes = (*dataset_format.notes, *said, *((some.note,) if some else ()))
        dataset_format = replace(dataset_format, notes=notes)
        if dataset_format.splits and "train" not in dataset_format.splits:
            raise InputError(
                f"{storage.url}: it has splits ({', '.join(dataset_format.splits)}) but none for "
                "training, and only training images are augmented; "
                "name the folder of one split instead"
            )
        listed = spool(seen, dataset_format, recipe, limit=options.limit)
    with listed as listing:
        check_problems(listing, dataset_format, options)
        # Those that cannot be used are there to be seen, too.
        objects = listing.objects + listing.objects_left_out > 0
        if objects:
            notes = (*dataset_format.notes, *border_notes(recipe.policy))
            dataset_format = replace(dataset_format, notes=notes)
        more: dict[str, Any] = {"objects": True} if objects else {}
        check_class_names(recipe, dataset_format, listing.sources(), printable(storage.url))
        forbidden = forbid_notes(listing, dataset_format, recipe)
        dataset_format = replace(dataset_format, notes=(*dataset_format.notes, *forbidden))
        plan = plan_classes(listing, dataset_format, recipe)
        if options.balance is not None:
            plan = plan_balance(listing, dataset_format, recipe, options.balance)
        if plan is not None:
            more |= plan.options
            dataset_format = replace(dataset_format, notes=(*dataset_format.notes, *plan.notes))
        yield Prepared(
            recipe,
            storage,
            dataset_format,
            listing,
            workers_of(options),
            options=more,
            raw_labels=options.raw_labels,
            chosen=plan,
        )


def _sample_of(storage: Storage, options: Options) -> SampledStorage | None:
    """Return a storage of some of the names, where a few images of a large bucket are wanted."""
    told = options.format is not None or options.hints != NO_HINTS or options.balance is not None
    if options.limit is None or told or options.update or not isinstance(storage, ObjectStorage):
        return None
    return SampledStorage.of(storage, options.limit)


def check_options(options: Options) -> None:
    """Make sure that the numbers among the options are possible.

    Raises:
        RecipeError: one is not.
    """
    for name in ("limit", "shard_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise RecipeError(f"{name}: expected at least 1, got {value}")
    if options.balance is not None:
        check_balance(options.balance)
        if options.update:
            raise RecipeError(
                "--balance and --update: expected one of them; what balances the classes depends "
                "on all images, so write to a new output"
            )
    chosen_backend(options)


def check_problems(listing: Listing, dataset_format: DatasetFormat, options: Options) -> None:
    """Stop at the first fault in an annotation, or note of what one costs, if that is wanted.

    Raises:
        InputError: there is one.
    """
    if options.strict:
        for one in (*listing.first_problems, *filter(stops_strict, dataset_format.notes)):
            raise InputError(f"--strict: {one}")


def workers_of(options: Options) -> int:
    """Return the number of worker processes."""
    return default_workers() if options.workers is None else options.workers


def run(
    prepared: Prepared,
    output: str | Path,
    options: Options,
    *,
    plugins: tuple[Plugin, ...] = (),
    on_start: Callable[[Prepared], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Carry out what was prepared, or go on with it, or see that it is done.

    Args:
        prepared: the checked job.
        output: a folder that is new, empty, or the same job's; a bucket; or a zip file to be
            written.
        options: how to run.
        plugins: with the transforms that the recipe needs.
        on_start: told of the job when it is certain that the output may be written.
        on_progress: told of the progress, some times a second.

    Raises:
        OutputError: the output holds something else, or cannot be written.
    """
    job = prepared.job(options, str(output), plugins=plugins)
    record = record_of(
        job,
        format=prepared.dataset_format.option,
        label_pattern=options.label_pattern,
        hints=options.hints,
        input_files=prepared.listing.identity,
    )
    lock = lock_of(output, record)
    check_apart(job.input, lock.folder)
    updated = _begin_update(prepared, lock, record, options)
    finished = lock.is_finished()
    if lock.touched:
        check_unchanged(prepared.source, _rows_there(output, lock.url, finished), str(output))
    if on_start:
        on_start(prepared)
    before = Counts()
    if not finished:
        job = replace(job, output=lock.url)
        # What cannot be reached is found out before anything is written.
        try:
            with chosen_backend(options).opened(job) as opened, lock.held() as target:
                before = _carry_out(opened, prepared, target, options, on_progress)
                lock.pack(target)
        except (InputError, OutputError):
            # Where there are no locks, another run of this job may have been quicker, and have
            # taken away what this one still needed.
            if not lock.is_finished():
                raise
    lock.clean()
    written = open_storage(output)
    if options.update:
        end_update(written)
    totals = manifest.totals(written)
    return Summary(
        output=str(output),
        counts=totals.counts,
        variants=prepared.recipe.count(),
        digest=totals.digest,
        format=prepared.dataset_format.description,
        notes=(*prepared.dataset_format.notes, *_notes(written, totals.transient)),
        problems=prepared.listing.problems,
        first_problems=tuple(prepared.listing.first_problems),
        file_notes=tuple(file_notes(written, totals.counts)),
        continued=before.sources > 0,
        updated=updated,
    )


def _begin_update(
    prepared: Prepared, lock: OutputLock | BucketLock, record: dict[str, Any], options: Options
) -> UpdateCounts | None:
    """Find out what an update has to make, if one is wanted."""
    if options.prune and not options.update:
        raise RecipeError("prune: only with update (--update --prune)")
    if not options.update:
        return None
    with lock.updated() as target:
        return begin_update(
            target,
            record,
            prepared.source,
            prepared.listing,
            mixes=prepared.recipe.mixes,
            prune=options.prune,
        )


def _rows_there(output: str | Path, place: str, finished: bool) -> Iterator[Row]:
    """Yield the rows of what was done before."""
    if finished:
        return manifest.rows(open_storage(output))
    folder = open_storage(place)
    return chain(
        manifest.part_rows(folder),
        manifest.rows(folder) if folder.exists(manifest.MANIFEST) else (),
    )


def _notes(made: Storage, transient: int) -> Iterator[str]:
    """Yield what should be known of a finished output."""
    if transient:
        files = counted(transient, "input", "inputs")
        again = (
            "run the same command again to try them again"
            if manifest.may_reopen(made)
            else "to try them again, write to a new output"
        )
        yield f"{files} could not be read just then, and may be there again; {again}"


def _carry_out(
    opened: Opened,
    prepared: Prepared,
    target: Storage,
    options: Options,
    on_progress: Callable[[Progress], None] | None,
) -> Counts:
    """Do all that is not done yet; return what was done before."""
    total = prepared.listing.total
    if manifest.is_whole(target, total) and not manifest.reopen(target):
        # Killed after writing it.
        manifest.delete_parts(target)
        return manifest.totals(target).counts
    counts = Counts()
    first = FirstFailures(prepared.recipe, target)
    for part in manifest.parts(target):
        counts.add(part.counts(target))
        first.look(part.start, part.stop, part.key)
    before = replace(counts)

    def tell(in_flight: Counts) -> None:
        if on_progress:
            now = replace(counts)
            now.add(in_flight)
            outputs = prepared.outputs
            on_progress(Progress(counts=now, total=total, outputs=outputs, before=before))

    tell(Counts())
    # What is missing decides, not what was reported.
    rounds = count()
    while gaps := list(manifest.gaps(target, total)):
        if manifest.is_whole(target, total):
            # Another run of this job was quicker, and has deleted the parts.
            return before
        if next(rounds) == _ROUNDS:
            raise OutputError(
                f"{target.url}: parts of the manifest vanish while the run goes on; "
                "see that nothing else deletes files there, and run the same command again"
            )
        for report in opened.run(_shards(prepared, gaps, options, opened.parallel), tell):
            counts.add(report.counts)
            tell(Counts())
            first.look(report.start, report.stop, report.part)
    _finish(target, prepared)
    return before


def _shards(
    prepared: Prepared, gaps: list[tuple[int, int]], options: Options, parallel: int
) -> Iterator[Shard]:
    """Cut what is to be done into shards, for a number of them worked on at a time."""
    if options.shard_size is not None:
        return prepared.listing.shards(gaps, options.shard_size)
    total = prepared.listing.total
    even = total // (parallel * _SHARDS_PER_WORKER)
    fitting = _SHARD_OUTPUTS // prepared.recipe.count()
    size = max(1, min(even, fitting), total // _MOST_PARTS)
    return prepared.listing.shards(gaps, size, parallel=parallel)


def _finish(target: Storage, prepared: Prepared) -> None:
    """Write the index files and the manifest; the manifest says that all is done.

    Raises:
        InputError: a part has vanished: another run of this job may be at its end, too.
    """
    # Listed once: a later listing could lack parts, and what is written from it the results.
    found = list(manifest.parts(target))
    if list(manifest.missing(found, prepared.listing.total)):
        raise InputError(
            f"{target.url}: parts of the manifest have vanished; run the same command again"
        )
    keys = prepared.writer.write_index(target, manifest.items(target, found))
    manifest.write_index_record(target, keys)
    manifest.merge(target, found)
    manifest.delete_parts(target)
