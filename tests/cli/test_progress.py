"""What is said on the way where there is no terminal."""

import pytest

from variegate.cli import progress
from variegate.runs.rows import Counts
from variegate.runs.run import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def told(done):
    counts = Counts(augmented=done, outputs=2 * done)
    return Progress(counts=counts, total=4, outputs=8, before=Counts())


def test_a_slow_start_is_no_progress_and_the_end_is_said_elsewhere(clock, capsys):
    with progress.run_progress() as (_, update):
        clock[0] = 100.0
        update(told(0))
        clock[0] = 129.0
        update(told(1))
        assert capsys.readouterr().err == ""
        clock[0] = 131.0
        update(told(2))
        assert capsys.readouterr().err.startswith("2 of 4 inputs, 4 files")
        clock[0] = 200.0
        update(told(4))
    assert capsys.readouterr().err == ""
