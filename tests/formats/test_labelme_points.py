"""LabelMe's points that belong to an object: keypoints, each called like its point."""

import json

import numpy as np
import pytest

from variegate import Options, Recipe, augment, convert
from variegate.codecs import encode
from variegate.errors import UsageError
from variegate.formats import detect
from variegate.formats.hints import Hints
from variegate.storage import open_storage

HERE = Options(workers=0)
IMAGE = encode(np.full((40, 60, 3), 90, np.uint8), format="png")


def shape(label, kind, *points, group=None, **more):
    fields = {"group_id": group, "description": "", "shape_type": kind, "flags": {}}
    return {"label": label, "points": [list(point) for point in points], **fields, **more}


BIRD = [
    shape("bird", "rectangle", (10, 5), (30, 25), group=1),
    shape("left_eye", "point", (14, 8), group=1),
    shape("right_eye", "point", (20, 9), group=1, flags={"occluded": True}),
]
OTHER = [
    shape("bird", "polygon", (40, 10), (50, 10), (45, 30), group=2),
    shape("tail", "point", (44, 28), group=2, description="the end"),
    shape("nest", "point", (55, 35)),
]


@pytest.fixture
def make(tmp_path):
    def make_set(*shapes, name="in"):
        (tmp_path / name).mkdir()
        fields = {"version": "5.4.1", "flags": {}, "imagePath": "7.png", "imageData": None}
        data = {**fields, "shapes": list(shapes), "imageHeight": 40, "imageWidth": 60}
        (tmp_path / name / "7.png").write_bytes(IMAGE)
        (tmp_path / name / "7.json").write_text(json.dumps(data))
        return tmp_path / name

    return make_set


def objects(place, **choice):
    storage = open_storage(place)
    found = detect(storage, **choice)
    (source,) = (one for one in found.sources(storage) if one.seems_usable)
    return found, source.annotation.objects


def test_points_of_a_group_are_keypoints_of_its_object(make):
    found, (bird, other, nest) = objects(make(*BIRD, *OTHER))
    assert found.classes == ("bird", "nest")
    assert found.skeletons["bird"].names == ("left_eye", "right_eye", "tail")
    assert found.skeletons["bird"].pairs == ((0, 1),)
    assert bird.box == (10, 5, 30, 25)
    assert bird.keypoints == ((14, 8, 2), (20, 9, 1), (0, 0, 0))
    assert other.polygons == (((40, 10), (50, 10), (45, 30)),)
    assert other.keypoints == ((0, 0, 0), (0, 0, 0), (44, 28, 2))
    assert (nest.category, nest.keypoints) == ("nest", ((55, 35, 2),))


def test_a_run_writes_them_as_they_were(make, tmp_path):
    recipe = Recipe.from_data({"variants": "source"})
    augment(make(*BIRD, *OTHER), tmp_path / "out", recipe=recipe, options=HERE)
    assert json.loads((tmp_path / "out/7-v00.json").read_text())["shapes"] == [*BIRD, *OTHER]


def test_a_mirror_exchanges_left_and_right(make, tmp_path):
    recipe = Recipe.from_data({"variants": {"flip": {"axis": "horizontal"}}})
    augment(make(*BIRD), tmp_path / "out", recipe=recipe, options=HERE)
    (file,) = (tmp_path / "out").glob("*.json")
    shapes = json.loads(file.read_text())["shapes"]
    assert {one["label"]: one["points"] for one in shapes} == {
        "bird": [[30, 5], [50, 25]],
        "left_eye": [[40, 9]],
        "right_eye": [[46, 8]],
    }
    # What is hidden is the eye that was the right one.
    assert [one["flags"] for one in shapes if one["label"] == "left_eye"] == [{"occluded": True}]
    assert len({one["group_id"] for one in shapes}) == 1


def test_to_coco_and_back(make, tmp_path):
    convert(make(*BIRD, *OTHER[:2]), tmp_path / "coco", to="coco", options=HERE)
    file = json.loads(next((tmp_path / "coco/annotations").glob("*.json")).read_text())
    assert file["categories"][0]["keypoints"] == ["left_eye", "right_eye", "tail"]
    assert file["annotations"][0]["keypoints"] == [14, 8, 2, 20, 9, 1, 0, 0, 0]
    convert(tmp_path / "coco", tmp_path / "back", to="labelme", options=HERE)
    before, after = (objects(tmp_path / name)[1] for name in ("in", "back"))
    assert [one.keypoints for one in after] == [one.keypoints for one in before]
    assert [one.box for one in after][:1] == [(10, 5, 30, 25)]


def test_two_animals_in_one_image_get_groups_of_their_own(make, tmp_path):
    convert(make(*BIRD, *OTHER), tmp_path / "coco", to="coco", options=HERE)
    convert(tmp_path / "coco", tmp_path / "back", to="labelme", options=HERE)
    shapes = json.loads(next((tmp_path / "back").rglob("*.json")).read_text())["shapes"]
    groups = {one["label"]: one["group_id"] for one in shapes if one["shape_type"] == "point"}
    assert groups["left_eye"] == groups["right_eye"] != groups["tail"]


@pytest.mark.parametrize(
    "shapes",
    [
        [*BIRD, shape("left_eye", "point", (1, 1), group=1)],
        [*BIRD, shape("cat", "rectangle", (1, 1), (9, 9), group=1)],
        [*BIRD, shape("bird", "rectangle", (1, 1), (9, 9), group=1)],
        BIRD[1:],
    ],
    ids=["one name twice", "another class", "two birds", "no outline"],
)
def test_groups_that_are_not_one_object_stay_apart(make, shapes):
    found, known = objects(make(*shapes))
    assert found.skeletons == {}
    assert len(known) == len(shapes)
    assert found.classes == tuple(sorted({one["label"] for one in shapes}))


def test_points_of_an_outline_that_cannot_be_used_stay_together(make):
    broken = shape("bird", "rectangle", (10, 5), (10, 5), group=1)
    _, (bird,) = objects(make(broken, *BIRD[1:]))
    assert (bird.category, bird.box) == ("bird", None)
    assert bird.keypoints == ((14, 8, 2), (20, 9, 1))


def test_pairs_that_the_user_gives(make):
    place = make(*BIRD, *OTHER)
    found, _ = objects(place, hints=Hints(pairs=(("tail", "left_eye"),)))
    assert found.skeletons["bird"].pairs == ((2, 0),)
    with pytest.raises(UsageError, match="no keypoint is called 'beak'"):
        objects(place, hints=Hints(pairs=(("tail", "beak"),)))
