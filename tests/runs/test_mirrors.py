"""Runs over keypoints: mirrored where left and right are known, and otherwise not."""

import json

import pytest
from PIL import Image

from variegate import Options, Recipe, augment
from variegate.annotations.annotation import Skeleton
from variegate.errors import UsageError
from variegate.formats import Hints, detect
from variegate.ops import Identity
from variegate.recipes.plan import draw_variants
from variegate.storage import open_storage
from variegate.transforms import find_transform

FLIP = {"variants": "flip"}
NO_FLIP_IDX = "field_cases/keypoints-yolo-no-flip-idx"


def run(place, out, recipe=FLIP, **hints):
    options = Options(workers=0, hints=Hints.of(**hints))
    return augment(place, out, recipe=Recipe.from_data(recipe), options=options)


def words(out):
    (file,) = (out / "labels").rglob("*.txt")
    return [float(word) for word in file.read_text().split()]


# Box, and x, y, visibility of two keypoints, left to right and as they are.
AS_THEY_ARE = [0, 0.2, 0.33333333, 0.2, 0.16666667, 0.15, 0.333, 2, 0.25, 0.333, 2]
EXCHANGED = [0, 0.8, 0.33333333, 0.2, 0.16666667, 0.75, 0.333, 2, 0.85, 0.333, 2]
IN_ORDER = [0, 0.8, 0.33333333, 0.2, 0.16666667, 0.85, 0.333, 2, 0.75, 0.333, 2]


def test_keypoints_without_known_sides_are_not_mirrored(data_dir, tmp_path):
    summary = run(data_dir / NO_FLIP_IDX, tmp_path)
    assert words(tmp_path) == pytest.approx(AS_THEY_ARE)
    (note,) = summary.notes
    assert "keypoints of 'red': it is not known which are left and right ('0', '1')" in note
    assert "--pairs LEFT=RIGHT" in note


def test_pairs_may_be_given(data_dir, tmp_path):
    summary = run(data_dir / NO_FLIP_IDX, tmp_path, pairs=[("0", "1")])
    assert words(tmp_path) == pytest.approx(EXCHANGED)
    assert summary.notes == ()
    # The next reader need not be told.
    assert "flip_idx:\n- 1\n- 0" in (tmp_path / "data.yaml").read_text()


def test_pairs_of_no_keypoints_are_refused(data_dir, tmp_path):
    with pytest.raises(UsageError, match=r"--pairs: no keypoint is called 'l'.* has 0, 1"):
        run(data_dir / NO_FLIP_IDX, tmp_path, pairs=[("l", "r")])


def test_a_user_may_insist(data_dir, tmp_path):
    summary = run(data_dir / NO_FLIP_IDX, tmp_path, FLIP | {"labels": {"mirror": "insist"}})
    assert words(tmp_path) == pytest.approx(IN_ORDER)
    assert "as the recipe insists" in summary.notes[0]


@pytest.mark.parametrize(("flip", "expected"), [([1, 0], EXCHANGED), ([0, 1], IN_ORDER)])
def test_flip_idx_tells(data_dir, tmp_path, flip, expected):
    place = tmp_path / "set"
    for key in ("images/a.jpg", "labels/a.txt"):
        (place / key).parent.mkdir(parents=True)
        (place / key).write_bytes((data_dir / NO_FLIP_IDX / key).read_bytes())
    (place / "data.yaml").write_text(f"names: [red]\nkpt_shape: [2, 3]\nflip_idx: {flip}\n")
    summary = run(place, tmp_path / "out")
    assert summary.notes == ()
    assert words(tmp_path / "out") == pytest.approx(expected)
    # Written again, even where nothing is exchanged: that is known, too.
    assert detect(open_storage(tmp_path / "out")).skeletons["red"].mirrors


def test_sides_are_found_by_names(data_dir, tmp_path):
    summary = run(data_dir / "field_cases/keypoints-l-r", tmp_path)
    (one,) = json.loads((tmp_path / "annotations.json").read_text())["annotations"]
    # Pixel 150 becomes 199 - 150: what was the right eye is the left one.
    assert one["keypoints"] == [50, 60, 2, 150, 60, 2]
    assert summary.notes == ()


def test_keypoints_without_names_in_coco_are_not_mirrored(tmp_path):
    Image.new("RGB", (200, 120)).save(tmp_path / "1.png")
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 40, 140, 40]}
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": 200, "height": 120}],
        "annotations": [one | {"keypoints": [50, 60, 2, 150, 60, 2]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "all.json").write_text(json.dumps(content))
    dataset_format = detect(open_storage(tmp_path))
    assert dataset_format.skeletons == {"person": Skeleton(("0", "1"), mirrors=False)}
    out = tmp_path.with_suffix(".out")
    summary = run(tmp_path, out)
    assert len(summary.notes) == 1
    written = json.loads((out / "all.json").read_text())
    assert written["annotations"][0]["keypoints"] == [50, 60, 2, 150, 60, 2]
    assert written["categories"] == content["categories"]


def test_a_recipe_without_mirrors_says_nothing(data_dir, tmp_path):
    assert run(data_dir / NO_FLIP_IDX, tmp_path, {"variants": "invert"}).notes == ()


@pytest.mark.parametrize("name", ["flip", "transpose", "rotate", "rotate90", "elastic"])
def test_only_what_mirrors_is_left_out(name):
    node = Recipe.from_data({"variants": {"sequence": [name, "invert"]}}).policy
    (variant,) = draw_variants(node, seed=1, key="a", size=(40, 60), mirrors=False)
    is_mirror = find_transform(name).mirrors
    assert [one.transform for one in variant.drawn] == (
        ["invert"] if is_mirror else [name, "invert"]
    )
    assert not any(one.mirrors((40, 60)) for one in variant.operations)
    (half_turn,) = draw_variants(
        Recipe.from_data({"variants": {"flip": {"axis": "both"}}}).policy,
        seed=1,
        key="a",
        size=(40, 60),
        mirrors=False,
    )
    assert half_turn.operations
    assert not Identity().mirrors((40, 60))


@pytest.mark.parametrize(("inner", "mirrors"), [("HorizontalFlip", True), ("Rotate", False)])
def test_mirrors_of_albumentations_are_told(inner, mirrors):
    pytest.importorskip("albumentations")
    node = Recipe.from_data({"variants": f"albumentations.{inner}"}).policy
    (variant,) = draw_variants(node, seed=1, key="a", size=(40, 60), mirrors=False)
    assert bool(variant.drawn) is not mirrors
