"""Raw answers of every kind, made by hand, become predictions in pixels of the image."""

import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.predictors.base import PredictionError
from variegate.models.predictors.decoders import DECODERS, decoder
from variegate.models.preprocessing import Preprocessing

# Twice as wide as high, into a square: the padding is above and below.
PLACE = Preprocessing(size=(100, 100), fit="pad").placement((50, 100))
STRETCHED = Preprocessing(size=(100, 100)).placement((50, 200))


def decoded(task, kind, *arrays, place=PLACE, **more):
    return DECODERS[task][kind](list(arrays), place, ModelOutput(kind=kind, **more))


def test_logits_become_probabilities():
    found = decoded("classification", "logits", np.log(np.array([[[1.0]], [[3.0]]])))
    assert found.probabilities == pytest.approx([0.25, 0.75])


def yolo(*rows):
    """Each row: centre x, y, width, height, then class scores."""
    return np.array(rows, np.float32).T


def test_yolo_with_doubles_and_weak_boxes():
    found = decoded(
        "boxes",
        "yolo",
        yolo(
            (50, 50, 20, 20, 0.1, 0.9),
            (51, 50, 20, 20, 0.1, 0.8),
            (51, 50, 20, 20, 0.7, 0.1),
            (20, 50, 10, 10, 0.01, 0.02),
        ),
    )
    assert found.classes.tolist() == [1, 0], "another class in the same place is no double"
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])
    assert found.boxes[0].tolist() == pytest.approx([40, 15, 60, 35])


def test_a_box_in_the_padding_is_none():
    found = decoded("boxes", "yolo", yolo((50, 10, 10, 10, 0.9), (50, 50, 10, 10, 0.8)))
    assert found.scores.tolist() == pytest.approx([0.8])


def test_end_to_end_keeps_what_the_model_kept():
    rows = np.array([[10, 20, 30, 40, 0.9, 3], [10, 20, 30, 40, 0.8, 3]], np.float32)
    found = decoded("boxes", "yolo_end_to_end", rows, place=STRETCHED)
    assert found.boxes[0].tolist() == pytest.approx([20, 10, 60, 20])
    assert found.classes.tolist() == [3, 3]


def test_torchvisions_outputs_in_any_order():
    boxes = np.array([[0, 25, 50, 75], [0, 25, 10, 35]], np.float32)
    scores, labels = np.array([0.6, 0.9], np.float32), np.array([2, 1])
    found = decoded("boxes", "torchvision", scores, boxes, labels)
    assert found.classes.tolist() == [1, 2]
    assert found.boxes[1].tolist() == [0, 0, 50, 50]
    masks = np.zeros((2, 1, 100, 100), np.float32)
    masks[0, :, 25:75, :50] = 1
    shown = decoded("instances", "torchvision", scores, boxes, labels, masks)
    assert shown.masks.shape == (2, 50, 100)
    assert shown.masks[1].mean() == pytest.approx(0.5, abs=0.02)
    with pytest.raises(PredictionError, match="as many boxes as labels"):
        decoded("boxes", "torchvision", scores[:1], boxes, labels)


def test_fastestdet_by_its_formula():
    raw = np.zeros((7, 10, 10), np.float32)
    raw[0, 4, 6], raw[6, 4, 6] = 0.8, 0.9
    raw[1, 4, 6], raw[2, 4, 6] = np.arctanh(0.5), np.arctanh(-0.5)
    # A logit of 0 is half of the image.
    found = decoded("boxes", "fastestdet", raw, place=STRETCHED)
    assert found.scores.tolist() == pytest.approx([0.8**0.6 * 0.9**0.4])
    # Centre 6.5 and 3.5 of 10 cells; cut at the right border of the image.
    assert found.boxes[0].tolist() == pytest.approx([80, 5, 180, 30])
    assert found.classes.tolist() == [1]


def test_maps_of_several_classes_and_of_one():
    several = np.zeros((3, 10, 10), np.float32)
    several[2, :, 5:] = 4
    several[0, :, :5] = 4
    found = decoded("semantic", "logits", several)
    assert found.classes.shape == (50, 100)
    assert set(found.classes[:, :44].ravel().tolist()) == {0}
    assert set(found.classes[:, 56:].ravel().tolist()) == {2}
    single = np.full((10, 10), -1.0, np.float32)
    assert decoded("semantic", "logits", single).classes.max() == 0
    assert decoded("semantic", "logits", single + 2).classes.min() == 1
    assert decoded("semantic", "probabilities", single + 1.4).classes.max() == 0
    assert decoded("semantic", "probabilities", single + 1.4, min_score=0.3).classes.min() == 1


def test_keypoints_of_every_kind():
    rows = np.array([[10, 30, 0.9], [100, 75, 0.5]], np.float32)
    found = decoded("keypoints", "points", rows)
    assert found.points[0].tolist() == [[10, 5], [100, 50]]
    assert found.scores[0].tolist() == pytest.approx([0.9, 0.5])
    shares = np.array([[[0.30, 0.10, 0.9], [0.75, 1.0, 0.5]]], np.float32)
    moved = decoded("keypoints", "movenet", shares)
    assert moved.points == pytest.approx(found.points, abs=1e-4)
    heat = np.zeros((1, 10, 10), np.float32)
    heat[0, 5, 2] = 0.7
    assert decoded("keypoints", "heatmaps", heat).points[0].tolist() == [[25, 30]]


@pytest.mark.parametrize(
    ("task", "kind", "array"),
    [
        ("boxes", "yolo", np.zeros((3, 9))),
        ("boxes", "yolo_end_to_end", np.zeros((9, 5))),
        ("boxes", "fastestdet", np.zeros((5, 9, 9))),
        ("semantic", "logits", np.zeros(5)),
        ("keypoints", "heatmaps", np.zeros((5, 5))),
    ],
)
def test_arrays_of_another_shape_are_refused(task, kind, array):
    with pytest.raises(PredictionError, match="expected"):
        decoded(task, kind, array)


def test_unknown_kinds_are_told_what_there_is():
    card = ModelCard(
        task="boxes", input=Preprocessing(size=(8, 8)), output=ModelOutput(kind="yolov")
    )
    with pytest.raises(
        UsageError, match=r"one of fastestdet, yolo.*for boxes.*did you mean 'yolo'"
    ):
        decoder(card)
