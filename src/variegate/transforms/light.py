"""Transforms of uneven light."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from variegate.ops import light as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, draw_from


class Vignette(Transform):
    """Darken the corners, as a lens does: by the fourth power of the cosine."""

    name: ClassVar = "vignette"
    axes: ClassVar = (Axis("vignette", "strength", 0.0, 0.95),)
    acts: ClassVar = ops.Vignette

    strength: Annotated[Range, Bounds(0, 0.99)] = (0.4, 0.8)
    """Share of the light that the farthest corner loses; 0 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"center": [draw_from(rng, (0.35, 0.65)), draw_from(rng, (0.35, 0.65))]}


class Illumination(Transform):
    """Let more or less light fall on one side of the image, or on one place in it."""

    name: ClassVar = "illumination"
    axes: ClassVar = (
        Axis("illumination+", "strength", 0.0, 1.0, fixed=(("effect", "brighten"),)),
        Axis("illumination-", "strength", 0.0, 1.0, fixed=(("effect", "darken"),)),
    )
    acts: ClassVar = ops.Illumination
    undrawn: ClassVar = frozenset({"p", "effect", "shape"})

    strength: Annotated[Range, Bounds(0, 1)] = (0.25, 0.6)
    """0 is the identity; 1 doubles the values where the light is, or leaves a tenth."""

    width: Annotated[Range, Bounds(high=4, above=0)] = (0.3, 0.6)
    """Standard deviation of a `gaussian` light, as a fraction of the shorter side."""

    effect: Literal["brighten", "darken", "either"] = "either"
    """Whether light is added or taken; `either` draws one."""

    shape: Literal["linear", "gaussian", "either"] = "either"
    """`linear`: from one side to the other; `gaussian`: about a point; `either` draws one."""

    def further(self, rng: np.random.Generator) -> Parameters:
        effect: ops.Effect = "brighten" if rng.random() < 0.5 else "darken"
        shape: ops.Gradient = "linear" if rng.random() < 0.5 else "gaussian"
        return {
            "effect": effect if self.effect == "either" else self.effect,
            "shape": shape if self.shape == "either" else self.shape,
            "angle_degrees": draw_from(rng, (0.0, 360.0)),
            "center": [draw_from(rng, (0.1, 0.9)), draw_from(rng, (0.1, 0.9))],
        }


class PlasmaBrightness(Transform):
    """Make the image brighter here and darker there, in clouds of many sizes."""

    name: ClassVar = "plasma_brightness"
    axes: ClassVar = (Axis("plasma_brightness", "strength", 0.0, 1.0),)
    acts: ClassVar = ops.PlasmaBrightness
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 2)] = (0.15, 0.5)
    """0 is the identity; at 1 the change has a standard deviation of 0.35 of full scale."""


class PlasmaShadow(Transform):
    """Lay soft shadows of many sizes on the image, as leaves and clouds do."""

    name: ClassVar = "plasma_shadow"
    axes: ClassVar = (Axis("plasma_shadow", "strength", 0.0, 1.0),)
    acts: ClassVar = ops.PlasmaShadow
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.2, 0.6)
    """0 is the identity; 1 leaves a tenth of the values in the deepest shadow."""
