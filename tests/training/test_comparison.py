"""What pairs of trainings say: exact cases, and simulations of both kinds of error."""

import itertools

import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.seeding import generator
from variegate.training.comparison import (
    RightAnswers,
    bca,
    check_pairs,
    compare,
    expected_detectable,
    sign_flip,
)

FOLDS, SEEDS = 5, 2


def simulated(number: int, gain: float, images: int) -> RightAnswers:
    """Answers of two arms: images of a group are alike, runs of one arm differ by 1.5 points."""
    rng = generator(11, "simulation", number, images)
    drawn = np.sort(rng.integers(0, int(images / 1.6), images))
    groups = np.unique(drawn, return_inverse=True)[1]
    folds = rng.integers(0, FOLDS, groups.max() + 1)[groups]
    hard = rng.normal(0, 1.2, groups.max() + 1)[groups] + rng.normal(0, 1.2, images)
    spread = np.sort(np.repeat(hard, 20) + rng.logistic(0, 0.6, images * 20))

    def arm(accuracy: float) -> np.ndarray:
        right = np.zeros((images, SEEDS))
        for seed, fold in itertools.product(range(SEEDS), range(FOLDS)):
            here = folds == fold
            share = np.clip(accuracy + rng.normal(0, 0.015), 0, 1)
            limit = np.quantile(spread, share)
            right[here, seed] = hard[here] + rng.logistic(0, 0.6, here.sum()) < limit
        return right

    return RightAnswers(arm(0.85), arm(0.85 + gain), folds, groups, rng.integers(0, 3, images))


def outcomes(gain: float, images: int) -> list[str]:
    found = (compare(simulated(n, gain, images), name="x", classes=()) for n in range(100))
    return [one.outcome for one in found]


def test_an_arm_against_itself_shows_no_difference():
    assert outcomes(0.0, 250).count("no difference found") >= 95


def test_a_gain_of_five_points_is_found():
    # Two runs disagree on 16% of the images; of 250 images it is found 71 times of 100.
    found = outcomes(0.05, 500)
    assert found.count("better") >= 80
    assert "worse" not in found


def test_sign_flips_are_counted_exactly():
    # Of 2**6 signs only all plus and all minus are as far from 0.
    assert sign_flip(np.array([1.0, 2, 3, 4, 5, 6])) == 2 / 64
    assert sign_flip(np.array([1.0, -1, 1, -1])) == 1
    differences = np.array([3.0, -1, 2, 2, 5])
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=5)
    ]
    assert sign_flip(differences) == np.mean([one >= 11 for one in sums])


def test_drawn_signs_agree_with_counted_ones(monkeypatch):
    from variegate.training import comparison

    differences = generator(0, "pairs").normal(0.4, 1, 12)
    exact = sign_flip(differences)
    monkeypatch.setattr(comparison, "_MOST_EXACT", 5)
    assert sign_flip(differences) == pytest.approx(exact, abs=0.01)


def test_the_interval_of_many_single_images_is_the_usual_one():
    rng = generator(1, "usual")
    arm = (rng.random((2000, 1)) < 0.6).astype(float)
    base = np.full((2000, 1), 0.5)
    count = np.arange(2000)
    low, high = bca(RightAnswers(base, arm, count % 5, count, count % 2))
    error = arm.std() / np.sqrt(2000)
    middle = arm.mean() - 0.5
    assert (low, high) == pytest.approx((middle - 1.96 * error, middle + 1.96 * error), abs=0.002)


def test_images_of_one_group_are_no_further_witnesses():
    rng = generator(2, "groups")
    single = (rng.random((100, 1)) < 0.6).astype(float)
    count = np.arange(100)
    alone = RightAnswers(np.full((100, 1), 0.5), single, count % 5, count, count % 2)
    ten = [
        np.repeat(one, 10, axis=0)
        for one in (alone.baseline, alone.arm, alone.folds, alone.groups, alone.labels)
    ]
    assert bca(RightAnswers(*ten)) == pytest.approx(bca(alone))


def test_five_pairs_can_never_show_anything():
    with pytest.raises(UsageError, match=r"5 pairs.*expected at least 6.*--seeds 2"):
        check_pairs(5, 1)
    check_pairs(6, 1)
    with pytest.raises(UsageError, match="6 pairs of trainings can never show"):
        check_pairs(6, 2)
    check_pairs(10, 20)


def test_a_class_that_got_worse_is_named():
    count = np.arange(300)
    labels, base = count % 3, np.ones((300, 2))
    base[::5] = 0
    arm = base.copy()
    arm[(labels == 1) & (count % 2 == 0)] = 0
    arm[labels == 0] = 1
    verdict = compare(
        RightAnswers(base, arm, count // 60, count, labels), name="x", classes=("a", "b", "c")
    )
    assert verdict.got_worse == ("b",)
    assert [one.outcome for one in verdict.classes] == ["better", "worse", "no difference found"]
    assert verdict.classes[1].images == 100


def test_what_cannot_be_told_says_what_would_be_needed():
    verdict = compare(simulated(0, 0.0, 250), name="flip", classes=())
    assert "flip: no difference found" in verdict.sentence
    assert "more images would show one of 2 points" in verdict.sentence
    need = 250 * (verdict.detectable / 0.02) ** 2 - 250
    assert verdict.more_images == pytest.approx(need, rel=0.06)


def test_more_images_seeds_and_smaller_groups_show_more():
    usual = expected_detectable([1] * 250, folds=5, seeds=2)
    assert 0.02 < usual < 0.08
    assert expected_detectable([1] * 1000, folds=5, seeds=2) < usual
    assert expected_detectable([1] * 250, folds=5, seeds=4) < usual
    assert expected_detectable([5] * 50, folds=5, seeds=2) > usual
    assert expected_detectable([1] * 250, folds=5, seeds=2, arms=3) > usual
