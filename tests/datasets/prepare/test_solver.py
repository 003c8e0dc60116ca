"""Groups come into parts whole, and every class in its share as far as that goes."""

from itertools import product

import numpy as np
import pytest

from variegate.datasets.prepare.solver import Groups, solve

SHARES = np.array([0.7, 0.15, 0.15])


def sparse(counts: np.ndarray, fixed: np.ndarray | None = None) -> Groups:
    table = np.column_stack([counts.sum(axis=1), counts])
    rows, columns = np.nonzero(table)
    return Groups(
        starts=np.searchsorted(rows, np.arange(len(table) + 1)),
        columns=columns,
        amounts=table[rows, columns],
        width=table.shape[1],
        fixed=np.full(len(table), -1) if fixed is None else fixed,
    )


def deviations(counts: np.ndarray, parts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return (P, classes) images too many."""
    held = np.stack([counts[parts == part].sum(axis=0) for part in range(len(shares))])
    return held - shares[:, None] * counts.sum(axis=0)


def random_counts(seed: int, groups: int, classes: int, mean: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixes = rng.dirichlet(np.full(classes, 0.5), groups)
    sizes = rng.geometric(1 / mean, groups)
    return np.stack([rng.multinomial(n, mix) for n, mix in zip(sizes, mixes, strict=True)])


@pytest.mark.parametrize("seed", range(5))
def test_single_images_come_within_one_of_every_share(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(9, 800, p=rng.dirichlet(np.full(9, 0.6)))
    counts = np.eye(9, dtype=int)[labels]
    off = deviations(counts, solve(sparse(counts), SHARES, seed=seed), SHARES)
    assert np.abs(off).max() < 1
    # The parts as a whole, too.
    assert np.abs(off.sum(axis=1)).max() < 1


@pytest.mark.parametrize("seed", range(6))
def test_small_problems_are_solved_as_well_as_by_trying_everything(seed):
    counts = random_counts(seed, groups=9, classes=3, mean=8)
    counts = counts[:, counts.any(axis=0)]
    totals = counts.sum(axis=0)
    halves = np.array([0.5, 0.5])

    def worst(parts) -> float:
        return float(np.abs(deviations(counts, np.array(parts), halves) / totals).max())

    least = min(worst(parts) for parts in product((0, 1), repeat=9) if 0 < sum(parts) < 9)
    # Within one image, which the sizes of the parts may cost.
    found = worst(solve(sparse(counts), halves, seed=0))
    assert least <= found <= max(1.1 * least, least + 1 / totals.min())


def test_the_same_seed_gives_the_same_split():
    counts = random_counts(3, groups=150, classes=6, mean=5)
    one, two = (solve(sparse(counts), SHARES, seed=5) for _ in range(2))
    assert (one == two).all()
    assert (one != solve(sparse(counts), SHARES, seed=6)).any()


def test_what_is_fixed_does_not_move_and_the_rest_makes_up_for_it():
    counts = np.eye(2, dtype=int)[np.arange(400) % 2]
    fixed = np.full(400, -1)
    fixed[:100] = 2  # far too many for it
    parts = solve(sparse(counts, fixed), SHARES, seed=0)
    assert (parts[:100] == 2).all()
    assert not (parts[100:] == 2).any()
    # What lacks is shared: 20 images each.
    assert np.bincount(parts).tolist() == [260, 40, 100]


def test_no_part_stays_empty():
    # One group is nearly everything.
    counts = np.array([[1000], [1], [1]])
    assert set(solve(sparse(counts), SHARES, seed=0).tolist()) == {0, 1, 2}


def test_many_equal_groups_are_dealt():
    rng = np.random.default_rng(0)
    counts = np.eye(4, dtype=int)[rng.choice(4, 60_000, p=[0.6, 0.3, 0.0999, 0.0001])]
    off = deviations(counts, solve(sparse(counts), SHARES, seed=0), SHARES)
    assert np.abs(off).max() < 1
