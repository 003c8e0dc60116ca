"""variegate preview: look at what a recipe makes."""

from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show
from variegate.cli.options import LimitedInput, PluginRecipe, option, whole
from variegate.errors import UsageError


@command(
    "preview",
    "variegate preview photos/ --preset chain",
    "variegate preview photos/ --transforms rotate,fog,jpeg",
    "variegate preview more/ --out sheet.png",
)
def preview(
    source: Annotated[str, typer.Argument(metavar="IN", help="Images, or an output of augment.")],
    *,
    out: Annotated[Path, option("--out -o", "PNG file to write.", metavar="FILE")] = (
        Path("preview.png")
    ),
    recipe: PluginRecipe,
    transforms: Annotated[
        str | None,
        option(
            "--transforms -t",
            "Instead of a recipe: each of these transforms alone, separated by commas.",
            "Recipe",
            "NAMES",
        ),
    ] = None,
    images: Annotated[
        int, option("--rows", "Rows: source images.", metavar="N", parser=whole(1, 40))
    ] = 6,
    variants: Annotated[
        int, option("--variants", "Columns: variants.", metavar="N", parser=whole(1, 24))
    ] = 7,
    labels: Annotated[
        bool, option("--labels/--no-labels", "Draw boxes, outlines, masks and keypoints.")
    ] = True,
    inputs: LimitedInput,
) -> None:
    """Draw a contact sheet: some images of IN, some variants of each, and what was drawn.

    If IN is an output of augment, its files are shown beside their sources.
    """
    from variegate.cli.files import save_png
    from variegate.recipes.recipe import Recipe
    from variegate.reports import preview as draw
    from variegate.reports import preview_output
    from variegate.runs.output import is_output
    from variegate.seeding import check_seed
    from variegate.storage import open_storage

    given = (recipe.recipe, recipe.preset, transforms)
    if sum(one is not None for one in given) > 1:
        raise UsageError("--recipe, --preset and --transforms: expected one of them")
    if not any(given) and is_output(open_storage(source)):
        save_png(out, preview_output(source, images=images, variants=variants, labels=labels))
        show(f"{out}: some of the files of {source} beside their sources")
        return
    if transforms is not None:
        names = [name.strip() for name in transforms.split(",") if name.strip()]
        chosen = Recipe.from_data(
            {"variants": {"each": names}, "seed": check_seed(recipe.seed or 0)},
            where="--transforms",
        )
        name, variants = "each alone", max(variants, min(24, len(names)))
    else:
        chosen, name = recipe.load(), recipe.name
    options = inputs.options(plugins=tuple(recipe.plugins or ()))
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
