"""Difference functions: cases by hand, and what holds for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from variegate.errors import UsageError
from variegate.models.differences import (
    DIFFERENCES,
    box_difference,
    confidence_loss,
    dice_difference,
    difference,
    keypoint_difference,
    mask_difference,
    total_variation,
    unmatched,
    wrong_class,
)
from variegate.models.overlap import best_pairs
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    PredictionError,
    SemanticMap,
)
from variegate.models.predictors.checks import Failure


def classes(*values):
    return Classification(np.array(values, np.float32))


def boxes(*rows, score=1.0):
    """Each row: x0, y0, x1, y1, class."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    scores = np.full(len(table), score, np.float32)
    return DetectedBoxes(table[:, :4], table[:, 4].astype(np.int64), scores)


def test_wrong_class_by_hand():
    assert wrong_class(classes(0.9, 0.1), classes(0.6, 0.4)) == 0
    assert wrong_class(classes(0.9, 0.1), classes(0.4, 0.6)) == 1


def test_confidence_loss_by_hand():
    assert confidence_loss(classes(1, 0), classes(0.3, 0.7)) == pytest.approx(0.7)
    assert confidence_loss(classes(0.8, 0.2), classes(0.4, 0.6)) == pytest.approx(0.5)
    assert confidence_loss(classes(0.8, 0.2), classes(0.9, 0.1)) == 0


def test_total_variation_by_hand():
    assert total_variation(classes(1, 0, 0), classes(0, 1, 0)) == 1
    assert total_variation(classes(0.5, 0.5, 0), classes(0.25, 0.5, 0.25)) == pytest.approx(0.25)


def test_boxes_by_hand():
    one = boxes((0, 0, 10, 10, 0))
    assert box_difference(one, one) == 0
    assert box_difference(one, boxes((0, 0, 10, 5, 0))) == pytest.approx(0.5)
    assert box_difference(one, boxes((0, 0, 10, 10, 1))) == 1, "another class"
    assert box_difference(one, boxes()) == 1, "a miss"
    assert box_difference(boxes(), one) == 1, "one too many"
    assert box_difference(boxes(), boxes()) == 0
    two = boxes((0, 0, 10, 10, 0), (50, 50, 60, 60, 1))
    assert box_difference(one, two) == pytest.approx(0.5), "an extra costs"
    assert box_difference(two, one) == pytest.approx(0.5), "so does a miss"
    # Three to account for, one of them right.
    far = boxes((0, 0, 10, 10, 0), (90, 90, 99, 99, 1))
    assert box_difference(two, far) == pytest.approx(2 / 3)


def test_boxes_of_which_a_detector_is_not_sure_do_not_count():
    one = boxes((0, 0, 10, 10, 0))
    assert box_difference(one, boxes((0, 0, 10, 10, 0), score=0.3)) == 1
    assert box_difference(boxes(), boxes((0, 0, 10, 10, 0), score=0.3)) == 0


def test_pairs_are_the_best_in_total_not_one_by_one():
    # Taking 0.6 first leaves 0 for the other: 0.5 + 0.5 is more.
    gains = np.array([[0.6, 0.5], [0.5, 0.0]])
    assert best_pairs(gains) == [(0, 1), (1, 0)]
    assert unmatched(gains) == pytest.approx(0.5)


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(0, 1)
    )
)
def test_pairs_are_as_good_as_trying_all(gains):
    def best(row, free):
        if row == len(gains):
            return 0.0
        taken = [gains[row, one] + best(row + 1, free - {one}) for one in free]
        return max([best(row + 1, free), *taken])

    found = best_pairs(gains)
    assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
    total = best(0, frozenset(range(gains.shape[1])))
    assert sum(gains[pair] for pair in found) == pytest.approx(total, abs=1e-9)


