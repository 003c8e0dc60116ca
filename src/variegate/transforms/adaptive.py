"""Transforms of color that depend on the whole image."""

from typing import Annotated, ClassVar

from variegate.ops import adaptive as ops
from variegate.transforms.base import (
    Axis,
    Bounds,
    Range,
    Transform,
)


class Autocontrast(Transform):
    """Stretch every channel so that it reaches from black to white."""

    name: ClassVar = "autocontrast"
    axes: ClassVar = (Axis("autocontrast", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Autocontrast

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""

    cutoff: Annotated[Range, Bounds(0, 0.4)] = (0.01, 0.01)
    """Share of the pixels that may saturate at each end."""


class Equalize(Transform):
    """Spread every channel so that all its levels are about equally frequent."""

    name: ClassVar = "equalize"
    axes: ClassVar = (Axis("equalize", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Equalize

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""


class Clahe(Transform):
    """Bring out local contrast: equalize luminance region by region, with a limit (CLAHE)."""

    name: ClassVar = "clahe"
    axes: ClassVar = (Axis("clahe", "mix", 0.0, 1.0),)
    acts: ClassVar = ops.Clahe

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""

    clip_limit: Annotated[Range, Bounds(1, 100)] = (2.0, 4.0)
    """How much a region's contrast may grow, about; 1 hardly changes anything."""

    tiles: Annotated[Range, Bounds(1, 64, whole=True)] = (8.0, 8.0)
    """Regions along each side."""
