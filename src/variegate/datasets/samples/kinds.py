"""The five kinds of part, and the names of their keypoints."""

from collections.abc import Callable

import numpy as np

from variegate.datasets.samples.axials import diode, resistor
from variegate.datasets.samples.blueprint import Blueprint
from variegate.datasets.samples.chips import chip
from variegate.datasets.samples.radials import capacitor, led
from variegate.errors import ShapeError, did_you_mean

KEYPOINTS: dict[str, tuple[str, ...]] = {
    "resistor": ("lead_left", "lead_right", "body_center"),
    "capacitor": ("lead_positive", "lead_negative", "body_center"),
    "diode": ("anode", "cathode", "ring"),
    "led": ("anode", "cathode", "dome"),
    "chip": ("pin_1", "pin_last", "notch", "body_center"),
}
"""The names of each kind's keypoints, in the order in which they are given."""

KINDS: tuple[str, ...] = tuple(KEYPOINTS)

_PLANS: dict[str, Callable[[np.random.Generator, float], Blueprint]] = {
    plan.__name__: plan for plan in (resistor, capacitor, diode, led, chip)
}


def plan_part(rng: np.random.Generator, label: str, *, thinnest: float) -> Blueprint:
    """Draw a part of a kind.

    Args:
        rng: where all choices come from.
        label: one of KINDS.
        thinnest: the least width of a lead, so that it is not lost between pixels.

    Raises:
        ShapeError: there is no such kind.
    """
    if label not in _PLANS:
        known = ", ".join(KINDS)
        raise ShapeError(
            f"label: expected one of {known}; got {label!r}{did_you_mean(label, KINDS)}"
        )
    return _PLANS[label](rng, thinnest)
