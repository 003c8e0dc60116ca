"""COCO-WholeBody's parts move with the pixels; what nobody can move is left out where it moved."""

import json

import numpy as np
import pytest

import labelled
from variegate import Options, Recipe, augment
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.body_parts import is_unknown_place, parts_beside
from variegate.annotations.sample import Sample
from variegate.ops.mixing import Mosaic
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (120, 200)
BOX = (10.0, 20.0, 110.0, 100.0)


def moved(name, extra, size=SIZE, **ranges):
    """Return what becomes of an object's other fields."""
    op = find_transform(name)(**ranges).draw(generator(3, name), size)
    one = Object(category="person", box=BOX, extra=extra)
    blank = np.zeros(size, np.uint8)
    _, changed, _ = labelled.through(op, Annotation(objects=(one,)), blank)
    return dict(changed.objects[0].extra)


def test_a_flip_exchanges_hands_and_feet():
    extra = {
        "foot_kpts": [30, 90, 2, 31, 91, 1, 0, 0, 0, 60, 92, 2, 61, 93, 2, 62, 94, 2],
        "lefthand_kpts": [20, 50, 2] * 21,
        "righthand_kpts": [80, 60, 1] * 21,
        "lefthand_box": [18, 48, 6, 7],
        "righthand_box": [78, 58, 4, 5],
        "lefthand_valid": True,
        "righthand_valid": True,
    }
    # Pixels: the first becomes the last, 199. Boxes: edges.
    assert moved("flip", extra) == {
        "foot_kpts": [140, 92, 2, 139, 93, 2, 138, 94, 2, 170, 90, 2, 169, 91, 1, 0, 0, 0],
        "lefthand_kpts": [120, 60, 1] * 21,
        "righthand_kpts": [180, 50, 2] * 21,
        "lefthand_box": [118, 58, 4, 5],
        "righthand_box": [176, 48, 6, 7],
        "lefthand_valid": True,
        "righthand_valid": True,
    }
    assert moved("flip", extra, axis="both")["lefthand_box"] == [176, 65, 6, 7]


def test_a_hand_alone_becomes_the_other_hand_in_a_mirror():
    found = moved("flip", {"lefthand_kpts": [20, 50, 2], "lefthand_box": [18, 48, 6, 7]})
    assert found["righthand_kpts"] == [180, 50, 2]
    assert found["righthand_box"] == [176, 48, 6, 7]
    assert found["lefthand_kpts"] == [0, 0, 0]
    assert found["lefthand_box"] == [0, 0, 0, 0]


def test_the_68_points_of_a_face_are_exchanged_as_in_a_mirror():
    # On a symmetrical face the mirror image has the same points in the same order: each that has a
    # partner stands as far from the middle as that.
    partners = parts_beside((Object(category="a", extra={"face_kpts": [5, 5, 2] * 68}),)).partners
    assert sorted(partners.tolist()) == list(range(68))
    assert all(partners[partners[i]] == i for i in range(68))
    known = {0: 16, 8: 8, 17: 26, 27: 27, 31: 35, 33: 33, 36: 45, 39: 42, 41: 46, 48: 54, 51: 51}
    known |= {55: 59, 57: 57, 60: 64, 62: 62, 65: 67, 66: 66}
    assert {i: int(partners[i]) for i in known} == known


def test_boxes_are_clipped_and_points_off_the_canvas_are_not_labelled():
    extra = {"face_box": [150, 10, 40, 30], "face_kpts": [150, 20, 2, 180, 20, 2]}
    found = moved("translate", extra, x=0.2, y=0.0)
    assert found["face_box"] == [190, 10, 10, 30]
    assert found["face_kpts"] == [190, 20, 2, 0, 0, 0]
    gone = moved("translate", {"face_box": [180, 10, 10, 30]}, x=0.2, y=0.0)
    assert gone["face_box"] == [0, 0, 0, 0]


