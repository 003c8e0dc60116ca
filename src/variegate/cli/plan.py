"""variegate plan: what a run would make and cost."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, size_text, time_text
from variegate.cli.options import (
    AsJson,
    Endpoint,
    FormatName,
    In,
    LabelPattern,
    Limit,
    MaxMegabytes,
    MaxPixels,
    PluginFiles,
    Preset,
    RecipeFile,
    Seed,
    Workers,
    chosen_options,
    chosen_recipe,
    recipe_name,
    use_endpoint,
)

if TYPE_CHECKING:
    from variegate.runs.estimate import Estimate


@command(
    "plan",
    "variegate plan photos/ --preset chain",
    "variegate plan photos/ --recipe recipe.yaml --json",
)
def plan(
    source: In,
    recipe: RecipeFile = None,
    preset: Preset = None,
    seed: Seed = None,
    plugins: PluginFiles = None,
    workers: Workers = None,
    limit: Limit = None,
    dataset_format: FormatName = None,
    label_pattern: LabelPattern = None,
    max_pixels: MaxPixels = None,
    max_megabytes: MaxMegabytes = None,
    as_json: AsJson = False,
    endpoint: Endpoint = None,
) -> None:
    """Tell how many files augment would make of IN, how large and how long; nothing is written.

    A few images, evenly spread, are really augmented in memory.
    """
    use_endpoint(endpoint)
    from variegate.runs.estimate import estimate

    loaded = chosen_recipe(recipe, preset, seed)
    options = chosen_options(
        dataset_format=dataset_format,
        label_pattern=label_pattern,
        limit=limit,
        workers=workers,
        max_pixels=max_pixels,
        max_megabytes=max_megabytes,
        plugins=plugins,
    )
    found = estimate(source, recipe=loaded, options=options)
    if as_json:
        show_json({"recipe": recipe_name(recipe, preset), "seed": loaded.seed, **asdict(found)})
        return
    show(f"input    {source}: {found.format}")
    for one in found.notes:
        note(f"         {one}")
    name = recipe_name(recipe, preset)
    show(f"recipe   {name}, {found.variants:,} for each image, seed {loaded.seed}")
    for line in _lines(found):
        show(line)


def _lines(found: "Estimate") -> list[str]:
    passed = found.outputs - found.augmented * found.variants
    also = f" + {passed:,} passed through" if passed else ""
    lines = [f"files    {found.outputs:,} ({found.augmented:,} x {found.variants:,}{also})"]
    if not found.tried:
        return [*lines, f"size     unknown: none of {found.unreadable} images tried can be read"]
    size, seconds = found.bytes, found.seconds
    low, high = size_text(size.low), size_text(size.high)
    lines.append(f"size     about {size_text(size.middle)} ({low} to {high})")
    processes = f"{found.workers} workers" if found.workers else "this process alone"
    low, high = time_text(seconds.low), time_text(seconds.high)
    lines.append(f"time     about {time_text(seconds.middle)} ({low} to {high}) with {processes}")
    lines.append(f"         judged by {found.tried} images, augmented in memory")
    if found.unreadable:
        tried = found.tried + found.unreadable
        lines.append(f"         {found.unreadable} of {tried} tried cannot be read: quarantined")
    return lines
