"""Boxes, masks and keypoints: what is expected moves along with the image."""

import cv2
import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.models.predictors.base import DetectedBoxes
from variegate.tolerance.result import Tolerance

OPTIONS = {"axes": ("rotate+",), "n_max": 32, "composition": None, "classes": ("disc",)}
TASKS = ("boxes", "semantic", "instances", "keypoints")


def images(n=40, seed=0):
    """Discs on black, red, green and blue, their middle far from the middle of the image."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        image = np.zeros((64, 64, 3), np.uint8)
        turn = rng.uniform(0, 2 * np.pi)
        middle = np.array([32 + 15 * np.cos(turn), 32 + 15 * np.sin(turn)])
        for channel in range(3):
            way = turn + channel * 2 * np.pi / 3
            place = middle + 4 * np.array([np.cos(way), np.sin(way)])
            color = [255 * (one == channel) for one in range(3)]
            cv2.circle(image, tuple(map(int, place.round())), 4, color, -1)
        made.append(image)
    return made


def seen(image, task):
    """Answer where the discs are, by their pixels."""
    mask = image.max(axis=2) > 127
    rows, columns = np.nonzero(mask)
    if task == "semantic":
        return {"mask": mask.astype(np.uint8)}
    if not len(rows):
        return {"boxes": [], "instances": [], "keypoints": []}
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    points = []
    for channel in range(3):
        ys, xs = np.nonzero(image[:, :, channel] > 127)
        points.append([float(xs.mean()) + 0.5, float(ys.mean()) + 0.5, 1.0])
    return {
        "boxes": [{"box": list(map(float, box)), "label": "disc"}],
        "instances": [{"mask": mask, "label": "disc"}],
        "keypoints": [points],
    }


def options(task):
    classes = ("background", "disc") if task == "semantic" else ("disc",)
    return {**OPTIONS, "task": task, "classes": classes}


def fixed(task):
    """Return a model that answers what it saw in the first image, whatever it is given."""
    answer = seen(images(1)[0], task)
    return lambda given: [answer for _ in given]


def alike():
    """Return images of the same place, no two the same."""
    first = images(1)[0]
    return [np.where(first > 0, 255 - number, 0).astype(np.uint8) for number in range(40)]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_a_model_that_finds_things_where_they_went_is_not_lost(task, labelled):
    made = images()
    labels = [seen(one, task) for one in made] if labelled else None
    found = Tolerance.search(
        lambda given: [seen(one, task) for one in given], made, labels, **options(task)
    )
    assert found.mode == ("correctness preserved" if labelled else "prediction preserved")
    assert found.clean.wrong == 0
    assert found.axis("rotate+").critical is None


@pytest.mark.parametrize("task", TASKS)
def test_a_model_that_does_not_follow_is_lost(task):
    made = alike()
    found = Tolerance.search(fixed(task), made, None, **options(task))
    # 8 pixels around a place 15 off the middle leave it within 45 degrees.
    assert found.axis("rotate+").critical < 0.9
    assert found.axis("rotate+").thresholds[-1].first_failure.says


def test_images_of_which_nothing_is_said_are_left_out_and_said():
    made = images() + [np.zeros((64, 64, 3), np.uint8)] * 5
    found = Tolerance.search(
        lambda given: [seen(one, "boxes") for one in given], made, None, **options("boxes")
    )
    assert found.clean.images == 40
    assert any("5 images of which the model says nothing" in one for one in found.notes)


def test_boxes_that_the_model_is_not_sure_of_are_not_expected():
    def unsure(given):
        made = []
        for image in given:
            answer = seen(image, "boxes")["boxes"][0]
            box = np.array([answer["box"], [0, 0, 9, 9]], np.float32)
            made.append(DetectedBoxes(box, np.zeros(2, np.int64), np.float32([0.9, 0.3])))
        return made

    found = Tolerance.search(unsure, images(), None, **options("boxes"))
    assert found.axis("rotate+").critical is None
    assert found.clean.changed == 0


def test_an_error_of_ones_own_with_its_own_limit():
    def apart(expected, predicted):
        if not len(predicted.boxes):
            return 1.0
        return float(min(1, np.abs(expected.boxes[0] - predicted.boxes[0]).max() / 64))

    apart.tau = 0.1
    made = alike()
    found = Tolerance.search(fixed("boxes"), made, None, error=apart, **options("boxes"))
    assert found.error.endswith("apart")
    assert found.tau == 0.1
    late = Tolerance.search(fixed("boxes"), made, None, error=apart, tau=0.15, **options("boxes"))
    assert found.axis("rotate+").critical < late.axis("rotate+").critical


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda _a, _b: 2.0, "expected a difference from 0 to 1, got 2"),
        (lambda _a, _b: float("nan"), "expected a difference from 0 to 1, got nan"),
        (lambda a, _b: a.nothing, "failed: AttributeError"),
        ("iuo", "did you mean 'iou'"),
        ("nowhere_at_all:function", "--error: nowhere_at_all cannot be imported"),
    ],
)
def test_an_error_that_is_none_is_refused(wrong, message):
    from variegate.errors import VariegateError

    with pytest.raises(VariegateError, match=message):
        Tolerance.search(
            lambda given: [seen(one, "boxes") for one in given],
            images(),
            None,
            error=wrong,
            **options("boxes"),
        )


def test_two_measures_of_one_name_get_no_answer_of_each_other(tmp_path):
    def search(error):
        made = images()
        labels = [seen(one, "boxes") for one in made]
        return Tolerance.search(
            fixed("boxes"),
            made,
            labels,
            error=error,
            log=tmp_path / "log.jsonl",
            identity="one",
            **options("boxes"),
        )

    def first(_expected, _predicted):
        return 0.0

    def other(_expected, _predicted):
        return 1.0

    first.name = other.name = "mine"
    first.identity, other.identity = "1", "2"
    assert search(first).clean.wrong == 0
    with pytest.raises(UsageError, match="right on 0 of 40"):
        search(other)
