"""How transforms combine: from one image to the list of its variants.

A policy *expands* into chains of steps. Each step carries the path of choices that led to it, and
its randomness is drawn from ``generator(seed, key, *path)``: two variants that begin with the same
choices share the same draws, and no variant depends on which others are made.

| policy | variants |
| --- | --- |
| `Sequence` | all steps in order; the product of the variants of its steps |
| `Subsets` | the power set: N steps give 2**N, the source counted as one |
| `Each` | every step alone, `draws` times |
| `SampleOf` | `n` random choices of `k_min` to `k_max` steps |
| `OneOf` | one, of one step chosen at random |
| `Axes` | `n` of `k` strength axes chosen at random |
| `Realistic` | `n` of several axes, together as strong as a model takes to a chosen degree |
| `Trivial` | `n` of one published operation at a random strength (Mueller and Hutter 2021) |
| `Rand` | `n` of `k` published operations at one strength (Cubuk et al. 2020) |
| `AutoAugment` | `n` of learned pairs of operations (Cubuk et al. 2019) |
| `AugMix` | `n` mixed of several chains of operations (Hendrycks et al. 2020) |
| `Original` | one: the source itself |
"""

from typing import Any

from variegate.recipes.policies.along import Along, all_axes, axes_by_name, find_axis
from variegate.recipes.policies.axes import Axes
from variegate.recipes.policies.base import (
    Chain,
    Drawable,
    Node,
    Place,
    Policy,
    Settled,
    Step,
    Steps,
    chains,
    count,
    expand,
    steps_of,
)
from variegate.recipes.policies.choices import OneOf, SampleOf
from variegate.recipes.policies.combinations import Each, Original, Sequence, Subsets
from variegate.recipes.policies.published import AugMix, AutoAugment, Rand, Trivial
from variegate.recipes.policies.realistic import AxisStrain, Realistic

__all__ = [
    "POLICIES",
    "Along",
    "AugMix",
    "AutoAugment",
    "Axes",
    "AxisStrain",
    "Chain",
    "Drawable",
    "Each",
    "Node",
    "OneOf",
    "Original",
    "Place",
    "Policy",
    "Rand",
    "Realistic",
    "SampleOf",
    "Sequence",
    "Settled",
    "Step",
    "Subsets",
    "Trivial",
    "all_axes",
    "axes_by_name",
    "chains",
    "count",
    "expand",
    "find_axis",
    "steps_of",
    "to_data",
    "transforms_of",
]

POLICIES: dict[str, type[Policy]] = {
    policy.name: policy
    for policy in (
        *(Sequence, Subsets, Each, SampleOf, OneOf),
        *(Axes, Realistic, Trivial, Rand, AutoAugment, AugMix, Original),
    )
}


def transforms_of(node: Node) -> set[str]:
    """Return the names of all transforms that a node may draw."""
    return {
        find_axis(one.axis)[0].name if isinstance(one, Along) else one.name
        for one in steps_of(node)
    }


def to_data(node: Node) -> dict[str, Any]:
    """Return a node as a recipe has it: {name: parameters}, without defaults."""
    if isinstance(node, Steps):
        fields = node.model_dump(mode="json", exclude_defaults=True, exclude={"steps"})
        return {node.name: {"steps": [to_data(step) for step in node.steps], **fields}}
    return {node.name: node.model_dump(mode="json", exclude_defaults=True)}
