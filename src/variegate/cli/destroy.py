"""variegate destroy: take down what variegate deploy augment made."""

from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, size_text
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.deploy.aws.stack import Bucket, Resources


@command(
    "destroy",
    "variegate destroy variegate-augment",
    "variegate destroy variegate-augment --with-data",
)
def destroy(
    stack: Annotated[
        str, typer.Argument(metavar="STACK", help="Name of the stack, as given to deploy augment.")
    ],
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="NAME", help="AWS region; your profile's if none."),
    ] = None,
    with_data: Annotated[
        bool,
        typer.Option("--with-data", help="Delete both buckets, too, with all that is in them."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; not possible with --with-data.")
    ] = False,
) -> None:
    """Take down the function, its queues, alarms and logs. The buckets stay, unless --with-data.

    It says what will be lost, and asks. Where data would be lost, it asks for the stack's name.
    """
    from variegate.deploy.aws.stack import Stack

    if with_data and yes:
        raise UsageError(
            "--with-data and --yes: data is deleted only by somebody who types the stack's name; "
            "leave out --yes"
        )
    there = Stack(stack, region)
    found = there.resources()
    _show_loss(found, with_data=with_data)
    if with_data:
        typed = typer.prompt("Type the stack's name to delete all of this", err=True)
        if typed.strip() != stack:
            raise UsageError(f"expected {stack}, got {typed!r}; nothing was deleted")
    elif not yes:
        typer.confirm("Take it down?", abort=True, err=True)
    there.delete()
    show(f"{stack}: taken down")
    if with_data:
        for bucket in found.buckets:
            there.delete_bucket(bucket.name)
            show(f"s3://{bucket.name}: deleted")
    else:
        for bucket in found.buckets:
            show(f"s3://{bucket.name}: still there")


def _show_loss(found: "Resources", *, with_data: bool) -> None:
    show("these go, with messages that wait and logs:")
    for kind, name in found.others:
        show(f"  {kind.removeprefix('AWS::')}  {name}")
    show("these go, too, with all that is in them:" if with_data else "these stay:")
    for bucket in found.buckets:
        show(f"  s3://{bucket.name}  {_content(bucket)}")


def _content(bucket: "Bucket") -> str:
    more = "more than " if bucket.more else ""
    return f"{more}{bucket.objects:,} objects and versions, {more}{size_text(bucket.bytes)}"
