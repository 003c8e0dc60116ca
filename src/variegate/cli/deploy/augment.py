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
    from collections.abc import Mapping

    from rich.table import Table

    from variegate.deploy.aws.cost import CostItem
    from variegate.recipes.plugins import Plugin
    from variegate.recipes.recipe import Recipe


@command(
    "augment",
    "variegate deploy augment --input my-photos --output my-variants --preset light --print",
    "variegate deploy augment --input my-photos --output my-variants --recipe recipe.yaml",
    "variegate deploy augment --input a --output b --alarm-email ops@example.com --tag team=vision",
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
    alarm_email: Annotated[
        str | None,
        option("--alarm-email", "Address that alarms are sent to.", metavar="ADDRESS"),
    ] = None,
    tags: Annotated[
        list[str] | None,
        option("--tag", "Tag of all that is made. Repeatable.", metavar="NAME=VALUE"),
    ] = None,
    python: Annotated[
        str, option("--python", "Python version of the function's runtime.", metavar="VERSION")
    ] = "3.13",
    image: Annotated[
        bool, option("--image", "Build a container image (needs Docker) instead of a zip file.")
    ] = False,
    folder: Annotated[
        Path | None,
        option(
            "--folder",
            "Keep the SAM project there; with --print, write it and deploy nothing. Default: "
            "delete it.",
            metavar="DIR",
        ),
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
    from variegate.deploy.aws.lookup import look_up
    from variegate.deploy.aws.project import write_project
    from variegate.deploy.aws.stack import (
        check_stack_name,
        checked_parameters,
        deploy_command,
        find_sam,
        sam,
    )
    from variegate.recipes.plugins import load_plugins

    loaded, files = recipe.load(), load_plugins(recipe.plugins or ())
    check_stack_name(stack)
    given = {"InputBucketName": source, "OutputBucketName": output}
    given |= {} if alarm_email is None else {"AlarmEmail": alarm_email}
    parameters = checked_parameters(given | pairs(settings, "--set"))
    if not 0 < megapixels * 1e6 <= int(parameters["MaxPixels"]):
        raise UsageError(
            f"--megapixels: expected more than 0 and at most MaxPixels, "
            f"{int(parameters['MaxPixels']) / 1e6:g}, got {megapixels:g}"
        )
    commands = [
        ["validate", "--lint", *(("--region", region) if region else ())],
        ["build"],
        deploy_command(stack, parameters, region, image=image, tags=pairs(tags, "--tag")),
    ]
    _show_cost(loaded, files, images, megapixels, parameters)
    for one in commands:
        note(f"sam {shlex.join(one)}")
    if not parameters["AlarmEmail"] and not parameters["AlarmTopicArn"]:
        note("nobody is told of alarms; name an address with --alarm-email")
    if not only_print:
        find_sam()
        if not look_up(stack, (source, output), region):
            note("whether the buckets exist is not looked up: pip install 'variegate[aws]'")
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary) / "project"
        template = write_project(place, loaded, plugins=files, python=python, image=image)
        if only_print and folder is None:
            for name in ("requirements.txt", "recipe.yaml"):
                show_raw(f"# function/{name}\n{(place / 'function' / name).read_text()}")
            show_raw(f"# template.yaml\n{template.read_text()}")
        if only_print or not (yes or typer.confirm("Build and deploy?", err=True)):
            where = "" if folder is None else f"; the project is in {folder}, for these commands"
            note(f"nothing was deployed{where}")
            return
        for arguments in commands:
            sam(*arguments, folder=place)
    show(f"put images into  s3://{source}/{parameters['InputPrefix']}")
    show(f"variants appear in s3://{output}/{parameters['OutputPrefix']}")


def _show_cost(
    recipe: "Recipe",
    plugins: "tuple[Plugin, ...]",
    images: int,
    megapixels: float,
    parameters: "Mapping[str, str]",
) -> None:
    from variegate.deploy.aws.cost import bill, prices, standing_bill, trial

    taken = trial(recipe, megapixels, plugins)
    days = int(parameters["KeepOldVersionsDays"]) if parameters["Versioning"] == "Enabled" else 0
    items = bill(taken, images, memory_mb=int(parameters["MemorySize"]))
    items += standing_bill(taken, images, old_versions_days=days)
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
