"""The group that the services enter themselves into."""

import typer

from variegate.cli.application import app

upload = typer.Typer(help="Upload a dataset to Edge Impulse or Hugging Face.")
app.add_typer(upload, name="upload", no_args_is_help=True)
