"""What a search found on one axis: plain values, by levels."""

from dataclasses import dataclass

from variegate.tolerance.answers import LEVELS, Cell
from variegate.tolerance.statistics import Floats


@dataclass(frozen=True)
class Threshold:
    """The level at which a share of the images fails.

    Attributes:
        quantile: the share.
        level: 0 to 100; None where fewer fail at the end of the axis.
        low, high: interval; high is None where it is open.
        pair: the last success and the first failure: one image, and its levels on both sides; None
            where no image failed.
    """

    quantile: float
    level: float | None
    low: float
    high: float | None
    pair: tuple[Cell, Cell] | None = None

    @property
    def width(self) -> float:
        """Width of the interval, levels; to the end of the axis where it is open."""
        return (LEVELS if self.high is None else self.high) - self.low


@dataclass(frozen=True)
class Drop:
    """A level at which fewer images fail than at a weaker one.

    Attributes:
        peak, dip: the levels.
        peak_rate, dip_rate: shares of the images that confirmed it.
        p: of the sign test; below 0.01.
    """

    peak: int
    dip: int
    peak_rate: float
    dip_rate: float
    p: float


@dataclass(frozen=True)
class AuditCount:
    """Implied answers that were asked.

    Attributes:
        asked: how many.
        failed_instead: should have passed.
        passed_instead: should have failed.
        biased: whether they are wrong to one side, so that the search was repeated without.
    """

    asked: int = 0
    failed_instead: int = 0
    passed_instead: int = 0
    biased: bool = False


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        thresholds: in the order of the quantiles.
        n: images used.
        calls: cells asked.
        drop: where the axis is not monotone; None where it is.
        unconfirmed: a drop of the screen that too few fresh images were there to confirm.
        reentry: (from, to) levels after the first crossing of the last quantile's level at which
            fewer images fail again than its share.
        audit: of implied answers.
        curve: (101,), share of failing images at each level.
        low, high: (101,), band of the curve, 95% at each level.
        points: level, how many images were asked there, how many of them failed.
        passed, failed: brackets of the images.
        unusable: cells without a usable answer.
        stopped: "width", "n_max", "images" or "calls".
    """

    thresholds: tuple[Threshold, ...]
    n: int
    calls: int
    drop: Drop | None
    unconfirmed: bool
    reentry: tuple[tuple[int, int], ...]
    audit: AuditCount
    curve: Floats
    low: Floats
    high: Floats
    points: tuple[tuple[int, int, int], ...]
    passed: tuple[int, ...]
    failed: tuple[int, ...]
    unusable: int
    stopped: str
