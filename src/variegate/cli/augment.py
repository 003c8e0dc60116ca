"""variegate augment: make the variants of every picture."""

import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

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
    FunctionName,
    In,
    LabelPattern,
    LayoutName,
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
    Workers,
    chosen_options,
    chosen_recipe,
    recipe_name,
    use_endpoint,
    whole,
)
from variegate.cli.progress import RunProgress, done_words, run_progress

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.manifest import Counts
    from variegate.runs import Prepared, Progress, Summary

# Faults that are shown; all of them stand in the manifest.
_SHOWN = 5


@command(
    "augment",
    "variegate augment photos/ more/",
    "variegate augment photos.zip more/ --preset chain --seed 7",
    "variegate augment photos/ try/ --recipe recipe.yaml --limit 10",
    "variegate augment s3://raw s3://more --backend ray --address auto",
    "variegate augment s3://raw/pictures s3://more/variants --backend lambda --function NAME",
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
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 3 if anything was quarantined.")
    ] = False,
    limit: Limit = None,
    layout: LayoutName = None,
    label_pattern: LabelPattern = None,
    max_pixels: MaxPixels = None,
    max_megabytes: MaxMegabytes = None,
    shard_size: Annotated[
        int | None, typer.Option("--shard-size", parser=whole(), hidden=True)
    ] = None,
    as_json: AsJson = False,
    endpoint: Endpoint = None,
) -> None:
    """Make the variants of every picture of IN, into OUT.

    OUT is a new folder, or a zip file to be written. A run that was stopped goes on where it
    stopped when the same command is given again. IN is never touched.
    """
    use_endpoint(endpoint)
    from variegate.runs import augment as run

    loaded = chosen_recipe(recipe, preset, seed)
    options = chosen_options(
        layout=layout,
        label_pattern=label_pattern,
        limit=limit,
        workers=workers,
        shard_size=shard_size,
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
        heading.append(f"input:  {source}: {prepared.layout.description}")
        heading.extend(f"        {one}" for one in prepared.layout.notes)
        heading.append(
            f"recipe: {name}, {loaded.count():,} for each picture, seed {loaded.seed}: "
            f"{prepared.outputs:,} files into {output}"
        )

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


def how_to_go_on(figures: RunProgress) -> str:
    """Return what to say of a run that was interrupted."""
    again = shlex.join(["variegate", *sys.argv[1:]])
    if figures.last is None:
        return f"interrupted before anything was made; to begin again: {again}"
    done = done_words(figures.last.counts, figures.last.total)
    return f"interrupted: {done}; the same command goes on from there: {again}"


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
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = [
        ("augmented", counts.augmented, f"x {variants:,} = {counts.augmented * variants:,} files"),
        ("passed through", counts.copied, "not for training: unchanged"),
        ("quarantined", counts.quarantined, "could not be read; the reasons stand in the manifest"),
        ("skipped", counts.skipped, "no pictures"),
    ]
    for name, number, remark in rows:
        if number or name in ("augmented", "quarantined"):
            style = "yellow" if name == "quarantined" and number else None
            table.add_row(name, f"{number:,}", remark if number else "", style=style)
    table.add_row("inputs", f"{counts.sources:,}", "", style="bold")
    return table


def faults(output: str, counts: "Counts") -> list[str]:
    """Return lines about the first quarantined inputs."""
    if not counts.quarantined:
        return []
    from variegate.verifying import read_manifest

    found = read_manifest(output, columns=["key", "reason"], where={"status": ["quarantined"]})
    lines = [f"quarantined: {row['key']}: {row['reason']}" for row in found[:_SHOWN].to_pylist()]
    more = counts.quarantined - len(lines)
    return ["", *lines, *([f"... and {more:,} more, in the manifest"] if more > 0 else [])]


def as_data(summary: "Summary") -> dict[str, Any]:
    """Return a summary as JSON values."""
    data = asdict(summary)
    return {**data, "counts": {**asdict(summary.counts), "inputs": summary.counts.sources}}
