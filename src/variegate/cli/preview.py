"""variegate preview: look at what a recipe makes."""

from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show
from variegate.cli.options import (
    Endpoint,
    FormatName,
    LabelPattern,
    MaxMegabytes,
    MaxPixels,
    PluginFiles,
    Preset,
    RecipeFile,
    Seed,
    chosen_options,
    chosen_recipe,
    recipe_name,
    use_endpoint,
    whole,
)
from variegate.errors import UsageError


@command(
    "preview",
    "variegate preview photos/ --preset chain",
    "variegate preview photos/ --transforms rotate,fog,jpeg",
    "variegate preview more/ --out sheet.png",
)
def preview(
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="Images, or the results of variegate augment."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="PNG file to write.")
    ] = Path("preview.png"),
    recipe: RecipeFile = None,
    preset: Preset = None,
    transforms: Annotated[
        str | None,
        typer.Option(
            "--transforms",
            "-t",
            metavar="NAMES",
            help="Instead of a recipe: these transforms, each alone; a list with commas.",
            rich_help_panel="Recipe",
        ),
    ] = None,
    seed: Seed = None,
    plugins: PluginFiles = None,
    images: Annotated[
        int, typer.Option("--images", metavar="N", parser=whole(1, 40), help="Rows: sources.")
    ] = 6,
    variants: Annotated[
        int, typer.Option("--variants", metavar="N", parser=whole(1, 24), help="Columns: results.")
    ] = 7,
    labels: Annotated[
        bool,
        typer.Option("--labels/--no-labels", help="Draw boxes, outlines, masks and keypoints."),
    ] = True,
    dataset_format: FormatName = None,
    label_pattern: LabelPattern = None,
    max_pixels: MaxPixels = None,
    max_megabytes: MaxMegabytes = None,
    endpoint: Endpoint = None,
) -> None:
    """Draw a contact sheet: some images of IN by some of their variants, with what was drawn.

    Where IN is the output of a run, its files are shown beside their sources.
    """
    use_endpoint(endpoint)
    from variegate.cli.files import save_png
    from variegate.recipes.recipe import Recipe
    from variegate.reports import preview as draw
    from variegate.reports import preview_output
    from variegate.runs.output import is_output
    from variegate.seeding import check_seed
    from variegate.storage import open_storage

    given = (recipe, preset, transforms)
    if sum(one is not None for one in given) > 1:
        raise UsageError(
            "--recipe, --preset and --transforms: expected one of them; leave the rest"
        )
    if not any(given) and is_output(open_storage(source)):
        save_png(out, preview_output(source, images=images, variants=variants, labels=labels))
        show(f"{out}: some of the files of {source} beside their sources")
        return
    if transforms is not None:
        names = [name.strip() for name in transforms.split(",") if name.strip()]
        chosen = Recipe.from_data(
            {"variants": {"each": names}, "seed": check_seed(seed or 0)}, where="--transforms"
        )
        name, variants = "each alone", max(variants, min(24, len(names)))
    else:
        chosen, name = chosen_recipe(recipe, preset, seed), recipe_name(recipe, preset)
    options = chosen_options(
        dataset_format=dataset_format,
        label_pattern=label_pattern,
        max_pixels=max_pixels,
        max_megabytes=max_megabytes,
        plugins=plugins,
    )
    sheet = draw(
        source,
        recipe=chosen,
        options=options,
        images=images,
        variants=variants,
        name=name,
        labels=labels,
    )
    save_png(out, sheet)
    shown = min(variants, chosen.count())
    show(f"{out}: {shown} of {chosen.count():,} variants ({name}) of some images of {source}")
