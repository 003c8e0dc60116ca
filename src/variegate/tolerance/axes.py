"""From what a search found on an axis to what `tolerance.json` says of it."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from variegate.recipes.policies import find_axis
from variegate.tolerance.answers import LEVELS, Cell
from variegate.tolerance.outcome import Drop, SearchOutcome, Threshold
from variegate.tolerance.result import (
    AuditResult,
    AxisTolerance,
    ClassTolerance,
    CurvePoint,
    DropResult,
    EvaluatedPoint,
    IntensityQuantity,
    ThresholdResult,
    Witness,
)
from variegate.tolerance.search import SearchSettings
from variegate.tolerance.statistics import failure_curve, quantile_ranks
from variegate.tolerance.units import in_units

# Half widths that are offered, points of intensity.
_OFFERED = (20.0, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5)
_WORTH = 0.75

#: Returns key, expected and what the model said of a cell.
WitnessOf = Callable[[Cell], tuple[str, str, str]]


def unchanged_axis(axis: str) -> AxisTolerance:
    """Return what is said of an axis that changes nothing."""
    version = find_axis(axis)[1].version
    return AxisTolerance(axis=axis, version=version, unchanged=True, classes={})


def axis_result(
    axis: str,
    found: SearchOutcome,
    settings: SearchSettings,
    *,
    names: Sequence[str],
    witness: WitnessOf,
    available: int,
    instability: float,
) -> AxisTolerance:
    """Return what is said of an axis that was searched.

    Args:
        axis: its name.
        found: what the search found.
        settings: with which.
        names: classes of the images, in the order of the search.
        witness: what the model said of cells.
        available: images there are.
        instability: share of answers that changed when asked again.
    """
    return AxisTolerance(
        axis=axis,
        version=find_axis(axis)[1].version,
        monotone=found.drop is None,
        drop=_drop(found.drop),
        unconfirmed=found.unconfirmed,
        reentry=tuple((low / LEVELS, high / LEVELS) for low, high in found.reentry),
        thresholds=tuple(_threshold(axis, one, witness) for one in found.thresholds),
        curve=tuple(
            CurvePoint(intensity=n / LEVELS, lost=min(1.0, rate), low=low, high=high)
            for n, (rate, low, high) in enumerate(
                zip(
                    map(float, found.curve),
                    map(float, found.low),
                    map(float, found.high),
                    strict=True,
                )
            )
        ),
        points=tuple(
            EvaluatedPoint(intensity=level / LEVELS, asked=asked, lost=lost)
            for level, asked, lost in found.points
        ),
        classes=_classes(found, names),
        images=found.n,
        calls=found.calls,
        audit=AuditResult(
            asked=found.audit.asked,
            lost_instead=found.audit.failed_instead,
            kept_instead=found.audit.passed_instead,
            biased=found.audit.biased,
        ),
        unusable=found.unusable,
        instability=instability,
        stopped=found.stopped,
        more=_more(found, settings, available),
    )


def _drop(drop: Drop | None) -> DropResult | None:
    if drop is None:
        return None
    return DropResult(
        peak=drop.peak / LEVELS,
        dip=drop.dip / LEVELS,
        lost_at_peak=drop.peak_rate,
        lost_at_dip=drop.dip_rate,
        p=drop.p,
    )


def quantity(axis: str, level: float) -> IntensityQuantity:
    """Return a level of an axis in units."""
    intensity = min(1.0, max(0.0, level / LEVELS))
    found = in_units(axis, intensity)
    value = found.value if math.isfinite(found.value) else None
    return IntensityQuantity(intensity=intensity, value=value, unit=found.unit, text=found.text)


def _threshold(axis: str, one: Threshold, witness: WitnessOf) -> ThresholdResult:
    pair = [_witness(cell, witness) for cell in one.pair] if one.pair else [None, None]
    return ThresholdResult(
        quantile=one.quantile,
        at=None if one.level is None else quantity(axis, one.level),
        low=quantity(axis, one.low),
        high=None if one.high is None else quantity(axis, one.high),
        last_success=pair[0],
        first_failure=pair[1],
    )


def _witness(cell: Cell, witness: WitnessOf) -> Witness:
    key, expected, says = witness(cell)
    return Witness(image=key, expected=expected, intensity=cell[1] / LEVELS, says=says)


def _classes(found: SearchOutcome, names: Sequence[str]) -> dict[str, ClassTolerance]:
    """Return where half of each class is lost, by its images' brackets."""
    members = defaultdict[str, list[int]](list)
    for image in range(found.n):
        members[names[image]].append(image)
    return {name: _class(found, members[name]) for name in sorted(members)}


def _class(found: SearchOutcome, images: Sequence[int]) -> ClassTolerance:
    passed = np.array([found.passed[n] for n in images])
    failed = np.array([max(found.failed[n], found.passed[n] + 1) for n in images])
    curve = failure_curve(passed, failed, LEVELS)
    half = int(np.searchsorted(curve, 0.5))
    low, high = quantile_ranks(len(images), 0.5, 0.05)
    # The r-th least breakpoint lies between the r-th least ends of the brackets.
    least = int(np.sort(passed)[low - 1]) if low >= 1 else 0
    most = int(np.sort(failed)[high - 1]) if high <= len(images) else LEVELS + 1
    return ClassTolerance(
        images=len(images),
        half_lost=None if half > LEVELS else max(half, least) / LEVELS,
        low=least / LEVELS,
        high=None if most > LEVELS else most / LEVELS,
    )


def _more(found: SearchOutcome, settings: SearchSettings, available: int) -> str:
    """Return what more images would buy: half widths shrink as the root of their number."""
    widest = max(found.thresholds, key=lambda one: one.width)
    half = widest.width / 2
    aim = next((one for one in _OFFERED if one <= _WORTH * half), None)
    if aim is None:
        return ""
    wanted = math.ceil(found.n * (half / aim) ** 2)
    there = min(available, wanted)
    how = f"{wanted - found.n:,} more images for ±{aim:g} points (now ±{half:.1f})"
    if found.stopped == "calls":
        return f"{how}; the budget ended it"
    if found.stopped == "n_max" and there > settings.n_max:
        return f"{how}; {available - found.n:,} more are there: raise n_max"
    return f"{how}; all {available:,} were used" if found.stopped == "images" else how
