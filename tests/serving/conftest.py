"""One server for all tests here that need nothing special of it, and how it is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import served
from served import Answer, ask


@pytest.fixture(scope="session")
def squeezenet(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served.squeezenet(data_dir, tmp_path_factory.mktemp("squeezenet"))


@pytest.fixture(scope="session")
def mnist(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served.mnist(data_dir, tmp_path_factory.mktemp("mnist"))


@pytest.fixture(scope="session")
def url(squeezenet: Path) -> Iterator[str]:
    """A server of SqueezeNet."""
    with served.server(squeezenet) as (address, _):
        yield address


@pytest.fixture
def send(url: str) -> Callable[..., Answer]:
    """Ask that server."""
    return lambda path, *arguments, **named: ask(url, path, *arguments, **named)
