"""variegate verify: are all files still as they were written?"""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from variegate.cli.application import FAILED, command
from variegate.cli.console import show, show_json, size_text
from variegate.cli.options import AsJson, Endpoint, Out
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from variegate.runs.verify import Verification

# Problems that are listed; --json gives the first thousand.
_SHOWN = 20


@command("verify", "variegate verify more/", "variegate verify more.zip --json")
def verify(
    output: Out,
    *,
    as_json: AsJson = False,
    endpoint: Endpoint = None,  # noqa: ARG001 - its callback sets it
) -> None:
    """Compare every file of OUT with the manifest; exit code 1 if any is wrong.

    Finds files that are missing, changed by as little as a bit, or unknown to the manifest.
    """
    from variegate.runs.verify import verify as check

    with counting("files checked") as on_progress:
        found = check(output, on_progress=on_progress)
    if as_json:
        show_json({"ok": found.ok, **asdict(found)})
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(FAILED)


def _show(found: "Verification") -> None:
    for problem in found.problems[:_SHOWN]:
        show(f"{problem.kind}: {problem.key}: {problem.detail}")
    all_problems = found.missing + found.changed + found.unknown
    if all_problems > _SHOWN:
        show(f"... and {all_problems - _SHOWN:,} more")
    if found.ok:
        read = size_text(found.bytes)
        show(f"{found.output}: all {found.files:,} files ({read}) are as they were written")
        show(f"digest {found.digest}")
        return
    kinds = ("missing", "changed", "unknown")
    counts = [f"{number:,} {kind}" for kind in kinds if (number := getattr(found, kind))]
    show(f"{found.output}: of {found.files:,} files: {', '.join(counts)}")
    if found.missing or found.changed:
        show(f"make one again:  variegate rebuild {found.output} KEY")
