"""Did it help? What pairs of trainings say, how sure that is, and what they could have shown.

Two arms are trained on the same folds with the same seeds, and asked about the same images. A
difference is taken for real only where two views agree that it is:

- *images*: a bias-corrected and accelerated interval (BCa, Efron 1987) of the difference, from
  resampled groups of images, as those of one group are no independent witnesses;
- *trainings*: an exact sign-flip test over the pairs of runs. Of k pairs it cannot go below 2/2^k.

Everything here is a pure function of right and wrong answers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from variegate.errors import UsageError
from variegate.seeding import generator

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

LEVEL = 0.05
LEAST_PAIRS = 6
RESAMPLES = 4_000
# Beyond it signs are drawn instead of counted through.
_MOST_EXACT = 16
_DRAWN_SIGNS = 100_000
_BLOCK = 1 << 20
_NORMAL = NormalDist()
_POWER = 0.8
# Of fewer groups an interval says more than they know.
_LEAST_GROUPS = 6
#: Share of images on which two trainings of small sets disagree, and how far accuracies of the
#: same training with other seeds are spread, where nothing was measured yet.
USUAL_DISAGREEMENT, USUAL_DEVIATION = 0.12, 0.012
# How alike images of one group are answered.
_ALIKE = 0.5

Outcome = Literal["better", "worse", "no difference found"]


@dataclass(frozen=True, slots=True, eq=False)
class RightAnswers:
    """Which images two arms had right.

    Attributes:
        baseline, arm: (N, S) from 0 to 1; a column a seed.
        folds: (N,) in which each image was held out.
        groups: (N,) numbers of the groups, each within one fold.
        labels: (N,) numbers of the classes.
    """

    baseline: Floats
    arm: Floats
    folds: Numbers
    groups: Numbers
    labels: Numbers

    @property
    def differences(self) -> Floats:
        """(N, S), arm less baseline."""
        return self.arm - self.baseline

    def pairs(self) -> Floats:
        """Return the difference of each pair of runs, fold by fold and seed by seed."""
        by_fold = [
            self.differences[self.folds == one].mean(axis=0) for one in np.unique(self.folds)
        ]
        return np.concatenate(by_fold)

    def of_class(self, number: int) -> "RightAnswers":
        """Return the images of one class."""
        here = self.labels == number
        return RightAnswers(
            self.baseline[here],
            self.arm[here],
            self.folds[here],
            self.groups[here],
            self.labels[here],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDifference:
    """The recall of a class.

    Attributes:
        name: of it.
        images: of it.
        baseline, arm: recall.
        interval: of the difference, corrected for the number of classes; None of too few groups.
        outcome: what it says.
    """

    name: str
    images: int
    baseline: float
    arm: float
    interval: tuple[float, float] | None
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came out.

    Attributes:
        name: of the arm.
        outcome: of the comparison with the baseline.
        sentence: it in words.
        baseline, arm: accuracies.
        difference: of them.
        interval: BCa.
        level: of the interval and the test, corrected for the number of arms.
        p: of the sign-flip test.
        pairs: of runs.
        detectable: the difference that such a design finds four times in five, as now measured.
        more_images: to find one of two points; 0 where it would be found.
        classes: recalls.
        got_worse: names of the classes whose recall fell.
    """

    name: str
    outcome: Outcome
    sentence: str
    baseline: float
    arm: float
    difference: float
    interval: tuple[float, float]
    level: float
    p: float
    pairs: int
    detectable: float
    more_images: int
    classes: tuple[ClassDifference, ...] = ()
    got_worse: tuple[str, ...] = ()


def check_pairs(pairs: int, arms: int) -> None:
    """Make sure that a design can show anything at all.

    Raises:
        UsageError: the least value that its test can have is above the level.
    """
    if pairs < LEAST_PAIRS or 2 / 2**pairs > LEVEL / arms:
        need = max(LEAST_PAIRS, math.ceil(math.log2(2 * arms / LEVEL)))
        raise UsageError(
            f"--folds and --seeds: {pairs} pairs of trainings can never show a difference of "
            f"{arms} {'arm' if arms == 1 else 'arms'} at {LEVEL:g}; expected at least {need}, such "
            f"as --folds 5 --seeds {-(-need // 5)}"
        )


