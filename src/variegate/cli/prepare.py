"""variegate prepare: a clean dataset of a heap of images."""

import shlex
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import (
    Interrupted,
    note,
    show,
    show_json,
    size_text,
    table,
    tell,
    time_text,
)
from variegate.cli.options import (
    AsJson,
    BackendChoice,
    Features,
    In,
    Out,
    RawLabels,
    RunInput,
    Strict,
    option,
    pairs,
    whole,
)
from variegate.cli.progress import counting, run_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from variegate.datasets.prepare.account import Account
    from variegate.runs.run import Progress

_REASONS_SHOWN = 8
_CLASSES_SHOWN = 20


@command(
    "prepare",
    "variegate prepare heap/ clean/",
    "variegate prepare heap/ clean/ --decisions clean.audit/decisions.csv",
    'variegate prepare heap.zip clean.zip --longest-side 1600 --drop "blank,icon-like"',
)
def prepare(
    source: In,
    output: Out,
    *,
    decisions: Annotated[
        str | None,
        option(
            "--decisions",
            "Apply this table, edited perhaps. Default: apply what is proposed.",
            metavar="FILE",
        ),
    ] = None,
    audit: Annotated[
        str | None,
        option(
            "--audit",
            "Folder for the audit and decisions.csv. Default: OUT.audit, beside OUT.",
            metavar="DIR",
        ),
    ] = None,
    drop: Annotated[
        str, option("--drop", "Propose to remove images with these flags.", metavar="FLAG,...")
    ] = "",
    threshold: Annotated[
        list[str] | None,
        option(
            "--threshold",
            "Set a threshold of a flag; see variegate audit. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "--against",
            "prepare.index of another audit, or its folder: propose to remove what shows the same "
            "as an image that is known there.",
            metavar="INDEX",
        ),
    ] = None,
    features: Features = None,
    to: Annotated[
        str,
        option(
            "--to -t",
            "Files of OUT: jpeg, png, or auto: as they are, and of other kinds JPEG for what was "
            "compressed with loss, PNG for the rest.",
            metavar="KIND",
        ),
    ] = "auto",
    names: Annotated[
        str,
        option(
            "--names",
            "What files are called: keep, numbered (by folder) or digest (of the content).",
            metavar="SCHEME",
        ),
    ] = "keep",
    longest_side: Annotated[
        int | None,
        option(
            "--longest-side",
            "Reduce larger images to N pixels; annotations move along. Default: any size.",
            metavar="N",
            parser=whole(1),
        ),
    ] = None,
    quality: Annotated[
        int,
        option(
            "--quality", "Of JPEG files that have to be encoded.", metavar="N", parser=whole(1, 100)
        ),
    ] = 95,
    keep_metadata: Annotated[
        bool,
        option("--keep-metadata", "Keep EXIF, place and camera too. Default: removed."),
    ] = False,
    report: Annotated[
        bool,
        option(
            "--report/--no-report",
            "Write prepare.html beside decisions.csv; for it OUT is read once more.",
        ),
    ] = True,
    inputs: RunInput,
    strict: Strict = False,
    raw_labels: RawLabels = False,
    backend: BackendChoice,
    as_json: AsJson = False,
) -> None:
    """Make of the heap IN a clean dataset OUT, and account for every file.

    IN is audited and never changed. Of images that show the same one is kept; what is broken is
    quarantined; what is kept becomes JPEG or PNG, upright, sRGB, 8 bits, without metadata. Every
    decision stands in decisions.csv: edit it, and give it with --decisions to the same command.
    prepare.html shows all of it on one page. If it is interrupted, run the same command again to
    resume.
    """
    from variegate.datasets.prepare.prepare import AUDIT, Cleaning, Listeners, prepare_dataset
    from variegate.reports.prepare import PAGE, write_preparation_page
    from variegate.storage import open_storage

    options = inputs.options(
        strict=strict,
        raw_labels=raw_labels,
        backend=backend.backend,
        backend_options=backend.chosen,
    )
    cleaning = Cleaning(
        kind=to,
        names=names,
        longest_side=longest_side,
        quality=quality,
        keep_metadata=keep_metadata,
    )
    try:
        with _Stages() as stages:
            listeners = Listeners(
                on_measured=stages.on_measured,
                on_pairs=stages.on_pairs,
                on_written=stages.on_written,
            )
            found = prepare_dataset(
                source,
                output,
                cleaning=cleaning,
                audit_folder=audit,
                decisions=decisions,
                drop=drop,
                thresholds=pairs(threshold, "--threshold"),
                features=features,
                against=against,
                options=options,
                listeners=listeners,
            )
            folder = audit or f"{output.rstrip('/')}{AUDIT}"
            if report:
                write_preparation_page(
                    found, source, folder, options=options, on_progress=stages.on_counted
                )
            else:
                # What an earlier preparation left may say something else.
                open_storage(folder).delete(PAGE)
    except KeyboardInterrupt:
        again = shlex.join(["variegate", *sys.argv[1:]])
        raise Interrupted(f"interrupted; run the same command again to resume: {again}") from None
    if as_json:
        show_json(found.to_json())
    else:
        _show_account(found)
        if report:
            note(f"report: {folder}/{PAGE}")
    if found.quarantined and (strict or not found.kept):
        raise typer.Exit(QUARANTINED)


