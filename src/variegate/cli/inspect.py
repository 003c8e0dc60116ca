"""variegate inspect: what a dataset is, in figures, and what is wrong with it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, table
from variegate.cli.options import AsJson, FormatChoice, In
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.datasets.inspect import Fault, Inspection, Spread

# Classes that are listed; --json names all.
_SHOWN = 40


@command("inspect", "variegate inspect coco/", "variegate inspect voc.zip --json")
def inspect(
    source: In,
    *,
    inputs: FormatChoice,
    as_json: AsJson = False,
) -> None:
    """Describe the dataset IN: format, classes, statistics of its annotations, and faults.

    Nothing is written. Every fault in an annotation is counted by kind, with its file and line.
    """
    from variegate.datasets.inspect import inspect as look

    with counting("images") as on_progress:
        found = look(
            source,
            format=inputs.format,
            label_pattern=inputs.label_pattern,
            hints=inputs.hints,
            on_progress=on_progress,
        )
    if as_json:
        show_json(asdict(found))
        return
    show(f"{source}: {found.description}")
    for one in found.notes:
        note(one)
    show("")
    show(_figures(found))
    if found.classes:
        show("")
        show(_classes(found))
    _show_faults("images that cannot be used", found.quarantined)
    _show_faults("faults in annotations, repaired or left out", found.problems)
    if not found.quarantined and not found.problems:
        show("")
        show("nothing wrong with it was found")


def _figures(found: "Inspection") -> "Table":
    grid = table("", "", header=False)
    splits = {name: count for name, count in found.images.items() if name}
    parts = ", ".join(f"{name} {count:,}" for name, count in splits.items())
    total = sum(found.images.values())
    grid.add_row("format", found.format)
    grid.add_row("images", f"{total:,}" + (f" ({parts})" if parts else ""))
    if found.labelled < total:
        grid.add_row("", f"{total - found.labelled:,} without a label")
    if found.objects:
        grid.add_row("objects", f"{found.objects:,}")
    for kind, count in found.kinds.items():
        grid.add_row(f"  {kind}", f"{count:,}")
    if found.widths and found.heights:
        sizes = f"{_range(found.widths, 0)} x {_range(found.heights, 0)} pixels"
        judged = "" if found.sizes_of >= total else f", judged by {found.sizes_of:,}"
        grid.add_row("width x height", sizes + judged)
    if found.objects_a_image:
        grid.add_row("objects an image", _range(found.objects_a_image, 0))
    if found.sides:
        grid.add_row("side of a box", f"{_range(found.sides, 1)} pixels")
    if found.aspects:
        grid.add_row("width to height", _range(found.aspects, 2))
    if found.sides:
        shares = (("small", found.small), ("medium", found.medium), ("large", found.large))
        grid.add_row("by COCO's limits", ", ".join(f"{name} {share:.0%}" for name, share in shares))
    for what, count in found.others.items():
        grid.add_row("other files", f"{count:,} {what}")
    return grid


def _range(spread: "Spread", digits: int) -> str:
    """Return "median (least to greatest)", or one number where all are the same."""
    least, median, most = (
        f"{value:,.{digits}f}" for value in (spread.least, spread.median, spread.greatest)
    )
    return median if least == most else f"{median} ({least} to {most})"


def _classes(found: "Inspection") -> "Table":
    grid = table("class", "images", *(["objects"] if found.objects else []), right=(1, 2))
    shown = list(found.classes.items())[:_SHOWN]
    for name, count in shown:
        objects = [f"{count.objects:,}"] if found.objects else []
        grid.add_row(name, f"{count.images:,}", *objects)
    if len(found.classes) > _SHOWN:
        grid.add_row(f"and {len(found.classes) - _SHOWN:,} more; --json names all", "")
    return grid


def _show_faults(title: str, faults: "dict[str, Fault]") -> None:
    if not faults:
        return
    show("")
    show(f"{title}:")
    for kind, problem in faults.items():
        show(f"  {problem.count:,} x {kind}")
        for example in problem.examples:
            show(f"      {example}")
