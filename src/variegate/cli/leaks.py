"""variegate leaks: what stands on two sides of a split, or in two datasets."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import FAILED, command
from variegate.cli.console import note, show, show_json, tell
from variegate.cli.options import AsJson, LimitedInput, option
from variegate.cli.progress import counting
from variegate.cli.stats import FoldChoice, SplitsFile, Threads

if TYPE_CHECKING:
    from variegate.datasets.prepare.leaks import Leak, LeakReport


@command(
    "leaks",
    "variegate leaks photos/ --group sender",
    "variegate leaks scans/ --splits split.csv --csv leaks.csv",
    "variegate leaks mine/ --against public/test/",
)
def leaks(
    source: Annotated[
        str, typer.Argument(metavar="SET", help="Folder, zip or tar file, or bucket (s3://...).")
    ],
    *,
    against: Annotated[
        str | None,
        option(
            "--against",
            "Another dataset: what is in both is a leak, whatever the splits.",
            metavar="OTHER",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        option(
            "--group",
            "What belongs together besides: a column of a CSV file in SET (patient) or elsewhere "
            "(meta.csv:patient), folder, folder:N, burst:SECONDS (by EXIF), a folder of variegate "
            "audit (what shows the same or was photographed again), or a regex with a group. "
            "Repeatable.",
            metavar="RULE",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        option("--csv", "File for all that is found: grade, set, file, side.", metavar="FILE"),
    ] = None,
    inputs: LimitedInput,
    splits: SplitsFile = None,
    fold: FoldChoice = None,
    workers: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Find what stands on two sides of the splits of SET, by grade, and exit with code 1 if any.

    The same bytes, the same pixels in other files, images that variegate made of one source,
    exports of one original, and groups.
    """
    from variegate.datasets.prepare.leaks import LeakOptions
    from variegate.datasets.prepare.leaks import leaks as find

    read = inputs.options()
    options = LeakOptions(
        format=read.format,
        label_pattern=read.label_pattern,
        hints=read.hints,
        limits=read.limits,
        group=group or (),
        splits=splits,
        fold=fold,
        workers=workers,
    )
    with counting("images") as on_progress:
        report = find(source, against=against, csv=csv, options=options, on_progress=on_progress)
    if as_json:
        show_json(asdict(report))
    else:
        _show(report)
    if report.leaks:
        raise typer.Exit(FAILED)


def _show(report: "LeakReport") -> None:
    from variegate.formats.base import counted

    for one in report.notes:
        tell(f"note: {one}")
    sides = ", ".join(f"{name} {count:,}" for name, count in report.images.items())
    show(f"compared: {sides}")
    if report.unplaced:
        show(f"in no split, not compared: {counted(report.unplaced, 'image', 'images')}")
    for kind, fault in report.not_decoded.items():
        show(f"pixels not compared: {fault.count:,} x {kind}, such as {fault.examples[0]}")
    for grade in report.grades:
        show("")
        rule = f" ({grade.rule})" if grade.rule else ""
        if not grade.count:
            show(f"{grade.grade}{rule}: none")
            continue
        images = counted(grade.images, "image", "images")
        show(f"{grade.grade}{rule}: {grade.count:,} on two sides, of {images}")
        for leak in grade.examples:
            show(f"    {_line(leak)}")
        if grade.count > len(grade.examples):
            show(f"    and {grade.count - len(grade.examples):,} more; --csv lists all")
    if report.csv:
        note(f"written: {report.csv}")


def _line(leak: "Leak") -> str:
    parts = (
        f"{side} {count:,}: {', '.join(leak.files[side])}"
        + (" ..." if count > len(leak.files[side]) else "")
        for side, count in leak.images.items()
    )
    return (f"{leak.name}: " if leak.name else "") + " | ".join(parts)
