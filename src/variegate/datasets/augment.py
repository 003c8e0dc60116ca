"""Augment a dataset, unless the same image stands on two sides of its splits."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.runs.launch import early_workers, kept
from variegate.runs.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from variegate.recipes.recipe import Recipe
    from variegate.runs.run import Prepared, Progress, Summary


def augment(
    source: str | Path,
    output: str | Path,
    *,
    recipe: "Recipe | str | Path | None" = None,
    seed: int | None = None,
    options: Options | None = None,
    allow_leaks: bool = False,
    on_start: "Callable[[Prepared], None] | None" = None,
    on_progress: "Callable[[Progress], None] | None" = None,
) -> "Summary":
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
    options = options or Options()
    with early_workers(options):
        # While they start: all that a run needs takes as long to import here.
        with kept():
            from variegate.datasets.prepare.guard import without_leaks
            from variegate.recipes.plugins import load_plugins
            from variegate.runs.run import load_recipe, prepare, run
            from variegate.storage import check_apart

        plugins = load_plugins(options.plugins)
        loaded = load_recipe(recipe, seed)
        check_apart(source, output)
        begun = time.monotonic()
        with prepare(source, loaded, options) as prepared:
            summary = run(
                without_leaks(prepared, allow=allow_leaks),
                output,
                options,
                plugins=plugins,
                on_start=on_start,
                on_progress=on_progress,
            )
    return replace(summary, elapsed_s=time.monotonic() - begun)
