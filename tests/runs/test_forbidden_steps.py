"""`forbid:` in a recipe: steps that images of some classes do not get."""

import json

import pytest

import jobs
from variegate import Options, Recipe, augment, read_manifest
from variegate.errors import RecipeError
from variegate.runs.verify import verify

HERE = Options(workers=0)
STEPS = [{"flip": {"axis": "vertical"}}, {"brightness": {"amount": [0.1, 0.2]}}, "flip"]


def recipe(steps=STEPS, **forbid):
    return Recipe.from_data({"variants": {"each": steps}, "seed": 3, "forbid": forbid})


@pytest.fixture
def source(tmp_path):
    for name in ("6", "9", "dot"):
        for number in range(2):
            jobs.draw_noise(tmp_path / f"in/{name}/{name}-{number}.png")
    return tmp_path / "in"


def names(output, key):
    rows = read_manifest(output, columns=["key", "name"]).to_pylist()
    return [row["name"] for row in rows if row["key"] == key]


@pytest.mark.parametrize(
    ("forbid", "left", "images"),
    [
        ({"flip": [6, 9]}, ["source", "brightness", "source"], 4),
        ({"mirror": ["6", "9"]}, ["source", "brightness", "source"], 4),
        ({"flip.vertical": ["6", "9"]}, ["source", "brightness", "flip"], 4),
        ({"flip.horizontal": ["6"]}, ["flip", "brightness", "source"], 2),
        ({"flip": ["6"], "brightness": ["9", "6"]}, ["source"] * 3, 2),
    ],
)
def test_images_of_a_class_do_not_get_the_step(forbid, left, images, source, tmp_path):
    summary = augment(source, tmp_path / "out", recipe=recipe(**forbid), options=HERE)
    assert names(tmp_path / "out", "6/6-0.png") == left
    assert names(tmp_path / "out", "dot/dot-1.png") == ["flip", "brightness", "flip"]
    assert f"left out of {images} images" in summary.notes[0]
    assert verify(tmp_path / "out").ok
    strict = Options(workers=2, strict=True)
    again = augment(source, tmp_path / "again", recipe=recipe(**forbid), options=strict)
    assert again.digest == summary.digest


def test_the_other_variants_are_those_of_a_run_without(source, tmp_path):
    augment(source, tmp_path / "plain", recipe=recipe(), options=HERE)
    augment(source, tmp_path / "out", recipe=recipe(flip=["6"]), options=HERE)
    columns = ["key", "variant", "sha256"]
    plain, out = (
        {(row["key"], row["variant"]): row["sha256"] for row in rows.to_pylist()}
        for rows in (read_manifest(tmp_path / name, columns=columns) for name in ("plain", "out"))
    )
    differ = {at for at in plain if plain[at] != out[at]}
    assert differ == {(f"6/6-{n}.png", variant) for n in range(2) for variant in (0, 2)}


def test_both_axes_are_each(source, tmp_path):
    steps = [{"flip": {"axis": "both"}}]
    augment(
        source, tmp_path / "out", recipe=recipe(steps, **{"flip.vertical": ["9"]}), options=HERE
    )
    assert names(tmp_path / "out", "9/9-0.png") == ["source"]


def test_what_is_mixed_with_an_image_counts(source, tmp_path):
    mixed = {"sequence": ["mixup", "flip"]}
    shown = set()
    for seed in range(4):
        made = Recipe.from_data({"variants": mixed, "seed": seed, "forbid": {"flip": ["6"]}})
        augment(source, tmp_path / f"out{seed}", recipe=made, options=HERE)
        for row in read_manifest(tmp_path / f"out{seed}").to_pylist():
            (mixup, *_) = json.loads(row["operations"])
            folders = {key.split("/")[0] for key in (row["key"], *mixup["partners"])}
            shown.add((row["name"], "6" not in folders))
    assert shown == {("mixup", False), ("mixup+flip", True)}


@pytest.mark.parametrize(
    ("forbid", "sentence"),
    [
        ({"flip": ["Dot"]}, "no class 'Dot'; did you mean 'dot'"),
        ({"flip": ["7"]}, "no class '7'.*it has '6', '9', 'dot'"),
    ],
)
def test_classes_that_the_dataset_does_not_have_are_an_error(forbid, sentence, source, tmp_path):
    with pytest.raises(RecipeError, match=sentence):
        augment(source, tmp_path / "out", recipe=recipe(**forbid), options=HERE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("step", ["rotate", "flp", "flip.diagonal"])
def test_steps_that_the_recipe_does_not_have_are_an_error(step):
    with pytest.raises(RecipeError, match=f"no step '{step}'.*expected brightness, flip"):
        recipe(**{step: ["6"]})


def test_it_is_part_of_the_recipe_and_its_digest():
    made = recipe(flip=["6"])
    assert Recipe.from_data(made.to_data()) == made
    assert len({made.digest, recipe().digest, recipe(flip=["9"]).digest}) == 3
