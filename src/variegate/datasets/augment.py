"""Augment a dataset, unless the same image stands on two sides of its splits."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from variegate.datasets.prepare.guard import without_leaks
from variegate.recipes.recipe import Recipe
from variegate.runs import run
from variegate.runs.run import Options, Prepared, Progress, Summary


def augment(
    source: str | Path,
    output: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    seed: int | None = None,
    options: Options | None = None,
    allow_leaks: bool = False,
    on_start: Callable[[Prepared], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Make the variants of every image of a dataset.

    Args:
        source: a folder or zip file.
        output: a folder that is new, empty, or the same job's; or a zip file to be written.
        recipe: a recipe, its file, or a preset's name; None for the preset "light".
        seed: instead of the recipe's.
        options: how to read and run.
        allow_leaks: go on though the same image stands in two splits; it is noted.
        on_start: told of the checked job before anything is written.
        on_progress: told of the progress, some times a second.

    Raises:
        UsageError: input, output, recipe or an option is not right, or an image is in two splits.
    """
    return run.augment(
        source,
        output,
        recipe=recipe,
        seed=seed,
        options=options,
        check=partial(without_leaks, allow=allow_leaks),
        on_start=on_start,
        on_progress=on_progress,
    )
