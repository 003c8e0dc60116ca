"""Datasets that a model takes to a chosen degree: `augment` with the recipe of its tolerance.

Results are exactly as many as were asked for, and a filter may keep some of them by what a model
says to them (`variegate.tolerance.synthesizer`).
"""

import json
import os
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from variegate.codecs import probe
from variegate.datasets.prepare.guard import without_leaks
from variegate.errors import ImageError, InputError, RecipeError, UsageError
from variegate.formats import Source
from variegate.formats.notes import information
from variegate.models.evaluate import labelled_images
from variegate.models.examples import Examples
from variegate.models.predictors import NamedModel, open_predictor
from variegate.models.predictors.spec import spec_of
from variegate.recipes.recipe import Recipe
from variegate.runs.augmenter import Augmenter
from variegate.runs.balance import BalancePlan
from variegate.runs.output import read_manifest
from variegate.runs.run import Options, Prepared, Progress, Summary, prepare, run
from variegate.runs.sources import seems_augmented
from variegate.runs.variant_choice import QUOTA, draw_of
from variegate.runs.worker import worker_of
from variegate.storage import Entry, check_apart
from variegate.tolerance.result import Tolerance
from variegate.tolerance.synthesizer import FILTER, MODEL, ErrorFilter

_READ_AHEAD = 64
# From -0.5 on every axis is at its end.
_LEAST = -1000.0
_NO_FILTER = ErrorFilter()

