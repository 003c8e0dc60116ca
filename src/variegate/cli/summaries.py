"""What commands that write a dataset say of it, at the beginning, at the end and when stopped."""

import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from variegate.cli.console import Interrupted, show, size_text, table, time_text
from variegate.cli.progress import RunProgress, run_progress

if TYPE_CHECKING:
    from variegate.runs.rows import Counts
    from variegate.runs.run import Progress, Summary
    from variegate.runs.sources import Listing

    OnProgress = Callable[[Progress], None]

QUARANTINE = "quarantined"
UNREADABLE = "cannot be used; see the manifest for reasons"

# Faults that are shown; the manifest has all of them.
_SHOWN = 5


def about_problems(listing: "Listing") -> list[str]:
    """Return lines about what was wrong with annotations, if anything was."""
    from variegate.formats.base import counted

    if not listing.problems:
        return []
    number = counted(listing.problems, "fault", "faults")
    return [
        f"{number} in annotations, repaired or left out (variegate inspect lists them):",
        f"        {listing.first_problems[0]}",
    ]


def run_shown(run: "Callable[[OnProgress], Summary]") -> "tuple[Summary, RunProgress]":
    """Carry out a run with its progress shown; return its summary and its last figures.

    Args:
        run: takes what is to be called with every progress.

    Raises:
        Interrupted: the user pressed Ctrl-C.
    """
    with run_progress() as (figures, show_progress):
        try:
            return run(show_progress), figures
        except KeyboardInterrupt:
            raise Interrupted(_how_to_resume(figures)) from None


def show_summary(
    summary: "Summary", figures: RunProgress, rows: Iterable[tuple[str, int, str]], *, what: str
) -> None:
    """Show what a run made, and what became of its inputs: the rows add up to all of them.

    Args:
        summary: of the run.
        figures: its last ones.
        rows: name, number of inputs and a remark on them; the first is always shown.
        what: it made: "files" or "images".
    """
    counts = summary.counts
    grid = table("", "", "", header=False, right=(1,))
    for number, (name, count, remark) in enumerate(rows):
        if count or not number or name == QUARANTINE:
            style = "yellow" if name == QUARANTINE and count else None
            grid.add_row(name, f"{count:,}", remark if count else "", style=style)
    grid.add_row("inputs", f"{counts.sources:,}", "", style="bold")
    show("")
    show(grid)
    if counts.objects_in:
        show("")
        show(_about_objects(counts))
    show("")
    made = f"{counts.outputs:,} {what}, {size_text(counts.bytes)}, in {summary.output}"
    if figures.last is None:
        show(f"{made}; already complete")
    else:
        so_far = " (resumed)" if summary.continued else ""
        took = time_text(summary.elapsed_s)
        show(f"{made}; {took}{so_far}, {figures.rate:,.0f} a second")
    show(f"digest {summary.digest}")
    for line in summary.file_notes:
        show(line)
    for line in _faults(summary.output, counts):
        show(line)


def _about_objects(counts: "Counts") -> str:
    """Return what became of the objects that the annotation files hold."""
    lost = [
        (counts.objects_left_out, "left out"),
        (counts.objects_quarantined, "in quarantined images"),
    ]
    parts = [f"{counts.objects:,} kept", *(f"{n:,} {what}" for n, what in lost if n)]
    written = f"{counts.objects_written:,} written"
    if counts.objects_hidden:
        written += f", {counts.objects_hidden:,} clipped away or hidden"
    return f"objects: {counts.objects_in:,} in, {', '.join(parts)}; in the outputs {written}"


def _faults(output: str, counts: "Counts") -> list[str]:
    """Return lines about the first quarantined inputs."""
    if not counts.quarantined:
        return []
    from variegate.runs.output import read_manifest

    found = read_manifest(output, columns=["key", "reason"], where={"status": ["quarantined"]})
    lines = [f"quarantined: {row['key']}: {row['reason']}" for row in found[:_SHOWN].to_pylist()]
    more = counts.quarantined - len(lines)
    return ["", *lines, *([f"... and {more:,} more; see the manifest"] if more > 0 else [])]


def _how_to_resume(figures: RunProgress) -> str:
    """Return what to say of a run that was interrupted."""
    again = shlex.join(["variegate", *without_secrets(sys.argv[1:])])
    if figures.last is None:
        return f"interrupted before anything was written; to start again: {again}"
    done = f"{figures.last.counts.sources:,} of {figures.last.total:,} inputs are done"
    return f"interrupted: {done}; run the same command again to resume: {again}"


def without_secrets(arguments: list[str]) -> list[str]:
    """Return arguments with "URL" in the place of a URL that holds a secret."""
    shown: list[str] = []
    for one in arguments:
        if shown and shown[-1] == "--notify":
            one = "URL"
        shown.append("--notify=URL" if one.startswith("--notify=") else one)
    return shown


def as_data(summary: "Summary") -> dict[str, Any]:
    """Return a summary as JSON values."""
    data = asdict(summary)
    counts = summary.counts
    more = {"inputs": counts.sources, "objects_in": counts.objects_in}
    return {**data, "counts": {**asdict(counts), **more}}
