"""variegate augment: make the variants of every image."""

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
    Address,
    AsJson,
    BackendName,
    Concurrency,
    CpusPerTask,
    Endpoint,
    FormatName,
    FunctionName,
    In,
    LabelPattern,
    Limit,
    MaxMegabytes,
    MaxPixels,
    MemoryPerTask,
    Out,
    PluginFiles,
    Preset,
    RecipeFile,
    Seed,
    SharedFolder,
    Strict,
    Workers,
    chosen_options,
    chosen_recipe,
    recipe_name,
    use_endpoint,
    whole,
)
from variegate.cli.progress import RunProgress, run_progress
from variegate.cli.summaries import (
    UNREADABLE,
    about_problems,
    as_data,
    faults,
    how_to_go_on,
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
    recipe: RecipeFile = None,
    preset: Preset = None,
    seed: Seed = None,
    plugins: PluginFiles = None,
    workers: Workers = None,
    backend: BackendName = "local",
    address: Address = None,
    concurrency: Concurrency = None,
    function: FunctionName = None,
    cpus_per_task: CpusPerTask = None,
    memory_per_task: MemoryPerTask = None,
    shared_folder: SharedFolder = None,
    strict: Strict = False,
    limit: Limit = None,
    dataset_format: FormatName = None,
    label_pattern: LabelPattern = None,
    max_pixels: MaxPixels = None,
    max_megabytes: MaxMegabytes = None,
    shard_size: Annotated[
        int | None, typer.Option("--shard-size", parser=whole(), hidden=True)
    ] = None,
    as_json: AsJson = False,
    endpoint: Endpoint = None,
) -> None:
    """Make the variants of every image of IN, into OUT.

    OUT is a new folder, or a zip file to be written. A run that was stopped goes on where it
    stopped when the same command is given again. IN is never touched.
    """
    use_endpoint(endpoint)
    from variegate.runs.run import augment as run

    loaded = chosen_recipe(recipe, preset, seed)
    options = chosen_options(
        dataset_format=dataset_format,
        label_pattern=label_pattern,
        limit=limit,
        workers=workers,
        shard_size=shard_size,
        strict=strict,
        max_pixels=max_pixels,
        max_megabytes=max_megabytes,
        backend=backend,
        plugins=plugins,
        backend_options={
            "address": address,
            "concurrency": concurrency,
            "function": function,
            "cpus_per_task": cpus_per_task,
            "memory_per_task": memory_per_task,
            "shared_folder": shared_folder,
        },
    )

    heading: list[str] = []

    def on_start(prepared: "Prepared") -> None:
        name = recipe_name(recipe, preset)
        heading.append(f"input:  {source}: {prepared.dataset_format.description}")
        heading.extend(f"        {one}" for one in prepared.dataset_format.notes)
        heading.append(
            f"recipe: {name}, {loaded.count():,} for each image, seed {loaded.seed}: "
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
            raise Interrupted(how_to_go_on(figures)) from None
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
        show(f"{made}; they were complete before")
    else:
        so_far = " (continued)" if summary.continued else ""
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
        ("passed through", counts.copied, "not for training: unchanged"),
        ("quarantined", counts.quarantined, UNREADABLE),
        ("skipped", counts.skipped, "no images"),
    ]
    return inputs_table(rows, always=("augmented", "quarantined"), inputs=counts.sources)
