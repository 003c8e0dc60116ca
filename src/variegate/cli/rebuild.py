"""variegate rebuild: make one file again."""

import os
from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, size_text
from variegate.cli.options import Endpoint, Out, PluginFiles, use_endpoint


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
        typer.Option(
            "--source", metavar="IN", help="Where the sources are now, if they were moved."
        ),
    ] = None,
    plugins: PluginFiles = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write the file there, not back into OUT."),
    ] = None,
    endpoint: Endpoint = None,
) -> None:
    """Make one file of OUT again, from its source, by the manifest.

    The source's digest and the result's are checked: what comes out is the same file, or an error.
    """
    use_endpoint(endpoint)
    from variegate.runs.rebuild import rebuild as make
    from variegate.storage import key_from_text, open_storage

    # A key is typed as the manifest writes it, or completed by the shell as the raw name.
    raw = key if any("\udc80" <= one <= "\udcff" for one in key) else key_from_text(key)
    data = make(output, raw, source=source, plugins=plugins or (), write=to is None)
    if to is not None:
        open_storage(to.parent, create=True).write(to.name, data)
    show(f"{to or f'{output}/{os.fspath(key)}'}: made again, {size_text(len(data))}, same digest")
