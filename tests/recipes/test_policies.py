"""Policies: how many variants, in which order, drawn from what."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from variegate.recipes.plan import draw_variants
from variegate.recipes.policies import (
    Along,
    AugMix,
    AutoAugment,
    Axes,
    AxisStrain,
    Each,
    OneOf,
    Original,
    Place,
    Policy,
    Rand,
    Realistic,
    SampleOf,
    Sequence,
    Subsets,
    Trivial,
    all_axes,
    count,
    expand,
)
from variegate.transforms import find_transform

FLIP = find_transform("flip")()
ROTATE, GAMMA, HUE, NOISE = (
    find_transform(name)() for name in ("rotate", "gamma", "hue", "gaussian_noise")
)
TRANSFORMS = (FLIP, ROTATE, GAMMA, HUE, NOISE)


def singles():
    """Nodes of one variant."""
    leaves = st.sampled_from(
        [*TRANSFORMS, Along(axis="fog"), Original(), Rand(k=2), Trivial(), AugMix()]
    )

    def grow(inner):
        lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
        sequences = st.builds(Sequence, steps=lists, p=st.sampled_from([1.0, 0.5]))
        return st.one_of(sequences, st.builds(OneOf, steps=lists), samples(inner, 1))

    return st.recursive(leaves, grow, max_leaves=4)


def samples(inner, most):
    lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.builds(SampleOf, n=st.integers(1, most), steps=lists, k_min=st.integers(0, 1))


def nodes():
    def grow(inner):
        lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.one_of(
            st.builds(Sequence, steps=lists),
            st.builds(Subsets, steps=lists),
            st.builds(Each, steps=lists, draws=st.integers(1, 2)),
        )

    return st.recursive(st.one_of(singles(), samples(singles(), 3)), grow, max_leaves=4)


def chains(node, seed=0, key="a"):
    return list(expand(node, Place(seed, key), (), 0))


@given(node=nodes())
@settings(max_examples=150)
def test_count_is_the_number_of_variants(node):
    if count(node) < 2000:
        assert len(chains(node)) == count(node)


@given(node=nodes(), seed=st.integers(0, 100))
@settings(max_examples=100)
def test_order_and_choices_are_the_same_every_time(node, seed):
    if count(node) < 500:
        assert chains(node, seed) == chains(node, seed)


@given(node=nodes())
@settings(max_examples=200)
def test_no_two_different_steps_share_their_random_numbers(node):
    if count(node) > 500:
        return
    owners, prefixes = {}, {}
    for chain in chains(node):
        paths = [step.path for step in chain.steps]
        assert len(set(paths)) == len(paths)
        for index, step in enumerate(chain.steps):
            # One path is one step, met after the same steps in every variant.
            assert owners.setdefault(step.path, step.source) == step.source
            assert prefixes.setdefault(step.path, paths[:index]) == paths[:index]


def names(node, **place):
    return ["+".join(step.source.name for step in chain.steps) for chain in chains(node, **place)]


def test_power_set_is_every_subset_in_order():
    expected = [
        "+".join(step.name for step, taken in zip(TRANSFORMS, bits, strict=True) if taken)
        for bits in itertools.product([False, True], repeat=5)
    ]
    assert names(Subsets(steps=TRANSFORMS)) == expected
    assert count(Subsets(steps=(FLIP,) * 64)) == 2**64


def test_sequence_is_the_product_of_its_steps():
    node = Sequence(steps=(Each(steps=(FLIP, ROTATE)), GAMMA, Subsets(steps=(HUE,))))
    assert names(node) == ["flip+gamma", "flip+gamma+hue", "rotate+gamma", "rotate+gamma+hue"]


def test_each_is_every_step_alone():
    node = Each(steps=(FLIP, Original(), ROTATE), draws=2)
    assert names(node) == ["flip", "flip", "", "", "rotate", "rotate"]
    assert len({chain.steps for chain in chains(Each(steps=(ROTATE,), draws=50))}) == 50


def test_a_long_list_of_steps_is_no_problem():
    assert len(chains(Sequence(steps=(FLIP,) * 3000))[0].steps) == 3000


def drawn(node, key="a", seed=0):
    made = draw_variants(node, seed=seed, key=key, size=(50, 60))
    return {variant.index: [one.to_json() for one in variant.drawn] for variant in made}


def test_variants_that_begin_alike_share_their_draws():
    a, ab, ac = (drawn(Subsets(steps=(ROTATE, GAMMA, HUE)))[number] for number in (4, 6, 5))
    assert a[0] == ab[0] == ac[0]
    assert ab[1]["transform"] == "gamma"
    assert ac[1]["transform"] == "hue"


def test_a_variant_does_not_depend_on_its_siblings():
    whole = drawn(Subsets(steps=(ROTATE, GAMMA, HUE)))
    fewer = drawn(Subsets(steps=(ROTATE, GAMMA)))
    assert [whole[number] for number in (0, 2, 4, 6)] == list(fewer.values())
    many = drawn(Each(steps=(ROTATE, GAMMA), draws=9))
    few = drawn(Each(steps=(ROTATE,), draws=2))
    assert [many[0], many[1]] == list(few.values())


@pytest.mark.parametrize(
    "policy",
    [
        lambda n: SampleOf(n=n, steps=TRANSFORMS, k_max=3),
        lambda n: Trivial(n=n),
        lambda n: Rand(n=n, k=3),
        lambda n: AutoAugment(n=n),
        lambda n: AugMix(n=n),
        lambda n: Axes(n=n, k=2, transforms=("rotate", "fog", "source")),
        lambda n: Realistic(n=n, axes={"rotate+": AxisStrain(onset=0.2), "jpeg": AxisStrain()}),
        lambda n: Sequence(steps=(ROTATE, SampleOf(n=n, steps=TRANSFORMS))),
    ],
    ids=["sample", "trivial", "rand", "auto_augment", "aug_mix", "axes", "realistic", "nested"],
)
def test_asking_for_more_keeps_the_first_ones(policy):
    few, many = drawn(policy(4)), drawn(policy(20))
    assert [many[number] for number in range(4)] == list(few.values())


def test_keys_and_seeds_draw_independently():
    def angles(**place):
        return drawn(ROTATE, **place)[0][0]["angle_degrees"]

    by_key = np.array([[angles(key=f"{k}"), angles(key=f"{k}", seed=1)] for k in range(400)])
    assert len(np.unique(by_key)) == 800
    assert abs(np.corrcoef(by_key.T)[0, 1]) < 0.17
    assert abs(np.corrcoef(by_key[:-1, 0], by_key[1:, 0])[0, 1]) < 0.17
    # Uniform over 60 degrees: a standard deviation of 17.3.
    assert by_key[:, 0].mean() == pytest.approx(0, abs=3)
    assert by_key[:, 0].std() == pytest.approx(17.3, abs=2)


def shares(node, number=3000):
    counted = Counter(itertools.chain(*(set(name.split("+")) for name in names(node))))
    return {name: times / number for name, times in counted.items()}


def test_one_of_follows_its_weights():
    node = Each(steps=(OneOf(steps=(FLIP, GAMMA, HUE), weights=(1, 2, 5)),), draws=3000)
    found = shares(node)
    for name, expected in {"flip": 1 / 8, "gamma": 2 / 8, "hue": 5 / 8}.items():
        assert found[name] == pytest.approx(expected, abs=0.03)


def test_sample_follows_its_weights_and_takes_no_step_twice():
    node = SampleOf(n=3000, steps=(FLIP, GAMMA, HUE), k_max=1, weights=(1, 2, 5))
    found = shares(node)
    for name, expected in {"flip": 1 / 8, "gamma": 2 / 8, "hue": 5 / 8}.items():
        assert found[name] == pytest.approx(expected, abs=0.03)
    node = SampleOf(n=2000, steps=TRANSFORMS, k_min=1, k_max=4)
    order = [step.name for step in TRANSFORMS]
    sizes = Counter()
    for name in names(node):
        places = [order.index(part) for part in name.split("+")]
        assert places == sorted(set(places))
        sizes[len(places)] += 1
    assert set(sizes) == {1, 2, 3, 4}
    for times in sizes.values():
        assert times / 2000 == pytest.approx(0.25, abs=0.04)


def test_of_a_group_at_most_one_is_chosen():
    node = SampleOf(
        n=1500, steps=TRANSFORMS, k_min=2, groups=(("gamma", "hue"), ("flip", "rotate"))
    )
    made = [set(name.split("+")) for name in names(node)]
    assert not any({"gamma", "hue"} <= one or {"flip", "rotate"} <= one for one in made)
    assert {len(one) for one in made} == {2, 3}
    assert all(any(step.name in one for one in made) for step in TRANSFORMS)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_p_is_the_share_of_variants_that_are_changed(share):
    flip = find_transform("flip")(p=share)
    alone = Each(steps=(flip,), draws=2000)
    whole = Each(steps=(Sequence(steps=(FLIP, ROTATE), p=share),), draws=2000)
    for node, size in ((alone, 1), (whole, 2)):
        changed = [len(one) for one in drawn(node).values()]
        assert set(changed) <= {0, size}
        assert np.mean(changed) / size == pytest.approx(share, abs=0.035)


def test_axes_takes_any_of_them_at_any_strength():
    made = drawn(Axes(n=400, transforms=("brightness",)))
    amounts = [one[0]["amount"] for one in made.values()]
    for axis, sign in (("brightness+", 1), ("brightness-", -1)):
        end = abs(all_axes()[axis][1].end)
        own = [abs(amount) for amount in amounts if amount * sign > 0]
        assert np.mean(own) == pytest.approx(end / 2, abs=0.05 * end)
        assert max(own) > 0.97 * end
    assert np.mean(np.sign(amounts)) == pytest.approx(0, abs=0.15)


def test_axes_takes_k_of_them_with_replacement():
    made = drawn(Axes(n=400, k=3, strength=0.4, transforms=("brightness+", "gamma+")))
    assert {len(one) for one in made.values()} == {3}
    gamma, brightness = (all_axes()[name][1].value(0.4) for name in ("gamma+", "brightness+"))
    for one in itertools.chain(*made.values()):
        value = one["exponent"] if one["transform"] == "gamma" else abs(one["amount"])
        assert value == pytest.approx(gamma if one["transform"] == "gamma" else brightness)
    repeated = [len({step["transform"] for step in one}) == 1 for one in made.values()]
    assert np.mean(repeated) == pytest.approx(0.25, abs=0.08)


def test_entries_of_axes_are_transforms_axes_or_both_directions():
    node = Axes(transforms=("shear", "shear_x", "shear_x+", "source"))
    pair = ["shear_x+", "shear_x-"]
    assert node.axes() == [[*pair, "shear_y+", "shear_y-"], pair, ["shear_x+"], []]
    unchanged = [not one for one in drawn(node.model_copy(update={"n": 400})).values()]
    assert np.mean(unchanged) == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Sequence(steps=(Subsets(steps=(FLIP,)),), p=0.5), "cannot be left out"),
        (lambda: OneOf(steps=(Each(steps=(FLIP, HUE)),)), "expected one variant, got each of 2"),
        (lambda: SampleOf(n=1, steps=(FLIP,), k_max=2), "k_max: expected at most 1"),
        (lambda: SampleOf(n=1, steps=(FLIP,), k_min=2), "k_min: expected at most 1"),
        (
            lambda: SampleOf(n=1, steps=(FLIP, HUE), k_max=2, groups=(("flip", "hue"),)),
            "k_max: expected at most 1",
        ),
        (lambda: SampleOf(n=1, steps=(FLIP,), groups=(("flop",),)), "did you mean 'flip'"),
        (lambda: SampleOf(n=1, steps=(FLIP,), groups=(("flip", "flip"),)), "more than one place"),
        (lambda: SampleOf(n=1, steps=(FLIP, HUE), weights=(1,)), "one for each of 2 steps, got 1"),
        (lambda: Axes(transforms=("flip",)), "no transform with a strength axis"),
        (lambda: Trivial(transforms=("rotate",)), "use axes: {transforms"),
        (lambda: Rand(strength=0.5), "strength: rand has .* its paper"),
        (lambda: Rand(magnitude=31), "magnitude: expected 0 to 30, one of 31 bins, got 31"),
        (lambda: Along(axis="hue"), "did you mean 'hue"),
        (lambda: Sequence(steps=()), "at least 1"),
        (lambda: Sequence(steps=("flip",)), "instance of Transform"),
        (lambda: Each(steps=(FLIP,), draws=True), "expected a whole number"),
    ],
)
def test_impossible_policies_are_refused(make, told):
    with pytest.raises(ValidationError, match=told):
        make()


def test_every_policy_is_tried_here():
    tried = {Sequence, Subsets, Each, SampleOf, OneOf, Original}
    tried |= {Axes, Realistic, Trivial, Rand, AutoAugment, AugMix}
    concrete = {kind for kind in _subclasses(Policy) if hasattr(kind, "name")}
    assert concrete == tried


def _subclasses(kind):
    return {kind, *itertools.chain(*map(_subclasses, kind.__subclasses__()))} - {Policy}
