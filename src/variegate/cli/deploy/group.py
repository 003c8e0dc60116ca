"""The group that the targets enter themselves into."""

import typer

from variegate.cli.application import app

deploy = typer.Typer(help="Bring variegate to where the images are.")
app.add_typer(deploy, name="deploy", no_args_is_help=True)