class _Stages:
    """Shows the progress of one stage at a time."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._name = ""
        self._count: Callable[[int, int], None] | None = None
        self._run: Callable[[Progress], None] | None = None

    def __enter__(self) -> "_Stages":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def on_measured(self, one: "Progress") -> None:
        self._show_count("files", one.counts.sources, one.total)

    def on_pairs(self, done: int, total: int) -> None:
        self._show_count("pairs", done, total)

    def on_counted(self, done: int, total: int) -> None:
        self._show_count("images", done, total)

    def on_written(self, one: "Progress") -> None:
        if self._run is None:
            self._stack.close()
            _, self._run = self._stack.enter_context(run_progress())
        self._run(one)

    def _show_count(self, name: str, done: int, total: int) -> None:
        if self._count is None or self._name != name:
            self._stack.close()
            self._name = name
            self._count = self._stack.enter_context(counting(name))
        self._count(done, total)


def _show_account(found: "Account") -> None:
    grid = table("", "", "", header=False, right=(1,))
    again = found.kept - found.as_they_were
    how = f"{found.as_they_were:,} not compressed again, {again:,} encoded" if found.kept else ""
    grid.add_row("kept", f"{found.kept:,}", how)
    grid.add_row("removed", f"{found.duplicates:,}", "as duplicates: another file shows the same")
    if found.left_out:
        grid.add_row("removed", f"{found.left_out:,}", "by a flag or by hand")
    grid.add_row("quarantined", f"{found.quarantined:,}", "")
    for reason, count in list(found.reasons.items())[:_REASONS_SHOWN]:
        grid.add_row("", "", f"{count:,} x {reason}")
    grid.add_row("skipped", f"{found.skipped:,}", "not images")
    grid.add_row("in", f"{found.inputs:,}", "", style="bold")
    show(grid)
    if found.classes:
        show("")
        classes = table("class", "in", "kept", right=(1, 2))
        for name, count_of in list(found.classes.items())[:_CLASSES_SHOWN]:
            classes.add_row(name, f"{count_of.found:,}", f"{count_of.kept:,}")
        show(classes)
        if (more := len(found.classes) - _CLASSES_SHOWN) > 0:
            show(f"... and {more:,} more classes; --json lists them all")
    for one in found.notes:
        tell(f"note: {one}")
    show("")
    show(f"{found.kept:,} images, {size_text(found.bytes)}, in {found.output}")
    show(f"digest {found.digest}")
    note(f"decisions: {found.decisions}; {time_text(found.elapsed_s)}")
