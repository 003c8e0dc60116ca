"""variegate stats: classes, mean and deviation of the channels, sizes."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import show, show_json, table, tell
from variegate.cli.options import AsJson, BackendChoice, In, LimitedInput, option, whole
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.datasets.prepare.statistics import DatasetStatistics

_CLASSES_SHOWN = 40
_KINDS_SHOWN = 12
_BAR = 30

SplitsFile = Annotated[
    Path | None,
    option(
        "--splits",
        "A split.csv of variegate split: its parts instead of the splits of IN.",
        "Input",
        "CSV",
    ),
]
FoldChoice = Annotated[
    int | None,
    option("--fold", "Of folds in --splits, the one that is val.", "Input", "N", parser=whole(1)),
]

Threads = Annotated[
    int | None,
    option(
        "--workers -w",
        "Threads; 0 works in the main one. Default: one per CPU.",
        "Run",
        "N",
        parser=whole(),
    ),
]


@command(
    "stats",
    "variegate stats photos/",
    "variegate stats coco.zip --json > figures.json",
    "variegate stats s3://bucket/photos/ --backend ray --address auto --record s3://bucket/stats/",
)
def stats(
    source: In,
    *,
    inputs: LimitedInput,
    splits: SplitsFile = None,
    fold: FoldChoice = None,
    workers: Threads = None,
    backend: BackendChoice,
    record: Annotated[
        str | None,
        option(
            "--record",
            "Folder or bucket for what the machines of a back end find, to resume from. Default: a "
            "temporary folder.",
            "Run",
            "OUT",
        ),
    ] = None,
    strict: Annotated[
        bool, option("--strict", "Exit with code 3 if any image cannot be used.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count the dataset IN: classes, mean and deviation of its channels, sizes of its images.

    Every image is decoded, as a run does. Means and deviations are exact over all pixels, as a
    whole, by split and by class; the last line is ready to paste into torchvision.
    """
    from variegate.datasets.prepare.statistics import stats as count

    options = inputs.options()
    with counting("images") as on_progress:
        found = count(
            source,
            format=options.format,
            label_pattern=options.label_pattern,
            hints=options.hints,
            limits=options.limits,
            splits=splits,
            fold=fold,
            workers=workers,
            backend=backend.backend,
            backend_options=backend.chosen,
            record=record,
            on_progress=on_progress,
        )
    if as_json:
        show_json(asdict(found))
    else:
        _show(found)
    if strict and found.quarantined:
        raise typer.Exit(QUARANTINED)


def _show(found: "DatasetStatistics") -> None:
    tell(f"input:  {found.place}: {found.description}")
    for one in found.notes:
        tell(f"        {one}")
    for kind, fault in list(found.quarantined.items())[:_KINDS_SHOWN]:
        tell(f"cannot be used: {fault.count:,} x {kind}, such as {fault.examples[0]}")
    if (kinds := len(found.quarantined) - _KINDS_SHOWN) > 0:
        tell(f"and {kinds:,} more kinds; --json names them")
    if found.classes:
        show(_classes(found))
        show("")
    show(_channels(found))
    for title, counts in (
        ("longer side, pixels", found.longest_side),
        ("width by height", found.aspect),
    ):
        show("")
        show(_histogram(title, counts))
    show("")
    shown = ", ".join(f"{size} ({count:,})" for size, count in found.sizes.items())
    others = f" and others ({found.other_sizes:,})" if found.other_sizes else ""
    show(f"most frequent, width x height: {shown}{others}")
    show("")
    show(f"torchvision: {found.normalize}" + (", of train" if "train" in found.by_split else ""))


def _classes(found: "DatasetStatistics") -> "Table":
    splits = [name for name in found.images if name]
    objects = any(one.objects for one in found.classes.values())
    titles = ["class", "images", "share", *splits, *(["objects"] if objects else [])]
    grid = table(*titles, right=range(1, len(titles)))
    for name, one in list(found.classes.items())[:_CLASSES_SHOWN]:
        cells = [f"{one.images:,}", f"{one.share:.1%}"]
        cells += [f"{one.by_split[split]:,}" for split in splits]
        cells += [f"{one.objects:,}"] if objects else []
        grid.add_row(name, *cells)
    if (more := len(found.classes) - _CLASSES_SHOWN) > 0:
        grid.add_row(f"and {more:,} more; --json names all")
    if found.unlabelled:
        share = found.unlabelled / sum(found.images.values())
        grid.add_row("no label", f"{found.unlabelled:,}", f"{share:.1%}")
    return grid


def _channels(found: "DatasetStatistics") -> "Table":
    grid = table("channels", "images", "pixels", "mean", "deviation", right=(1, 2))
    for name, one in (("all", found.channels), *found.by_split.items()):
        if one is not None:
            count = 1 if one.channels == "gray" else 3
            gray = f", {one.gray:,} of them gray" if 0 < one.gray < one.images else ""
            grid.add_row(
                f"{name} ({one.channels}{gray})",
                f"{one.images:,}",
                f"{one.pixels:,}",
                " ".join(f"{value:.6f}" for value in one.mean[:count]),
                " ".join(f"{value:.6f}" for value in one.std[:count]),
            )
    return grid


def _histogram(title: str, counts: Mapping[str, int]) -> "Table":
    grid = table(title, "images", "", right=(1,))
    most = max(counts.values(), default=1)
    for name, count in counts.items():
        grid.add_row(name, f"{count:,}", "#" * -(-_BAR * count // most))
    return grid
