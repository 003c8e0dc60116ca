"""variegate watch: drop an image into a folder, its variants appear in another."""

import signal
import threading
from typing import Annotated

from variegate.cli.application import command
from variegate.cli.console import note, show
from variegate.cli.options import Endpoint, In, Out, PluginRecipe, option


@command(
    "watch",
    "variegate watch inbox/ more/",
    "variegate watch inbox/ more/ --preset strong --classes",
    "variegate watch /mnt/nas/inbox s3://more --poll",
)
def watch(
    source: In,
    output: Out,
    *,
    recipe: PluginRecipe,
    classes: Annotated[bool, option("--classes", "The first folder in IN is the class.")] = False,
    splits: Annotated[
        bool, option("--splits", "The first folder in IN is train, val or test.")
    ] = False,
    settle: Annotated[
        float,
        option(
            "--settle",
            "Seconds without a change after which a file counts as complete.",
            metavar="S",
            min=0.0,
        ),
    ] = 1.0,
    poll: Annotated[
        bool, option("--poll", "Poll for changes, for network drives without notifications.")
    ] = False,
    endpoint: Endpoint = None,  # noqa: ARG001 - its callback sets it
) -> None:
    """Watch IN: augment what is there and what arrives into OUT, until you press Ctrl-C.

    The results are those of augment. Images that were done before are not done again. A replaced
    image gets new results; the results of a deleted one stay.
    """
    from variegate.runs.events import Naming
    from variegate.runs.watch import Watcher

    watcher = Watcher(
        source,
        output,
        recipe=recipe.load(),
        naming=Naming("classes" if classes else "unlabelled", splits),
        plugins=tuple(recipe.plugins or ()),
        polling=poll,
    )
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    for text in watcher.notes:
        note(text)
    note(f"watching {source}; press Ctrl-C to stop")
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
            told = "".join(f"; {text}" for text in outcome.notes)
            show(f"{outcome.key}: {outcome.counts.outputs:,} files{told}")
    counts = watcher.counts
    show(
        f"{counts.sources:,} inputs, {counts.outputs:,} files, {counts.quarantined:,} quarantined"
        f"; {counts.augmented:,} augmented, {counts.copied:,} copied, {counts.skipped:,} skipped"
        + (f"; {known:,} done before" if known else "")
    )
    note(f"run the same command again to resume; to check:  variegate verify {output}")
