"""The classes that a recipe names meet those of a dataset: `forbid:`, `classes:` and the like."""

from collections.abc import Collection, Iterable, Iterator

from variegate.errors import RecipeError, did_you_mean
from variegate.formats import DatasetFormat, Source
from variegate.formats.base import named
from variegate.recipes.recipe import Recipe
from variegate.runs.variant_choice import classes_of


def names_classes(recipe: Recipe) -> bool:
    """Say whether a recipe names classes."""
    return next(_named_in(recipe), None) is not None


def check_class_names(
    recipe: Recipe, dataset_format: DatasetFormat, sources: Iterable[Source], place: str
) -> None:
    """Make sure that a dataset has the classes that a recipe names.

    Args:
        recipe: what is made of it.
        dataset_format: of the dataset.
        sources: its images.
        place: of the dataset, for messages.

    Raises:
        RecipeError: it has no such class.
    """
    if not names_classes(recipe):
        return
    known = set(dataset_format.classes).union(*map(classes_of, sources))
    for where, name in unknown_classes(recipe, known):
        listed = f"it has {named(sorted(known))}" if known else "it has no classes"
        close = did_you_mean(name, sorted(known)) or f"; {listed}"
        raise RecipeError(f"{where}: {place} has no class {name!r}{close}")


def unknown_classes(recipe: Recipe, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each class that a recipe names and that is not known, with where the recipe does."""
    return ((where, name) for where, name in _named_in(recipe) if name not in known)


def _named_in(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for step, names in recipe.forbid.items():
        yield from ((f"forbid: {step}", name) for name in names)
    yield from (("classes", name) for name in recipe.classes or ())
    yield from (("variants_by_class", name) for name in recipe.variants_by_class)
