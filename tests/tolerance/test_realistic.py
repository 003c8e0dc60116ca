"""The policy `realistic`: strain, precedence, weights, groups, and its place in recipes."""

from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from variegate.errors import RecipeError
from variegate.recipes.policies import AxisStrain, Place, Realistic, all_axes
from variegate.recipes.policies.realistic import CONTRADICTIONS, base
from variegate.recipes.recipe import Recipe

SPLIT = AxisStrain(onset=0.2, critical=0.6)


def drawn(policy, variants=200):
    chains = policy.model_copy(update={"n": variants}).expand(Place(0, "a"))
    return [{step.source.axis: step.source.intensity[0] for step in one.steps} for one in chains]


@pytest.mark.parametrize(
    ("strain", "intensity"), [(0, 0), (0.5, 0.1), (1, 0.2), (1.5, 0.4), (2, 0.6), (3, 1)]
)
def test_strain_is_straight_between_its_points(strain, intensity):
    assert SPLIT.intensity(strain) == pytest.approx(intensity)


def test_bounds_win_over_realism_and_realism_over_the_multiplier():
    assert AxisStrain(onset=0.2, critical=0.6, multiplier=2).intensity(1) == pytest.approx(0.4)
    assert AxisStrain(onset=0.2, critical=0.6, multiplier=2, max=0.3).intensity(1) == 0.3
    assert AxisStrain(onset=0.2, critical=0.6, min=0.5).intensity(1) == 0.5
    own = Realistic(axes={"jpeg": AxisStrain(onset=0.2, critical=0.6, realism=1)}, realism=(0, 0))
    assert drawn(own) == [{}] * 200
    both = AxisStrain(onset=0.2, critical=0.6, realism=1, min=0.5)
    assert {one["jpeg"] for one in drawn(Realistic(axes={"jpeg": both}))} == {0.5}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("axes: {jpg: {}}", "unknown axis 'jpg'; did you mean 'jpeg'?"),
        ("axes: {jpeg: {min: 0.5, max: 0.2}}", "min: expected at most max"),
        ("axes: {jpeg: {weight: 0}}", "expected more than 0"),
        ("axes: {jpeg: {onset: 0.5, critical: 0.2}}", "at least the onset"),
        ("axes: {jpeg: {wight: 2}}", "unknown parameter 'wight'; did you mean 'weight'?"),
        ("axes: {brightness+: {version: 1}}", "brightness+ has version 2 here"),
        ("axes: {mixup: {}}", "mixup needs other images"),
        ("axes: {jpeg: {}, webp: {}}, k_min: 2", "expected at most 1, which the groups"),
        ("axes: {jpeg: {}}, realism: 1.1", "realism"),
        ("axes: {jpeg: {}}, groups: [[jpeg, wabp]]", "unknown axis 'wabp'; did you mean 'webp'?"),
        ("axes: {jpeg: {}}, composite: [1, 0.5, 2, 3]", "never fall"),
    ],
)
def test_what_is_not_possible_is_refused(parameters, message):
    with pytest.raises(RecipeError, match=message.replace("+", r"\+").replace("?", r"\?")):
        Recipe.parse(f"variants: {{realistic: {{{parameters}}}}}")


def test_groups_name_axes_each_once():
    grouped = [name for group in CONTRADICTIONS for name in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= {base(name) for name in all_axes()}


def test_of_a_group_one_axis_at_most_is_chosen():
    names = ("gaussian_blur", "downscale", "rotate+", "rotate-", "jpeg")
    policy = Realistic(axes=dict.fromkeys(names, SPLIT), k_min=3)
    for one in drawn(policy):
        assert len(one) == 3
        assert not {"gaussian_blur", "downscale"} <= one.keys()
        assert not {"rotate+", "rotate-"} <= one.keys()


def test_opposite_directions_share_their_weight():
    policy = Realistic(axes=dict.fromkeys(("rotate+", "rotate-", "jpeg"), SPLIT), k_max=1)
    counts = Counter(name for one in drawn(policy, 3000) for name in one)
    assert counts["jpeg"] / 3000 == pytest.approx(0.5, abs=0.04)
    assert counts["rotate+"] / 3000 == pytest.approx(0.25, abs=0.04)


def test_weights_are_kept():
    axes = {"shear_x+": AxisStrain(onset=0.2, weight=3), "jpeg": SPLIT}
    counts = Counter(name for one in drawn(Realistic(axes=axes, k_max=1), 3000) for name in one)
    assert counts["shear_x+"] / 3000 == pytest.approx(0.75, abs=0.04)


def test_strain_is_drawn_from_its_upper_half_and_from_zero_where_nothing_was_reached():
    policy = Realistic(axes={"jpeg": SPLIT, "rotate+": AxisStrain()}, k_max=1, realism=(0.5, 0.5))
    found = drawn(policy, 1000)
    jpeg = [one["jpeg"] for one in found if "jpeg" in one]
    rotate = [one["rotate+"] for one in found if "rotate+" in one]
    assert 0.1 <= min(jpeg) < 0.11
    assert 0.19 < max(jpeg) <= 0.2
    assert min(rotate) < 0.05
    assert max(rotate) > 0.95


def test_the_same_variant_gets_stronger_with_less_realism():
    axes = dict.fromkeys(("jpeg", "rotate+", "speckle"), SPLIT)
    levels = [drawn(Realistic(axes=axes, realism=(r, r)), 50) for r in (0.75, 0.5, 0, -0.5)]
    for variants in zip(*levels, strict=True):
        assert len({tuple(one) for one in variants}) == 1
        for name in variants[0]:
            assert np.all(np.diff([one[name] for one in variants]) > 0)


def test_realism_follows_what_was_calibrated():
    policy = Realistic(axes={"jpeg": SPLIT}, composite=(0.3, 0.4, 0.8, 1.2))
    realism = (1, 0.75, 0.5, 0.25, 0, -0.25, -0.5, -9)
    assert [policy.strain(one) for one in realism] == pytest.approx(
        [0, 0.3, 0.4, 0.8, 1.2, 2.1, 3, 3]
    )


def test_a_recipe_round_trips_and_its_digest_knows_every_intensity():
    def recipe(onset):
        return Recipe.parse(
            f"variants: {{realistic: {{axes: {{jpeg: {{onset: {onset}, critical: 0.6}}}}}}}}"
        )

    one = recipe(0.2)
    assert Recipe.from_data(one.to_data()) == one
    assert one.digest == recipe(0.2).digest != recipe(0.3).digest


def test_order_of_axes_matters_and_is_kept():
    axes = dict.fromkeys(("speckle", "rotate+", "jpeg"), SPLIT)
    for one in drawn(Realistic(axes=axes, k_min=2)):
        assert list(one) == [name for name in axes if name in one]


def test_a_policy_without_axes_is_refused():
    with pytest.raises(ValidationError):
        Realistic(axes={})
