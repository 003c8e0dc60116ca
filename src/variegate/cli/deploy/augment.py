"""variegate deploy augment: images put into one bucket appear as variants in another."""

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class ExistingBuckets:
    """Which buckets are there already."""

    existing_input: Annotated[
        bool,
        option(
            "--existing-input",
            "The input bucket exists already; its other notifications stay.",
        ),
    ] = False
    existing_output: Annotated[
        bool, option("--existing-output", "The output bucket exists already; its settings stay.")
    ] = False
    delete_variants: Annotated[
        bool,
        option("--delete-variants", "When an image is deleted, delete its variants, too."),
    ] = False

    def given(self) -> dict[str, str]:
        """Return the parameters of the template that are given by options."""
        chosen = {
            "CreateInputBucket": "no" if self.existing_input else None,
            "CreateOutputBucket": "no" if self.existing_output else None,
            "DeleteVariants": "yes" if self.delete_variants else None,
        }
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class DailyChoice:
    """How much is made in a day."""

    max_variants_per_day: Annotated[
        int | None,
        option(
            "--max-variants-per-day",
            "Make at most N variants a day (UTC); what comes then waits. Default: no limit.",
            metavar="N",
            parser=whole(1, 1_000_000_000),
        ),
    ] = None

    def given(self) -> dict[str, str]:
        """Return the parameters of the template that are given by options."""
        most = self.max_variants_per_day
        return {} if most is None else {"MaxVariantsPerDay": str(most)}

    def check(self, variants: int, parameters: "Mapping[str, str]") -> None:
        """Make sure that a day has room for one image.

        Raises:
            UsageError: it has not.
        """
        most = int(parameters["MaxVariantsPerDay"])
        if 0 < most < variants:
            raise UsageError(
                f"--max-variants-per-day: expected at least {variants:,}, the variants of one "
                f"image, got {most:,}"
            )


@command(
    "augment",
    "variegate deploy augment --input my-photos --output my-variants --preset light --print",
    "variegate deploy augment --input my-photos --output my-variants --recipe recipe.yaml",
    "variegate deploy augment --input a --output b --existing-input --delete-variants",
    "variegate deploy augment --input a --output b --alarm-email ops@example.com --budget 50",
    "variegate deploy augment --input a --output b --plugin fade.py --set Concurrency=100",
    to=deploy,
)
def augment(
    *,
    source: Annotated[
        str,
        option(
            "--input", "Bucket for images; it is created, or --existing-input.", metavar="BUCKET"
        ),
    ],
    output: Annotated[
        str,
        option(
            "--output",
            "Bucket for variants; it is created, or --existing-output.",
            metavar="BUCKET",
        ),
    ],
    recipe: PluginRecipe,
    stack: Annotated[
        str, option("--stack", "Name of the CloudFormation stack.", metavar="NAME")
    ] = ("variegate-augment"),
    existing: ExistingBuckets,
    limits: DailyChoice,
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
    from variegate.deploy.aws.lookup import NamedBucket, look_up
    from variegate.deploy.aws.notifications import tell_event_bridge
    from variegate.deploy.aws.project import write_project
    from variegate.deploy.aws.stack import check_stack_name, checked_parameters, find_sam
    from variegate.recipes.plugins import load_plugins

    loaded, files = recipe.load(), load_plugins(recipe.plugins or ())
    check_stack_name(stack)
    buckets = {"InputBucketName": source, "OutputBucketName": output}
    parameters = checked_parameters(buckets | existing.given() | limits.given() | sam.given())
    limits.check(loaded.count(), parameters)
    if not 0 < megapixels * 1e6 <= int(parameters["MaxPixels"]):
        raise UsageError(
            f"--megapixels: expected more than 0 and at most MaxPixels, "
            f"{int(parameters['MaxPixels']) / 1e6:g}, got {megapixels:g}"
        )
    _show_cost(loaded, files, images, megapixels, parameters)
    commands = sam.commands(stack, parameters)
    uses_input = parameters["CreateInputBucket"] == "no"
    there = None
    if not sam.only_print:
        find_sam()
        named = (
            NamedBucket(source, "--existing-input", uses_input),
            NamedBucket(output, "--existing-output", parameters["CreateOutputBucket"] == "no"),
        )
        there = look_up(stack, named, sam.region, key=parameters["KmsKeyArn"])
        if there is None:
            note("whether the buckets exist is not looked up: pip install 'variegate[aws]'")
    if uses_input:
        note(
            f"afterwards EventBridge is turned on for s3://{source}, and its other notifications "
            "stay; if you run sam yourself, turn it on yourself: docs/serverless.md"
        )
    if there and there.failed:
        note(f"stack {stack}: its creation failed the last time; what is left of it goes first")

    def write(place: Path) -> Path:
        return write_project(
            place,
            loaded,
            plugins=files,
            python=sam.python,
            image=sam.image,
            parameters=parameters,
        )

    def clear() -> None:
        if there and there.failed:
            there.clear(stack)
        elif there and there.resume(stack):
            note("messages that the day's limit had paused come again")

    if not sam.carry_out(commands, write, ("requirements.txt", "recipe.yaml"), first=clear):
        return
    # After the rule that listens: nothing is told to nobody.
    if there and uses_input and tell_event_bridge(there.s3, source):
        show(f"s3://{source}: EventBridge is on")
    show(f"put images into  s3://{source}/{parameters['InputPrefix']}")
    show(f"variants appear in s3://{output}/{parameters['OutputPrefix']}")


def _show_cost(
    recipe: "Recipe",
    plugins: "tuple[Plugin, ...]",
    images: int,
    megapixels: float,
    parameters: "Mapping[str, str]",
) -> None:
    from variegate.deploy.aws.cost import bill, extras_bill, prices, standing_bill, trial

    taken = trial(recipe, megapixels, plugins)
    days = int(parameters["KeepOldVersionsDays"]) if parameters["Versioning"] == "Enabled" else 0
    items = bill(taken, images, memory_mb=int(parameters["MemorySize"]))
    items += extras_bill(
        images,
        bridged=parameters["CreateInputBucket"] == "no",
        counted=parameters["MaxVariantsPerDay"] != "0",
    )
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
