"""variegate destroy: delete what variegate deploy created on AWS."""

from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, size_text
from variegate.cli.options import Region, option
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.deploy.aws.stack import Bucket, Resources


@command(
    "destroy",
    "variegate destroy variegate-augment",
    "variegate destroy variegate-augment --with-data",
    "variegate destroy variegate-classify",
)
def destroy(
    stack: Annotated[
        str,
        typer.Argument(metavar="STACK", help="Name of the stack, as given to variegate deploy."),
    ],
    *,
    region: Region = None,
    with_data: Annotated[
        bool, option("--with-data", "Delete its buckets as well, with everything in them.")
    ] = False,
    yes: Annotated[
        bool, option("--yes -y", "Do not ask for confirmation; not possible with --with-data.")
    ] = False,
) -> None:
    """Delete what deploy augment or classify created: function, alarms, logs. Buckets are kept.

    --with-data deletes the buckets as well. It lists what will be deleted and asks; before it
    deletes data, it asks for the name of the stack.
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
        typer.confirm("Delete it?", abort=True, err=True)
    there.delete()
    if not with_data:
        there.stop_telling(found)
    show(f"{stack}: deleted")
    if with_data:
        for bucket in found.buckets:
            there.delete_bucket(bucket.name)
            show(f"s3://{bucket.name}: deleted")
    else:
        for bucket in found.buckets:
            show(f"s3://{bucket.name}: kept")
    for name in found.used:
        show(f"s3://{name}: yours, as it was; where EventBridge was turned on for it, it still is")


def _show_loss(found: "Resources", *, with_data: bool) -> None:
    show("to be deleted, with waiting messages and logs:")
    for kind, name in found.others:
        show(f"  {kind.removeprefix('AWS::')}  {name}")
    if found.buckets:
        show("to be deleted with everything in them:" if with_data else "to be kept:")
    for bucket in found.buckets:
        show(f"  s3://{bucket.name}  {_content(bucket)}")


def _content(bucket: "Bucket") -> str:
    more = "more than " if bucket.more else ""
    return f"{more}{bucket.objects:,} objects and versions, {more}{size_text(bucket.bytes)}"
