"""Which variants of a source are made, where not all of them are.

Either its classes decide it: what balancing decides for a class (`variegate.runs.balance`) stands
in the job's options, what the user decides in the recipe. Or there is a *quota*: how many results
each source gets, so that all of them come to a number that was asked for. The rest follows from the
source alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from variegate.formats import Source
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator

OPTION = "balance"
#: (whole, limit): each source gets `whole` results, and one more where its draw is below `limit`.
QUOTA = "quota"
_BITS = 53


def variants_of(
    options: Mapping[str, Any], recipe: Recipe, source: Source
) -> frozenset[int] | None:
    """Return the numbers of the variants that a source gets; None for all."""
    number, all_of_them = wanted_of(options, recipe, source), recipe.count()
    if number == all_of_them:
        return None
    # Drawn, not the first: those of frequent and of rare classes shall be of the same kinds.
    rng = generator(recipe.seed, "balance", "which", source.key)
    return frozenset(rng.choice(all_of_them, number, replace=False).tolist())


def wanted_of(options: Mapping[str, Any], recipe: Recipe, source: Source) -> int:
    """Return how many variants a source gets."""
    if QUOTA in options:
        whole, limit = options[QUOTA]
        return int(whole) + (draw_of(recipe, source) < limit)
    if OPTION in options:
        return number_of(options[OPTION], recipe, source)
    return asked_number(recipe, source)


def classes_of(source: Source) -> set[str]:
    """Return the classes that an image is of, or shows."""
    objects = source.annotation.objects if source.annotation else ()
    return {*source.shares, *(one.category for one in objects)}


def is_chosen(recipe: Recipe, source: Source) -> bool:
    """Say whether a recipe's `classes` let an image get variants."""
    return recipe.classes is None or not classes_of(source).isdisjoint(recipe.classes)


def asked_number(recipe: Recipe, source: Source) -> int:
    """Return how many variants a source gets by a recipe's `variants_by_class`."""
    numbers = recipe.variants_by_class
    # Asked before the classes are looked up: most recipes name none.
    named = numbers.keys() & classes_of(source) if numbers else ()
    return max((numbers[name] for name in named), default=recipe.count())


def draw_of(recipe: Recipe, source: Source) -> int:
    """Return a number for a source, of 53 bits."""
    rng = generator(recipe.seed, "balance", "more", source.key)
    return int(rng.integers(0, 1 << _BITS))


def mean_rate(rates: Mapping[str, float], names: Iterable[str], most: int) -> float:
    needed = [rates[name] for name in sorted(names) if name in rates]
    return min(most, sum(needed) / len(needed)) if needed else 1.0


def number_of(decided: Mapping[str, Any], recipe: Recipe, source: Source) -> int:
    """Return how many variants a source gets; one where it has no class."""
    classes = classes_of(source)
    if "rates" in decided:
        mean = mean_rate(decided["rates"], classes, recipe.count())
        return min(recipe.count(), int(mean + draw_of(recipe, source) / (1 << _BITS)))
    known = [decided["counts"][name] for name in classes if name in decided["counts"]]
    if not known:
        return 1
    whole, limit = known[0]
    return int(whole) + (draw_of(recipe, source) < limit)
