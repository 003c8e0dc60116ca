"""A recipe's `forbid:` meets the classes of a dataset."""

from collections import Counter

from variegate.errors import RecipeError, did_you_mean
from variegate.formats import DatasetFormat
from variegate.formats.base import counted, named
from variegate.formats.notes import Information
from variegate.recipes.forbidden import steps_for
from variegate.recipes.recipe import Recipe
from variegate.runs.sources import Listing, seems_augmented
from variegate.runs.variant_choice import classes_of


def forbid_notes(
    listing: Listing, dataset_format: DatasetFormat, recipe: Recipe, place: str
) -> list[Information]:
    """Return how many images do not get which step.

    Raises:
        RecipeError: the dataset has no such class.
    """
    images, known = Counter[str](), {*dataset_format.classes}
    for source in listing.sources():
        classes = classes_of(source)
        known |= classes
        if seems_augmented(source, dataset_format):
            images.update(steps_for(recipe.forbid, classes))
    for step, names in recipe.forbid.items():
        for name in names:
            if name not in known:
                listed = f"it has {named(sorted(known))}" if known else "it has no classes"
                raise RecipeError(
                    f"forbid: {step}: {place} has no class {name!r}"
                    f"{did_you_mean(name, sorted(known))}; {listed}"
                )
    return [
        Information(
            f"forbidden: {step} is left out of {counted(images[step], 'image', 'images')} with "
            f"{named(names)}"
        )
        for step, names in recipe.forbid.items()
    ]
