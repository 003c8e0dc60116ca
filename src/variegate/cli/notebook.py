"""variegate notebook: a first hour with variegate, to run cell by cell."""

from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show
from variegate.cli.options import option, whole
from variegate.errors import OutputError


@command(
    "notebook",
    "variegate notebook first.ipynb",
    "variegate notebook first.ipynb --count 400",
)
def notebook(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Notebook to write: NAME.ipynb.")],
    *,
    count: Annotated[
        int,
        # Fewer leave nothing to split, train and prove with.
        option("--count -n", "Images of its sample dataset.", metavar="N", parser=whole(50)),
    ] = 150,
    replace: Annotated[
        bool, option("--replace", "Replace FILE if it exists, and what was written into it.")
    ] = False,
) -> None:
    """Write a notebook for newcomers, for Jupyter or Google Colab.

    It draws a small dataset, shows transformations, lets you write two of your own (with
    solutions), splits before it augments, trains without and with augmentation, asks whether that
    helped, and shows what an upload to Edge Impulse would send.
    """
    from variegate.reports.notebook import notebook_text
    from variegate.storage import open_storage

    if file.is_dir():
        raise OutputError(f"{file}: is a folder; name a file in it, such as {file / 'first.ipynb'}")
    if file.suffix != ".ipynb":
        raise OutputError(f"{file}: expected a name that ends with .ipynb")
    if file.exists() and not replace:
        raise OutputError(f"{file}: exists; name another file, or replace it with --replace")
    text = notebook_text(count)
    open_storage(file.parent, create=True).write(file.name, text.encode())
    show(f"{file}: open it with Jupyter (jupyter lab {file}), or upload it to Google Colab")
