"""variegate split: parts in which every class has its share, and no group is divided."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from variegate.cli import summaries
from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import note, show, show_json, table, tell
from variegate.cli.options import AsJson, In, LimitedInput, Strict, option, whole
from variegate.cli.progress import counting
from variegate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.cli.summaries import OnProgress
    from variegate.datasets.prepare.split_report import ClassSplit, SplitReport
    from variegate.runs.run import Summary

_CLASSES_SHOWN = 40
_SPLIT = "Split"


@command(
    "split",
    "variegate split photos/ parts/ --parts 70/30",
    "variegate split scans/ parts/ --group patient --csv split.csv",
    "variegate split scans/ --keep split.csv --csv new.csv --dry-run",
    "variegate split photos/ --folds 5 --csv folds.csv",
)
def split(
    source: In,
    output: Annotated[
        str | None,
        typer.Argument(
            metavar="OUT",
            help="Folder, zip file or bucket (s3://...) for the dataset organized by split.",
            show_default=False,
        ),
    ] = None,
    *,
    parts: Annotated[
        str | None,
        option(
            "--parts",
            "Shares of the parts: 70/30 (train, val), 70/15/15 (train, val, test) or by name: "
            "train=80,test=20. Default: 70/15/15.",
            _SPLIT,
            "SHARES",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        option("--folds", "N equal parts for cross-validation.", _SPLIT, "N", parser=whole(2)),
    ] = None,
    fold: Annotated[
        int | None,
        option("--fold", "The fold that is val in OUT.", _SPLIT, "N", parser=whole(1)),
    ] = None,
    group: Annotated[
        list[str] | None,
        option(
            "--group",
            "What belongs together and is never divided: a column of a CSV file in IN (patient) or "
            "elsewhere (meta.csv:patient), folder, folder:N (level N), burst:SECONDS (by EXIF), a "
            "folder of variegate audit (what shows the same or was photographed again), or a regex "
            "with a group. Repeatable. Exports of one original (.rf.) always do.",
            _SPLIT,
            "RULE",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        option(
            "--keep",
            "A split.csv: what it assigns does not move, only new groups are placed. Or given: "
            "the splits that IN has.",
            _SPLIT,
            "CSV",
        ),
    ] = None,
    seed: Annotated[
        int,
        option("--seed -s", "Decides between equal solutions.", _SPLIT, "N", parser=whole()),
    ] = 0,
    csv: Annotated[
        Path | None,
        option("--csv", "File for the list: file, split, group, class.", metavar="FILE"),
    ] = None,
    to: Annotated[
        str | None,
        option("--to -t", "Format of OUT. Default: that of IN.", metavar="FORMAT"),
    ] = None,
    allow_loss: Annotated[
        bool, option("--allow-loss", "Write OUT even if FORMAT cannot represent everything.")
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", "Only show the split; nothing is written.")
    ] = False,
    inputs: LimitedInput,
    workers: Annotated[
        int | None,
        option(
            "--workers -w",
            "Worker processes that write OUT; 0 works in this process. Default: one per CPU.",
            "Run",
            "N",
            parser=whole(),
        ),
    ] = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Split the dataset IN: every class in its share in every part, no group in two of them.

    OUT is the dataset organized by split, in its own format; --csv writes the list of its images.
    Where groups allow no exact solution, the difference is told by class.
    """
    from variegate.datasets.prepare.parts import DEFAULT_PARTS
    from variegate.datasets.prepare.split import SplitChoice
    from variegate.datasets.prepare.split import split as run

    if output is None and csv is None and not dry_run:
        raise UsageError(
            "expected OUT for the dataset, --csv FILE for the list of images, or --dry-run"
        )
    choice = SplitChoice(
        parts=parts or DEFAULT_PARTS,
        folds=folds,
        fold=fold,
        group=group or (),
        keep=keep,
        seed=seed,
    )
    told: list[SplitReport] = []

    def on_split(found: "SplitReport") -> None:
        told.append(found)
        if not as_json:
            _show(found)

    def call(**more: Any) -> "tuple[SplitReport, Summary | None]":
        return run(
            source,
            csv=None if dry_run else csv,
            choice=choice,
            to=to,
            allow_loss=allow_loss,
            options=inputs.options(workers=workers, strict=strict),
            on_split=on_split,
            **more,
        )

    if output is None or dry_run:
        with counting("images") as on_look:
            found, _ = call(on_look=on_look)
        if as_json:
            show_json(asdict(found))
        elif found.csv:
            note(f"written: {found.csv}")
        return

    def write(on_progress: "OnProgress") -> "Summary":
        _, made = call(output=output, on_progress=on_progress)
        assert made is not None
        return made

    summary, figures = summaries.run_shown(write)
    if as_json:
        show_json({**asdict(told[0]), **summaries.as_data(summary)})
    else:
        if csv is not None:
            note(f"written: {csv}")
        rows = [
            ("written", summary.counts.copied, ""),
            (summaries.QUARANTINE, summary.counts.quarantined, summaries.UNREADABLE),
            ("skipped", summary.counts.skipped, "not images of the dataset: annotations, masks"),
        ]
        summaries.show_summary(summary, figures, rows, what="images")
    if summary.counts.quarantined and (strict or not summary.counts.outputs):
        raise typer.Exit(QUARANTINED)


def _show(found: "SplitReport") -> None:
    """Show what a split is like."""
    from variegate.formats.base import counted

    tell(f"input:  {found.place}: {found.description}")
    for one in found.notes:
        tell(f"        {one}")
    groups = counted(found.groups, "group", "groups")
    tell(f"groups: {groups}, the largest of {counted(found.largest, 'image', 'images')}; by")
    for rule in found.rules:
        tell(f"        {rule}")
    if found.kept:
        tell(f"kept:   {counted(found.kept, 'image', 'images')} where they were")
    show(_table(found))
    show("")
    show(_verdict(found))


def _table(found: "SplitReport") -> "Table":
    names = list(found.wanted)
    grid = table("class", *names, "off by", right=range(1, len(names) + 2))
    total = sum(found.images.values())
    wanted = [f"{share:.1%}" for share in found.wanted.values()]
    grid.add_row("wanted", *wanted, "")
    grid.add_row("all images", *_cells(found.images, total), "")
    ranked = sorted(found.classes, key=lambda one: -one.off)
    shown = {one.name for one in ranked[:_CLASSES_SHOWN]}
    for one in found.classes:
        if one.name in shown:
            images = sum(one.images.values())
            grid.add_row(one.name or "no label", *_cells(one.images, images), _off(one))
    if more := len(found.classes) - len(shown):
        grid.add_row(f"and {more:,} more, which are nearer; --json names all", "")
    return grid


def _cells(counts: dict[str, int], total: int) -> list[str]:
    return [f"{count:,} ({count / max(1, total):.1%})" for count in counts.values()]


def _off(one: "ClassSplit") -> str:
    return f"{one.off_images:.1f} images" if one.off_images >= 1 else "< 1 image"


def _verdict(found: "SplitReport") -> str:
    """Say how good the split is, in one sentence."""
    if found.within_one:
        return "every class is within one image of its share, in every part"
    worst = max((one for one in found.classes if one.off_images >= 1), key=lambda one: one.off)
    part = max(worst.wanted, key=lambda name: abs(worst.images[name] - worst.wanted[name]))
    total = sum(worst.images.values())
    return (
        f"no better split was found that keeps groups whole: furthest off is "
        f"{worst.name or 'no label'} in {part}, {worst.images[part] / total:.1%} of its images "
        f"where {found.wanted[part]:.1%} were asked for (it is in {worst.groups:,} of the groups)"
    )
