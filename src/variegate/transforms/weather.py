"""Transforms of light, air and weather."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from variegate.ops import precipitation, weather
from variegate.ops.frost import Frost as FrostOperation
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, draw_from


class Shadow(Transform):
    """Cast a long shadow with a soft, uneven edge."""

    name: ClassVar = "shadow"
    axes: ClassVar = (Axis("shadow", "strength", 0.0, 1.0),)
    acts: ClassVar = weather.Shadow
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.3, 0.7)
    """Share of the light that is kept out, 1 being a quarter left; 0 is the identity."""

    width: Annotated[Range, Bounds(0, 4)] = (0.3, 0.8)
    """Width of the shadow, as a fraction of the shorter side."""

    def further(self, rng: np.random.Generator) -> Parameters:
        center = [draw_from(rng, (0.2, 0.8)), draw_from(rng, (0.2, 0.8))]
        angle = draw_from(rng, (0.0, 180.0))
        return {"center": center, "angle_degrees": angle, **super().further(rng)}


class Fog(Transform):
    """Veil the image with fog of the scene's own light, thicker at the top."""

    name: ClassVar = "fog"
    axes: ClassVar = (Axis("fog", "strength", 0.0, 1.0),)
    acts: ClassVar = weather.Fog
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.2, 0.6)
    """Density; 0 is the identity, 1 hides nearly everything but what is near, at the bottom."""

    patches: Annotated[Range, Bounds(0, 1)] = (0.05, 0.25)
    """How uneven it is: 0 for an even veil, 1 for torn patches."""


class SunFlare(Transform):
    """Let the sun shine into the lens: glow, rays and reflections."""

    name: ClassVar = "sun_flare"
    axes: ClassVar = (Axis("sun_flare", "strength", 0.0, 1.0),)
    acts: ClassVar = weather.SunFlare
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.3, 0.8)
    """Brightness; 0 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        center = [draw_from(rng, (0.05, 0.95)), draw_from(rng, (0.0, 0.45))]
        return {"center": center, **super().further(rng)}


class Rain(Transform):
    """Let it rain: streaks at three distances and a gray veil."""

    name: ClassVar = "rain"
    axes: ClassVar = (Axis("rain", "strength", 0.0, 1.0),)
    acts: ClassVar = precipitation.Rain
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.2, 0.7)
    """Density; 0 is the identity."""

    slant_degrees: Annotated[Range, Bounds(-80, 80)] = (-20.0, 20.0)
    """Direction of the fall from the vertical, degrees; above 0 it falls to the right."""


class Snow(Transform):
    """Let it snow: translucent flakes of many sizes, streaked, and a veil of the scene's light."""

    name: ClassVar = "snow"
    axes: ClassVar = (Axis("snow", "strength", 0.0, 1.0),)
    acts: ClassVar = precipitation.Snow
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.2, 0.7)
    """Density; 0 is the identity."""

    slant_degrees: Annotated[Range, Bounds(-80, 80)] = (-30.0, 30.0)
    """Direction of the fall from the vertical, degrees; above 0 it falls to the right."""


class Frost(Transform):
    """Let feathers of ice grow over a pane before the lens."""

    name: ClassVar = "frost"
    axes: ClassVar = (Axis("frost", "strength", 0.0, 1.0),)
    acts: ClassVar = FrostOperation
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.2, 0.7)
    """How much of the ice is seen; 0 is the identity."""


class Spatter(Transform):
    """Throw mud or water at the lens, out of focus."""

    name: ClassVar = "spatter"
    axes: ClassVar = (Axis("spatter", "strength", 0.0, 1.0),)
    acts: ClassVar = lambda strength, noise_key, kind="mud": precipitation.Spatter(
        strength, noise_key, kind == "water"
    )
    noisy: ClassVar = True

    strength: Annotated[Range, Bounds(0, 1)] = (0.1, 0.4)
    """0 is the identity, 1 covers two fifths of the image."""

    kind: Literal["mud", "water"] = "mud"
    """Mud takes light away and hides what is behind it; water bends the light and hides nothing."""
