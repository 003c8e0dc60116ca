"""variegate deploy augment: images put into one bucket appear as variants in another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from variegate.cli.application import command
from variegate.cli.console import note, show
from variegate.cli.deploy.group import deploy
from variegate.cli.deploy.sam import SamChoice, cost_table
from variegate.cli.options import PluginRecipe, option, whole
from variegate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    sam: SamChoice,
    images: Annotated[
        int,
        option("--images", "Estimate the cost of N images.", metavar="N", parser=whole(1)),
    ] = 1_000_000,
    megapixels: Annotated[
        float, option("--megapixels", "Size of those images.", metavar="N")
    ] = 2.0,
) -> None:
    """Create two buckets and a function between them: images in, variants out.

    Needs sam (pip install aws-sam-cli) and AWS credentials. After you have seen the cost and
    agreed, the function is checked, built here, and deployed.
    """
    from variegate.deploy.aws.lookup import look_up
    from variegate.deploy.aws.project import write_project
    from variegate.deploy.aws.stack import check_stack_name, checked_parameters, find_sam
    from variegate.recipes.plugins import load_plugins

    loaded, files = recipe.load(), load_plugins(recipe.plugins or ())
    check_stack_name(stack)
    buckets = {"InputBucketName": source, "OutputBucketName": output}
    parameters = checked_parameters(buckets | sam.given())
    if not 0 < megapixels * 1e6 <= int(parameters["MaxPixels"]):
        raise UsageError(
            f"--megapixels: expected more than 0 and at most MaxPixels, "
            f"{int(parameters['MaxPixels']) / 1e6:g}, got {megapixels:g}"
        )
    _show_cost(loaded, files, images, megapixels, parameters)
    commands = sam.commands(stack, parameters)
    if not sam.only_print:
        find_sam()
        if not look_up(stack, (source, output), sam.region):
            note("whether the buckets exist is not looked up: pip install 'variegate[aws]'")

    def write(place: Path) -> Path:
        return write_project(place, loaded, plugins=files, python=sam.python, image=sam.image)

    if not sam.carry_out(commands, write, ("requirements.txt", "recipe.yaml")):
        return
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
