"""variegate compare: which of two models takes more, axis by axis, and how sure that is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, show_json, table
from variegate.cli.options import AsJson, option

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.tolerance.comparison import FingerprintDelta


@command(
    "compare",
    "variegate compare old.json new.json",
    "variegate compare old.json new.json --report delta.html",
    "variegate compare old.json new.json --json > delta.json",
)
def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="tolerance.json of what is compared with.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="B", help="tolerance.json of what is better or worse.")
    ],
    *,
    report: Annotated[
        Path | None,
        option("--report", "Write a page with charts to this file.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the tolerance of two models: on which axes B is surely better or worse than A.

    A and B are results of `variegate tolerance`, of two models, or of a model before and after.
    With 95% confidence all intervals are right together: their number is taken into account
    (Bonferroni). What is undecided needs more images.
    """
    from variegate.tolerance.comparison import compare as run
    from variegate.tolerance.result import Tolerance

    both = (Tolerance.load(first), Tolerance.load(second))
    found = run(*both, names=_names(first, second))
    if report is not None:
        from variegate.reports.fingerprint import write_fingerprint_page

        write_fingerprint_page(found, *both, report)
    if as_json:
        show_json(found.to_json())
        return
    _show(found)
    if report is not None:
        show("")
        show(f"page: {report}")


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Return how both are called: as briefly as tells them apart."""
    if first.stem != second.stem:
        return first.stem, second.stem
    return str(first), str(second)


def _show(found: "FingerprintDelta") -> None:
    for one in found.notes:
        show(f"note: {one}")
    if found.clean is not None:
        clean = found.clean
        show(
            f"images as they are: {clean.first:.1%} wrong, now {clean.second:.1%} "
            f"({100 * clean.low:+.1f} to {100 * clean.high:+.1f} points): {clean.verdict}"
        )
    show("")
    show(_axes(found))
    show("")
    for verdict in ("worse", "mixed", "better", "undecided"):
        if names := found.of(verdict):
            surely = "surely " if verdict in ("worse", "better") else ""
            show(f"{surely}{verdict}: {len(names)} ({', '.join(names)})")
    show(f"with {1 - found.alpha:.0%} confidence all {found.compared} intervals are right together")


def _axes(found: "FingerprintDelta") -> "Table":
    """Return the changes in points of intensity, what got worse first."""
    from variegate.reports.fingerprint import by_verdict, change_text, values_text

    shares = [one.quantile for one in found.axes[0].thresholds]
    titles = [title for share in shares for title in (f"{share:.0%} lost", "points")]
    grid = table("axis", *titles, "verdict")
    for axis in by_verdict(found):
        cells = [
            text
            for one in axis.thresholds
            for text in (values_text(axis.axis, one), change_text(one))
        ]
        grid.add_row(axis.axis, *cells, axis.verdict)
    return grid
