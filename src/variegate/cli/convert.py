"""variegate convert: write a dataset in another format."""

from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli import summaries
from variegate.cli.application import QUARANTINED, command
from variegate.cli.console import note, show_json, tell
from variegate.cli.options import AsJson, In, Out, RawLabels, RunInput, Strict, option

if TYPE_CHECKING:
    from variegate.datasets.convert import PreparedConversion


@command(
    "convert",
    "variegate convert voc/ coco/ --to coco",
    "variegate convert coco/ yolo/ --to yolo --dry-run",
    "variegate convert masks.zip yolo.zip --to yolo --allow-loss",
)
def convert(
    source: In,
    output: Out,
    *,
    to: Annotated[
        str,
        option(
            "--to -t",
            "Format of OUT: coco, voc, yolo, labelme, deeplabcut, csv-boxes, masks, "
            "instance-masks, object-masks, webdataset, imagefolder, classes, flat, csv or "
            "unlabelled.",
            metavar="FORMAT",
        ),
    ],
    allow_loss: Annotated[
        bool, option("--allow-loss", "Convert even if FORMAT cannot represent everything.")
    ] = False,
    oriented_boxes: Annotated[
        bool,
        option("--oriented-boxes", "Write boxes as oriented boxes (OBB) if FORMAT has them."),
    ] = False,
    polygons: Annotated[
        bool,
        option("--polygons", "Write masks as polygons if FORMAT has both, as coco has."),
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", "Only list what would change or get lost.")
    ] = False,
    inputs: RunInput,
    strict: Strict = False,
    raw_labels: RawLabels = False,
    as_json: AsJson = False,
) -> None:
    """Convert the dataset IN to another format, into OUT.

    Before anything is written, everything that FORMAT cannot represent is counted and listed; data
    loss has to be allowed (--allow-loss). Image files are copied byte for byte. If a conversion is
    interrupted, run the same command again to resume. IN is never changed.
    """
    from variegate.datasets.convert import conversion_as_data, prepare_conversion
    from variegate.datasets.convert import convert as run

    options = inputs.options(strict=strict, raw_labels=raw_labels)
    if dry_run:
        with prepare_conversion(
            source, to=to, oriented_boxes=oriented_boxes, polygons=polygons, options=options
        ) as plan:
            _tell_plan(plan, str(source), str(output))
            if as_json:
                show_json(conversion_as_data(plan))
        return
    plans: list[PreparedConversion] = []

    def on_plan(plan: "PreparedConversion") -> None:
        plans.append(plan)
        _tell_plan(plan, str(source), str(output))

    summary, figures = summaries.run_shown(
        lambda on_progress: run(
            source,
            output,
            to=to,
            allow_loss=allow_loss,
            oriented_boxes=oriented_boxes,
            polygons=polygons,
            options=options,
            on_plan=on_plan,
            on_progress=on_progress,
        )
    )
    if as_json:
        show_json({**conversion_as_data(plans[0]), **summaries.as_data(summary)})
    else:
        rows = [
            ("converted", summary.counts.copied, ""),
            (summaries.QUARANTINE, summary.counts.quarantined, summaries.UNREADABLE),
            ("skipped", summary.counts.skipped, "not images of the dataset: annotations, masks"),
        ]
        summaries.show_summary(summary, figures, rows, what="images")
    if summary.counts.quarantined and (strict or not summary.counts.outputs):
        raise typer.Exit(QUARANTINED)


def _tell_plan(plan: "PreparedConversion", source: str, output: str) -> None:
    """List what will be written, and what changes or gets lost."""
    from variegate.formats.base import counted
    from variegate.formats.conversion.filenames import NAMINGS

    prepared = plan.prepared
    tell(f"input:  {source}: {prepared.dataset_format.description}")
    for one in prepared.dataset_format.notes:
        tell(f"        {one}")
    parts = [plan.to, counted(prepared.outputs, "image", "images")]
    parts += [counted(plan.objects, "object", "objects")] if plan.objects else []
    tell(f"output: {output}: {', '.join(parts)}")
    if plan.naming:
        tell(f"        names repeat, so they are written {NAMINGS[plan.naming]}")
    for line in summaries.about_problems(prepared.listing):
        tell(line)
    grave = [loss.text for loss in plan.losses if loss.grave]
    mild = [loss.text for loss in plan.losses if not loss.grave]
    for heading, texts in ((f"{plan.to} cannot represent:", grave), ("changed:", mild)):
        if texts:
            tell(heading)
        for text in texts:
            tell(f"        {text}")
    if not plan.losses:
        note(f"{plan.to} can represent all of it")
