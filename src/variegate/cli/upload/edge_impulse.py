"""variegate upload edge-impulse: a dataset into a project of Edge Impulse."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import FAILED, command
from variegate.cli.console import Interrupted, note, show, show_json, size_text, table, time_text
from variegate.cli.options import AsJson, LimitedInput, option, whole
from variegate.cli.progress import counting
from variegate.cli.upload.group import upload
from variegate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.datasets.upload.edge_impulse import ApiKey
    from variegate.datasets.upload.selection import UploadSelection
    from variegate.datasets.upload.tally import UploadSummary

_KEY = "EI_API_KEY"
_GROUPS_SHOWN = 60
# What a dry run calls the images that it would upload.
_TO_SEND = "to send"


class Category(StrEnum):
    """Where images without a split go."""

    training = "training"
    testing = "testing"
    by_service = "split"


class ValCategory(StrEnum):
    """Where images of a validation split go."""

    training = "training"
    testing = "testing"


class Told(StrEnum):
    """What is told beside an image."""

    each = "each"
    set = "set"


@command(
    "edge-impulse",
    "variegate upload edge-impulse more/ --dry-run",
    "variegate upload edge-impulse more/ --val testing",
    "variegate upload edge-impulse photos/ --category training --json",
    to=upload,
)
def edge_impulse(
    source: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="Output of variegate, or a dataset: folder, archive or bucket."
        ),
    ],
    *,
    inputs: LimitedInput,
    category: Annotated[
        Category | None,
        option(
            "--category",
            "Where images without a split go; split: the service divides them, variants of one "
            "image included.",
        ),
    ] = None,
    val: Annotated[
        ValCategory | None,
        option("--val", "Where images of a validation split go: the service has none."),
    ] = None,
    metadata: Annotated[
        Told,
        option(
            "--metadata",
            "each: tell of every image what it was made of, one image a request. set: tell the "
            "recipe alone, many images a request.",
        ),
    ] = Told.each,
    log: Annotated[
        Path | None,
        option(
            "--log",
            "File that says what was sent, to resume with. Default: OUT.edge-impulse.jsonl in "
            "the current folder.",
            metavar="FILE",
        ),
    ] = None,
    concurrency: Annotated[
        int, option("--concurrency", "Requests at a time.", metavar="N", parser=whole(1, 64))
    ] = 4,
    dry_run: Annotated[
        bool, option("--dry-run", "Look at every image and show the figures; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload images with their labels and boxes to a project of Edge Impulse.

    Needs the extra edge-impulse. The project's API key is taken from the environment variable
    EI_API_KEY, or asked for. Images of the split train go to training, those of test to testing.
    If it is interrupted, run the same command again: nothing is sent twice.
    """
    from variegate.datasets.upload.edge_impulse import endpoints
    from variegate.datasets.upload.selection import Choice
    from variegate.datasets.upload.upload import UploadOptions
    from variegate.datasets.upload.upload import upload as run

    run_options = inputs.options()
    options = UploadOptions(
        choice=Choice(
            format=inputs.format,
            label_pattern=inputs.label_pattern,
            hints=inputs.hints,
            category=category.value if category else None,
            val=val.value if val else None,
            each=metadata is Told.each,
        ),
        limits=run_options.hints.decoding(run_options.limits),
        log=log,
        concurrency=concurrency,
        project=os.environ.get("EI_PROJECT_ID") or None,
        dry_run=dry_run,
    )
    where = endpoints()
    key = None if dry_run else _key()
    with counting("images") as on_progress:
        try:
            summary = run(
                source,
                key,
                where,
                options,
                on_selection=_tell_selection,
                on_progress=on_progress,
            )
        except KeyboardInterrupt:
            raise Interrupted("stopped; run the same command again to resume") from None
    if as_json:
        show_json(summary.to_json())
    else:
        _show(summary)
    if not summary.is_whole:
        raise typer.Exit(FAILED)


def _key() -> "ApiKey":
    """Take the key from the environment, or ask for it; it is never shown."""
    from variegate.datasets.upload.edge_impulse import ApiKey

    text = os.environ.get(_KEY)
    if text is None and sys.stdin.isatty():
        text = typer.prompt("API key of the project (Dashboard > Keys)", hide_input=True, err=True)
    if text is None:
        raise UsageError(f"set the environment variable {_KEY} to the project's API key")
    return ApiKey(text)


def _tell_selection(selection: "UploadSelection") -> None:
    note(f"input:  {selection.storage.url}: {selection.dataset_format.description}")
    if selection.made:
        note("        an output of variegate: what each image was made of is told with it")


def _show(summary: "UploadSummary") -> None:
    from variegate.datasets.upload.tally import STATES

    where = f"project {summary.project}" if summary.project else summary.endpoint
    done = "would be uploaded" if summary.dry_run else "dealt with"
    show(f"{summary.images:,} images {done}, to {where}")
    show("")
    show(_groups(summary))
    show("")
    for state, meaning in STATES.items():
        if count := summary.totals[state]:
            said = f"{state}: {meaning}"
            if summary.dry_run and state == "uploaded":
                said = f"{_TO_SEND}: nothing was sent yet"
            show(f"  {count:,} {said}")
            for example in summary.examples.get(state, ()):
                show(f"      {example}")
    if summary.boxes:
        show(f"  {summary.boxes:,} boxes")
    for one in summary.notes:
        show(f"note: {one}")
    figures = f"{size_text(summary.sent_bytes)} in {summary.requests:,} requests"
    if not summary.dry_run:
        show(f"{figures}, {time_text(summary.elapsed_s)}; log: {summary.log}")


def _groups(summary: "UploadSummary") -> "Table":
    from variegate.datasets.upload.tally import STATES

    states = [state for state in STATES if summary.totals[state]]
    named = [_TO_SEND if summary.dry_run and one == "uploaded" else one for one in states]
    titles = ("category", "split", "label", "images", *named)
    grid = table(*titles, right=range(3, len(titles)))
    rows = list(summary.rows())
    for group, counts in rows[:_GROUPS_SHOWN]:
        figures = (counts.total(), *(counts[state] for state in states))
        names = (group.category, group.split or "-", group.label or "-")
        grid.add_row(*names, *(f"{one:,}" for one in figures))
    if len(rows) > _GROUPS_SHOWN:
        grid.add_row(f"and {len(rows) - _GROUPS_SHOWN:,} more", "--json", "names all")
    totals = (summary.images, *(summary.totals[state] for state in states))
    grid.add_row("total", "", "", *(f"{one:,}" for one in totals))
    return grid
