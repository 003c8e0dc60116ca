"""Labels as answers, and answers as targets that move along with an image."""

import numpy as np
import pytest

from variegate.annotations import conversion
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.rules import LabelRule
from variegate.models.differences import difference
from variegate.models.examples import Examples
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    SemanticMap,
)
from variegate.models.truths import targets_of, truth
from variegate.seeding import generator

SIZE = (60, 80)
CLASSES = ("background", "cat", "dog")


def objects():
    rng = generator(1, "points")
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 5:30, 10:40], masks[1, 25:50, 35:70] = True, True
    masks[1] &= ~masks[0]
    sure, numbers = np.ones(2, np.float32), np.array([1, 2])
    boxes = np.array([[10, 5, 40, 30], [35.5, 25, 70, 50]], np.float32)
    points = rng.uniform(5, 55, (2, 17, 2)).astype(np.float32)
    return {
        "boxes": DetectedBoxes(boxes, numbers, sure),
        "instances": DetectedMasks(masks, numbers, sure),
        "semantic": SemanticMap(masks[0] + 2 * masks[1].astype(np.int64)),
        "keypoints": DetectedKeypoints(points, np.ones((2, 17), np.float32)),
    }


@pytest.mark.parametrize("task", ["boxes", "instances", "semantic", "keypoints"])
def test_what_a_model_said_comes_back_as_it_was(task):
    said = objects()[task]
    targets = targets_of(said, CLASSES, SIZE)
    expected = truth(task, CLASSES, SIZE, targets=targets)
    assert difference(task, CLASSES)(expected, said) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", ["boxes", "instances", "semantic", "keypoints"])
def test_what_a_model_said_moves_with_the_image(task):
    said = objects()[task]
    moved = targets_of(said, CLASSES, SIZE).moved(
        points=lambda points: points * (-1, 1) + (SIZE[1], 0),
        straight=True,
        mirrored=False,
        mask=lambda layer: np.ascontiguousarray(layer.values[:, ::-1]),
        size=SIZE,
        turned=True,
    )
    found = truth(task, CLASSES, SIZE, targets=moved)
    assert difference(task, CLASSES)(said, found) > 0.2
    if task == "boxes":
        assert found.boxes[0].tolist() == [40, 5, 70, 30]
    if task == "semantic":
        assert np.array_equal(found.classes, said.classes[:, ::-1])
    if task == "instances":
        assert np.array_equal(found.masks, said.masks[:, :, ::-1])


def test_labels_of_an_image():
    assert truth("classification", CLASSES, SIZE, labels={}) is None
    assert truth("classification", CLASSES, SIZE, labels={"bird": 1}) is None
    found = truth("classification", CLASSES, SIZE, labels={"cat": 0.3, "dog": 0.1, "bird": 0.6})
    assert isinstance(found, Classification)
    assert found.probabilities.tolist() == pytest.approx([0, 0.75, 0.25])


def read(*found, mask=None):
    return conversion.read(
        Annotation(objects=found, mask_file=None if mask is None else "mask"),
        SIZE,
        rule=LabelRule(),
        skeletons={},
        load_mask=lambda _: mask,
    )


def test_points_that_are_not_labelled_do_not_count():
    one = Object(category="cat", box=(0, 0, 40, 40), keypoints=((5, 5, 2), (0, 0, 0)))
    found = truth("keypoints", CLASSES, SIZE, targets=read(one))
    assert found.scores.tolist() == [[1, 0]]
    assert found.areas.tolist() == pytest.approx([0.53 * 1600])
    hidden = Object(category="cat", keypoints=((0, 0, 0), (0, 0, 0)))
    assert truth("keypoints", CLASSES, SIZE, targets=read(hidden)) is None


def test_black_and_white_masks_of_one_class():
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 40:] = 255
    found = truth("semantic", ("background", "person"), SIZE, targets=read(mask=mask))
    assert np.array_equal(found.classes, (mask > 0).astype(np.int64))
    # Among more classes 255 is a border, which is none of them.
    found = truth("semantic", CLASSES, SIZE, targets=read(mask=mask))
    assert set(np.unique(found.classes).tolist()) == {0, -1}


def test_labels_of_real_photos(data_dir):
    with Examples(
        data_dir / "coco_mini", format="yolo:object_detection", part="all", workers=0
    ) as examples:
        classes = examples.format.classes
        counts, boxes = 0, 0
        for one in examples:
            expected = truth("boxes", classes, one.size, targets=one.targets)
            if expected is not None:
                counts += 1
                boxes += len(expected.boxes)
                assert (expected.boxes[:, 2:] > expected.boxes[:, :2]).all()
                assert expected.boxes.max(initial=0) <= max(one.size) + 0.01
    assert (counts, boxes) == (24, 129)


def test_some_of_the_examples_are_evenly_spread(data_dir):
    with Examples(data_dir / "clothing_classes", part="all", workers=0) as examples:
        keys = [one.key for one in examples if one.image is not None]
        some = [one.key for one in examples.sample(20) if one.image is not None]
    assert 18 <= len(some) <= 20
    places = [keys.index(key) for key in some]
    assert places == sorted(places)
    assert max(np.diff(places)) <= 2 * len(keys) / len(some)