def sign_flip(differences: Floats, *, seed: int = 0) -> float:
    """Return the two-sided p of a mean difference, if each sign were a coin's.

    Exact for up to 16 pairs.
    """
    count = len(differences)
    if count <= _MOST_EXACT:
        numbers = np.arange(2**count)[:, None] >> np.arange(count) & 1
        signs = 1.0 - 2.0 * numbers
    else:
        drawn = generator(seed, "signs").integers(0, 2, (_DRAWN_SIGNS, count))
        signs = np.vstack([np.ones((1, count)), 1.0 - 2.0 * drawn])
    sums = np.abs(signs @ differences)
    # Equal sums that were added in another order are equal.
    return float((sums >= abs(differences.sum()) - 1e-12).mean())


def bca(right: RightAnswers, *, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """Return the interval of the difference of two accuracies, hierarchical over groups."""
    groups = _Groups.of(right)
    estimate = groups.estimate()
    values = groups.resampled(generator(seed, "bootstrap"))
    below = (values < estimate).mean() + 0.5 * (values == estimate).mean()
    if below <= 0 or below >= 1:
        return float(values.min()), float(values.max())
    bias = _NORMAL.inv_cdf(float(below))
    acceleration = groups.acceleration()
    ends = []
    for share in (level / 2, 1 - level / 2):
        z = bias + _NORMAL.inv_cdf(share)
        moved = _NORMAL.cdf(bias + z / (1 - acceleration * z))
        ends.append(float(np.quantile(values, moved)))
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Sums of differences by group.

    Attributes:
        sums: (G,), means over the seeds.
        sizes: (G,) images.
    """

    sums: Floats
    sizes: Floats

    @classmethod
    def of(cls, right: RightAnswers) -> "_Groups":
        numbers = np.unique(right.groups, return_inverse=True)[1]
        sums = np.bincount(numbers, right.differences.mean(axis=1)).astype(np.float64)
        return cls(sums, np.bincount(numbers).astype(np.float64))

    def estimate(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    def resampled(self, rng: np.random.Generator) -> Floats:
        """Return estimates of resampled groups."""
        count = len(self.sums)
        values = np.empty(RESAMPLES)
        # In blocks: memory stays small, however many groups there are.
        step = max(1, _BLOCK // count)
        for begin in range(0, RESAMPLES, step):
            end = min(RESAMPLES, begin + step)
            chosen = rng.integers(count, size=(end - begin, count))
            values[begin:end] = self.sums[chosen].sum(axis=1) / self.sizes[chosen].sum(axis=1)
        return values

    def acceleration(self) -> float:
        """Return it by the jackknife: a group is left out at a time."""
        left = (self.sums.sum() - self.sums) / np.maximum(self.sizes.sum() - self.sizes, 1)
        away = left.mean() - left
        spread = float((away**2).sum())
        return float((away**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0

    def error(self) -> float:
        """Return the standard error of the estimate."""
        values = self.resampled(generator(0, "error"))
        return float(values.std())


def compare(
    right: RightAnswers, *, name: str, classes: Sequence[str], arms: int = 1, seed: int = 0
) -> Verdict:
    """Compare an arm with the baseline.

    Args:
        right: what both had right.
        name: of the arm.
        classes: names.
        arms: how many are compared with the baseline; the level is divided among them.
        seed: of the resampling.
    """
    level = LEVEL / arms
    pairs = right.pairs()
    check_pairs(len(pairs), arms)
    interval, p = bca(right, level=level, seed=seed), sign_flip(pairs, seed=seed)
    groups = _Groups.of(right)
    difference = groups.estimate()
    outcome: Outcome = "no difference found"
    if p <= level and interval[0] > 0:
        outcome = "better"
    if p <= level and interval[1] < 0:
        outcome = "worse"
    error = max(groups.error(), float(pairs.std(ddof=1)) / math.sqrt(len(pairs)))
    detectable = _multiple(level) * error
    more = _more_images(len(right.labels), detectable)
    each = tuple(
        _class_difference(right.of_class(number), one, len(classes), seed)
        for number, one in enumerate(classes)
        if (right.labels == number).any()
    )
    verdict = Verdict(
        name=name,
        outcome=outcome,
        sentence="",
        baseline=float(right.baseline.mean()),
        arm=float(right.arm.mean()),
        difference=difference,
        interval=interval,
        level=level,
        p=p,
        pairs=len(pairs),
        detectable=detectable,
        more_images=more,
        classes=each,
        got_worse=tuple(one.name for one in each if one.outcome == "worse"),
    )
    object.__setattr__(verdict, "sentence", sentence(verdict))
    return verdict


def sentence(verdict: Verdict) -> str:
    """Return a verdict in words."""
    low, high = (100 * one for one in verdict.interval)
    share = f"{100 * (1 - verdict.level):.3g}%"
    points = f"{100 * verdict.difference:+.1f} points ({share} interval {low:+.1f} to {high:+.1f}"
    told = f"{points}, p {verdict.p:.3f} over {verdict.pairs} pairs)"
    if verdict.outcome != "no difference found":
        words = "it helps" if verdict.outcome == "better" else "it harms"
        return f"{verdict.name}: {words}: {told}"
    more = (
        f"about {verdict.more_images:,} more images would show one of 2 points"
        if verdict.more_images
        else "one of 2 points would have been found"
    )
    return f"{verdict.name}: no difference found: {told}; {more}"


def _class_difference(right: RightAnswers, name: str, classes: int, seed: int) -> ClassDifference:
    interval, outcome = None, "no difference found"
    if len(np.unique(right.groups)) >= _LEAST_GROUPS:
        interval = bca(right, level=LEVEL / classes, seed=seed)
        outcome = "better" if interval[0] > 0 else "worse" if interval[1] < 0 else outcome
    return ClassDifference(
        name=name,
        images=len(right.labels),
        baseline=float(right.baseline.mean()),
        arm=float(right.arm.mean()),
        interval=interval,
        outcome=outcome,  # type: ignore[arg-type]
    )


def expected_detectable(
    sizes: Sequence[int],
    *,
    folds: int,
    seeds: int,
    arms: int = 1,
    disagreement: float = USUAL_DISAGREEMENT,
    deviation: float = USUAL_DEVIATION,
) -> float:
    """Return the difference that a design finds four times in five, before it is run.

    Args:
        sizes: images of each group.
        folds, seeds: of the design.
        arms: that are compared.
        disagreement: share of the images on which two trainings differ.
        deviation: of the accuracies of one training with other seeds.
    """
    counts = np.asarray(sizes, np.float64)
    # Images of a group repeat each other.
    effect = 1 + _ALIKE * (float((counts**2).sum() / counts.sum()) - 1)
    images = disagreement / counts.sum() * effect
    # Half of a disagreement is the image's, which further seeds repeat.
    images *= 0.5 + 0.5 / seeds
    return _multiple(LEVEL / arms) * math.sqrt(images + 2 * deviation**2 / (folds * seeds))


def _multiple(level: float) -> float:
    """Return how many standard errors a difference must have to be found four times in five."""
    return _NORMAL.inv_cdf(1 - level / 2) + _NORMAL.inv_cdf(_POWER)


def _more_images(images: int, detectable: float, wanted: float = 0.02) -> int:
    """Return how many more images would show a difference, as errors fall with their root."""
    need = images * (detectable / wanted) ** 2 - images
    if need <= 0:
        return 0
    digits = max(0, int(math.log10(need)) - 1)
    return int(round(need, -digits))
