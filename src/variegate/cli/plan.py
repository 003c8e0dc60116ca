"""variegate plan: what a run would make and cost."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, size_text, time_text
from variegate.cli.options import AsJson, In, PluginRecipe, RunInput

if TYPE_CHECKING:
    from variegate.runs.estimate import Estimate


@command(
    "plan",
    "variegate plan photos/ --preset chain",
    "variegate plan photos/ --recipe recipe.yaml --json",
)
def plan(
    source: In,
    *,
    recipe: PluginRecipe,
    inputs: RunInput,
    as_json: AsJson = False,
) -> None:
    """Estimate what augment would make of IN: files, bytes, time. Nothing is written.

    A few images, sampled evenly, are augmented in memory.
    """
    from variegate.runs.estimate import estimate

    loaded = recipe.load()
    options = inputs.options(plugins=tuple(recipe.plugins or ()))
    found = estimate(source, recipe=loaded, options=options)
    if as_json:
        show_json({"recipe": recipe.name, "seed": loaded.seed, **asdict(found)})
        return
    show(f"input    {source}: {found.format}")
    for one in found.notes:
        note(f"         {one}")
    show(f"recipe   {recipe.name}, {found.variants:,} variants an image, seed {loaded.seed}")
    for line in _lines(found):
        show(line)


def _lines(found: "Estimate") -> list[str]:
    made = found.outputs - found.copied
    also = f" + {found.copied:,} copied unchanged" if found.copied else ""
    each = f"x {found.variants:,}"
    if made != found.augmented * found.variants:
        each = f"to {made:,}, by class"
    lines = [f"files    {found.outputs:,} ({found.augmented:,} {each}{also})"]
    if not found.tried:
        why = f" ({found.why_unreadable})" if found.why_unreadable else ""
        tried = found.unreadable
        return [*lines, f"size     unknown: none of {tried} images tried can be used{why}"]
    size, seconds = found.bytes, found.seconds
    low, high = size_text(size.low), size_text(size.high)
    lines.append(f"size     about {size_text(size.middle)} ({low} to {high})")
    processes = f"{found.workers} workers" if found.workers else "this process alone"
    low, high = time_text(seconds.low), time_text(seconds.high)
    lines.append(f"time     about {time_text(seconds.middle)} ({low} to {high}) with {processes}")
    lines.append(f"         estimated from {found.tried} images, augmented in memory")
    if found.unreadable:
        tried = found.tried + found.unreadable
        lines.append(f"         {found.unreadable} of {tried} tried cannot be used: quarantined")
        lines.append(f"         the first: {found.why_unreadable}")
    return lines
