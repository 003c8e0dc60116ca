"""variegate export: a file by which an annotation tool imports a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import app, command
from variegate.cli.console import note, show, show_json
from variegate.cli.options import AsJson, FormatChoice, In, option
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from variegate.datasets.upload.annotation_tools import ToolFile

export = typer.Typer(help="Export annotations for Label Studio or FiftyOne.")
app.add_typer(export, name="export", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="JSON file to be written.")]


@command(
    "label-studio",
    "variegate export label-studio more/ tasks.json",
    "variegate export label-studio more/ tasks.json --url https://images.example/more/",
    to=export,
)
def label_studio(
    source: In,
    file: _File,
    *,
    inputs: FormatChoice,
    url: Annotated[
        str | None,
        option(
            "--url",
            "What the path of an image is put behind. Default: local files of Label Studio, in a "
            "folder called like IN.",
            metavar="URL",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the dataset IN as tasks with annotations that Label Studio imports.

    Classes, boxes and polygons. The labeling configuration is written beside FILE, as .xml.
    """
    from variegate.datasets.upload.annotation_tools import export_label_studio

    with counting("images") as on_progress:
        made = export_label_studio(
            source,
            file,
            url=url,
            format=inputs.format,
            hints=inputs.hints,
            on_progress=on_progress,
        )
    _show(made, as_json=as_json)


@command(
    "fiftyone",
    "variegate export fiftyone more/ labels.json",
    "variegate export fiftyone coco/ labels.json --format coco",
    to=export,
)
def fiftyone(
    source: In,
    file: _File,
    *,
    inputs: FormatChoice,
    as_json: AsJson = False,
) -> None:
    """Write the labels of the dataset IN as FiftyOne imports them beside its images.

    Of the type FiftyOneImageDetectionDataset where IN has objects, else
    FiftyOneImageClassificationDataset.
    """
    from variegate.datasets.upload.annotation_tools import export_fiftyone

    with counting("images") as on_progress:
        made = export_fiftyone(
            source, file, format=inputs.format, hints=inputs.hints, on_progress=on_progress
        )
    _show(made, as_json=as_json)


def _show(made: "ToolFile", *, as_json: bool) -> None:
    if as_json:
        show_json(made.to_json())
        return
    show(f"{made.images:,} images, {made.objects:,} objects in {made.file}")
    for one in made.more:
        show(f"and {one}")
    for what, count in made.notes.items():
        note(f"{count:,} x {what}")
