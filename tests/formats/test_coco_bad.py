"""COCO annotations that cannot be right: what is said, and what is left of each."""

import json

import pytest
from rewriting import images

from variegate.annotations.checks import ROUNDED, are_numbers, mend_box, mend_ring
from variegate.formats import detect
from variegate.storage import open_storage

TRIANGLE = [1, 1, 9, 1, 5, 9]


@pytest.fixture
def read_one(tmp_path):
    def read(**annotation):
        entry = {"id": 7, "image_id": 1, "category_id": 1, **annotation}
        data = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 40, "height": 20}],
            "annotations": [entry],
            "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}],
        }
        (tmp_path / "a.json").write_text(json.dumps(data))
        (tmp_path / "1.jpg").write_bytes(b"\xff\xd8\xff\xe0")
        storage = open_storage(tmp_path)
        (source,) = images(detect(storage), storage).values()
        where = "a.json: annotations[0] (id 7): "
        assert all(problem.startswith(where) for problem in source.problems)
        return source.annotation.objects, [p.removeprefix(where) for p in source.problems]

    return read


@pytest.mark.parametrize(
    ("bbox", "box", "problem"),
    [
        ([30, 5, 20, 5], (30, 5, 40, 10), "box partly outside the image; clipped"),
        ([-0.5, 0, 41, 20.9], (-0.5, 0, 40.5, 20.9), None),
        ([5, 5, -2, 3], (3, 5, 5, 8), "corners in the wrong order; exchanged"),
        ([5, 5, 0, 3], None, "box with no area; object left out"),
        ([40, 5, 0.5, 3], None, "box outside the image; object left out"),
        ([1, 2, 3], None, "bbox [1, 2, 3] is not four finite numbers; object left out"),
        ([1, 2, 3, "4"], None, "bbox [1, 2, 3, '4'] is not four finite numbers; object left out"),
    ],
)
def test_boxes(read_one, bbox, box, problem):
    objects, problems = read_one(bbox=bbox)
    assert [one.box for one in objects] == ([] if box is None else [box])
    assert problems == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    ("ring", "kept", "problem"),
    [
        ([1, 1, 5, 5], False, "polygon with 2 different points, expected 3; polygon left out"),
        ([1, 1] * 4, False, "polygon with 1 different points, expected 3; polygon left out"),
        ([1, 1, 5, 1, 9, 1], False, "polygon with no area; polygon left out"),
        ([50, 1, 60, 1, 55, 9], False, "polygon outside the image; polygon left out"),
        (
            [1, 1, 60, 1, 5, 9],
            True,
            "polygon partly outside the image; kept, and clipped when it moves",
        ),
        ([1, 1, 40.9, 1, 5, 9], True, None),
        ([1, 1, 5], False, "polygon [1, 1, 5] is not x, y, x, y, ...; polygon left out"),
    ],
)
def test_polygons(read_one, ring, kept, problem):
    (one,), problems = read_one(bbox=[1, 1, 8, 8], segmentation=[TRIANGLE, ring])
    assert one.box == (1, 1, 9, 9)
    assert [len(points) for points in one.polygons] == [3] * (1 + kept)
    assert problems == ([] if problem is None else [problem])


def test_a_box_that_cannot_be_used_is_taken_from_the_outline(read_one):
    (one,), problems = read_one(bbox=[5, 5, 0, 3], segmentation=[TRIANGLE])
    assert one.box == (1, 1, 9, 9)
    assert problems == ["box with no area; taken from its outline"]


def test_an_outline_does_not_save_a_box_outside(read_one):
    objects, problems = read_one(bbox=[50, 5, 5, 5], segmentation=[TRIANGLE])
    assert objects == ()
    assert problems == ["box outside the image; object left out"]


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        ({"size": [20], "counts": [800]}, "mask of size [20], expected [height, width]"),
        ({"size": [40, 20], "counts": [800]}, "mask of 20 x 40 in an image of 40 x 20"),
        ({"size": [20, 40]}, "mask without run lengths"),
        (
            {"size": [20, 40], "counts": [3]},
            "mask with wrong run lengths: they cover 3 pixels, expected 800 (40 x 20)",
        ),
    ],
)
def test_masks(read_one, mask, problem):
    (one,), problems = read_one(bbox=[1, 1, 2, 2], segmentation=mask)
    assert one.rle is None
    assert problems == [f"{problem}; mask left out"]


@pytest.mark.parametrize(
    ("keypoints", "problem"),
    [
        ([1, 1, 2], "1 keypoints, expected 2 as in the category"),
        ([1, 1, 2, 3, 3, 5], "keypoints are not x, y, visibility (0, 1, 2), ..."),
    ],
)
def test_keypoints(read_one, keypoints, problem):
    (one,), problems = read_one(bbox=[1, 1, 2, 2], keypoints=keypoints)
    assert one.keypoints is None
    assert problems == [f"{problem}; keypoints left out"]


def test_slack_does_not_keep_what_lies_outside_altogether():
    assert mend_box((-1, 0, 0, 5), size=(9, 9), slack=ROUNDED)[0] is None
    assert mend_ring(((9, 0), (10, 0), (9, 5)), size=(9, 9), slack=ROUNDED)[0] is None


def test_numbers_too_large_for_an_image_are_none_wherever_they_stand():
    for wrong in (float("nan"), float("inf"), -float("inf"), 10**400, 1e13, True, "1", None):
        for place in range(3):
            values = [1, 2.5]
            values.insert(place, wrong)
            assert not are_numbers(values)
    assert are_numbers([])
    assert are_numbers([1e12, -1e12, 0], 3)
