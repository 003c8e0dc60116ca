"""The group that the targets enter themselves into."""

import typer

from variegate.cli.application import app

deploy = typer.Typer(help="Deploy to AWS or Kubernetes.")
app.add_typer(deploy, name="deploy", no_args_is_help=True)