def test_masks_by_hand():
    whole, half = np.ones((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    half[:, :2] = True
    number, score = np.zeros(1, np.int64), np.ones(1, np.float32)
    one, other = DetectedMasks(whole, number, score), DetectedMasks(half, number, score)
    assert mask_difference(one, one) == 0
    assert mask_difference(one, other) == pytest.approx(0.5)
    assert mask_difference(one, DetectedMasks(whole, number + 1, score)) == 1


def test_dice_by_hand():
    one = SemanticMap(np.array([[0, 0, 1, 1]]))
    other = SemanticMap(np.array([[0, 0, 0, 1]]))
    # Class 0: 2 * 2 / (2 + 3) = 0.8; class 1: 2 * 1 / (2 + 1) = 2 / 3.
    assert dice_difference(one, other) == pytest.approx(1 - (0.8 + 2 / 3) / 2)
    assert dice_difference(one, other, background=0) == pytest.approx(1 / 3)
    unlabelled = SemanticMap(np.array([[0, 0, -1, 1]]))
    assert dice_difference(unlabelled, other) == 0, "where nothing is expected nothing counts"
    nothing = SemanticMap(np.zeros((1, 4), np.int64))
    assert dice_difference(nothing, nothing, background=0) == 0
    assert dice_difference(nothing, one, background=0) == 1
    with pytest.raises(PredictionError, match=r"expected a mask \(1, 4\)"):
        dice_difference(one, SemanticMap(np.zeros((2, 4), np.int64)))


def test_background_is_told_by_its_name():
    one = SemanticMap(np.array([[0, 0, 1, 1]]))
    other = SemanticMap(np.array([[0, 0, 0, 1]]))
    assert difference("semantic", ("background", "person"))(one, other) == pytest.approx(1 / 3)
    assert difference("semantic", ("road", "person"))(one, other) < 0.3


def points(*rows):
    table = np.array(rows, np.float32).reshape(1, -1, 2)
    return DetectedKeypoints(table, np.ones(table.shape[:2], np.float32))


def test_keypoints_by_hand():
    one = points((0, 0), (100, 100))
    assert keypoint_difference(one, one) == 0
    # s^2 = 100 * 100 * 0.53, k = 0.05: exp(-d^2 / (2 s^2 (2k)^2)) for one of two points.
    moved = points((0, 0), (100, 110))
    expected = 1 - (1 + np.exp(-100 / (2 * 5300 * 0.01))) / 2
    assert keypoint_difference(one, moved) == pytest.approx(expected, abs=1e-6)
    none = DetectedKeypoints(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.float32))
    assert keypoint_difference(one, none) == keypoint_difference(none, one) == 1
    assert keypoint_difference(none, none) == 0
    with pytest.raises(PredictionError, match="expected 2 keypoints of an object, got 1"):
        keypoint_difference(one, points((0, 0)))


def test_a_failure_is_as_wrong_as_can_be():
    for task, known in DIFFERENCES.items():
        for name in known:
            assert difference(task, (), name)(None, Failure("it broke")) == 1


def test_own_functions_and_unknown_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_measure.py").write_text("def half(a, b): return 0.5\ndef two(a, b): return 2")
    assert difference("classification", (), "own_measure.py:half")(classes(1), classes(1)) == 0.5
    with pytest.raises(UsageError, match="a difference from 0 to 1, got 2"):
        difference("classification", (), "own_measure.py:two")(classes(1), classes(1))
    with pytest.raises(UsageError, match="did you mean 'confidence'"):
        difference("classification", (), "confidense")


shares = arrays.arrays(np.float32, 4, elements=st.floats(0.0625, 1, width=32)).map(
    lambda one: Classification(one / one.sum())
)
corners = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 9)] * 2, st.integers(0, 1))
found = st.lists(corners, max_size=4).map(
    lambda rows: boxes(*((x, y, x + w, y + h, c) for x, y, w, h, c in rows))
)
maps = arrays.arrays(np.int64, (3, 4), elements=st.integers(0, 2)).map(SemanticMap)
objects = arrays.arrays(np.float32, (2, 5, 2), elements=st.integers(0, 50)).map(
    lambda one: DetectedKeypoints(one, np.ones((2, 5), np.float32))
)


@pytest.mark.parametrize(
    ("compare", "kind", "symmetric"),
    [
        (wrong_class, shares, True),
        (confidence_loss, shares, False),
        (total_variation, shares, True),
        (box_difference, found, True),
        (dice_difference, maps, True),
        # Its scale is that of the expected object.
        (keypoint_difference, objects, False),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_from_0_to_1_and_0_for_the_same(compare, kind, symmetric):
    @given(kind, kind)
    def holds(one, other):
        assert compare(one, one) == pytest.approx(0, abs=1e-6)
        value = compare(one, other)
        assert 0 <= value <= 1
        if symmetric:
            assert compare(other, one) == pytest.approx(value, abs=1e-6)

    holds()
