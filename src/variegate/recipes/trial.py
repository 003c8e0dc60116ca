"""A recipe is tried before images are: every step once, on small blank images.

What a step returns is found out at once, before a run has made a hundred thousand files or a
training has been ruined: values that are no bytes, another number of channels, no array at all. A
step that raises is not judged here, since it may need larger images than these.
"""

from contextlib import suppress

import numpy as np

from variegate.annotations.sample import Image, Sample
from variegate.errors import RecipeError
from variegate.ops import Combination
from variegate.recipes.policies import Along, Drawable, Settled, find_axis, steps_of
from variegate.recipes.recipe import Recipe
from variegate.recipes.steps import fault
from variegate.seeding import generator
from variegate.transforms import find_transform
from variegate.transforms.base import Draw

# The others are for steps that need more pixels than the first has, such as a crop.
_SIDES = (32, 512, 2048)
# Of a step that makes more, what it makes would cost more than the trial is worth.
_MOST_PIXELS = 1 << 22
_GRAY = 128
_KINDS = {"an RGB image": (3,), "a gray image": (), "an RGBA image": (4,)}
_ALPHA_FORMATS = ("same", "png", "webp")


def try_recipe(recipe: Recipe) -> None:
    """Apply every step of a recipe to blank images: RGB, gray, and RGBA where that may come.

    Raises:
        RecipeError: a step does not return an image of the kind that it was given.
    """
    alpha = recipe.output.alpha == "keep" and recipe.output.format in _ALPHA_FORMATS
    kinds = {what: shape for what, shape in _KINDS.items() if alpha or shape != (4,)}
    for number, step in enumerate(steps_of(recipe.policy)):
        drawn = _drawn(step, recipe.seed, number)
        for what, channels in kinds.items():
            if wrong := _fault_on(drawn, channels):
                raise RecipeError(
                    f"step {drawn.transform}: {wrong} (tried on {what}); leave it out or correct "
                    "it: results are images of 8 bits, which a training program normalizes itself "
                    "(variegate.torch: statistics)"
                )


def _fault_on(drawn: Draw, channels: tuple[int, ...]) -> str | None:
    """Say what is wrong with what a step makes of the smallest image that it works on."""
    for side in _SIDES:
        image = np.full((side, side, *channels), _GRAY, np.uint8)
        with suppress(Exception):  # whatever a plug-in raises
            return fault(_applied(drawn, image), image)
    return None


def _drawn(step: Drawable, seed: int, number: int) -> Draw:
    """Draw, whatever the step's own probability; other images are blank as well."""
    rng = generator(seed, "trial", number)
    if isinstance(step, Settled):
        return step.draw
    if isinstance(step, Along):
        kind, axis = find_axis(step.axis)
        drawn = Draw(kind.name, kind.at(axis.name, step.intensity[1], rng))
    else:
        drawn = Draw(step.name, step.parameters(rng))
    if "partners" not in drawn.parameters:
        return drawn
    others = [""] * len(drawn.parameters["partners"])
    return Draw(drawn.transform, {**drawn.parameters, "partners": others})


def _applied(drawn: Draw, image: Image) -> object:
    """Return what a step makes of an image; the image itself where that would be too large."""
    sample = Sample(image)
    operation = find_transform(drawn.transform).operation(drawn.parameters, sample.size)
    height, width = operation.output_size(sample.size)
    if height * width > _MOST_PIXELS:
        return image
    with np.errstate(all="ignore"):
        if isinstance(operation, Combination):
            partners = tuple(Sample(image.copy()) for _ in operation.partners)
            return operation.combine(sample, partners).image
        return operation.apply(sample).image
