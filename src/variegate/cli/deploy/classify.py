"""variegate deploy classify: a model behind a URL, on AWS Lambda."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show
from variegate.cli.deploy.group import deploy
from variegate.cli.deploy.sam import SamChoice, cost_table
from variegate.cli.options import option, whole

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
    sam: SamChoice,
    requests: Annotated[
        int,
        option("--requests", "Estimate the cost of N requests.", metavar="N", parser=whole(1)),
    ] = 1_000_000,
    megapixels: Annotated[
        float, option("--megapixels", "Size of their images.", metavar="N", min=0.01, max=40)
    ] = 2.0,
) -> None:
    """Put a classifier behind a URL: an HTTP API, and a function that is variegate serve.

    Needs sam (pip install aws-sam-cli) and AWS credentials. After you have seen the cost and
    agreed, the function is checked, built here, and deployed.
    """
    from variegate.deploy.aws.classify import find_model, write_classify_project
    from variegate.deploy.aws.lookup import look_up
    from variegate.deploy.aws.stack import all_parameters, check_stack_name, find_sam

    check_stack_name(stack)
    with tempfile.TemporaryDirectory() as temporary:
        found = find_model(model, card, Path(temporary))
        place = {"ModelBucketName": found.bucket, "ModelKey": found.key}
        parameters = all_parameters("classify", place | sam.given())
        _show_cost(found, requests, megapixels, int(parameters["MemorySize"]), image=sam.image)
        if not parameters["KeysSecretArn"]:
            note(
                "no API key is asked: whoever knows the URL can use it, at most "
                f"{parameters['RateLimit']} requests a second (KeysSecretArn, RateLimit)"
            )
        commands = sam.commands(stack, parameters)
        there = None
        if not sam.only_print:
            find_sam()
            there = look_up(stack, (), sam.region)
        if there and there.failed:
            note(f"stack {stack}: its creation failed the last time; what is left of it goes first")

        def write(folder: Path) -> Path:
            return write_classify_project(
                folder,
                found,
                tolerance=tolerance,
                python=sam.python,
                image=sam.image,
                parameters=parameters,
            )

        def clear() -> None:
            if there and there.failed:
                there.clear(stack)

        deployed = sam.carry_out(commands, write, ("requirements.txt",), first=clear)
    if deployed:
        show(f"its URL is among the outputs of the stack {stack}: see docs/serving.md")


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
