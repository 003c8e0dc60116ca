"""variegate watch: drop an image into a folder, its variants appear in another."""

import signal
import threading
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show
from variegate.cli.options import (
    Endpoint,
    In,
    Out,
    PluginFiles,
    Preset,
    RecipeFile,
    Seed,
    chosen_recipe,
    use_endpoint,
)


@command(
    "watch",
    "variegate watch inbox/ more/",
    "variegate watch inbox/ more/ --preset strong --classes",
    "variegate watch /mnt/nas/inbox s3://more --poll",
)
def watch(
    source: In,
    output: Out,
    recipe: RecipeFile = None,
    preset: Preset = None,
    seed: Seed = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="The first folder in IN is the class.")
    ] = False,
    splits: Annotated[
        bool,
        typer.Option("--splits", help="The first folder is train, val or test."),
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            "--settle", metavar="S", min=0.0, help="Seconds that a file must stay as it is."
        ),
    ] = 1.0,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look again and again; for drives that tell nothing.")
    ] = False,
    plugins: PluginFiles = None,
    endpoint: Endpoint = None,
) -> None:
    """Watch IN: what is there and what comes is augmented into OUT, until you press Ctrl-C.

    The results are those of augment. What was done before is not done again. An image that is
    replaced gets new results; one that is removed leaves its results where they are.
    """
    use_endpoint(endpoint)
    from variegate.runs.events import Naming
    from variegate.runs.watch import Watcher

    watcher = Watcher(
        source,
        output,
        recipe=chosen_recipe(recipe, preset, seed),
        naming=Naming("classes" if classes else "unlabelled", splits),
        plugins=tuple(plugins or ()),
        polling=poll,
    )
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    note(f"watching {source}; Ctrl-C ends it")
    known = 0
    for outcome in watcher.outcomes(
        stop, settle_s=settle, on_fault=lambda key, reason: note(f"{key}: {reason}; trying again")
    ):
        known += outcome.kind == "known"
        if outcome.kind != "made":
            continue
        if outcome.reason:
            show(f"{outcome.key}: {outcome.reason}")
        else:
            show(f"{outcome.key}: {outcome.counts.outputs:,} files")
    counts = watcher.counts
    show(
        f"{counts.sources:,} inputs, {counts.outputs:,} files, {counts.quarantined:,} quarantined"
        + (f"; {known:,} were done before" if known else "")
    )
    note(f"to go on, give the same command again; to check:  variegate verify {output}")
