"""Published policies draw as their papers say; AugMix keeps labels right."""

import json
import math
from collections import Counter

import numpy as np
import pytest

import jobs
from variegate import Options, augment, rebuild
from variegate.codecs import encode
from variegate.recipes.plan import draw_variants
from variegate.recipes.policies import AugMix, AutoAugment, Rand, Trivial, transforms_of
from variegate.recipes.policies.subpolicies import SUBPOLICIES
from variegate.recipes.recipe import Recipe
from variegate.runs import manifest
from variegate.storage import open_storage
from variegate.transforms import find_transform

ALONE = Options(workers=0)
MOVES = {"rotate", "shear", "translate"}
OF_PAPER = {
    "gain": "brightness",
    "saturation": "color",
}


def draws(node, **given):
    made = draw_variants(node, seed=4, key="a", size=(50, 60), **given)
    return [[one.to_json() for one in variant.drawn] for variant in made]


def operation_of(one):
    """Return the paper's name of an operation, and its magnitude with its sign."""
    name, values = one["transform"], one
    if name == "shear":
        axis = "x" if values["x_degrees"] else "y"
        return f"shear_{axis}", -math.tan(math.radians(values[f"{axis}_degrees"]))
    if name == "translate":
        amounts = {
            axis: values.get(f"{axis}_pixels", 0.0) or values.get(axis, 0.0) for axis in "xy"
        }
        axis = "x" if amounts["x"] or "x_pixels" in values else "y"
        return f"translate_{axis}", amounts[axis]
    if name in {"posterize", "solarize", "rotate"}:
        key = {"posterize": "bits", "solarize": "threshold", "rotate": "angle_degrees"}[name]
        return name, values[key]
    return OF_PAPER.get(name, name), values.get("factor", 1.0) - 1


def by_operation(drawn):
    found = {}
    for one in drawn:
        name, magnitude = operation_of(one)
        found.setdefault(name, []).append(magnitude)
    return {name: np.array(values) for name, values in found.items()}


def test_trivial_takes_one_of_fourteen_operations_equally_often():
    made = draws(Trivial(n=14_000))
    assert {len(one) for one in made} == {0, 1}
    counts = Counter(operation_of(one[0])[0] if one else "identity" for one in made)
    # Shears by nothing cannot be told apart: a 31st of them.
    assert len(counts) == 14
    for name, times in counts.items():
        assert times / 14_000 == pytest.approx(1 / 14, abs=0.01), name


def test_trivial_takes_any_strength_of_the_wide_space_in_both_directions():
    found = by_operation(one[0] for one in draws(Trivial(n=14_000)) if one)
    ends = {"rotate": 135, "translate_x": 32, "translate_y": 32, "shear_x": 0.99, "shear_y": 0.99}
    ends |= dict.fromkeys(("brightness", "color", "contrast", "sharpness"), 0.99)
    for name, end in ends.items():
        values = found[name]
        assert np.abs(values).max() == pytest.approx(end)
        assert np.abs(values).mean() == pytest.approx(end / 2, abs=0.06 * end)
        assert np.sign(values).mean() == pytest.approx(0, abs=0.13)
    assert set(np.abs(found["rotate"]).round(6)) == {4.5 * number for number in range(31)}
    assert set(np.abs(found["translate_x"])) == {32 * number // 30 for number in range(31)}
    assert set(found["posterize"]) == set(range(2, 9))
    assert found["posterize"].mean() == pytest.approx(5, abs=0.2)
    assert set((256 * found["solarize"]).round(6)) == {255 - 8.5 * number for number in range(31)}


def test_rand_takes_all_operations_at_the_magnitude_nine_of_thirty():
    made = draws(Rand(n=6000))
    assert Counter(map(len, made))[2] / 6000 == pytest.approx((13 / 14) ** 2, abs=0.02)
    found = by_operation(one for drawn in made for one in drawn)
    assert len(found) == 13
    for name, values in found.items():
        assert len(values) / 12_000 == pytest.approx(1 / 14, abs=0.01), name
        expected = {
            "rotate": 9,
            "shear_x": 0.09,
            "shear_y": 0.09,
            "translate_x": 0.3 * 150 / 331,
            "translate_y": 0.3 * 150 / 331,
            "posterize": 7,
            "solarize": 178.5 / 256,
            **dict.fromkeys(("brightness", "color", "contrast", "sharpness"), 0.27),
        }.get(name, 0)
        assert np.abs(values) == pytest.approx(expected), name
        if name not in {"posterize", "solarize", "autocontrast", "equalize"}:
            assert np.mean(values > 0) == pytest.approx(0.5, abs=0.08), name


def test_rand_goes_as_far_as_its_magnitude_of_its_bins():
    for magnitude, bins, angle in ((0, 31, 0), (30, 31, 30), (5, 11, 15)):
        node = Rand(n=300, k=1, magnitude=magnitude, bins=bins)
        found = by_operation(one[0] for one in draws(node) if one)
        assert np.abs(found["rotate"]) == pytest.approx(angle)
    again = [len({one["transform"] for one in drawn}) for drawn in draws(Rand(n=500, k=5))]
    assert min(again) < 4


def test_tables_of_auto_augment_are_pairs_of_known_operations():
    assert {name: len(pairs) for name, pairs in SUBPOLICIES.items()} == {
        "imagenet": 25,
        "cifar10": 25,
    }
    assert SUBPOLICIES["imagenet"][0] == (("posterize", 0.4, 8), ("rotate", 0.6, 9))
    assert SUBPOLICIES["cifar10"][-1] == (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0))
    parts = [part for pairs in SUBPOLICIES.values() for pair in pairs for part in pair]
    assert all(0 <= p <= 1 and 0 <= level <= 9 for _, p, level in parts)
    assert {name for name, *_ in parts} == {
        *("shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color"),
        *("contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize", "invert"),
    }


