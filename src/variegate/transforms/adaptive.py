"""Transforms of color that depend on the whole image."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import adaptive as ops
from variegate.transforms.base import (
    Axis,
    Bounds,
    Parameters,
    Range,
    Transform,
    draw_from,
    draw_whole,
)


class Autocontrast(Transform):
    """Stretch every channel so that it reaches from black to white."""

    name: ClassVar = "autocontrast"
    axes: ClassVar = (Axis("autocontrast", "mix", 0.0, 1.0),)

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""

    cutoff: Annotated[Range, Bounds(0, 0.4)] = (0.01, 0.01)
    """Share of the pixels that may saturate at each end."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"mix": draw_from(rng, self.mix), "cutoff": draw_from(rng, self.cutoff)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.Autocontrast(parameters["mix"], parameters["cutoff"])


class Equalize(Transform):
    """Spread every channel so that all its levels are about equally frequent."""

    name: ClassVar = "equalize"
    axes: ClassVar = (Axis("equalize", "mix", 0.0, 1.0),)

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"mix": draw_from(rng, self.mix)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.Equalize(parameters["mix"])


class Clahe(Transform):
    """Bring out local contrast: equalize luminance region by region, with a limit (CLAHE)."""

    name: ClassVar = "clahe"
    axes: ClassVar = (Axis("clahe", "mix", 0.0, 1.0),)

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""

    clip_limit: Annotated[Range, Bounds(1, 100)] = (2.0, 4.0)
    """How much a region's contrast may grow, about; 1 hardly changes anything."""

    tiles: Annotated[Range, Bounds(1, 64, whole=True)] = (8.0, 8.0)
    """Regions along each side."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {
            "mix": draw_from(rng, self.mix),
            "clip_limit": draw_from(rng, self.clip_limit),
            "tiles": draw_whole(rng, self.tiles),
        }

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.Clahe(parameters["mix"], parameters["clip_limit"], parameters["tiles"])
