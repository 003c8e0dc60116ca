"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of test data: VARIEGATE_DATA, or `../shared/data` beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    place = Path(os.environ.get("VARIEGATE_DATA") or beside)
    if not place.is_dir():
        reason = f"no test data at {place}; set VARIEGATE_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return place