@pytest.mark.parametrize("policy", ["imagenet", "cifar10"])
def test_auto_augment_draws_its_pairs_equally_often_with_their_probabilities(policy):
    found = by_operation(
        one for drawn in draws(AutoAugment(n=10_000, policy=policy)) for one in drawn
    )
    expected = Counter()
    for pair in SUBPOLICIES[policy]:
        for name, p, _ in pair:
            expected[name] += p / 25
    for name, share in expected.items():
        if name not in {"shear_x", "shear_y"}:
            assert len(found.get(name, ())) / 10_000 == pytest.approx(share, abs=0.02), name
    if policy == "imagenet":
        # Levels 3, 8 and 9 of 9, of 30 degrees.
        assert set(np.abs(found["rotate"]).round(4)) == {10, 26.6667, 30}
        assert np.mean(found["rotate"] > 0) == pytest.approx(0.5, abs=0.05)
        # Levels 4 to 8 of 9, of 4 bits.
        assert set(found["posterize"]) == {4, 5, 6}
        assert found["shear_x"].mean() == pytest.approx(0, abs=0.03)


def mixtures(**fields):
    given = {"placed": fields.pop("placed")} if "placed" in fields else {}
    return [one[0] for one in draws(AugMix(n=fields.pop("n", 1500), **fields), **given)]


def test_aug_mix_draws_as_the_paper_does():
    made = mixtures()
    shares = np.array([one["share"] for one in made])
    weights = np.array([one["weights"] for one in made])
    # Beta(1, 1) and Dirichlet(1, 1, 1).
    assert shares.mean() == pytest.approx(1 / 2, abs=0.03)
    assert shares.var() == pytest.approx(1 / 12, abs=0.01)
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert weights.mean(axis=0) == pytest.approx(1 / 3, abs=0.03)
    assert weights.var(axis=0) == pytest.approx(1 / 18, abs=0.01)
    lengths = Counter(len(chain) for one in made for chain in one["chains"])
    for length in (1, 2, 3):
        assert lengths[length] / 4500 == pytest.approx(1 / 3, abs=0.03)
    found = by_operation(step for one in made for chain in one["chains"] for step in chain)
    total = sum(map(len, found.values()))
    assert len(found) == 9
    for values in found.values():
        assert len(values) / total == pytest.approx(1 / 9, abs=0.012)
    # Severity 3 of 10.
    assert np.abs(found["rotate"]).max() == 8
    assert 0.08 < np.abs(found["shear_x"]).max() < 0.09
    assert set(found["posterize"]) == {3, 4}
    assert (256 * found["solarize"]).min() >= 256 - 76


def test_aug_mix_can_be_wider_deeper_and_have_all_operations():
    (one,) = mixtures(n=1, width=5, depth=4)
    assert [len(chain) for chain in one["chains"]] == [4] * 5
    every = {
        step["transform"]
        for one in mixtures(n=100, all_operations=True)
        for chain in one["chains"]
        for step in chain
    }
    assert every >= {"gain", "saturation", "contrast", "sharpness", *MOVES}
    even = np.array([one["weights"] for one in mixtures(n=50, alpha=500)])
    assert np.abs(even - 1 / 3).max() < 0.06


