"""What a run will cost, before anything is written.

The number of outputs is exact, as far as names tell what is an image. Bytes and time are
estimated: a few sources, evenly spread, are really augmented, in memory.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from variegate.errors import ImageError, InputError
from variegate.formats import Source
from variegate.recipes.recipe import Recipe
from variegate.runs.augmenter import make_variants
from variegate.runs.run import Options, Prepared, load_recipe, prepare
from variegate.runs.sources import seems_augmented
from variegate.runs.variant_choice import is_chosen
from variegate.storage import printable

# Sources that are tried: at most this number, and no more of them after this time.
_TRIED = 12
_PATIENCE_S = 6.0

# Starting the worker processes, with their libraries.
_START_S = 0.5

# Writing a file and its row of the manifest: what a trial in memory leaves out.
_WRITING_S = 2e-4

# The machine may become idle or busy: what no trial can tell.
_FASTER, _SLOWER = 0.8, 1.6

# Nine of ten means lie within this number of standard errors, for a dozen trials and for few alike.
_STUDENT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A figure that is estimated.

    Attributes:
        low, high: where nine of ten such runs should end, as far as the sources that were tried
            are like the others.
        middle: the single best guess.
    """

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will make and cost.

    Attributes:
        format: what the input was recognised as, one sentence.
        notes: what else should be known.
        inputs: files in all.
        augmented: inputs that get variants, if they are images.
        variants: of each.
        copied: inputs that are copied unchanged.
        outputs: files that will be written.
        bytes: of those files.
        seconds: for the whole run, on this machine as busy as it is now.
        workers: worker processes assumed.
        tried: sources that were augmented to find this out.
        unreadable: sources that were tried and cannot be used; they would be quarantined.
        why_unreadable: the reason of the first of them.
    """

    format: str
    notes: tuple[str, ...]
    inputs: int
    augmented: int
    variants: int
    copied: int
    outputs: int
    bytes: Span
    seconds: Span
    workers: int
    tried: int
    unreadable: int
    why_unreadable: str | None = None


def estimate(
    source: str | Path, *, recipe: Recipe | str | Path | None = None, options: Options | None = None
) -> Estimate:
    """Tell what `variegate.augment` with these arguments would make; nothing is written.

    Raises:
        UsageError: input, recipe or an option is not right.
    """
    loaded, options = load_recipe(recipe, None), options or Options()
    with prepare(source, loaded, options) as prepared:
        return _extrapolated(prepared, *_try(prepared, options))


def _try(prepared: Prepared, options: Options) -> tuple[list[tuple[int, float]], list[str]]:
    """Augment some sources in memory.

    Returns:
        Bytes and seconds of each; why others cannot be used.
    """
    job = prepared.job(options)
    trials: list[tuple[int, float]] = []
    unreadable: list[str] = []
    begun = time.monotonic()
    for one in spread(prepared, _TRIED):
        if trials and time.monotonic() - begun > _PATIENCE_S:
            break
        start = time.perf_counter()
        try:
            sizes = [len(made.encoded) for made in make_variants(job, one)]
        except (ImageError, InputError) as error:
            unreadable.append(f"{printable(one.key)}: {error}")
            continue
        trials.append((sum(sizes), time.perf_counter() - start + len(sizes) * _WRITING_S))
    if trials:
        # The first one also loads libraries and fills tables.
        del trials[: len(trials) > 2]
    return trials, unreadable


def spread(prepared: Prepared, count: int) -> Iterator[Source]:
    """Yield `count` sources that will be augmented, evenly spread over the listing."""
    numbers = (
        number
        for number, one in enumerate(prepared.listing.sources())
        if seems_augmented(one, prepared.dataset_format) and is_chosen(prepared.recipe, one)
    )
    seen = -1
    for place in evenly(count, prepared.augmented):
        number = next(islice(numbers, place - seen - 1, None), None)
        if number is None:
            return
        seen = place
        # As a shard, since only there a source knows those that it may be mixed with.
        for shard in prepared.listing.shards(iter([(number, number + 1)]), 1):
            yield from shard.sources


def evenly(count: int, total: int) -> list[int]:
    """Return at most `count` different numbers below `total`, evenly spread."""
    count = min(count, total)
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def _extrapolated(
    prepared: Prepared, trials: Sequence[tuple[int, float]], unreadable: Sequence[str]
) -> Estimate:
    """Draw conclusions from what was tried."""
    readable = len(trials) / max(1, len(trials) + len(unreadable))
    count = prepared.augmented * readable
    sizes = total([size for size, _ in trials], count)
    times = total([seconds for _, seconds in trials], count)
    copied = _copied_bytes(prepared)
    workers = max(1, prepared.workers)
    start = _START_S if prepared.workers else 0.0
    return Estimate(
        format=prepared.dataset_format.description,
        notes=prepared.dataset_format.notes,
        inputs=prepared.listing.total,
        augmented=prepared.augmented,
        variants=prepared.recipe.count(),
        copied=prepared.copied,
        outputs=prepared.outputs,
        bytes=Span(low=sizes.low + copied, middle=sizes.middle + copied, high=sizes.high + copied),
        seconds=Span(
            low=times.low / workers * _FASTER + start,
            middle=times.middle / workers + start,
            high=times.high / workers * _SLOWER + start,
        ),
        workers=prepared.workers,
        tried=len(trials),
        unreadable=len(unreadable),
        why_unreadable=unreadable[0] if unreadable else None,
    )


def _copied_bytes(prepared: Prepared) -> int:
    splits, recipe = prepared.dataset_format.splits, prepared.recipe
    return sum(
        one.size
        for one in prepared.listing.sources()
        if (splits and one.split != "train") or not is_chosen(recipe, one)
    )


def total(tried: Sequence[float], count: float) -> Span:
    """Estimate the sum over `count` sources from a few of them."""
    if not tried:
        return Span(low=0.0, middle=0.0, high=0.0)
    middle = statistics.fmean(tried) * count
    if len(tried) == 1:
        return Span(low=middle / 2, middle=middle, high=middle * 2)
    # Student's interval for a mean; of a small dataset little is left to be guessed.
    unknown = max(0.0, 1 - len(tried) / max(count, 1)) ** 0.5
    error = _STUDENT * statistics.stdev(tried) / len(tried) ** 0.5 * count * unknown
    return Span(low=max(0.0, middle - error), middle=middle, high=middle + error)
