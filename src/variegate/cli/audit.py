"""variegate audit: what is in a heap of images, and what is in it twice."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, table, time_text
from variegate.cli.options import (
    AsJson,
    BackendChoice,
    Features,
    In,
    Out,
    RunInput,
    Strict,
    option,
    pairs,
)
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from variegate.datasets.prepare.audit import AgainstCount, Audit, GradeCount
    from variegate.datasets.prepare.labels import LabelAudit

_REASONS_SHOWN = 8
_KINDS_SHOWN = 12
_GRADES = {
    "bytes": "identical bytes",
    "pixels": "identical pixels",
    "copy": "copies",
    "edit": "edits",
    "again": "photographed again",
}


@command(
    "audit",
    "variegate audit heap/ audited/",
    "variegate audit new/ audited_new/ --against audited/",
    "variegate audit heap.zip audited/ --threshold blurred=40 --threshold dark=0.2 --json",
)
def audit(
    source: In,
    output: Out,
    *,
    inputs: RunInput,
    threshold: Annotated[
        list[str] | None,
        option(
            "--threshold",
            "Set a threshold of a flag; they are listed with the flags. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    keep_exif: Annotated[
        bool, option("--keep-exif", "Keep camera and time of EXIF. Default: not kept.")
    ] = False,
    against: Annotated[
        str | None,
        option(
            "--against",
            "prepare.index of another audit, or its folder: list what shows what is known there, "
            "without reading its images again.",
            metavar="INDEX",
        ),
    ] = None,
    features: Features = None,
    report: Annotated[
        bool,
        option("--report/--no-report", "Write audit.html: what was found, with thumbnails."),
    ] = True,
    strict: Strict = False,
    backend: BackendChoice,
    as_json: AsJson = False,
) -> None:
    """Measure every image of IN, flag what is odd, and group what shows the same.

    IN is never changed, and nothing is removed. OUT gets images.jsonl, one line an image,
    groups.jsonl, one line a group with the relation of each member, prepare.index, by which a
    later audit recognises these images (--against), and audit.html, a page that shows all of it and
    works offline. If an audit is interrupted, run the same command again to resume; other
    thresholds do not measure again.
    """
    from variegate.datasets.prepare.audit import audit as run
    from variegate.reports.audit import PAGE, write_audit_page
    from variegate.storage import open_storage

    options = inputs.options(strict=strict, backend=backend.backend, backend_options=backend.chosen)
    with ExitStack() as stack:
        shown = {"files": stack.enter_context(counting("files"))}

        def on_pairs(done: int, total: int) -> None:
            if "pairs" not in shown:
                # One bar at a time.
                stack.close()
                shown["pairs"] = stack.enter_context(counting("pairs"))
            shown["pairs"](done, total)

        found = run(
            source,
            output,
            thresholds=pairs(threshold, "--threshold"),
            keep_exif=keep_exif,
            against=against,
            features=features,
            options=options,
            on_progress=lambda one: shown["files"](one.counts.sources, one.total),
            on_pairs=on_pairs,
        )
        if report:
            stack.close()
            shots = stack.enter_context(counting("thumbnails"))
            write_audit_page(found, source, output, options=options, on_progress=shots)
        else:
            # What an earlier audit left may say something else.
            open_storage(output).delete(PAGE)
    if as_json:
        show_json(found.to_json())
        return
    show(f"{source}: {found.description}")
    for one in found.notes:
        show(f"note: {one}")
    show("")
    _show_figures(found)
    _show_flags(found)
    _show_duplicates(found)
    if found.against is not None:
        _show_against(found.against)
    if found.labels is not None:
        _show_labels(found.labels)
    tables = "images.jsonl, groups.jsonl, audit.json, prepare.index"
    if found.against is not None:
        tables += ", against.jsonl"
    written = f"audit.html, {tables}" if report else tables
    note(f"{output}: {written}; {time_text(found.elapsed_s)}")


def _show_figures(found: "Audit") -> None:
    grid = table("", "", header=False)
    grid.add_row("images", f"{found.images:,}")
    grid.add_row("quarantined", f"{found.quarantined:,}")
    for reason, count in list(found.reasons.items())[:_REASONS_SHOWN]:
        grid.add_row("", f"{count:,} x {reason}")
    grid.add_row("skipped", f"{found.skipped:,} (not images)")
    grid.add_row("kinds", ", ".join(f"{name} {count:,}" for name, count in found.kinds.items()))
    grid.add_row("colors", ", ".join(f"{name} {count:,}" for name, count in found.modes.items()))
    if found.turned:
        grid.add_row("EXIF", f"{found.turned:,} stored turned or mirrored")
    show(grid)


def _show_flags(found: "Audit") -> None:
    from variegate.datasets.prepare.flags import FLAGS

    show("")
    grid = table("flag", "images", "thresholds", right=(1,))
    for name, count in found.flags.items():
        levels = ", ".join(f"{one}={found.thresholds[one]:g}" for one in FLAGS[name])
        grid.add_row(name, f"{count:,}", levels)
    show(grid)


def _show_duplicates(found: "Audit") -> None:
    show("")
    show(f"duplicates: {found.groups:,} groups, and {found.again:,} of what was photographed again")
    _show_grades(found.duplicates)


def _show_grades(grades: "Mapping[str, GradeCount]") -> None:
    for grade, one in grades.items():
        show(f"  {one.images:,} x {_GRADES[grade]}")
        for sentence in one.examples:
            show(f"      {sentence}")


def _show_against(found: "AgainstCount") -> None:
    total = sum(one.images for one in found.found.values())
    show("")
    show(f"known already: {total:,} images show what one of {found.images:,} of {found.place} does")
    _show_grades(found.found)


def _show_labels(found: "LabelAudit") -> None:
    show("")
    grid = table("annotations", "images", right=(1,))
    for name, count in (
        ("with objects", found.with_objects),
        ("with a class or mask", found.with_class),
        ("empty: nothing is to be seen", found.empty),
        ("missing", found.missing),
    ):
        if count:
            grid.add_row(name, f"{count:,}")
    show(grid)
    if found.objects or found.objects_left_out:
        most = max(found.objects_an_image, default=0)
        show(
            f"objects: {found.objects:,}, and {found.objects_left_out:,} left out; "
            f"{min(found.objects_an_image, default=0)} to {most} an image"
        )
    for kind, fault in list({**found.names, **found.findings}.items())[:_KINDS_SHOWN]:
        show(f"  {fault.count:,} x {kind}")
        for example in fault.examples:
            show(f"      {example}")
