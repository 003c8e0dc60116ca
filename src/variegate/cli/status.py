"""variegate status: how far is a run, wherever it runs?"""

import math
import time
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, size_text, talk, time_text
from variegate.cli.options import AsJson, Endpoint, option, whole
from variegate.cli.progress import bar
from variegate.errors import InputError

if TYPE_CHECKING:
    from variegate.runs.status import Observer, Status

# A shard takes seconds; a run that has written nothing for so long is worth a look.
_SILENT_S = 120.0


@command(
    "status",
    "variegate status more/",
    "variegate status s3://more --watch",
)
def status(
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Folder, bucket or zip file of results.")
    ],
    watch: Annotated[bool, option("--watch", "Keep updating until the run is finished.")] = False,
    every: Annotated[
        int,
        option("--every", "Seconds between updates.", metavar="S", parser=whole(1)),
    ] = 5,
    as_json: AsJson = False,
    endpoint: Endpoint = None,  # noqa: ARG001 - its callback sets it
) -> None:
    """Show how far a run is: inputs done, rate, time left, quarantined.

    Everything is read from OUT; no connection to the machines that run it is needed.
    """
    from variegate.runs.status import Observer

    observer = Observer(output)
    found = _watched(observer, every) if watch else observer.look()
    if as_json:
        data = asdict(found)
        show_json({**data, "counts": {**data["counts"], "inputs": found.counts.sources}})
    else:
        show(_words(found))


def _watched(observer: "Observer", every: int) -> "Status":
    """Look until the run is finished; return what is seen then."""
    found = _first(observer, every)
    with bar("inputs") if talk().is_terminal else nullcontext() as update:
        while not found.finished:
            if update:
                update(found.counts.sources, found.total, ", ".join(_figures(found)))
            else:
                note(_words(found))
            time.sleep(every)
            found = observer.look()
    return found


def _first(observer: "Observer", every: int) -> "Status":
    """Wait for a run that has not begun."""
    told = False
    while True:
        try:
            return observer.look()
        except InputError as error:
            if not told:
                note(f"{error} (waiting)")
            told = True
            time.sleep(every)


def _words(found: "Status") -> str:
    counts = found.counts
    if found.finished:
        state = "so far" if found.events else "finished"
        parts = [f"{state}: {counts.sources:,} inputs, {counts.outputs:,} files"]
        parts.append(size_text(counts.bytes))
        if counts.quarantined:
            parts.append(f"{counts.quarantined:,} quarantined")
        return f"{', '.join(parts)}; digest {found.digest}"
    share = counts.sources / max(1, found.total)
    done = f"{counts.sources:,} of {found.total:,} inputs ({share:.1%})"
    return ", ".join([done, *_figures(found)])


def _figures(found: "Status") -> list[str]:
    parts = [f"{found.counts.outputs:,} files", size_text(found.counts.bytes)]
    if found.rate is not None:
        parts.append(f"{rate_text(found.rate)} inputs a second")
    if found.remaining_s is not None:
        parts.append(f"{time_text(found.remaining_s)} left")
    if found.counts.quarantined:
        parts.append(f"{found.counts.quarantined:,} quarantined")
    if found.silent_s is not None and found.silent_s > _SILENT_S:
        parts.append(f"nothing new for {time_text(found.silent_s)}")
    return parts


def rate_text(rate: float) -> str:
    """Return a number with two digits that count: "1,234", "12", "0.052"; never "1.23e+03"."""
    places = 1 - math.floor(math.log10(rate)) if rate > 0 else 0
    return f"{rate:,.{min(4, max(0, places))}f}"
