"""How many variants each source gets, so that classes come out as asked.

What is decided for a class travels in the job's options, so it is part of its identity, and a
worker needs nothing but the source to know which variants to make: how many follows from its
classes and a number drawn for its path, which ones from another draw. Of sources with one class
each, the classes come out exactly: a few sources of a class, those with the smallest numbers, get
one variant more than the others. Where sources have several classes a source gets the mean of what
its classes need; what each class needs is adjusted until all are as near as they come.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from variegate.errors import RecipeError, UsageError
from variegate.formats import DatasetFormat, Source
from variegate.formats.base import counted
from variegate.formats.notes import information
from variegate.recipes.recipe import Recipe
from variegate.runs.sources import Listing, seems_augmented
from variegate.runs.variant_choice import OPTION, classes_of, draw_of, mean_rate, number_of
from variegate.storage import printable

_ROUNDS = 12
_SHOWN = 20
_EXPECTED = "expected even, a number of results of each class, or cap:N"


@dataclass(frozen=True, slots=True)
class BalancePlan:
    """What balancing comes to.

    Attributes:
        options: for the job.
        outputs: how many results there will be, if all sources are images.
        notes: what the user should know: by class, and the weights that would do instead.
    """

    options: dict[str, Any]
    outputs: int
    notes: tuple[str, ...]


def check_balance(text: str) -> None:
    """Make sure that a text says how to balance.

    Raises:
        RecipeError: it does not.
    """
    number = text.removeprefix("cap:")
    if text != "even" and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise RecipeError(f"--balance {text}: {_EXPECTED}")


def plan_balance(
    listing: Listing, dataset_format: DatasetFormat, recipe: Recipe, text: str
) -> BalancePlan:
    """Decide how many variants the sources of each class get.

    Args:
        listing: the sources.
        dataset_format: of them.
        recipe: what is made of each.
        text: "even", a number of results of each class, or "cap:N" for at most that many.

    Raises:
        UsageError: there are no classes, or the recipe has too few variants.
    """
    images, several, unlabelled = Counter[str](), False, 0
    for source in _augmented(listing, dataset_format):
        classes = classes_of(source)
        images.update(classes)
        several = several or len(classes) > 1
        unlabelled += not classes
    if not images:
        raise UsageError("--balance: the training images have no classes; leave it out")
    targets = _targets(images, recipe.count(), text)
    if several:
        rates = _rates(listing, dataset_format, recipe, targets)
        decided: dict[str, Any] = {"rates": rates}
    else:
        decided = {"counts": _counts(listing, dataset_format, recipe, images, targets)}
    made, outputs = Counter[str](), 0
    for source in _augmented(listing, dataset_format):
        number = number_of(decided, recipe, source)
        outputs += number
        made.update(dict.fromkeys(classes_of(source), number))
    notes = tuple(information(_notes(images, targets, made, unlabelled)))
    return BalancePlan({OPTION: decided}, outputs, notes)


def _augmented(listing: Listing, dataset_format: DatasetFormat) -> Iterable[Source]:
    return (one for one in listing.sources() if seems_augmented(one, dataset_format))


def _targets(images: Mapping[str, int], variants: int, text: str) -> dict[str, int]:
    """Return how many results each class is to have.

    Raises:
        UsageError: the recipe makes too few for a class.
    """
    if text.startswith("cap:"):
        most = int(text.removeprefix("cap:"))
        return {name: min(most, count * variants) for name, count in images.items()}
    rarest = min(images, key=lambda name: (images[name], name))
    reached = images[rarest] * variants
    wanted = max(images.values()) if text == "even" else int(text)
    if reached < wanted:
        most = max(images.values())
        remedy = f"or ask for less, such as --balance {reached} or --balance cap:{most}"
        raise UsageError(
            f"--balance {text}: class {rarest!r} has {counted(images[rarest], 'image', 'images')} "
            f"and the recipe {variants:,} variants of each, which make {reached:,} of the "
            f"{wanted:,} that are needed; take a recipe with "
            f"{-(-wanted // images[rarest]):,} variants or more, {remedy}"
        )
    # As many as the rarest can have.
    return dict.fromkeys(images, reached if text == "even" else wanted)


def _counts(
    listing: Listing,
    dataset_format: DatasetFormat,
    recipe: Recipe,
    images: Mapping[str, int],
    targets: Mapping[str, int],
) -> dict[str, tuple[int, int]]:
    """Return for each class how many variants a source gets, and below which draw one more."""
    draws: dict[str, array[int]] = {name: array("q") for name in images}
    for source in _augmented(listing, dataset_format):
        for name in classes_of(source):
            draws[name].append(draw_of(recipe, source))
    found = {}
    for name in sorted(images):
        whole, more = divmod(targets[name], images[name])
        limit = 0 if not more else int(np.partition(np.array(draws[name]), more)[more])
        found[name] = (whole, limit)
    return found


def _rates(
    listing: Listing,
    dataset_format: DatasetFormat,
    recipe: Recipe,
    targets: Mapping[str, int],
) -> dict[str, float]:
    """Return for each class how many variants its sources need, where they have several classes."""
    # Sources with the same classes get the same: there are few such sets.
    sets = Counter(frozenset(classes_of(one)) for one in _augmented(listing, dataset_format))
    sets.pop(frozenset(), None)
    totals = Counter[str]()
    for names, count in sets.items():
        totals.update(dict.fromkeys(names, count))
    rates = {name: targets[name] / totals[name] for name in sorted(totals)}
    for _ in range(_ROUNDS):
        made = dict.fromkeys(rates, 0.0)
        for names, count in sets.items():
            each = mean_rate(rates, names, recipe.count()) * count
            for name in names:
                made[name] += each
        rates = {
            name: min(rate * targets[name] / max(made[name], 1e-9), 1e6)
            for name, rate in rates.items()
        }
    return {name: round(rate, 6) for name, rate in rates.items()}


def _notes(
    images: Mapping[str, int],
    targets: Mapping[str, int],
    made: Mapping[str, int],
    unlabelled: int,
) -> Iterable[str]:
    """Yield what comes out, and what would do instead."""
    names = sorted(images, key=lambda name: (-abs(made[name] - targets[name]), name))
    off = [name for name in names if made[name] != targets[name]]
    least, most = min(made[name] for name in images), max(made[name] for name in images)
    yield (
        f"balanced: {len(images):,} classes of {min(images.values()):,} to "
        f"{max(images.values()):,} images come to {least:,} to {most:,} results"
    )
    if off:
        shown = ", ".join(
            f"{printable(name)} {made[name]:,} of {targets[name]:,}" for name in off[:_SHOWN]
        )
        more = f" and {len(off) - _SHOWN:,} more" if len(off) > _SHOWN else ""
        yield f"images of several classes allow no exact balance: {shown}{more}"
    if unlabelled:
        yield f"{counted(unlabelled, 'image', 'images')} without a class: one variant of each"
    total = sum(images.values())
    weights = ", ".join(
        f"{printable(name)} {total / (len(images) * images[name]):.3f}"
        for name in sorted(images)[:_SHOWN]
    )
    more = f" and {len(images) - _SHOWN:,} more" if len(images) > _SHOWN else ""
    yield f"class weights that do the same without balancing: {weights}{more}"
