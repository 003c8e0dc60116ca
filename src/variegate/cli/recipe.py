"""variegate recipe: check a recipe, its JSON Schema, the presets."""

from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import app, command
from variegate.cli.console import show, show_json, show_raw, table
from variegate.cli.options import PluginFiles
from variegate.errors import RecipeError, did_you_mean

recipes = typer.Typer(help="Check recipes; list the built-in ones.")
app.add_typer(recipes, name="recipe", no_args_is_help=True)


@command("check", "variegate recipe check recipe.yaml", to=recipes)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recipe file.")],
    plugins: PluginFiles = None,  # noqa: ARG001 - reading the option loads them
) -> None:
    """Check a recipe file; say what is wrong with it, or how many results it gives."""
    from variegate.recipes.recipe import Recipe

    recipe = Recipe.load(file)
    count = recipe.count()
    results = "1 result" if count == 1 else f"{count:,} results"
    show(f"{file}: correct; {results} for each image, seed {recipe.seed}")


@command("schema", "variegate recipe schema > recipe.schema.json", to=recipes)
def schema() -> None:
    """Print the JSON Schema of recipes, by which editors complete and check them."""
    from variegate.recipes.json_schema import recipe_schema

    show_json(recipe_schema())


@command(
    "presets",
    "variegate recipe presets",
    "variegate recipe presets chain > recipe.yaml",
    to=recipes,
)
def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this one as YAML.")
    ] = None,
) -> None:
    """List the recipes that come with variegate, or print one to begin with."""
    from variegate.recipes.recipe import Recipe, preset_text
    from variegate.recipes.recipe import presets as names

    if name is not None:
        if name not in names():
            raise RecipeError(
                f"{name}: expected one of {', '.join(names())}{did_you_mean(name, names())}"
            )
        show_raw(preset_text(name))
        return
    grid = table("preset", "results", "description", right=(1,))
    for one in names():
        recipe = Recipe.load(one)
        grid.add_row(one, f"{recipe.count():,}", recipe.description)
    show(grid)
