"""What commands that write a dataset say of it, at the beginning, at the end and when stopped."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from variegate.cli.progress import RunProgress, done_words

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.runs.manifest import Counts
    from variegate.runs.run import Summary
    from variegate.runs.sources import Listing

UNREADABLE = "could not be read; see the manifest for reasons"

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


def inputs_table(
    rows: Iterable[tuple[str, int, str]], *, always: Sequence[str], inputs: int
) -> "Table":
    """Return what became of the inputs; the lines add up to all of them.

    Args:
        rows: name, number and a remark on it.
        always: names that are shown even where there are none.
        inputs: all of them.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, number, remark in rows:
        if number or name in always:
            style = "yellow" if name == "quarantined" and number else None
            table.add_row(name, f"{number:,}", remark if number else "", style=style)
    table.add_row("inputs", f"{inputs:,}", "", style="bold")
    return table


def faults(output: str, counts: "Counts") -> list[str]:
    """Return lines about the first quarantined inputs."""
    if not counts.quarantined:
        return []
    from variegate.runs.output import read_manifest

    found = read_manifest(output, columns=["key", "reason"], where={"status": ["quarantined"]})
    lines = [f"quarantined: {row['key']}: {row['reason']}" for row in found[:_SHOWN].to_pylist()]
    more = counts.quarantined - len(lines)
    return ["", *lines, *([f"... and {more:,} more; see the manifest"] if more > 0 else [])]


def how_to_resume(figures: RunProgress) -> str:
    """Return what to say of a run that was interrupted."""
    again = shlex.join(["variegate", *sys.argv[1:]])
    if figures.last is None:
        return f"interrupted before anything was written; to start again: {again}"
    done = done_words(figures.last.counts, figures.last.total)
    return f"interrupted: {done}; run the same command again to resume: {again}"


def as_data(summary: "Summary") -> dict[str, Any]:
    """Return a summary as JSON values."""
    data = asdict(summary)
    return {**data, "counts": {**asdict(summary.counts), "inputs": summary.counts.sources}}
