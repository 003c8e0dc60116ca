"""Whole searches: kills, stale answers, models that misbehave, and what comes out."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from variegate.errors import InputError, UsageError
from variegate.recipes.policies import Realistic
from variegate.tolerance.result import Tolerance, tolerance_schema
from variegate.tolerance.run import preset_axes

SCHEMA = Path(__file__).parents[2] / "docs/tolerance.schema.json"
AXES = ("brightness+", "contrast-")
OPTIONS = {"axes": AXES, "n_max": 64, "composition": None}


def images(n=90, seed=0):
    """Gray images, dark or bright by their label."""
    rng = np.random.default_rng(seed)
    labels = ["dark" if one else "bright" for one in rng.random(n) < 0.5]
    base = np.array([80 if one == "dark" else 170 for one in labels])
    spread = rng.integers(-35, 35, n)
    made = [rng.integers(v - 10, v + 10, (24, 24)).astype(np.uint8) for v in base + spread]
    return made, labels


def predict(given):
    """Tell dark from bright by the mean."""
    mean = np.array([one.mean() for one in given])
    return np.stack([mean, 251 - mean], axis=1)


class Counted:
    """A model that counts its calls, and may be killed at one."""

    def __init__(self, killed_at=None):
        self.images, self.batches, self.killed_at = 0, [], killed_at

    def __call__(self, given):
        self.images += len(given)
        if self.killed_at is not None and self.images > self.killed_at:
            raise KeyboardInterrupt
        self.batches.append(len(given))
        return predict(given)


def search(model=predict, given=None, **options):
    made, labels = given or images()
    return Tolerance.search(model, made, labels, **{**OPTIONS, **options})


@pytest.fixture(scope="module")
def found():
    return Tolerance.search(predict, *images(), axes=AXES, n_max=64)


def test_what_is_found_is_where_the_mean_crosses(found):
    # A dark image is lost where its mean exceeds 125.5; all bright ones stay right.
    made, labels = images()
    means = [one.mean() for one, label in zip(made, labels, strict=True) if label == "dark"]
    onset = found.axis("brightness+").thresholds[0].at
    assert 125.5 - max(means) - 3 <= onset.value <= 125.5 - np.quantile(means, 0.5)
    assert onset.unit == "levels of 255"
    classes = found.axis("brightness+").classes
    assert classes["bright"].half_lost is None
    assert classes["dark"].half_lost is not None


def test_the_last_success_and_the_first_failure_are_real(found):
    _made, labels = images()
    for one in found.axis("brightness+").thresholds:
        success, failure = one.last_success, one.first_failure
        assert success.image == failure.image
        assert success.intensity < failure.intensity
        assert success.says.startswith(success.expected)
        assert not failure.says.startswith(failure.expected)
        assert labels[int(success.image.split()[1])] == success.expected


@pytest.mark.parametrize("killed_at", [100, 250, 420])
def test_a_killed_search_continues_and_repeats_one_batch_at_most(tmp_path, killed_at):
    whole = Counted()
    expected = search(whole, log=tmp_path / "a.jsonl", identity="one")
    first, second = Counted(killed_at), Counted()
    log = tmp_path / "b.jsonl"
    with pytest.raises(KeyboardInterrupt):
        search(first, log=log, identity="one")
    with log.open("ab") as file:
        file.write(b'["0123456789')  # the line that was torn
    assert search(second, log=log, identity="one") == expected
    answered = sum(first.batches)
    # The images that are asked twice for their own sake are not kept.
    assert answered + second.images <= whole.images + 32 + 64
    assert (tmp_path / "a.jsonl").read_bytes() == log.read_bytes()


def test_a_finished_search_asks_nothing_again_but_what_tells_whether_answers_change(tmp_path):
    options = {"log": tmp_path / "log.jsonl", "identity": "one"}
    search(**options)
    again = Counted()
    search(again, **options)
    assert again.images == 64


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "two"},
        {"seed": 1, "axes": ("speckle",)},
        {"given": (images(seed=1)[0], images(seed=1)[1])},
    ],
)
def test_another_model_seed_or_image_gets_no_old_answer(tmp_path, change):
    axes = change.get("axes", AXES)
    old = {"log": tmp_path / "log.jsonl", "identity": "one", "axes": axes}
    search(**old)
    lines = len((tmp_path / "log.jsonl").read_bytes().splitlines())
    asked = Counted()
    found = search(asked, **{**old, **change})
    fresh = search(**{k: v for k, v in change.items() if k != "identity"} | {"axes": axes})
    new = len((tmp_path / "log.jsonl").read_bytes().splitlines()) - lines
    assert [one.thresholds for one in found.axes] == [one.thresholds for one in fresh.axes]
    # Only images as they are do not depend on the seed.
    assert new >= found.axes[0].calls


def test_another_version_of_an_axis_gets_no_old_answer(tmp_path, monkeypatch):
    from dataclasses import replace

    from variegate.transforms import find_transform

    options = {"log": tmp_path / "log.jsonl", "identity": "one", "axes": ("contrast-",)}
    before = search(**options)
    kind = find_transform("contrast")
    monkeypatch.setattr(kind, "axes", tuple(replace(one, version=9) for one in kind.axes))
    again = Counted()
    assert search(again, **options).axes[0].version == 9
    assert again.images > before.axes[0].calls
    with pytest.raises(UsageError, match=r"contrast- was searched at version \d .* version 9"):
        before.check()


def test_a_log_needs_an_identity(tmp_path):
    with pytest.raises(UsageError, match="identity"):
        search(log=tmp_path / "log.jsonl")


def test_order_and_batches_of_the_images_do_not_matter():
    made, labels = images()
    order = np.random.default_rng(3).permutation(len(made))
    shuffled = [made[n] for n in order], [labels[n] for n in order]
    one, other = search(), search(given=shuffled)
    assert [a.curve for a in one.axes] == [a.curve for a in other.axes]


def test_too_few_right_images_are_refused_with_the_number_that_would_do():
    made, labels = images(40)
    wrong = ["bright" if one == "dark" else "dark" for one in labels]
    with pytest.raises(UsageError, match=r"right on 0 of 40 .* at least 24 .* and 72 for"):
        search(given=(made, wrong))
    few = search(given=images(40))
    assert any("32 images more" in note for note in few.notes)


def test_a_model_that_changes_its_mind_is_noticed_and_intervals_are_wider():
    rng = np.random.default_rng(0)

    def noisy(given):
        return predict(given) + rng.normal(0, 20, (len(given), 2))

    found, calm = search(noisy, seed=2), search(seed=2)
    assert found.clean.changed > 0
    assert any("not deterministic" in note for note in found.notes)
    assert found.axes[0].instability > 0
    assert calm.clean.changed == 0
    assert calm.axes[0].instability == 0


def test_answers_that_are_no_numbers_count_as_errors_and_are_said():
    def broken(given):
        made = predict(given).astype(float)
        made[[one.mean() > 230 for one in given]] = np.nan
        return made

    found = search(broken)
    assert any("failed on" in note and "NaN" in note for note in found.notes)


def test_a_model_that_fails_on_an_image_loses_that_image_only():
    def fragile(given):
        if any(one.mean() > 230 for one in given):
            raise ValueError("too bright")
        return predict(given)

    found = search(fragile)
    assert any("the model failed on" in n and "too bright" in n for n in found.notes)
    assert found.axis("contrast-").calls > 0


def test_answers_of_the_wrong_number_are_failures():
    with pytest.raises(UsageError, match=r"failed on 90 images.* expected 1 predictions.* got 0"):
        search(lambda given: predict(given)[:-1])


def test_labels_the_model_does_not_know_are_refused():
    made, labels = images()
    with pytest.raises(UsageError, match="'dark' is none of the model's 2 classes; did you mean"):
        search(given=(made, labels), classes=("darkk", "bright"))


def test_names_as_answers_and_no_labels_will_do():
    def names(given):
        return ["bright" if one.mean() > 125.5 else "dark" for one in given]

    assert [a.curve for a in search(names).axes] == [a.curve for a in search().axes]
    made, _ = images()
    alone = Tolerance.search(predict, made, classes=("bright", "dark"), **OPTIONS)
    assert alone.mode == "prediction preserved"
    assert alone.clean.wrong == 0


def test_an_axis_that_changes_nothing_is_said_and_not_asked():
    found = search(axes=("hue+", "contrast-"))
    assert found.axis("hue+").unchanged
    with pytest.raises(UsageError, match="changes nothing"):
        found.recipe(axes={"hue+": {"weight": 2}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": ("rotat+",)}, r"unknown axis 'rotat\+'; did you mean"),
        ({"axes": ("mixup",)}, "mixup needs other images"),
        ({"budget": 100}, "need at least"),
    ],
)
def test_what_cannot_be_searched_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        search(**options)


def test_a_budget_is_kept():
    model = Counted()
    made = images(400)
    found = search(model, given=made, n_max=400, budget=2000)
    assert model.images <= 2000
    assert any(one.stopped == "calls" for one in found.axes)


def test_the_preset_has_24_axes():
    assert len(preset_axes()) == 24


def test_a_file_is_read_as_it_was_written_and_fits_its_schema(found, tmp_path):
    found.save(tmp_path / "tolerance.json")
    assert Tolerance.load(tmp_path / "tolerance.json") == found
    data = json.loads((tmp_path / "tolerance.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    assert schema == json.loads(json.dumps(tolerance_schema()))
    jsonschema.validate(data, schema)


def test_a_file_of_another_model_is_refused_by_name(found, tmp_path):
    from variegate.tolerance.memory import plain_function

    found.save(tmp_path / "t.json")
    other = plain_function(predict, ("a", "b"), identity="another")
    with pytest.raises(UsageError, match=r"of another model \(predict, .* not of predict, another"):
        Tolerance.load(tmp_path / "t.json", model=other)
    (tmp_path / "t.json").write_text('{"version": 2}')
    with pytest.raises(InputError, match="version"):
        Tolerance.load(tmp_path / "t.json")


def test_the_recipe_holds_what_was_found_and_what_is_wanted(found):
    recipe = found.recipe(realism=0.25, n=3, axes={"contrast-": {"max": 0.4}}, seed=5)
    policy = recipe.policy
    assert isinstance(policy, Realistic)
    assert recipe.seed == 5
    assert recipe.count() == 3
    assert policy.axes["brightness+"].onset == pytest.approx(found.axis("brightness+").onset)
    assert policy.axes["contrast-"].max == 0.4
    assert policy.composite == tuple(one.strain for one in found.composite.levels)
    assert list(found.recipe(axes=["contrast-"]).policy.axes) == ["contrast-"]


def test_realism_means_the_same_on_fresh_variants(found):
    made, labels = images()
    for realism, wanted, within in ((1, 0, 0), (0.5, 0.05, 0.04), (0, 0.5, 0.12)):
        if realism == 0 and not found.composite.levels[-1].reached:
            continue
        recipe = found.recipe(realism=realism, n=6, seed=9)
        wrong = 0
        for number, (image, label) in enumerate(zip(made, labels, strict=True)):
            variants = [one for _, one in recipe.variants(image, key=f"fresh/{number}")]
            answers = predict(variants).argmax(axis=1)
            wrong += int((answers != ("bright", "dark").index(label)).sum())
        assert abs(wrong / (6 * len(made)) - wanted) <= within
