"""The command line called in this process."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from variegate.cli import app

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Call the command line; paths may be given as they are."""
    runner = CliRunner(env={"COLUMNS": "100"})

    def call(*arguments: object) -> Result:
        return runner.invoke(app, [str(one) for one in arguments])

    return call
