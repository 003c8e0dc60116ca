"""variegate augment: augment every training image of a dataset."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import (
    Interrupted,
    show,
    show_json,
    size_text,
    tell,
    time_text,
)
from variegate.cli.options import (
    AsJson,
    BackendChoice,
    Endpoint,
    In,
    Out,
    PluginRecipe,
    RunInput,
    Strict,
    option,
    whole,
)
from variegate.cli.progress import RunProgress, run_progress
from variegate.cli.summaries import (
    UNREADABLE,
    about_problems,
    as_data,
    faults,
    how_to_resume,
    inputs_table,
)

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.runs.manifest import Counts
    from variegate.runs.run import Prepared, Progress, Summary


@command(
    "augment",
    "variegate augment photos/ more/",
    "variegate augment photos.zip more/ --preset chain --seed 7",
    "variegate augment photos/ try/ --recipe recipe.yaml --limit 10",
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
    strict: Strict = False,
    shard_size: Annotated[int | None, option("--shard-size", "", parser=whole(), hidden=True)] = (
        None
    ),
    as_json: AsJson = False,
    endpoint: Endpoint = None,  # noqa: ARG001 - its callback sets it
) -> None:
    """Augment every training image of IN into OUT.

    OUT is a new folder, a bucket, or a zip file to be written. If a run is interrupted, run the
    same command again to resume. IN is never changed.
    """
    from variegate.runs.run import augment as run

    loaded = recipe.load()
    options = inputs.options(
        shard_size=shard_size,
        strict=strict,
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
        heading.extend(about_problems(prepared.listing))

    with run_progress() as (figures, show_progress):

        def on_progress(progress: "Progress") -> None:
            # Only now is it certain that the output may be written.
            while heading:
                tell(heading.pop(0))
            show_progress(progress)

        try:
            summary = run(
                source,
                output,
                recipe=loaded,
                options=options,
                on_start=on_start,
                on_progress=on_progress,
            )
        except KeyboardInterrupt:
            raise Interrupted(how_to_resume(figures)) from None
    if as_json:
        show_json(as_data(summary))
    else:
        _show_summary(summary, figures)
    if strict and summary.counts.quarantined:
        raise typer.Exit(QUARANTINED)


def _show_summary(summary: "Summary", figures: RunProgress) -> None:
    counts = summary.counts
    show("")
    show(_table(counts, summary.variants))
    show("")
    made = f"{counts.outputs:,} files, {size_text(counts.bytes)}, in {summary.output}"
    if figures.last is None:
        show(f"{made}; already complete")
    else:
        so_far = " (resumed)" if summary.continued else ""
        took = time_text(summary.elapsed_s)
        show(f"{made}; {took}{so_far}, {figures.rate:,.0f} a second")
    show(f"digest {summary.digest}")
    for line in faults(summary.output, counts):
        show(line)
    show("")
    show(f"look at them:  variegate preview {shlex.quote(summary.output)}")
    show(f"check them:    variegate verify {shlex.quote(summary.output)}")


def _table(counts: "Counts", variants: int) -> "Table":
    """Return what became of the inputs; the lines add up to all of them."""
    rows = [
        ("augmented", counts.augmented, f"x {variants:,} = {counts.augmented * variants:,} files"),
        ("copied unchanged", counts.copied, "validation and test images"),
        ("quarantined", counts.quarantined, UNREADABLE),
        ("skipped", counts.skipped, "not images"),
    ]
    return inputs_table(rows, always=("augmented", "quarantined"), inputs=counts.sources)
