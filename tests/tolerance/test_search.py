"""The search of thresholds, on images whose breakpoints are known."""

import itertools

import numpy as np
import pytest

from variegate.tolerance.answers import LEVELS, Answers
from variegate.tolerance.search import SearchSettings, search
from variegate.tolerance.statistics import (
    failure_curve,
    isotonic,
    quantile_ranks,
    sign_test,
)


def failing(breakpoints):
    """Return (N, 101): 1 from the breakpoint of each image on."""
    return (np.arange(LEVELS + 1) >= np.asarray(breakpoints)[:, None]).astype(float)


class Oracle:
    """Answers from a table, and remembers what it was asked."""

    def __init__(self, table):
        self.table, self.asked = table, []

    def __call__(self, cells):
        self.asked.append(tuple(cells))
        return [self.table[cell] for cell in cells]


def breakpoints(seed, n, length=100):
    return np.random.default_rng(seed).beta(2, 2, n) * length


def run(table, **settings):
    oracle = Oracle(table)
    return search(oracle, len(table), SearchSettings(**settings)), oracle


@pytest.mark.parametrize("seed", range(8))
def test_thresholds_are_the_quantiles_of_the_breakpoints(seed):
    points = breakpoints(seed, 250)
    found, _ = run(failing(points))
    for one in found.thresholds:
        exact = np.sort(np.ceil(points))[int(one.quantile * 250)]
        assert abs(one.level - exact) <= 2
        assert one.low <= one.level <= one.high <= one.level + 40


def test_intervals_hold_in_at_least_95_percent():
    # The truth is the quantile of the distribution: 100 samples of it, 2 thresholds each.
    pool = failing(breakpoints(99, 40_000)).mean(axis=0)
    held = []
    for seed in range(100):
        found, _ = run(failing(breakpoints(seed, 120)))
        for one in found.thresholds:
            truth = int(np.argmax(pool > one.quantile))
            held.append(one.low <= truth and (one.high is None or one.high >= truth - 1))
    assert np.mean(held) >= 0.95


def test_it_costs_less_than_a_third_of_a_grid_in_steps_of_five_percent():
    calls = [run(failing(breakpoints(seed, 250)))[0].calls for seed in range(10)]
    assert np.mean(calls) <= 0.3 * 20 * 250
    at_most = [run(failing(breakpoints(seed, 5000)))[0].calls for seed in range(10)]
    assert max(at_most) <= 1500


def test_no_cell_is_asked_twice_and_every_call_is_counted():
    found, oracle = run(failing(breakpoints(1, 200)))
    asked = list(itertools.chain(*oracle.asked))
    assert len(asked) == len(set(asked)) == found.calls
    assert sum(count for _, count, _ in found.points) == found.calls


def test_the_same_answers_lead_to_the_same_questions():
    table = failing(breakpoints(2, 300))
    assert run(table)[1].asked == run(table)[1].asked


def test_a_model_that_never_fails_has_no_thresholds_and_open_intervals():
    found, _ = run(failing(np.full(200, 500)))
    assert [one.level for one in found.thresholds] == [None, None]
    assert [one.high for one in found.thresholds] == [None, None]
    assert found.curve.max() == pytest.approx(0, abs=1e-6)
    assert found.calls < 600


def test_a_model_that_always_fails_is_lost_at_the_first_level():
    found, _ = run(failing(np.ones(200)))
    assert all(0 <= one.low <= one.level <= 1 for one in found.thresholds)


def test_no_answer_is_a_failure():
    table = failing(np.full(100, 500))
    table[:, 30:] = np.nan
    found, _ = run(table)
    assert all(28 <= one.level <= 32 for one in found.thresholds)
    assert found.unusable > 0


