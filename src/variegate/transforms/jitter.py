"""Transforms of color in a direction that is drawn: only how far they go is given."""

import math
from typing import Annotated, Any, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import ColorMatrix, Identity, Lut, Operation
from variegate.ops.stains import Stains
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform
from variegate.transforms.color import Hue, Saturation

_GRAY = 127.5
#: Half a wave, one and one and a half, from black to white, between the 256 levels: (3, 255).
_WAVES = np.cos(np.outer((1, 2, 3), np.pi * (np.arange(255) + 0.5) / 255))


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue, one after the other in an order drawn.

    The four are made as one change, clipped once: none loses what another would bring back.
    """

    name: ClassVar = "color_jitter"
    axes: ClassVar = (Axis("color_jitter", "strength", 0.0, 1.5),)
    steps: ClassVar = ("brightness", "contrast", "saturation", "hue_degrees")

    strength: Annotated[Range, Bounds(0, 4)] = (1.0, 1.0)
    """How far the changes drawn are gone: factors to this power, degrees times it; 0 is the
    identity."""

    brightness: Annotated[Range, Bounds(high=10, above=0, log=True)] = (0.6, 1.5)
    """Factor on all values."""

    contrast: Annotated[Range, Bounds(high=10, above=0, log=True)] = (0.6, 1.5)
    """Factor on the distance from mid gray."""

    saturation: Annotated[Range, Bounds(high=10, above=0, log=True)] = (0.4, 1.8)
    """Factor on the distance from gray; luminance is kept."""

    hue_degrees: Annotated[Range, Bounds(-180, 180)] = (-36.0, 36.0)
    """Angle on the color wheel, degrees."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"order": [self.steps[number] for number in rng.permutation(4).tolist()]}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        made: Operation = Identity()
        for step in parameters["order"]:
            one = _step(step, parameters[step], parameters["strength"], size)
            joined = made.then(one)
            assert joined is not None  # a matrix joins with a matrix
            made = joined
        return made


def _step(name: str, value: float, strength: float, size: Size) -> Operation:
    if name == "hue_degrees":
        return Hue.operation({"angle_degrees": value * strength}, size)
    factor = value**strength
    if name == "saturation":
        return Saturation.operation({"factor": factor}, size)
    offset = _GRAY * (1 - factor) if name == "contrast" else 0.0
    return ColorMatrix.of(factor * np.eye(3), (offset,) * 3)


class ToneCurve(Transform):
    """Bend the tone curve: smooth, never falling, with black and white where they were."""

    name: ClassVar = "tone_curve"
    axes: ClassVar = (Axis("tone_curve", "strength", 0.0, 1.25),)
    undrawn: ClassVar = frozenset({"p", "per_channel"})

    strength: Annotated[Range, Bounds(0, 4)] = (0.3, 0.9)
    """Greatest change of the slope, about, as a natural logarithm; 0 is the identity."""

    per_channel: bool = False
    """Whether each channel has a curve of its own, which also tints the image."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"bends": [_direction(rng, 3) for _ in range(3 if self.per_channel else 1)]}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        curves = [_curve(bends, parameters["strength"]) for bends in parameters["bends"]]
        return Lut.of(255 * np.array(curves if len(curves) == 3 else curves[0]))


def _curve(bends: list[float], strength: float) -> np.ndarray[Any, Any]:
    """Return (256,) from 0 to 1: the sum of slopes that are exponentials of a few cosines."""
    # Sums of products, not a matrix product: its rounding differs between processors.
    bent = sum(strength * bend * wave for bend, wave in zip(bends, _WAVES, strict=True))
    rising = np.zeros(256)
    np.cumsum(np.exp(bent), out=rising[1:])
    return rising / rising[-1]


class StainJitter(Transform):
    """Stain a slide with more or less hematoxylin and eosin (Ruifrok and Johnston 2001).

    Gray images show no stains and stay as they are.
    """

    name: ClassVar = "stain_jitter"
    axes: ClassVar = (Axis("stain_jitter", "strength", 0.0, 1.0),)

    strength: Annotated[Range, Bounds(0, 3)] = (0.2, 0.5)
    """Change of the two stains' amounts, together, as a natural logarithm: 0.3 is 35% more or 26%
    less of one alone; 0 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"stains": _direction(rng, 2)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        strength = parameters["strength"]
        return Stains(*(math.exp(strength * stain) for stain in parameters["stains"]))


def _direction(rng: np.random.Generator, dimensions: int) -> list[float]:
    """Draw a vector of length 1, any direction as likely."""
    vector = rng.standard_normal(dimensions).tolist()
    length = math.sqrt(sum(one * one for one in vector))
    return [one / length for one in vector]
