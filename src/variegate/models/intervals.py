"""How sure a figure is: intervals, and tests of two models on the same images."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from variegate.seeding import generator


def wilson(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share (Wilson, JASA 1927); (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    whole = 1 + z * z / total
    low = 0.0 if right == 0 else (middle - half) / whole
    high = 1.0 if right == total else (middle + half) / whole
    return low, high


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test: a sign test of the images that differ.

    Args:
        only_first: images that the first alone got right.
        only_second: images that the second alone got right.
    """
    # numpy's whole numbers would overflow in the powers below.
    only_first, only_second = int(only_first), int(only_second)
    total, fewer = only_first + only_second, min(only_first, only_second)
    if total == 0:
        return 1.0
    if total > 2_000:
        # Closer to the normal than anyone can see, and the exact sum takes seconds.
        z = (abs(only_first - only_second) - 1) / math.sqrt(total)
        return min(1.0, 2 * (1 - NormalDist().cdf(max(0.0, z))))
    tail = sum(math.comb(total, number) for number in range(fewer + 1))
    return min(1.0, 2 * tail / 2**total)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A figure of two models on the same images.

    Attributes:
        difference: of the means, second less first.
        low, high: its interval.
    """

    difference: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval is on one side of 0."""
        return self.low > 0 or self.high < 0


class PairedBootstrap:
    """Resamples images as they come, without keeping them.

    Each image counts in each replicate as often as a Poisson number of mean 1 says, drawn from a
    generator keyed by the image (Hanley and MacGibbon, 2006): the same interval comes out in
    whatever order and however many images come.
    """

    def __init__(self, *, seed: int = 0, replicates: int = 2_000) -> None:
        self._seed = seed
        self._weights = np.zeros(replicates)
        self._sums = np.zeros(replicates)
        self._total, self._count = 0.0, 0

    def add(self, key: str, first: float, second: float) -> None:
        """Take a figure of two models about an image."""
        weights = generator(self._seed, "bootstrap", key).poisson(1.0, len(self._weights))
        self._weights += weights
        self._sums += weights * (second - first)
        self._total += second - first
        self._count += 1

    def result(self, confidence: float = 0.95) -> PairedDifference:
        """Return the difference and its percentile interval."""
        if not self._count:
            return PairedDifference(0.0, -1.0, 1.0)
        used = self._weights > 0
        means = self._sums[used] / self._weights[used]
        low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
        return PairedDifference(self._total / self._count, low, high)
