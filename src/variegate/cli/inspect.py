"""variegate inspect: what a dataset is, in figures, and what may be wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from variegate.cli.application import command
from variegate.cli.console import show, show_json, table
from variegate.cli.options import AsJson, FormatChoice, In, option
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.datasets.inspection.figures import (
        Exports,
        Fault,
        Inspection,
        MaskValues,
        Spread,
    )

# What is listed; --json names more.
_CLASSES_SHOWN = 40
_VALUES_SHOWN = 16
_KINDS_SHOWN = 12
_COUNTS_SHOWN = 8


@command("inspect", "variegate inspect coco/", "variegate inspect voc.zip --decode --json")
def inspect(
    source: In,
    *,
    inputs: FormatChoice,
    decode: Annotated[
        bool,
        option("--decode", "Decode every image, as a run does, not its header alone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Describe the dataset IN: format, classes, figures, faults; what was checked and what not.

    Nothing is written. Every fault in an annotation is counted by kind, with its file and line.
    """
    from variegate.datasets.inspect import inspect as look

    with counting("images") as on_progress:
        found = look(
            source,
            format=inputs.format,
            label_pattern=inputs.label_pattern,
            hints=inputs.hints,
            decode=decode,
            on_progress=on_progress,
        )
    if as_json:
        show_json(asdict(found))
        return
    show(f"{source}: {found.description}")
    for one in found.notes:
        show(f"note: {one}")
    show("")
    show(_figures(found))
    if found.classes:
        show("")
        show(_classes(found))
    if found.masks:
        show("")
        show(_mask_values(found.masks))
    _show_faults("images that cannot be used", found.quarantined)
    _show_faults("faults in annotations, repaired or left out", found.problems)
    _show_faults("to be looked at", found.findings)
    _show_exports(found.exports)
    _show_faults("hidden folders and files, never used", found.hidden)
    _show_faults("not used, but may hold annotations", found.side_files)
    _show_list("checked", found.checked)
    _show_list("not checked", found.not_checked)


def _figures(found: "Inspection") -> "Table":
    grid = table("", "", header=False)
    for name, value in (*_about_files(found), *_about_objects(found)):
        grid.add_row(name, value)
    for what, count in list(found.others.items())[:_KINDS_SHOWN]:
        grid.add_row("other files", f"{count:,} {what}")
    return grid


def _about_files(found: "Inspection") -> Iterable[tuple[str, str]]:
    splits = {name: count for name, count in found.images.items() if name}
    parts = ", ".join(f"{name} {count:,}" for name, count in splits.items())
    total = sum(found.images.values())
    yield "format", found.format
    yield "images", f"{total:,}" + (f" ({parts})" if parts else "")
    if found.labelled < total:
        yield "", f"{total - found.labelled:,} without a label"
    if unusable := sum(one.count for one in found.quarantined.values()):
        yield "", f"{unusable:,} more that cannot be used"
    yield from (
        (name, _counts(counts))
        for name, counts in (
            ("file type", found.file_types),
            ("bits a channel", found.depths),
            ("channels", found.channels),
        )
        if counts
    )
    if found.widths and found.heights:
        yield "width x height", f"{_range(found.widths, 0)} x {_range(found.heights, 0)} pixels"


def _about_objects(found: "Inspection") -> Iterable[tuple[str, str]]:
    if found.objects_in_files:
        left_out = sum(found.objects_left_out.values())
        parts = [f"{found.objects:,} kept", f"{left_out:,} left out"]
        if found.objects_quarantined:
            parts.append(f"{found.objects_quarantined:,} in images that cannot be used")
        yield "objects", f"{found.objects_in_files:,} annotated = {' + '.join(parts)}"
    for kind, count in found.kinds.items():
        yield f"  {kind}", f"{count:,}"
    if found.objects_a_image:
        yield "objects an image", _range(found.objects_a_image, 0)
    if found.sides:
        yield "side of a box", f"{_range(found.sides, 1)} pixels"
    if found.aspects:
        yield "width to height", _range(found.aspects, 2)
    if found.sides:
        shares = (("small", found.small), ("medium", found.medium), ("large", found.large))
        yield "by COCO's limits", ", ".join(f"{name} {share:.0%}" for name, share in shares)


def _counts(counts: Mapping[str, int]) -> str:
    """Return "gray (200), RGB (5)", or one word where all are the same."""
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{name} ({count:,})" for name, count in list(counts.items())[:_COUNTS_SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _range(spread: "Spread", digits: int) -> str:
    """Return "median (least to greatest)", or one number where all are the same."""
    least, median, most = (
        f"{value:,.{digits}f}" for value in (spread.least, spread.median, spread.greatest)
    )
    return median if least == most else f"{median} ({least} to {most})"


def _classes(found: "Inspection") -> "Table":
    grid = table("class", "images", *(["objects"] if found.objects else []), right=(1, 2))
    shown = list(found.classes.items())[:_CLASSES_SHOWN]
    for name, count in shown:
        objects = [f"{count.objects:,}"] if found.objects else []
        grid.add_row(name, f"{count.images:,}", *objects)
    if len(found.classes) > _CLASSES_SHOWN:
        grid.add_row(f"and {len(found.classes) - _CLASSES_SHOWN:,} more; --json names all", "")
    return grid


def _mask_values(found: "MaskValues") -> "Table":
    title = "color (R, G, B)" if found.colored == found.masks else "value of masks"
    grid = table(title, "masks", "pixels", right=(0, 1, 2))
    shown = list(found.values.items())[:_VALUES_SHOWN]
    for value, one in shown:
        name = _color(value) if found.colored == found.masks else f"{value:,}"
        grid.add_row(name, f"{one.masks:,}", _share(one.share))
    if more := len(found.values) + found.other_values - len(shown):
        rest = 1 - sum(one.share for _, one in shown)
        grid.add_row(f"{more:,} more", "", _share(rest))
    return grid


def _color(value: int) -> str:
    red, green, blue = value & 255, value >> 8 & 255, value >> 16
    return f"{red}, {green}, {blue}"


def _share(share: float) -> str:
    return f"{share:.2%}" if share >= 0.0001 else "< 0.01%"


def _show_faults(title: str, faults: "Mapping[str, Fault]") -> None:
    if not faults:
        return
    show("")
    show(f"{title}:")
    for kind, fault in list(faults.items())[:_KINDS_SHOWN]:
        show(f"  {fault.count:,} x {kind}")
        for example in fault.examples:
            show(f"      {example}")
        if fault.count > len(fault.examples):
            show(f"      and {fault.count - len(fault.examples):,} more")
    if len(faults) > _KINDS_SHOWN:
        show(f"  and {len(faults) - _KINDS_SHOWN:,} more kinds; --json names them")


def _show_exports(found: "Exports | None") -> None:
    from variegate.formats.base import counted

    if found is None:
        return
    show("")
    files = counted(found.files, "file is an export", "files are exports")
    originals = counted(found.originals, "original", "originals")
    several = f"of {found.several:,} of which there are several"
    show(f"{files} of {originals} (name.rf.digest), {several}")
    if found.in_splits.count:
        _show_faults("originals in several splits", {"original": found.in_splits})


def _show_list(title: str, lines: Iterable[str]) -> None:
    show("")
    show(f"{title}:")
    for line in lines:
        show(f"  {line}")
