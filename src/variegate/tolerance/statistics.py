"""Intervals and tests of the search: exact where a binomial distribution gives them."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@cache
def _cumulative(n: int, share: float) -> Floats:
    """Return P(X <= 0), ..., P(X <= n) of X ~ Bin(n, share)."""
    if share <= 0 or share >= 1:
        return np.concatenate([np.full(n, float(share <= 0)), [1.0]])
    gone = np.arange(n + 1)
    logs = np.array([math.lgamma(one + 1) for one in range(n + 1)])
    mass = logs[n] - logs - logs[::-1] + gone * math.log(share) + (n - gone) * math.log1p(-share)
    return np.minimum(np.cumsum(np.exp(mass)), 1.0)


def quantile_ranks(n: int, share: float, alpha: float) -> tuple[int, int]:
    """Return which order statistics of n values enclose their `share` quantile.

    Returns:
        (r, s): with probability 1 - alpha it lies between the r-th least and the s-th least; r is 0
        and s is n + 1 where n values are too few to say.
    """
    below = _cumulative(n, share)
    # P(X <= r - 1) and P(X >= s) are alpha / 2 at most.
    low = int(np.searchsorted(below, alpha / 2, side="right"))
    high = int(np.searchsorted(below, 1 - alpha / 2, side="left")) + 1
    return low, high


def sign_test(ups: int, downs: int) -> float:
    """Return how likely at least `ups` of `ups + downs` are where both are equally likely."""
    n = ups + downs
    return float(1 - _cumulative(n, 0.5)[ups - 1]) if ups > 0 else 1.0


def failure_curve(passed: Whole, failed: Whole, levels: int, rounds: int = 60) -> Floats:
    """Return the share of images that fail at each level, of which only brackets are known.

    The breakpoint of an image lies above the last level it passed and at most at the first it
    failed. The nonparametric maximum likelihood of such brackets is found by expectation and
    maximisation.

    Source: Turnbull, The empirical distribution function with arbitrarily grouped, censored and
    truncated data, J. R. Stat. Soc. B 38, 1976.

    Args:
        passed: (N,), 0 to `levels`.
        failed: (N,), 1 to `levels` + 1; the latter where an image never failed.
        levels: how many there are.

    Returns:
        (levels + 1,): the share at level 0, which is 0, to the last.
    """
    ends = np.maximum(failed, passed + 1)
    brackets, counts = np.unique(passed * (levels + 2) + ends, return_counts=True)
    inside = np.arange(1, levels + 2)
    above, upto = brackets // (levels + 2), brackets % (levels + 2)
    possible = ((inside > above[:, None]) & (inside <= upto[:, None])).astype(np.float64)
    mass, shares = np.full(levels + 1, 1 / (levels + 1)), counts / counts.sum()
    for _ in range(rounds):
        mass = mass * (possible.T @ (shares / (possible @ mass)))
        # What died out would never come back, and divide by nothing.
        mass = np.maximum(mass, 1e-12)
    return np.concatenate([[0.0], np.cumsum(mass)[:levels]])


def isotonic(values: Sequence[float]) -> Floats:
    """Return the closest values that never fall (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] > mean:
            last, size = blocks.pop()
            mean, count = (mean * count + last * size) / (count + size), count + size
        blocks.append((mean, count))
    return np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])
