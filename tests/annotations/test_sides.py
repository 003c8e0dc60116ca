"""Left and right in the names of keypoints."""

import pytest

from variegate.annotations.annotation import Skeleton

PAIRED = [
    ("left_eye", "right_eye"),
    ("L_Eye", "R_Eye"),
    ("eyeLeft", "eyeRight"),
    ("left eye", "right eye"),
    ("Eye.L", "Eye.R"),
    ("eye-l", "eye-r"),
    ("LEye", "REye"),
    ("lEye", "rEye"),
    ("EyeL", "EyeR"),
    ("LEFT_EYE", "RIGHT_EYE"),
    ("lefteye", "righteye"),
    ("lshoulder", "rshoulder"),
    ("LSHOULDER", "RSHOULDER"),
    ("shoulder_l_2", "shoulder_r_2"),
    ("Left Eye", "right-eye"),
    ("l1", "r1"),
    ("tl", "tr"),
    ("FL paw", "FR paw"),
    ("paw_fl", "paw_fr"),
    ("RL hoof", "RR hoof"),
    ("hoof LF", "hoof RF"),
    ("front_lpaw", "front_rpaw"),
    ("AugeLinks", "AugeRechts"),
    ("linkes_Auge", "rechtes_Auge"),
    ("ojo_izquierdo", "ojo_derecho"),
    ("\u5de6\u773c", "\u53f3\u773c"),
]


@pytest.mark.parametrize(("left", "right"), PAIRED)
def test_sides_are_found_in_any_spelling(left, right):
    assert Skeleton.of((left, right)) == Skeleton((left, right), ((0, 1),))
    assert Skeleton.of((right, "nose", left)) == Skeleton((right, "nose", left), ((2, 0),))


def test_four_corners_are_two_pairs():
    assert Skeleton.of(("FL", "FR", "RL", "RR")).pairs == ((0, 1), (2, 3))
    assert Skeleton.of(("UL", "UR", "LL", "LR")).pairs == ((0, 1), (2, 3))


def test_all_of_coco_are_paired():
    sides = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    names = ("nose", *(f"{side}_{one}" for one in sides for side in ("left", "right")))
    found = Skeleton.of(names)
    # As ultralytics' coco-pose.yaml has it.
    flip_idx = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert found.pairs == tuple((i, j) for i, j in enumerate(flip_idx) if i < j)
    assert found.mirrors


@pytest.mark.parametrize(
    "names",
    [
        ("0", "1"),
        ("p1", "p2", "p3"),
        ("eye1", "eye2", "nose"),
        ("left_eye", "nose"),
        ("left_eye", "right_eye", "left_ear"),
        ("FL paw", "RR paw"),
    ],
)
def test_names_that_do_not_tell_are_not_known(names):
    assert not Skeleton.of(names).mirrors


@pytest.mark.parametrize("names", [("0",), ("nose", "tail"), ("tail", "leg", "lip"), ("head",)])
def test_names_without_sides_exchange_nothing(names):
    assert Skeleton.of(names) == Skeleton(names)


def test_given_pairs_go_before_names():
    given = [("a", "C"), ("x", "y")]
    assert Skeleton.of(("A", "b", "c"), given=given) == Skeleton(("A", "b", "c"), ((0, 2),))
    assert Skeleton.of(("left", "right"), given=given).pairs == ((0, 1),)
