"""Figures of a classifier, by cases that can be counted by hand."""

import numpy as np
import pytest

from variegate.training.scores import held_out_scores

CLASSES = ("a", "b", "c")


def scores(answers, labels):
    logits = np.full((len(answers), 3), -2.0)
    logits[np.arange(len(answers)), answers] = 2.0
    keys = [f"{n}.png" for n in range(len(answers))]
    return held_out_scores(logits, np.array(labels), classes=CLASSES, keys=keys)


def test_precision_recall_and_confusion():
    found = scores([0, 0, 1, 1, 0], [0, 0, 0, 1, 1])
    assert found.accuracy == 0.6
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 0))
    a, b, c = found.classes
    assert (a.precision, a.recall, a.f1, a.support) == (2 / 3, 2 / 3, pytest.approx(2 / 3), 3)
    assert (b.precision, b.recall, b.support) == (0.5, 0.5, 2)
    assert (c.precision, c.recall, c.recall_interval, c.support) == (None, None, None, 0)
    # A class without images says nothing of the model.
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.5) / 2)
    assert found.worst == ("b", "a")


def test_wrong_answers_by_class():
    found = scores([1, 0, 1], [0, 0, 2])
    assert [(one.key, one.label, one.answer) for one in found.wrong] == [
        ("0.png", "a", "b"),
        ("2.png", "c", "b"),
    ]
    assert found.wrong_count == 2


def test_calibration_error_is_the_distance_of_confidence_and_accuracy():
    found = scores([0] * 10, [0] * 5 + [1] * 5)
    sure = np.exp(2) / (np.exp(2) + 2 * np.exp(-2))
    assert found.calibration_error == pytest.approx(sure - 0.5)
    assert sum(one.count for one in found.bins) == 10
