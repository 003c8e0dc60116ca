"""What a recipe's `forbid:` comes to in a dataset."""

from collections import Counter

from variegate.formats import DatasetFormat
from variegate.formats.base import counted, named
from variegate.formats.notes import Information
from variegate.recipes.forbidden import steps_for
from variegate.recipes.recipe import Recipe
from variegate.runs.sources import Listing, seems_augmented
from variegate.runs.variant_choice import classes_of, is_chosen


def forbid_notes(
    listing: Listing, dataset_format: DatasetFormat, recipe: Recipe
) -> list[Information]:
    """Return how many images do not get which step."""
    if not recipe.forbid:
        return []
    images = Counter[str]()
    for source in listing.sources():
        if seems_augmented(source, dataset_format) and is_chosen(recipe, source):
            images.update(steps_for(recipe.forbid, classes_of(source)))
    return [
        Information(
            f"forbidden: {step} is left out of {counted(images[step], 'image', 'images')} with "
            f"{named(names)}"
        )
        for step, names in recipe.forbid.items()
    ]
