"""variegate deploy augment: images put into one bucket appear as variants in another."""

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_raw, table
from variegate.cli.deploy.group import deploy
from variegate.cli.options import PluginRecipe, Region, Yes, option, pairs, whole
from variegate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.deploy.aws.cost import CostItem
    from variegate.recipes.plugins import Plugin
    from variegate.recipes.recipe import Recipe


@command(
    "augment",
    "variegate deploy augment --input my-photos --output my-variants --preset light --print",
    "variegate deploy augment --input my-photos --output my-variants --recipe recipe.yaml",
    "variegate deploy augment --input a --output b --plugin fade.py --set Concurrency=100",
    to=deploy,
)
def augment(
    *,
    source: Annotated[
        str, option("--input", "Bucket for images; it is created.", metavar="BUCKET")
    ],
    output: Annotated[
        str, option("--output", "Bucket for variants; it is created.", metavar="BUCKET")
    ],
    recipe: PluginRecipe,
    stack: Annotated[
        str, option("--stack", "Name of the CloudFormation stack.", metavar="NAME")
    ] = ("variegate-augment"),
    region: Region = None,
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            "Parameter of the template, such as MemorySize=3008. Repeatable.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    python: Annotated[
        str, option("--python", "Python version of the function's runtime.", metavar="VERSION")
    ] = "3.13",
    image: Annotated[
        bool, option("--image", "Build a container image (needs Docker) instead of a zip file.")
    ] = False,
    folder: Annotated[
        Path | None,
        option("--folder", "Keep the SAM project there. Default: delete it.", metavar="DIR"),
    ] = None,
    images: Annotated[
        int,
        option("--images", "Estimate the cost of N images.", metavar="N", parser=whole(1)),
    ] = 1_000_000,
    megapixels: Annotated[
        float, option("--megapixels", "Size of those images.", metavar="N")
    ] = 2.0,
    only_print: Annotated[
        bool, option("--print", "Show everything that would be done; change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Create two buckets and a function between them: images in, variants out.

    Needs sam (pip install aws-sam-cli) and AWS credentials. After you have seen the cost and
    agreed, the function is checked, built here, and deployed.
    """
    from variegate.deploy.aws.stack import check_stack_name, checked_parameters, deploy_command
    from variegate.recipes.plugins import load_plugins

    loaded, files = recipe.load(), load_plugins(recipe.plugins or ())
    check_stack_name(stack)
    given = {"InputBucketName": source, "OutputBucketName": output}
    parameters = checked_parameters(given | pairs(settings, "--set"))
    if not 0 < megapixels * 1e6 <= int(parameters["MaxPixels"]):
        raise UsageError(
            f"--megapixels: expected more than 0 and at most MaxPixels, "
            f"{int(parameters['MaxPixels']) / 1e6:g}, got {megapixels:g}"
        )
    commands = [
        ["validate", "--lint", *(("--region", region) if region else ())],
        ["build"],
        deploy_command(stack, parameters, region, image=image),
    ]
    _show_cost(loaded, files, images, megapixels, int(parameters["MemorySize"]))
    for one in commands:
        note(f"sam {shlex.join(one)}")
    if not only_print and not yes:
        typer.confirm("Build and deploy?", abort=True, err=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = folder if folder is not None and not only_print else Path(temporary) / "project"
        _carry_out(place, loaded, files, python, image, commands, only_print=only_print)
    if not only_print:
        show(f"put images into  s3://{source}/{parameters['InputPrefix']}")
        show(f"variants appear in s3://{output}/{parameters['OutputPrefix']}")


def _carry_out(
    place: Path,
    recipe: "Recipe",
    plugins: "tuple[Plugin, ...]",
    python: str,
    image: bool,
    commands: list[list[str]],
    *,
    only_print: bool,
) -> None:
    """Write the project; show it, or have sam build and deploy it."""
    from variegate.deploy.aws.project import write_project
    from variegate.deploy.aws.stack import sam

    template = write_project(place, recipe, plugins=plugins, python=python, image=image)
    if not only_print:
        for arguments in commands:
            sam(*arguments, folder=place)
        return
    for name in ("requirements.txt", "recipe.yaml"):
        show_raw(f"# function/{name}\n{(place / 'function' / name).read_text()}")
    show_raw(f"# template.yaml\n{template.read_text()}")


def _show_cost(
    recipe: "Recipe", plugins: "tuple[Plugin, ...]", images: int, megapixels: float, memory: int
) -> None:
    from variegate.deploy.aws.cost import bill, prices, trial

    taken = trial(recipe, megapixels, plugins)
    items = bill(taken, images, memory_mb=memory)
    table = prices()
    variants = images * taken.variants
    show(
        f"{images:,} images of {megapixels:g} megapixels, {taken.variants:,} variants each "
        f"({variants:,}):"
    )
    show(cost_table(items))
    once = sum(one.usd for one in items if not one.monthly)
    show(
        f"a million variants: {once / variants * 1e6:,.2f} USD, and keeping them. Prices of "
        f"{table['as_of']} in {table['region']}; times as on this machine"
    )
    show("")


def cost_table(items: "list[CostItem]") -> "Table":
    """Return a bill as lines."""
    grid = table("", "", "", header=False, right=(1,))
    for one in items:
        grid.add_row(one.name, f"{one.usd:,.2f} USD", one.amount)
    return grid
