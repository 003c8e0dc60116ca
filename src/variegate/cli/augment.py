"""variegate augment: augment every training image of a dataset."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli import summaries
from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import show, show_json, tell
from variegate.cli.observers import ObserverChoice
from variegate.cli.options import (
    AsJson,
    BackendChoice,
    In,
    Out,
    PluginRecipe,
    RawLabels,
    RunInput,
    Strict,
    option,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from variegate.runs.run import Prepared, Progress, Summary
    from variegate.runs.update import UpdateCounts


@command(
    "augment",
    "variegate augment photos/ more/",
    "variegate augment photos.zip more/ --preset chain --seed 7",
    "variegate augment photos/ try/ --recipe recipe.yaml --limit 10",
    "variegate augment photos/ more/ --update --prune",
    "variegate augment photos/ more/ --balance even",
    "variegate augment s3://raw s3://more --backend ray --address auto",
    "variegate augment s3://raw/images s3://more/variants --backend lambda --function NAME",
)
def augment(
    source: In,
    output: Out,
    *,
    recipe: PluginRecipe,
    inputs: RunInput,
    backend: BackendChoice,
    observers: ObserverChoice,
    strict: Strict = False,
    raw_labels: RawLabels = False,
    shard_size: Annotated[int | None, option("--shard-size", "", parser=whole(), hidden=True)] = (
        None
    ),
    update: Annotated[
        bool,
        option(
            "--update",
            "OUT is finished and IN has changed: make what is new or changed, keep the rest.",
        ),
    ] = False,
    prune: Annotated[
        bool, option("--prune", "With --update: delete the results of images that are gone.")
    ] = False,
    balance: Annotated[
        str | None,
        option(
            "--balance",
            "Variants by class: even (all classes as many as the rarest can have; refused where "
            "the largest class has more images than that), N results of each class, or cap:N for "
            "at most N. Default: all variants of every image.",
            metavar="HOW",
        ),
    ] = None,
    allow_leaks: Annotated[
        bool,
        option(
            "--allow-leaks",
            "Go on though the same image stands in two splits of IN. Default: refuse; see "
            "variegate leaks.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Augment every training image of IN into OUT.

    OUT is a new folder, a bucket, or a zip file to be written. If a run is interrupted, run the
    same command again to resume. IN is never changed.
    """
    from variegate.datasets.augment import augment as run

    loaded = recipe.load()
    options = inputs.options(
        shard_size=shard_size,
        strict=strict,
        update=update,
        prune=prune,
        balance=balance,
        raw_labels=raw_labels,
        backend=backend.backend,
        backend_options=backend.chosen,
        plugins=tuple(recipe.plugins or ()),
    )
    heading: list[str] = []

    def on_start(prepared: "Prepared") -> None:
        heading.append(f"input:  {source}: {prepared.dataset_format.description}")
        heading.extend(f"        {one}" for one in prepared.dataset_format.notes)
        heading.append(
            f"recipe: {recipe.name}, {loaded.count():,} variants an image, seed {loaded.seed}: "
            f"{prepared.outputs:,} files into {output}"
        )
        heading.extend(summaries.about_problems(prepared.listing))

    def carry_out(show_progress: "Callable[[Progress], None]") -> "Summary":
        def on_progress(progress: "Progress") -> None:
            told.update(progress)
            # Only now is it certain that the output may be written.
            while heading:
                tell(heading.pop(0))
            show_progress(progress)

        return run(
            source,
            output,
            recipe=loaded,
            options=options,
            allow_leaks=allow_leaks,
            on_start=on_start,
            on_progress=on_progress,
        )

    with observers.told(source, output) as told:
        summary, figures = summaries.run_shown(carry_out)
        told.summarise(summary)
    if as_json:
        show_json(summaries.as_data(summary))
    else:
        counts, variants = summary.counts, summary.variants
        left_out = counts.identical if loaded.distinct else 0
        less = f" - {left_out:,} equal" if left_out else ""
        augmented = f"x {variants:,}{less} = {counts.augmented * variants - left_out:,} files"
        skipped, copied = "not images", "validation and test images"
        if loaded.classes is not None:
            copied += ", images of other classes"
        if loaded.variants_by_class:
            augmented = f"to {counts.outputs - counts.copied:,} files, by class"
        if balance is not None:
            augmented = f"to {counts.outputs - counts.copied:,} files, balanced"
            skipped = "not images, or of a class with results enough"
        rows = [
            ("augmented", counts.augmented, augmented),
            ("copied unchanged", counts.copied, copied),
            (summaries.QUARANTINE, counts.quarantined, summaries.UNREADABLE),
            ("skipped", counts.skipped, skipped),
        ]
        summaries.show_summary(summary, figures, rows, what="files")
        if counts.identical:
            what = "written once" if loaded.distinct else "`distinct: true` writes them once"
            show(f"{counts.identical:,} variants equal another one of their image ({what})")
        if summary.updated is not None:
            show("")
            show(_about_update(summary.updated))
        show("")
        show(f"look at them:  variegate preview {shlex.quote(summary.output)}")
        show(f"check them:    variegate verify {shlex.quote(summary.output)}")
    if summary.counts.quarantined and (strict or not summary.counts.outputs):
        raise typer.Exit(QUARANTINED)


def _about_update(found: "UpdateCounts") -> str:
    """Return what an update found."""
    text = f"updated: {found.kept:,} images kept, {found.made:,} made, {found.removed:,} removed"
    if not found.removed_files:
        return text
    if found.pruned:
        return f"{text}; their {found.removed_files:,} files were deleted"
    return f"{text}; their {found.removed_files:,} files are still there (--prune deletes them)"
