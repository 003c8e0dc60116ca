"""variegate deploy classify: a model behind a URL, on AWS Lambda."""

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_raw
from variegate.cli.deploy.augment import cost_table
from variegate.cli.deploy.group import deploy
from variegate.cli.options import Region, Yes, option, pairs, whole

if TYPE_CHECKING:
    from variegate.deploy.aws.classify import DeployedModel


@command(
    "classify",
    "variegate deploy classify birds.onnx --print",
    "variegate deploy classify birds.onnx --set RateLimit=5 --set KeysSecretArn=ARN",
    "variegate deploy classify s3://my-models/birds.onnx --image",
    to=deploy,
)
def classify(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="ONNX file of a classifier, or s3://bucket/name.onnx."
        ),
    ],
    *,
    card: Annotated[
        Path | None,
        option("--card", "The model's card. Default: MODEL.card.json beside it.", metavar="FILE"),
    ] = None,
    tolerance: Annotated[
        Path | None,
        option("--tolerance", "tolerance.json, for marks on the page's sliders.", metavar="FILE"),
    ] = None,
    stack: Annotated[
        str, option("--stack", "Name of the CloudFormation stack.", metavar="NAME")
    ] = "variegate-classify",
    region: Region = None,
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            "Parameter of the template, such as MemorySize=3538. Repeatable.",
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
    requests: Annotated[
        int,
        option("--requests", "Estimate the cost of N requests.", metavar="N", parser=whole(1)),
    ] = 1_000_000,
    megapixels: Annotated[
        float, option("--megapixels", "Size of their images.", metavar="N", min=0.01, max=40)
    ] = 2.0,
    only_print: Annotated[
        bool, option("--print", "Show everything that would be done; change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Put a classifier behind a URL: an HTTP API, and a function that is variegate serve.

    Needs sam (pip install aws-sam-cli) and AWS credentials. After you have seen the cost and
    agreed, the function is checked, built here, and deployed.
    """
    from variegate.deploy.aws.classify import find_model
    from variegate.deploy.aws.stack import all_parameters, check_stack_name, deploy_command

    check_stack_name(stack)
    with tempfile.TemporaryDirectory() as temporary:
        found = find_model(model, card, Path(temporary))
        given = {"ModelBucketName": found.bucket, "ModelKey": found.key}
        parameters = all_parameters("classify", given | pairs(settings, "--set"))
        commands = [
            ["validate", "--lint", *(("--region", region) if region else ())],
            ["build"],
            deploy_command(stack, parameters, region, image=image),
        ]
        _show_cost(found, requests, megapixels, int(parameters["MemorySize"]), image=image)
        if not parameters["KeysSecretArn"]:
            note(
                "no API key is asked: whoever knows the URL can use it, at most "
                f"{parameters['RateLimit']} requests a second (KeysSecretArn, RateLimit)"
            )
        for one in commands:
            note(f"sam {shlex.join(one)}")
        if not only_print and not yes:
            typer.confirm("Build and deploy?", abort=True, err=True)
        place = folder if folder is not None and not only_print else Path(temporary) / "project"
        _carry_out(place, found, tolerance, python, commands, image=image, only_print=only_print)
    if not only_print:
        show(f"its URL is among the outputs of the stack {stack}: see docs/serving.md")


def _carry_out(
    place: Path,
    model: "DeployedModel",
    tolerance: Path | None,
    python: str,
    commands: list[list[str]],
    *,
    image: bool,
    only_print: bool,
) -> None:
    """Write the project; show it, or have sam build and deploy it."""
    from variegate.deploy.aws.classify import write_classify_project
    from variegate.deploy.aws.stack import sam

    template = write_classify_project(place, model, tolerance=tolerance, python=python, image=image)
    if not only_print:
        for arguments in commands:
            sam(*arguments, folder=place)
        return
    show_raw(f"# function/requirements.txt\n{(place / 'function/requirements.txt').read_text()}")
    show_raw(f"# template.yaml\n{template.read_text()}")


def _show_cost(
    model: "DeployedModel", requests: int, megapixels: float, memory_mb: int, *, image: bool
) -> None:
    from variegate.deploy.aws.classify import classify_bill, time_classification
    from variegate.deploy.aws.cost import prices

    seconds, size = time_classification(model, megapixels)
    items = classify_bill(seconds, size, requests, memory_mb=memory_mb, snapshot=not image)
    show(f"{requests:,} requests with an image of {megapixels:g} megapixels each:")
    show(cost_table(items))
    listed = prices()
    show(
        f"prices of {listed['as_of']} in {listed['region']}; times as on this machine. Beginning "
        "from a snapshot, and data that leaves AWS, cost extra"
    )
    show("")
