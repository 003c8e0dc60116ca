"""A small dataset, and the command line called in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from variegate.cli import app
from variegate.codecs import encode
from variegate.datasets.samples import draw_images

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def drawn() -> dict[str, bytes]:
    """Ten small images in a folder per class."""
    return {
        key: encode(one.image, format="jpeg", quality=90)
        for key, one in draw_images(10, size=(64, 96))
    }


@pytest.fixture
def parts(tmp_path: Path, drawn: dict[str, bytes]) -> Path:
    """A folder with the ten images."""
    folder = tmp_path / "parts"
    for key, data in drawn.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def run() -> Run:
    """Call the command line; paths may be given as they are."""
    runner = CliRunner(env={"COLUMNS": "100"})

    def call(*arguments: object, answer: str | None = None) -> Result:
        return runner.invoke(app, [str(one) for one in arguments], input=answer)

    return call
