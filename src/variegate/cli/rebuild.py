"""variegate rebuild: make one file again."""

import os
from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, size_text
from variegate.cli.options import Endpoint, Out, PluginFiles, option


@command(
    "rebuild",
    "variegate rebuild more/ cats/7-v03.jpg",
    "variegate rebuild more.zip cats/7-v03.jpg --source photos/ --to 7-v03.jpg",
)
def rebuild(
    output: Out,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The file's path inside OUT, as in the manifest.")
    ],
    source: Annotated[
        Path | None,
        option("--source", "Where the sources are now, if they were moved.", metavar="IN"),
    ] = None,
    plugins: PluginFiles = None,
    to: Annotated[
        Path | None,
        option("--to", "Write the file there instead of back into OUT.", metavar="FILE"),
    ] = None,
    endpoint: Endpoint = None,  # noqa: ARG001 - its callback sets it
) -> None:
    """Rebuild one file of OUT from its source, as the manifest describes it.

    Both digests are checked: the result is the same file, or an error.
    """
    from variegate.runs.rebuild import rebuild as make
    from variegate.storage import key_from_text, open_storage

    # A key is typed as the manifest writes it, or completed by the shell as the raw name.
    raw = key if any("\udc80" <= one <= "\udcff" for one in key) else key_from_text(key)
    data = make(output, raw, source=source, plugins=plugins or (), write=to is None)
    if to is not None:
        open_storage(to.parent, create=True).write(to.name, data)
    show(f"{to or f'{output}/{os.fspath(key)}'}: rebuilt, {size_text(len(data))}, same digest")