def recovering(seed, n=250):
    """A third recovers between levels 60 and 80."""
    table = failing(breakpoints(seed, n, 55))
    chosen = np.random.default_rng(seed).permutation(n)[: n // 3]
    table[chosen, 60:81] = 0
    return table


def test_a_planted_drop_is_found_and_its_range_is_told():
    found = [run(recovering(seed))[0] for seed in range(20)]
    assert sum(one.drop is not None for one in found) >= 17
    for one in found:
        if one.drop is not None:
            assert 56 <= one.drop.dip <= 80
            assert one.drop.peak_rate - one.drop.dip_rate > 0.1


def test_no_drop_is_invented():
    assert all(run(failing(breakpoints(seed, 250)))[0].drop is None for seed in range(40))


def test_where_it_is_not_monotone_the_first_crossing_counts_and_reentry_is_told():
    table = np.zeros((250, LEVELS + 1))
    table[:, 20:45] = 1
    table[:, 90:] = 1
    found, _ = run(table)
    assert found.drop is not None
    assert all(19 <= one.level <= 20 for one in found.thresholds)
    assert found.reentry == ((50, 87),)


def test_biased_implication_is_noticed_and_not_used():
    # What passes at the screen's levels fails between them, for every image: no rate falls there.
    table = failing(np.full(250, 70))
    table[:, 64:69] = 1
    table[:, 30:36] = 1
    table[:, 37:62] = 1
    table[:, [37, 50]] = 0
    table[:, [25, 12]] = 0
    found, _ = run(table)
    if found.drop is None:
        assert found.audit.biased or found.thresholds[0].level <= 70


def test_a_width_stops_early_and_its_looks_share_alpha():
    table = failing(np.random.default_rng(5).normal(40, 3, 4000))
    narrow, _ = run(table, n_max=4000, width=0.15)
    every, _ = run(table, n_max=4000)
    assert narrow.stopped == "width"
    assert narrow.n < every.n
    assert all(one.width <= 15 for one in narrow.thresholds)


def test_a_budget_ends_it_and_is_said():
    found, _ = run(failing(breakpoints(3, 2000)), n_max=2000, calls=1200)
    assert found.stopped == "calls"
    assert found.calls <= 1200


def test_instability_widens_intervals():
    table = failing(breakpoints(4, 250))
    plain, _ = run(table)
    wide, _ = run(table, instability=0.05)
    assert all(a.width > b.width for a, b in zip(wide.thresholds, plain.thresholds, strict=True))


def test_the_witnesses_were_really_asked():
    table = failing(breakpoints(6, 250))
    found, oracle = run(table)
    asked = set(itertools.chain(*oracle.asked))
    for one in found.thresholds:
        success, failure = one.pair
        assert success in asked
        assert failure in asked
        assert success[0] == failure[0]
        assert table[success] == 0
        assert table[failure] == 1
        assert success[1] < failure[1]


def passing_again(seed, n=250):
    """A sixth fails early, recovers over half of the axis, and fails again: no rate falls much."""
    points = breakpoints(seed, n)
    table = failing(points)
    rng = np.random.default_rng(seed)
    for image in rng.permutation(np.flatnonzero(points > 70))[: n // 6]:
        start = int(rng.integers(14, 24))
        table[image, start : start + 14] = 1
    return table


def test_images_that_fail_recover_and_fail_again_do_not_move_the_critical_level():
    off = []
    for seed in range(12):
        table = passing_again(seed)
        found, _ = run(table)
        if found.drop is None:
            rising = isotonic(table.mean(axis=0))
            off.append(found.thresholds[1].level - int(np.searchsorted(rising, 0.49)))
    assert len(off) >= 10
    assert np.mean(np.abs(off)) <= 1


def test_nothing_is_implied_between_answers_that_contradict_each_other():
    table = failing([90])
    table[0, 30:40] = 1
    answers = Answers(Oracle(table), 1)
    answers.ask([(0, 35), (0, 60)])
    told = [answers.known(level, 1) for level in (20, 35, 50, 60, 80)]
    assert [bool(one.failed[0]) for one in told] == [False, True, False, False, False]
    assert [bool(one.passed[0]) for one in told] == [False, False, False, True, False]
    failing_, passing = answers.counts(1)
    assert [failing_[35], failing_[50], passing[50], passing[60]] == [1, 0, 0, 1]
    for level, bracket in ((36, (0, 35)), (59, (60, 101))):
        passed, failed = answers.brackets(level, 1)
        assert (passed[0], failed[0]) == bracket


# Statistics, against sums and published values


def test_ranks_enclose_the_quantile_as_often_as_they_say():
    rng = np.random.default_rng(0)
    for n, share in ((64, 0.05), (250, 0.49), (250, 0.05)):
        low, high = quantile_ranks(n, share, 0.05)
        values = np.sort(rng.random((20_000, n)), axis=1)
        below = values[:, low - 1] if low else np.zeros(len(values))
        above = values[:, high - 1] if high <= n else np.ones(len(values))
        assert ((below <= share) & (share <= above)).mean() >= 0.949
    assert quantile_ranks(20, 0.05, 0.05)[0] == 0


def test_a_sign_test_counts_what_is_at_least_as_one_sided():
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    assert sign_test(8, 2) == pytest.approx(56 / 1024)
    assert sign_test(0, 3) == 1


def test_the_curve_of_exact_brackets_is_their_distribution():
    failed = np.array([10, 20, 20, LEVELS + 1])
    curve = failure_curve(failed - 1, failed, LEVELS)
    assert curve[[9, 10, 19, 20, 100]] == pytest.approx([0, 0.25, 0.25, 0.75, 0.75], abs=1e-6)


def test_isotonic_means_never_fall():
    assert isotonic([0, 3, 1, 2, 5]) == pytest.approx([0, 2, 2, 2, 5])
