"""A transform that mixes an image with what chains of published operations make of it."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import chain_mix as ops
from variegate.seeding import uniform
from variegate.transforms import find_transform
from variegate.transforms.base import (
    Bounds,
    Draw,
    Parameters,
    Range,
    Transform,
    draw_whole,
)
from variegate.transforms.geometry import Channel
from variegate.transforms.published import MOVES, filled, published
from variegate.validation import Spec

# Levels go up to this; a severity is the highest that is drawn.
_HIGHEST = 10.0
_LOWEST = 0.1
# What weights are rounded to. Their logarithms and powers are the machine's own.
_DIGITS = 6

#: The magnitude of each operation, of the share of the highest level; with True its sign is drawn.
_OPERATIONS: Mapping[str, tuple[Callable[[float], float], bool]] = {
    "autocontrast": (lambda _: 0.0, False),
    "equalize": (lambda _: 0.0, False),
    "posterize": (lambda share: 4.0 - math.trunc(4 * share), False),
    "rotate": (lambda share: float(math.trunc(30 * share)), True),
    "solarize": (lambda share: 256.0 - math.trunc(256 * share), False),
    "shear_x": (lambda share: 0.3 * share, True),
    "shear_y": (lambda share: 0.3 * share, True),
    "translate_x": (lambda share: share / 3, True),
    "translate_y": (lambda share: share / 3, True),
}
_FURTHER: Mapping[str, tuple[Callable[[float], float], bool]] = {
    name: (lambda share: 0.9 * share, True)
    for name in ("brightness", "color", "contrast", "sharpness")
}


class Chains(Spec):
    """How chains of published operations are drawn, and how they are mixed."""

    width: Annotated[int, Field(ge=1, le=10)] = 3
    """How many chains are mixed."""
    depth: Annotated[Range, Bounds(1, 10, whole=True)] = (1.0, 3.0)
    """How many operations are in a chain."""
    severity: Annotated[float, Field(ge=_LOWEST, le=_HIGHEST)] = 3.0
    """Highest level of an operation, of 10; each draws its own, from 0.1 on."""
    alpha: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Of the Dirichlet distribution of the chains' weights and of the Beta distribution of the
    source's; 1 makes all mixtures as likely, more makes them even."""
    all_operations: bool = False
    """Draw brightness, color, contrast and sharpness as well, which the paper leaves out because
    it tests with them."""
    geometry: Literal["auto", "always", "never"] = "auto"
    """Whether chains move the image (rotate, shear, translate): labels stay those of the source, so
    auto leaves it out for images with objects or masks."""
    fill: tuple[Channel, Channel, Channel] = (0, 0, 0)
    """RGB color of what lies beyond the image where a chain moves it."""
    interpolation: Literal["nearest", "linear"] = "linear"
    """How values between pixels are found where a chain moves the image."""


class ChainMix(Chains, Transform):
    """Mix the image with what random chains of published operations make of it."""

    name: ClassVar = "chain_mix"

    def still(self) -> Self:
        """Return the same for an image of which it is known where things are."""
        return self.model_copy(update={"geometry": "never"}) if self.geometry == "auto" else self

    def parameters(self, rng: np.random.Generator) -> Parameters:
        operations = {**_OPERATIONS, **(_FURTHER if self.all_operations else {})}
        if self.geometry == "never":
            operations = {name: one for name, one in operations.items() if name not in MOVES}
        chains = []
        for _ in range(self.width):
            drawn = [self._drawn(rng, operations) for _ in range(draw_whole(rng, self.depth))]
            chains.append([one.to_json() for one in drawn])
        return {
            "share": round(float(rng.beta(self.alpha, self.alpha)), _DIGITS),
            "weights": _rounded(rng.dirichlet([self.alpha] * self.width).tolist()),
            "chains": chains,
        }

    def _drawn(
        self,
        rng: np.random.Generator,
        operations: Mapping[str, tuple[Callable[[float], float], bool]],
    ) -> Draw:
        name = list(operations)[int(rng.integers(len(operations)))]
        magnitude_of, signed = operations[name]
        magnitude = magnitude_of(uniform(rng, _LOWEST, self.severity) / _HIGHEST)
        if signed and rng.random() < 0.5:
            magnitude = -magnitude
        made = published(name, magnitude, filled(self.fill, self.interpolation))
        assert made is not None
        return made

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.ChainMix(
            parameters["share"],
            tuple(parameters["weights"]),
            tuple(tuple(_built(one, size) for one in chain) for chain in parameters["chains"]),
        )


def _built(data: Mapping[str, Any], size: Size) -> Operation:
    drawn = Draw.from_json(data)
    return find_transform(drawn.transform).operation(drawn.parameters, size)


def _rounded(weights: list[float]) -> list[float]:
    """Return weights with fewer digits, not all of which are 0."""
    rounded = [round(one, _DIGITS) for one in weights]
    return rounded if any(rounded) else [1 / len(weights)] * len(weights)