def test_two_turns_do_not_make_a_box_grow():
    extra = {"face_box": [80, 40, 40, 30]}
    targets = labelled.read(Annotation(objects=(Object(category="a", box=BOX, extra=extra),)), SIZE)
    sample = Sample(np.zeros(SIZE, np.uint8), targets=targets)
    for angle in (20, -20):
        op = find_transform("rotate")(angle_degrees=angle).draw(generator(1, "r"), SIZE)
        sample = op.apply(sample)
    changed, _ = labelled.write(Annotation(), sample.targets, SIZE)
    assert changed.objects[0].extra["face_box"] == pytest.approx([80, 40, 40, 30])


def test_lists_of_numbers_are_left_out_where_pixels_moved_and_only_there():
    extra = {
        "center": [60, 60],
        "corners3d": [[1, 2, 3], [4, 5, 6]],
        "tags": ["a", "b"],
        "score": 0.5,
        "attributes": {"rotated": [60, 60, 8, 4, 30], "night": True},
        "parts": [{"name": "eye", "place": [[1, 2], [3, 4]]}, {"tags": ["c"]}],
        "coco": [{"id": 1, "bbox": [1, 2, 3, 4], "fields": {"center": [60, 60], "note": "x"}}],
    }
    assert moved("invert", extra) == extra
    assert moved("flip", extra) == {
        "tags": ["a", "b"],
        "score": 0.5,
        "attributes": {"night": True},
        "parts": [{"name": "eye"}, {"tags": ["c"]}],
        "coco": [{"id": 1, "bbox": [1, 2, 3, 4], "fields": {"note": "x"}}],
    }


def test_what_a_second_file_says_moves_along():
    fields = {"face_box": [15, 25, 30, 30], "note": "x"}
    extra = {"coco": [{"id": 1}, {"file": 1, "id": 1, "fields": fields}]}
    assert moved("flip", extra)["coco"][1]["fields"] == {
        "face_box": [155, 25, 30, 30],
        "note": "x",
    }


def test_parts_of_all_images_of_a_mosaic_stay_with_their_objects():
    def sample(x):
        extra = {"face_box": [x, 10, 20, 30]}
        one = Object(category="a", box=(x, 10.0, x + 20.0, 40.0), extra=extra)
        known = labelled.read(Annotation(objects=(one,)), SIZE, key=str(x))
        return Sample(np.zeros((*SIZE, 3), np.uint8), targets=known)

    whole = 0
    for seed in range(8):
        op = find_transform("mosaic")().draw(generator(seed, "m"), SIZE)
        assert isinstance(op, Mosaic)
        mixed = op.combine(sample(20), (sample(60), sample(90), sample(120)))
        changed, _ = labelled.write(Annotation(), mixed.targets, SIZE)
        for one in changed.objects:
            x1, y1, x2, y2 = one.box
            # The edge of a tile cuts boxes of objects, and not those of their parts.
            if (x2 - x1) * 1.5 == pytest.approx(y2 - y1):
                whole += 1
                assert one.extra["face_box"] == pytest.approx([x1, y1, x2 - x1, y2 - y1])
    assert whole > 10


def test_fields_that_are_no_lists_of_parts_are_left_alone():
    extra = {"face_box": "none", "foot_kpts": [1, 2], "lefthand_kpts": None}
    assert not len(parts_beside((Object(category="a", extra=extra),)).points)
    assert not any(is_unknown_place(name, value) for name, value in extra.items())


def test_the_field_case(data_dir, tmp_path):
    recipe = Recipe.from_data({"variants": {"each": ["flip", "source"]}})
    place = data_dir / "field_cases/coco-wholebody-fields"
    summary = augment(place, tmp_path, recipe=recipe, options=Options(workers=0))
    assert [name in "".join(summary.notes) for name in ("'center'", "'scale'")] == [True, True]
    flipped, same = json.loads((tmp_path / "annotations.json").read_text())["annotations"]
    assert flipped["keypoints"] == [520, 40, 2, 580, 30, 2]
    assert flipped["foot_kpts"] == [560, 91, 2, 570, 90, 2]
    assert flipped["face_box"] == [555, 25, 30, 30]
    assert not {"center", "scale"} & flipped.keys()
    assert (same["foot_kpts"], same["face_box"]) == ([30, 90, 2, 40, 91, 2], [15, 25, 30, 30])
    assert (same["center"], same["scale"]) == ([60, 60], [1, 1])