def test_a_mixture_is_the_weighted_mean_of_its_chains(photos):
    for one in mixtures(n=6):
        parameters = {key: value for key, value in one.items() if key != "transform"}
        for image in (photos[0], np.ascontiguousarray(photos[1][..., 0])):
            expected = (1 - one["share"]) * image
            for weight, chain in zip(one["weights"], one["chains"], strict=True):
                changed = image
                for step in chain:
                    kind = find_transform(step["transform"])
                    values = {key: value for key, value in step.items() if key != "transform"}
                    changed = kind.operation(values, image.shape[:2]).apply_image(changed)
                expected = expected + one["share"] * weight * changed
            mixed = find_transform("chain_mix").operation(parameters, image.shape[:2])
            assert np.abs(mixed.apply_image(image) - expected).max() < 0.52


def moves(made):
    return [s for one in made for chain in one["chains"] for s in chain if s["transform"] in MOVES]


def test_nothing_moves_in_mixtures_where_it_is_known_where_things_are():
    assert moves(mixtures(n=50))
    assert not moves(mixtures(n=50, placed=True))
    assert not moves(mixtures(n=50, geometry="never"))
    assert moves(mixtures(n=50, geometry="always", placed=True))


def rows(output):
    return [one for one in manifest.rows(open_storage(output)) if one.output is not None]


def drawn_in(output):
    return [one for row in rows(output) for one in json.loads(row.operations)]


def test_labels_of_objects_stay_right_in_mixtures(data_dir, tmp_path):
    source = data_dir / "field_cases/boxes-near-border"
    mixed = jobs.recipe("variants: {each: [source, {aug_mix: {n: 6}}]}")
    summary = augment(source, tmp_path / "out", recipe=mixed, options=ALONE)
    assert not moves(drawn_in(tmp_path / "out"))
    assert not any("mixes" in note for note in summary.notes)
    made = rows(tmp_path / "out")
    assert len({(row.source, row.annotation) for row in made}) == len({row.source for row in made})
    for row in made[:8]:
        written = (tmp_path / "out" / row.output).read_bytes()
        assert rebuild(tmp_path / "out", row.output, write=False) == written
    insisting = jobs.recipe("variants: {aug_mix: {geometry: always}}")
    summary = augment(source, tmp_path / "moved", recipe=insisting, options=ALONE)
    assert any("mixes images with moved copies" in note for note in summary.notes)


def test_masks_stay_right_in_mixtures(data_dir, tmp_path):
    source = data_dir / "field_cases/masks-pngimages-pedmasks"
    mixed = jobs.recipe("variants: {aug_mix: {n: 12}}")
    augment(source, tmp_path / "out", recipe=mixed, options=ALONE)
    assert drawn_in(tmp_path / "out")
    assert not moves(drawn_in(tmp_path / "out"))


@pytest.mark.parametrize("preset", ["trivial", "rand", "auto_augment", "aug_mix"])
def test_a_published_preset_writes_the_source_once(tmp_path, preset):
    source = jobs.draw_set(tmp_path / "in", 12)
    recipe = Recipe.load(preset)
    summary = augment(source, tmp_path / "out", recipe=recipe, options=ALONE)
    made = rows(tmp_path / "out")
    assert len({(row.source, row.sha256) for row in made}) == len(made)
    assert sum(row.name == "source" for row in made) == 12
    assert summary.counts.outputs == 12 * 8 - summary.counts.identical
    if preset in {"trivial", "rand"}:
        assert summary.counts.identical > 0


@pytest.mark.parametrize("node", [Trivial(), Rand(), AutoAugment(policy="cifar10"), AugMix()])
def test_what_a_policy_may_draw_is_known_before(node):
    several = node.model_copy(update={"n": 600})
    assert {one["transform"] for drawn in draws(several) for one in drawn} == transforms_of(node)


def test_published_policies_take_any_image(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, shape in (("dot", (1, 1)), ("row", (1, 40, 3)), ("clear", (9, 7, 4))):
        image = np.full(shape, 200, np.uint8)
        (folder / f"{name}.png").write_bytes(encode(image, format="png"))
    text = "variants: {each: [{trivial: {n: 9}}, {rand: {n: 9}}, {auto_augment: {n: 9}}, aug_mix]}"
    summary = augment(folder, tmp_path / "out", recipe=jobs.recipe(text), options=ALONE)
    assert summary.counts.outputs == 3 * 28
