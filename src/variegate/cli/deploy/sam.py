"""What deployments by SAM share: their options, and the way from a project to a stack."""

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.console import note, show_raw, table
from variegate.cli.options import Region, Yes, option, pairs, whole

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.deploy.aws.cost import CostItem


@dataclass(frozen=True, kw_only=True)
class SamChoice:
    """How a stack is built and deployed."""

    region: Region = None
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            "Parameter of the template, such as MemorySize=3008. Repeatable.",
            metavar="NAME=VALUE",
        ),
    ] = None
    alarm_email: Annotated[
        str | None,
        option("--alarm-email", "Address that alarms are sent to.", metavar="ADDRESS"),
    ] = None
    budget: Annotated[
        int | None,
        option(
            "--budget",
            "US dollars a month; that address is told at 80 percent. Nothing is stopped.",
            metavar="N",
            parser=whole(1, 1_000_000),
        ),
    ] = None
    tags: Annotated[
        list[str] | None,
        option("--tag", "Tag of all that is made. Repeatable.", metavar="NAME=VALUE"),
    ] = None
    python: Annotated[
        str, option("--python", "Python version of the function's runtime.", metavar="VERSION")
    ] = "3.13"
    image: Annotated[
        bool, option("--image", "Build a container image (needs Docker) instead of a zip file.")
    ] = False
    folder: Annotated[
        Path | None,
        option(
            "--folder",
            "Keep the SAM project there; with --print, write it and deploy nothing. Default: "
            "delete it.",
            metavar="DIR",
        ),
    ] = None
    only_print: Annotated[
        bool, option("--print", "Show everything that would be done; change nothing.")
    ] = False
    yes: Yes = False

    def given(self) -> dict[str, str]:
        """Return the parameters of the template that are given by options."""
        email = {} if self.alarm_email is None else {"AlarmEmail": self.alarm_email}
        budget = {} if self.budget is None else {"MonthlyBudget": str(self.budget)}
        return email | budget | pairs(self.settings, "--set")

    def commands(self, stack: str, parameters: Mapping[str, str]) -> list[list[str]]:
        """Return what sam is told, one command after the other; it is shown, too."""
        from variegate.deploy.aws.stack import deploy_command

        tags = pairs(self.tags, "--tag")
        commands = [
            ["validate", "--lint", *(("--region", self.region) if self.region else ())],
            ["build"],
            deploy_command(stack, parameters, self.region, image=self.image, tags=tags),
        ]
        for one in commands:
            note(f"sam {shlex.join(one)}")
        if not parameters["AlarmEmail"] and not parameters["AlarmTopicArn"]:
            note("nobody is told of alarms; name an address with --alarm-email")
        return commands

    def carry_out(
        self,
        commands: Sequence[Sequence[str]],
        write: Callable[[Path], Path],
        shown: Sequence[str],
        *,
        first: Callable[[], None] | None = None,
    ) -> bool:
        """Write a project and, after a question, have sam build and deploy it.

        Args:
            commands: of sam.
            write: writes the project into a folder, and returns its template.
            shown: files of the function that are printed with the template.
            first: what is done before, once the user has agreed.

        Returns:
            Whether it was deployed.
        """
        from variegate.deploy.aws.stack import sam

        with tempfile.TemporaryDirectory() as temporary:
            place = self.folder or Path(temporary) / "project"
            template = write(place)
            if self.only_print and self.folder is None:
                for name in shown:
                    text = (place / "function" / name).read_text()
                    show_raw(f"# function/{name}\n{text}")
                show_raw(f"# template.yaml\n{template.read_text()}")
            if self.only_print or not (self.yes or typer.confirm("Build and deploy?", err=True)):
                kept = f"; the project is in {self.folder}, for these commands"
                note(f"nothing was deployed{'' if self.folder is None else kept}")
                return False
            if first is not None:
                first()
            for arguments in commands:
                sam(*arguments, folder=place)
            return True


def cost_table(items: "list[CostItem]") -> "Table":
    """Return a bill as lines."""
    grid = table("", "", "", header=False, right=(1,))
    for one in items:
        grid.add_row(one.name, f"{one.usd:,.2f} USD", one.amount)
    return grid
