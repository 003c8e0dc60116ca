"""Transforms of color that depend on the whole image."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.ops import adaptive as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range
from variegate.transforms.color import Mixed


class Autocontrast(Mixed):
    """Stretch every channel so that it reaches from black to white."""

    name: ClassVar = "autocontrast"
    axes: ClassVar = (Axis("autocontrast", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Autocontrast

    cutoff: Annotated[Range, Bounds(0, 0.4)] = (0.0, 0.0)
    """Share of the pixels that may saturate at each end; none unless told."""


class Equalize(Mixed):
    """Spread every channel so that all its levels are about equally frequent."""

    name: ClassVar = "equalize"
    axes: ClassVar = (Axis("equalize", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Equalize
    undrawn: ClassVar = Mixed.undrawn | {"steps"}

    steps: bool = False
    """Count pixels by whole steps, as Pillow does: a level becomes the share of darker pixels."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"steps": True} if self.steps else {}


class Clahe(Mixed):
    """Bring out local contrast: equalize luminance region by region, with a limit (CLAHE)."""

    name: ClassVar = "clahe"
    axes: ClassVar = (Axis("clahe", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Clahe

    clip_limit: Annotated[Range, Bounds(1, 100)] = (2.0, 4.0)
    """How much a region's contrast may grow, about; 1 hardly changes anything."""

    tiles: Annotated[Range, Bounds(1, 64, whole=True)] = (8.0, 8.0)
    """Regions along each side."""
