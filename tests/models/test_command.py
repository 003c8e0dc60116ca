"""Models in other programs: those that die, hang, talk, and answer nonsense."""

import shlex
import sys

import numpy as np
import pytest

from predicting import CLASSES, PROGRAM
from variegate.errors import InputError, UsageError
from variegate.models.predictors.base import PredictionError
from variegate.models.predictors.checks import Failure, predict_each
from variegate.models.predictors.command import CommandPredictor

IMAGES = [np.full((8, 9, 3), value, np.uint8) for value in (0, 51, 255)]


@pytest.fixture
def program(tmp_path):
    """Return what opens the program with a fault."""
    (tmp_path / "my model.py").write_text(PROGRAM)
    opened = []

    def make(fault, **more):
        words = [sys.executable, str(tmp_path / "my model.py"), fault, str(tmp_path / "state")]
        opened.append(CommandPredictor(shlex.join(words), classes=CLASSES, **more))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_a_program_that_dies_is_started_again_and_asked_again(program):
    found = program("dies once").predict(IMAGES)
    assert [one.probabilities[1] for one in found] == pytest.approx([0, 0.2, 1], abs=1e-6)


def test_a_program_that_dies_of_an_image_fails_for_that_image_alone(program):
    found = predict_each(program("dies of dark"), IMAGES)
    assert [isinstance(one, Failure) for one in found] == [True, False, False]
    assert "ended by signal 9 (2 times)" in found[0].reason


def test_what_it_said_last_is_told(program, tmp_path):
    one = program("dies once")
    (tmp_path / "my model.py").write_text("import sys; sys.exit('no such file: weights.bin')")
    with pytest.raises(PredictionError, match=r"ended \(1\) \(2 times\); it said: no such file: w"):
        one.predict(IMAGES)


def test_a_program_that_hangs_is_not_waited_for_for_ever(program):
    with pytest.raises(PredictionError, match="no reply within 1 s"):
        program("hangs", timeout_s=1).predict(IMAGES[:1])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("talks", 'expected a line of JSON with "id": 1.*got \'loading weights'),
        ("short", "expected 3 predictions, one for each image, got 2"),
        ("nan", "NaN"),
        ("refuses", "'no such layer'"),
    ],
)
def test_nonsense_is_refused(program, fault, told):
    with pytest.raises(PredictionError, match=told):
        program(fault).predict(IMAGES)


def test_no_such_program():
    with pytest.raises(InputError, match="No such file"):
        CommandPredictor("/no/such/program --fast").predict(IMAGES)
    with pytest.raises(UsageError, match="No closing quotation"):
        CommandPredictor("node 'model.js")


def test_another_file_is_another_model(program, tmp_path):
    first = program("").identity
    assert program("").identity == first
    (tmp_path / "my model.py").write_text(PROGRAM + "\n")
    assert program("").identity != first
