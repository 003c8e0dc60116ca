"""The fingerprint delta: which of two models takes more, axis by axis, and how sure that is.

Of each threshold the interval is taken at a smaller alpha, shared by all that is compared
(Bonferroni), so that with 95% confidence *all* intervals of changes are right together. Both
searches are taken as independent: where they used the same images, the intervals are wider than
they had to be, never narrower.

Source of the interval of a difference: Zou and Donner, Construction of confidence limits about
effect measures, Statistics in Medicine 27, 2008; of shares: Newcombe, Statistics in Medicine 17,
1998.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from variegate.errors import UsageError
from variegate.models.intervals import wilson
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.result import AxisTolerance, CleanResult, ThresholdResult, Tolerance
from variegate.tolerance.statistics import quantile_ranks
from variegate.validation import Spec

Verdict = Literal["better", "worse", "undecided"]

_EDGE = 1e-6


class ThresholdDelta(Spec):
    """How the intensity changes at which a share of the images is lost."""

    quantile: float
    first: float | None
    """Intensity; none where fewer are lost at the end of the axis."""
    second: float | None
    change: float | None
    """Second less first, intensity; none where one of them is not reached."""
    low: float | None
    """Where the corrected interval of the change begins; none where it is open."""
    high: float | None
    verdict: Verdict
    """Of the second."""


class AxisDelta(Spec):
    """What changes on an axis."""

    axis: str
    thresholds: tuple[ThresholdDelta, ...]

    @property
    def verdict(self) -> str:
        """Return "better", "worse", "undecided", or "mixed" where one threshold is each."""
        decided = {one.verdict for one in self.thresholds} - {"undecided"}
        return "mixed" if len(decided) > 1 else next(iter(decided), "undecided")


class CleanDelta(Spec):
    """How the error on images as they are changes."""

    first: float
    second: float
    change: float
    low: float
    high: float
    verdict: Verdict


class FingerprintDelta(Spec):
    """How the tolerance of a second model is another than that of a first."""

    version: Literal[1] = 1
    first: str
    second: str
    alpha: float
    """One less the confidence that all intervals are right."""
    compared: int
    """Intervals that it is shared by."""
    clean: CleanDelta | None
    """None where the model itself says what is expected."""
    axes: tuple[AxisDelta, ...]
    notes: tuple[str, ...] = ()

    def of(self, verdict: str) -> list[str]:
        """Return the names of the axes with a verdict."""
        return [one.axis for one in self.axes if one.verdict == verdict]

    def to_json(self) -> dict[str, Any]:
        """Return all of it, with a verdict for each axis."""
        told = self.model_dump(mode="json")
        for one, axis in zip(told["axes"], self.axes, strict=True):
            one["verdict"] = axis.verdict
        return told


@dataclass(frozen=True)
class _Range:
    """A threshold with an interval, intensities; None lies beyond the end of the axis."""

    at: float | None
    low: float
    high: float | None


def compare(
    first: Tolerance, second: Tolerance, *, names: tuple[str, str] = ("first", "second")
) -> FingerprintDelta:
    """Compare the tolerance of two models, or of two versions of one.

    Args:
        first: what is compared with.
        second: what is better or worse.
        names: how both are called.

    Raises:
        UsageError: they measure different things.
    """
    _check(first, second, names)
    alpha = max(first.alpha, second.alpha)
    pairs = list(_pairs(first, second))
    if not pairs:
        raise UsageError(f"{names[0]} and {names[1]} have no axis in common that was searched")
    shares = [one for one in first.quantiles if one in second.quantiles]
    labelled = first.mode == "correctness preserved"
    compared = len(pairs) * len(shares) + labelled
    each = alpha / compared
    axes = tuple(
        AxisDelta(
            axis=one.axis,
            thresholds=tuple(
                _delta(
                    _range(one, share, first.alpha, each),
                    _range(other, share, second.alpha, each),
                    share,
                )
                for share in shares
            ),
        )
        for one, other in pairs
    )
    return FingerprintDelta(
        first=names[0],
        second=names[1],
        alpha=alpha,
        compared=compared,
        clean=_clean(first.clean, second.clean, each) if labelled else None,
        axes=axes,
        notes=tuple(_notes(first, second, names)),
    )


def _check(first: Tolerance, second: Tolerance, names: tuple[str, str]) -> None:
    for what in ("mode", "error", "tau"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise UsageError(
                f"{names[0]} and {names[1]} measure different things: {what} {one!r} and "
                f"{other!r}; search both in the same way"
            )
    if not set(first.quantiles) & set(second.quantiles):
        raise UsageError(
            f"{names[0]} and {names[1]} have no quantile in common ({_listed(first.quantiles)} and "
            f"{_listed(second.quantiles)}); search both with the same --quantiles"
        )


def _listed(shares: tuple[float, ...]) -> str:
    return ", ".join(f"{one:g}" for one in shares)


def _pairs(first: Tolerance, second: Tolerance) -> Iterator[tuple[AxisTolerance, AxisTolerance]]:
    """Yield the axes of both that change something."""
    others = {one.axis: one for one in second.axes if not one.unchanged}
    for one in first.axes:
        if not one.unchanged and one.axis in others:
            yield one, others[one.axis]


def _notes(first: Tolerance, second: Tolerance, names: tuple[str, str]) -> Iterator[str]:
    if first.dataset != second.dataset:
        yield (
            f"{names[0]} was searched on {first.dataset or 'images in memory'}, {names[1]} on "
            f"{second.dataset or 'images in memory'}: what differs may be the images"
        )
    if first.seed != second.seed:
        yield "the seeds are different, so that images were transformed in other ways"
    if first.model.get("identity") == second.model.get("identity"):
        yield "both are of the same model"
    for one, other, name in ((first, second, names[0]), (second, first, names[1])):
        searched = {each.axis for each in one.axes if not each.unchanged}
        known = {each.axis for each in other.axes if not each.unchanged}
        if alone := sorted(searched - known):
            yield f"only in {name}: {', '.join(alone)}"


def _clean(first: CleanResult, second: CleanResult, alpha: float) -> CleanDelta:
    one, other = first.error.value, second.error.value
    low, high = wilson(first.wrong, first.images, 1 - alpha)
    low_2, high_2 = wilson(second.wrong, second.images, 1 - alpha)
    change = other - one
    begin = change - math.hypot(other - low_2, high - one)
    end = change + math.hypot(high_2 - other, one - low)
    verdict: Verdict = "worse" if begin > 0 else "better" if end < 0 else "undecided"
    return CleanDelta(first=one, second=other, change=change, low=begin, high=end, verdict=verdict)


def _range(one: AxisTolerance, share: float, known: float, alpha: float) -> _Range:
    """Return a threshold with its interval at another alpha: the widest of what is known.

    The search asked only for the ranks of its own interval. For others the order statistics are
    taken from the curve; where it was not asked closely, that could be too narrow, and so the
    interval is at least as much wider as that of a normal distribution would be.
    """
    found = next(each for each in one.thresholds if each.quantile == share)
    at = None if found.at is None else found.at.intensity
    low, high = _stretched(
        found, at, NormalDist().inv_cdf(1 - alpha / 2) / NormalDist().inv_cdf(1 - known / 2)
    )
    first, last = _ranked(one, share, alpha)
    end = None if high is None or last is None else max(high, last)
    return _Range(at, min(low, first), end)


def _stretched(
    found: ThresholdResult, at: float | None, times: float
) -> tuple[float, float | None]:
    middle = 1.0 if at is None else at
    low = max(0.0, middle - times * (middle - found.low.intensity))
    if found.high is None:
        return low, None
    high = middle + times * (found.high.intensity - middle)
    return low, high if high < 1 else None


def _ranked(one: AxisTolerance, share: float, alpha: float) -> tuple[float, float | None]:
    """Return between which intensities the order statistics of the curve lie."""
    low, high = quantile_ranks(one.images, share, alpha)
    lost = [point.lost * one.images for point in one.curve]
    before = next((n for n, count in enumerate(lost) if count > low - 1 + _EDGE), len(lost))
    after = next((n for n, count in enumerate(lost) if count > high - _EDGE), None)
    first = max(0, before - 1) / LEVELS if low >= 1 else 0.0
    return first, None if after is None or high > one.images else after / LEVELS


def _delta(first: _Range, second: _Range, share: float) -> ThresholdDelta:
    low = high = change = None
    if first.at is not None and second.at is not None:
        change = second.at - first.at
        if first.high is not None:
            low = change - math.hypot(second.at - second.low, first.high - first.at)
        if second.high is not None:
            high = change + math.hypot(second.high - second.at, first.at - first.low)
    else:
        # One is not reached: how far beyond the end it lies is not known.
        low = None if first.high is None else second.low - first.high
        high = None if second.high is None else second.high - first.low
    verdict: Verdict = "undecided"
    if low is not None and low > 0:
        verdict = "better"
    elif high is not None and high < 0:
        verdict = "worse"
    return ThresholdDelta(
        quantile=share,
        first=first.at,
        second=second.at,
        change=change,
        low=low,
        high=high,
        verdict=verdict,
    )
