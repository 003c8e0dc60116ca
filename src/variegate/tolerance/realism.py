"""Realism: how much strain whole variants take, searched like an axis.

Three transforms, each at the onset of its own axis, are together far beyond it. So one common
strain of all is searched on variants as the policy `realistic` draws them: at realism 0.75, 0.5,
0.25 and 0 this model fails on 2, 5, 20 and 50% of them. How strain becomes intensity, what has
precedence, weights and groups are the policy's: `recipes/policies/realistic.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from variegate.recipes.policies import AxisStrain, Realistic
from variegate.recipes.policies.realistic import (
    COMPOSITE_FAILURES,
    CONTRADICTIONS,
    REALISM,
)
from variegate.tolerance.answers import LEVELS, Ask
from variegate.tolerance.cells import CompositePlan, strain_of
from variegate.tolerance.outcome import SearchOutcome
from variegate.tolerance.result import CompositeLevel, CompositeTolerance
from variegate.tolerance.search import SearchSettings, search


@dataclass(frozen=True)
class Composition:
    """How variants are put together, for which the strain is calibrated.

    Attributes:
        k_min, k_max: operations of a variant.
        groups: of axes of which at most one is used.
    """

    k_min: int = 1
    k_max: int = 3
    groups: tuple[tuple[str, ...], ...] = CONTRADICTIONS


DEFAULT_COMPOSITION = Composition()


def calibrate(
    ask: Callable[[CompositePlan], Ask],
    images: int,
    strains: Mapping[str, AxisStrain],
    *,
    composition: Composition,
    settings: SearchSettings,
    objects: bool = False,
) -> CompositeTolerance:
    """Search the strains at which 2, 5, 20 and 50% of variants are lost.

    Args:
        ask: makes the oracle of a plan.
        images: how many there are.
        strains: what strain means on each axis.
        composition: of variants.
        settings: those of the search; its quantiles are not used.
        objects: whether borders must not show copies of objects.
    """
    policy = Realistic(
        axes=dict(strains),
        k_min=composition.k_min,
        k_max=composition.k_max,
        groups=composition.groups,
    )
    plan = CompositePlan(policy, settings.seed, objects)
    wanted = replace(settings, quantiles=COMPOSITE_FAILURES, width=None)
    return _result(search(ask(plan), images, wanted), composition)


def _result(found: SearchOutcome, composition: Composition) -> CompositeTolerance:
    levels, least = [], 0.0
    for realism, one in zip(REALISM[1:], found.thresholds, strict=False):
        level = LEVELS if one.level is None else one.level
        # Never falling, whatever rounding between levels does.
        least = max(least, strain_of(level))
        levels.append(
            CompositeLevel(
                realism=realism,
                lost=one.quantile,
                strain=least,
                low=strain_of(one.low),
                high=strain_of(LEVELS if one.high is None else one.high),
                reached=one.level is not None,
            )
        )
    return CompositeTolerance(
        k_min=composition.k_min,
        k_max=composition.k_max,
        groups=composition.groups,
        levels=tuple(levels),
        curve=tuple((strain_of(n), float(rate)) for n, rate in enumerate(found.curve)),
        images=found.n,
        calls=found.calls,
        monotone=found.drop is None,
    )