Realism = float | tuple[float, float]
AxisWishes = Mapping[str, Mapping[str, float]] | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What is to be made.

    Attributes:
        realism: 1 changes nothing, at 0.5 the model fails on 5% of variants, at 0 on every other
            one, and further below; or (low, high), drawn for each variant.
        count: results in all; None for one of each image.
        axes: the only ones to use, or for some of all what is wanted there: realism, min, max,
            multiplier, weight.
        only: axes, where `axes` says what is wanted on some; None for all.
        k_min, k_max: transformations of a result; None for what was calibrated.
        groups: of axes of which at most one is used; None for what was calibrated.
        seed: random seed.
        model: asked about every result; None for none.
        filter: which results are kept.
    """

    realism: Realism = 0.5
    count: int | None = None
    axes: AxisWishes | None = None
    only: Sequence[str] | None = None
    k_min: int | None = None
    k_max: int | None = None
    groups: Sequence[Sequence[str]] | None = None
    seed: int = 0
    model: NamedModel | None = None
    filter: ErrorFilter = _NO_FILTER

    def check(self) -> None:
        """Make sure that it is possible.

        Raises:
            UsageError: it is not.
        """
        if self.count is not None and self.count < 1:
            raise UsageError(f"--count: expected at least 1, got {self.count}")
        bounds = (self.filter.min_error, self.filter.max_error)
        for name, value in zip(("--min-error", "--max-error"), bounds, strict=True):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name}: expected 0 to 1, got {value:g}")
        low, high = bounds
        if low is not None and high is not None and low > high:
            raise UsageError(f"--min-error: expected at most --max-error ({high:g}), got {low:g}")
        if self.filter.retries < 0:
            raise UsageError(f"--retries: expected at least 0, got {self.filter.retries}")
        if self.filter.refuses and self.model is None:
            raise UsageError(
                "--min-error and --max-error: expected a model to ask: --model, --predict, --url "
                "or --command"
            )

    def recipe(self, tolerance: Tolerance, variants: int) -> Recipe:
        """Return the recipe that draws `variants` of each image."""
        return tolerance.recipe(
            realism=_bounded(self.realism),
            n=variants,
            axes=self.axes,
            only=self.only,
            k_min=self.k_min,
            k_max=self.k_max,
            groups=self.groups,
            seed=self.seed,
        )


def _bounded(realism: Realism) -> Realism:
    """Return a realism that a recipe takes: far below 0 all are the same."""
    if isinstance(realism, tuple):
        low, high = realism
        return max(low, _LEAST), max(high, _LEAST)
    return max(realism, _LEAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisSummary:
    """What was made.

    Attributes:
        run: as of every run.
        wanted: results that were to be made, copies of validation and test images apart.
        made: those that were.
        rejected: draws that the filter refused.
        empty: images of which no draw passed.
    """

    run: Summary
    wanted: int
    made: int
    rejected: int = 0
    empty: int = 0


def synthesize(
    source: str | Path,
    output: str | Path,
    tolerance: Tolerance | str | Path,
    *,
    synthesis: Synthesis | None = None,
    options: Options | None = None,
    allow_leaks: bool = False,
    on_start: Callable[[Prepared], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SynthesisSummary:
    """Make variants of the images of a dataset that a model takes to a chosen degree.

    Args:
        source: a folder, zip or tar file, or bucket.
        output: a folder that is new, empty, or the same job's; a bucket; or a zip file to be
            written.
        tolerance: of the model, or its file.
        synthesis: what is to be made.
        options: how to read and run.
        allow_leaks: go on though the same image stands in two splits; it is noted.
        on_start: told of the checked job before anything is written.
        on_progress: told of the progress, some times a second.

    Raises:
        UsageError: input, output, tolerance or an option is not right.
    """
    wanted, options = synthesis or Synthesis(), options or Options()
    wanted.check()
    if options.balance is not None:
        raise RecipeError("balance: not with a tolerance; classes get as many results as images")
    found = tolerance if isinstance(tolerance, Tolerance) else Tolerance.load(tolerance)
    check_apart(source, output)
    begun = time.monotonic()
    with _prepared(source, found, wanted, options) as prepared:
        prepared = without_leaks(prepared, allow=allow_leaks)
        if wanted.model is not None:
            prepared = _with_model(prepared, found, wanted, options)
        summary = run(prepared, output, options, on_start=on_start, on_progress=on_progress)
    summary = replace(summary, elapsed_s=time.monotonic() - begun)
    return _summed(summary, output, wanted)


@contextmanager
def _prepared(
    source: str | Path, tolerance: Tolerance, wanted: Synthesis, options: Options
) -> Iterator[Prepared]:
    """Prepare the job: with a number of results, after a look at which images can be read."""
    recipe, quota = wanted.recipe(tolerance, wanted.filter.draws), None
    if wanted.count is not None:
        # All names are compared again below: how results are called depends on their number.
        with prepare(source, recipe, options) as first:
            quota = _quota(first, options, wanted.count)
        most = quota[0] + (quota[1] > 0)
        recipe = wanted.recipe(tolerance, most * wanted.filter.draws)
    with prepare(source, recipe, options) as prepared:
        more = {} if quota is None else {QUOTA: list(quota)}
        results = prepared.augmented if wanted.count is None else wanted.count
        notes = tuple(information(_notes(tolerance, wanted)))
        yield replace(
            prepared,
            options={**prepared.options, **more},
            chosen=BalancePlan({}, prepared.augmented, results, 0, ()),
            dataset_format=_noted(prepared, notes),
        )


def _noted(prepared: Prepared, notes: Sequence[str]) -> Any:
    found = prepared.dataset_format
    return replace(found, notes=(*found.notes, *notes))


def _notes(tolerance: Tolerance, wanted: Synthesis) -> Iterator[str]:
    """Yield what makes results other than those for which realism was calibrated."""
    composite = tolerance.composite
    if composite is None:
        yield (
            "the tolerance holds no calibration of whole variants: realism is that of single "
            "transformations, and several together are less realistic"
        )
        return
    changed = []
    if wanted.k_min not in (None, composite.k_min) or wanted.k_max not in (None, composite.k_max):
        changed.append(f"{composite.k_min} to {composite.k_max} transformations")
    if wanted.axes or wanted.only:
        changed.append("all axes as they were found")
    if wanted.groups is not None:
        changed.append("other groups")
    if changed:
        yield (
            f"realism was calibrated for {', '.join(changed)}; the share on which the model fails "
            "may be another here"
        )


def _quota(prepared: Prepared, options: Options, count: int) -> tuple[int, int]:
    """Return how many results each image gets, and below which draw one more.

    Every image is read once: one that is broken would leave its results away.

    Raises:
        InputError: no image can be used.
    """
    worker = worker_of(prepared.job(options))
    assert isinstance(worker, Augmenter)
    listed = (
        one for one in prepared.listing.sources() if seems_augmented(one, prepared.dataset_format)
    )
    draws = array("q")
    with ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        while some := list(islice(listed, _READ_AHEAD)):
            entries = [Entry(one.key, one.size) for one in some]
            worker.input.read_ahead(entries, limit=worker.limits.max_bytes)
            # Read in one thread: those of an archive share a handle.
            read = [(one, data) for one in some if (data := _content(worker, one)) is not None]
            usable = pool.map(lambda pair: _is_image(worker, pair[1]), read)
            kept = [one for (one, _), is_image in zip(read, usable, strict=True) if is_image]
            draws.extend(draw_of(worker.recipe, one) for one in kept)
    if not draws:
        raise InputError(f"{prepared.source.url}: no image can be used")
    whole, more = divmod(count, len(draws))
    return whole, int(np.partition(np.array(draws), more)[more]) if more else 0


def _content(worker: Augmenter, source: Source) -> bytes | None:
    """Return the file of a source whose annotation fits it; None of others."""
    try:
        data = worker.input.read(source.key, limit=worker.limits.max_bytes)
        header = probe(data, worker.limits)
        worker.annotations.targets(source, (header.height, header.width), header.orientation)
    except (ImageError, InputError):
        return None
    return data


def _is_image(worker: Augmenter, data: bytes) -> bool:
    try:
        worker.renderer.decoded(data, probe(data, worker.limits).kind)
    except ImageError:
        return False
    return True


def _with_model(
    prepared: Prepared, tolerance: Tolerance, wanted: Synthesis, options: Options
) -> Prepared:
    """Return a job whose results a model is asked about."""
    named = wanted.model
    assert named is not None
    classes = prepared.dataset_format.classes
    with Examples(
        prepared.source.url,
        format=options.format,
        label_pattern=options.label_pattern,
        hints=options.hints,
        limits=options.limits,
        part="all",
    ) as examples:
        opened = open_predictor(
            named,
            dataset_classes=classes,
            labelled=lambda most: labelled_images(examples, most),
        )
    with opened.predictor as predictor:
        spec, judge = spec_of(named, predictor, classes), wanted.filter.to_json(predictor)
    notes = [f"{named.name}: {one}" for one in opened.notes]
    if judge["identity"] != tolerance.model.get("identity"):
        notes.append(f"{named.name}: another model than that of the tolerance is asked")
    return replace(
        prepared,
        kind="synthesize",
        options={**prepared.options, FILTER: judge, MODEL: spec},
        dataset_format=_noted(prepared, tuple(information(notes))),
    )


def _summed(summary: Summary, output: str | Path, wanted: Synthesis) -> SynthesisSummary:
    """Add what the manifest says of draws that were refused."""
    made, rejected, empty = summary.counts.outputs - summary.counts.copied, 0, 0
    if wanted.filter.refuses:
        told = read_manifest(output, columns=["status", "rejected"])
        for batch in told.to_batches():
            for row in batch.to_pylist():
                if row["rejected"] is not None:
                    rejected += len(json.loads(row["rejected"]))
                    empty += row["status"] == "skipped"
    asked = summary.counts.augmented + empty if wanted.count is None else wanted.count
    return SynthesisSummary(run=summary, wanted=asked, made=made, rejected=rejected, empty=empty)
