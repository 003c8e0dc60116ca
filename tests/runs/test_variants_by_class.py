"""`classes:` and `variants_by_class:` in a recipe: other classes get fewer variants, or none."""

from collections import Counter

import pytest

import jobs
from variegate import Options, Recipe, augment, estimate, read_manifest
from variegate.errors import OutputError, RecipeError
from variegate.runs.verify import verify

HERE = Options(workers=0)
STEPS = ["source", "flip", "grayscale", {"brightness": {"amount": [0.1, 0.2]}}]


def recipe(**more):
    return Recipe.from_data({"variants": {"each": STEPS}, "seed": 3, **more})


@pytest.fixture
def source(tmp_path):
    for name, count in {"6": 3, "9": 2, "dot": 2}.items():
        for number in range(count):
            jobs.draw_noise(tmp_path / f"in/{name}/{name}-{number}.png")
    return tmp_path / "in"


def by_class(output):
    rows = read_manifest(output, columns=["key", "status"]).to_pylist()
    return dict(Counter((row["key"].split("/")[0], row["status"]) for row in rows))


@pytest.mark.parametrize(
    ("more", "made", "note"),
    [
        (
            {"classes": [6]},
            {("6", "output"): 12, ("9", "copied"): 2, ("dot", "copied"): 2},
            "4 training images of none of the recipe's classes ('6'): copied unchanged",
        ),
        (
            {"variants_by_class": {6: 1, "dot": 3}},
            {("6", "output"): 3, ("9", "output"): 8, ("dot", "output"): 6},
            "7 images with variants, by class: 6 3, 9 8, dot 6",
        ),
        (
            {"classes": ["6", "9"], "variants_by_class": {"6": 2}},
            {("6", "output"): 6, ("9", "output"): 8, ("dot", "copied"): 2},
            "5 images with variants, by class: 6 6, 9 8",
        ),
    ],
)
def test_images_of_a_class_get_what_it_asks_for(more, made, note, source, tmp_path):
    summary = augment(source, tmp_path / "out", recipe=recipe(**more), options=HERE)
    assert by_class(tmp_path / "out") == made
    assert note in summary.notes
    counts = summary.counts
    assert counts.sources == counts.augmented + counts.copied == 7
    assert verify(tmp_path / "out").ok
    found = estimate(source, recipe=recipe(**more))
    assert (found.outputs, found.copied) == (counts.outputs, counts.copied)
    strict = Options(workers=2, strict=True, shard_size=2)
    again = augment(source, tmp_path / "again", recipe=recipe(**more), options=strict)
    assert again.digest == summary.digest


def test_the_variants_are_those_of_a_run_without(source, tmp_path):
    augment(source, tmp_path / "plain", recipe=recipe(), options=HERE)
    some = recipe(variants_by_class={"6": 2, "9": 2, "dot": 2})
    augment(source, tmp_path / "out", recipe=some, options=HERE)
    columns = ["key", "variant", "sha256"]
    plain, out = (
        {tuple(row.values()) for row in read_manifest(tmp_path / name, columns=columns).to_pylist()}
        for name in ("plain", "out")
    )
    assert out < plain
    assert len(out) == 14
    # Drawn, not the first ones.
    assert {variant for _, variant, _ in out} == {0, 1, 2, 3}


def test_a_copy_cannot_take_the_name_of_a_result(tmp_path):
    jobs.draw_noise(tmp_path / "in/6/a.png")
    jobs.draw_noise(tmp_path / "in/6/a-v00.png")
    with pytest.raises(OutputError, match="a-v00"):
        augment(tmp_path / "in", tmp_path / "out", recipe=recipe(classes=["6"]), options=HERE)


def test_an_image_that_shows_several_gets_the_most_that_one_asks_for(tmp_path):
    shown = {"a": [0], "b": [0, 1], "c": [1, 2], "d": [2], "e": []}
    root = tmp_path / "in"
    for name, classes in shown.items():
        jobs.draw_noise(root / f"images/train/{name}.png")
        (root / "labels/train").mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{number} 0.5 0.5 0.5 0.5\n" for number in classes)
        (root / f"labels/train/{name}.txt").write_text(lines)
    (root / "data.yaml").write_text("train: images/train\nnames: [cat, dog, emu]\n")
    asked = {"variants_by_class": {"cat": 1, "dog": 3}, "classes": ["cat", "dog"]}
    summary = augment(root, tmp_path / "out", recipe=recipe(**asked), options=HERE)
    rows = read_manifest(tmp_path / "out", where={"status": ["output", "copied"]})
    made = Counter(key.split("/")[-1][0] for key in rows.column("key").to_pylist())
    assert made == {"a": 1, "b": 3, "c": 3, "d": 1, "e": 1}
    assert (summary.counts.augmented, summary.counts.copied) == (3, 2)
    assert any(note.startswith("1 image of several classes") for note in summary.notes)


def test_an_output_grows(source, tmp_path):
    made = recipe(classes=["6"], variants_by_class={"6": 2})
    augment(source, tmp_path / "out", recipe=made, options=HERE)
    jobs.draw_noise(source / "6/new.png")
    jobs.draw_noise(source / "dot/other.png")
    grown = augment(source, tmp_path / "out", recipe=made, options=Options(workers=0, update=True))
    whole = augment(source, tmp_path / "whole", recipe=made, options=HERE)
    assert grown.digest == whole.digest
    assert by_class(tmp_path / "out")["6", "output"] == 8


@pytest.mark.parametrize("balance", ["even", "cap:8"])
def test_classes_are_balanced_among_themselves(balance, source, tmp_path):
    options = Options(workers=0, balance=balance)
    augment(source, tmp_path / "out", recipe=recipe(classes=["6", "9"]), options=options)
    made = {("6", "output"): 8, ("9", "output"): 8, ("dot", "copied"): 2}
    assert by_class(tmp_path / "out") == made


def test_two_that_say_how_many_are_refused(source, tmp_path):
    options = Options(workers=0, balance="even")
    with pytest.raises(RecipeError, match="--balance and the recipe's variants_by_class"):
        augment(
            source, tmp_path / "out", recipe=recipe(variants_by_class={"6": 1}), options=options
        )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"classes": ["Dot"]}, "classes: .* no class 'Dot'; did you mean 'dot'"),
        ({"variants_by_class": {"7": 1}}, "variants_by_class: .* no class '7'.*it has '6', '9'"),
    ],
)
def test_classes_that_the_dataset_does_not_have_are_an_error(more, sentence, source, tmp_path):
    with pytest.raises(RecipeError, match=sentence):
        augment(source, tmp_path / "out", recipe=recipe(**more), options=HERE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"variants_by_class": {"6": 5}}, "'6': expected at most 4.*got 5"),
        ({"variants_by_class": {"6": 0}}, "variants_by_class"),
        ({"classes": []}, "classes"),
        ({"classes": "resistor"}, "classes"),
        ({"classes": ["6"], "variants_by_class": {"9": 1}}, "'9': its images are copied"),
    ],
)
def test_what_cannot_be_meant_is_refused(more, sentence):
    with pytest.raises(RecipeError, match=sentence):
        recipe(**more)


def test_they_are_part_of_the_recipe_and_its_digest():
    both = recipe(classes=["6", "9"], variants_by_class={"6": 1})
    assert Recipe.from_data(both.to_data()) == both
    others = [recipe(), recipe(classes=["6", "9"]), recipe(variants_by_class={"6": 1}), both]
    assert len({one.digest for one in others}) == 4
