"""Transforms that hide parts of the image."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import occlusion as ops
from variegate.ops.superpixels import Superpixels as SuperpixelsOperation
from variegate.transforms.base import (
    Axis,
    Bounds,
    GrainSize,
    Parameters,
    Range,
    Transform,
    draw_from,
    draw_whole,
)

Level = Annotated[int, Field(ge=0, le=255)]


class _Occluder(Transform):
    """What hides pixels and shows something else instead."""

    noisy: ClassVar = True
    undrawn: ClassVar = frozenset({"p", "fill", "color"})

    fill: ops.Fill = "constant"
    """What is shown instead: `constant` (a color), `mean` (the image's mean color), `noise`
    (even, colored) or `blur` (the image, strongly blurred)."""

    color: tuple[Level, Level, Level] = (0, 0, 0)
    """RGB of the fill `constant`, 0 to 255."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"fill": self.fill, "color": list(self.color), **super().further(rng)}

    @staticmethod
    def _filled(parameters: Parameters) -> tuple[ops.Fill, tuple[int, int, int], int]:
        r, g, b = parameters["color"]
        return parameters["fill"], (r, g, b), parameters["noise_key"]


class PixelDropout(_Occluder):
    """Hide single pixels."""

    name: ClassVar = "pixel_dropout"
    axes: ClassVar = (Axis("pixel_dropout", "fraction", 0.0, 0.5, version=2),)
    acts: ClassVar = ops.PixelDropout
    of_shorter_side: ClassVar = ("grain",)

    fraction: Annotated[Range, Bounds(0, 1)] = (0.005, 0.08)
    """Share of the pixels that are hidden; 0 is the identity."""

    grain: GrainSize = 0.001
    """Side of what is hidden, as a fraction of the shorter side, in whole pixels; at least one,
    which it is below 1,500 pixels."""


class Cutout(_Occluder):
    """Hide squares (Cutout, DeVries and Taylor 2017). They may reach over the edge."""

    name: ClassVar = "cutout"
    axes: ClassVar = (Axis("cutout", "size", 0.0, 0.75),)

    size: Annotated[Range, Bounds(0, 2)] = (0.1, 0.3)
    """Side of the squares, as a fraction of the image's shorter side; 0 is the identity."""

    holes: Annotated[Range, Bounds(1, 64, whole=True)] = (1.0, 3.0)
    """Number of squares."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        drawn = {"size": draw_from(rng, self.size), **self.further(rng)}
        return {**drawn, "centers": rng.random((draw_whole(rng, self.holes), 2)).tolist()}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        centers = tuple((x * size[1], y * size[0]) for x, y in parameters["centers"])
        return ops.Cutout(*cls._filled(parameters), parameters["size"] * min(size), centers)


class GridDropout(_Occluder):
    """Hide a square in every cell of a regular grid (GridMask, Chen et al. 2020)."""

    name: ClassVar = "grid_dropout"
    axes: ClassVar = (Axis("grid_dropout", "ratio", 0.0, 0.8, version=2),)

    ratio: Annotated[Range, Bounds(0, 1)] = (0.3, 0.6)
    """Side of the square as a share of the cell's; 0 is the identity, 1 hides everything."""

    cell: Annotated[Range, Bounds(0.01, 1)] = (0.12, 0.3)
    """Side of a cell, as a fraction of the image's shorter side."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        drawn = {"ratio": draw_from(rng, self.ratio), **self.further(rng)}
        return {**drawn, "cell": draw_from(rng, self.cell), "origin": rng.random(2).tolist()}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        cell = parameters["cell"] * min(size)
        x, y = parameters["origin"]
        return ops.GridDropout(
            *cls._filled(parameters), parameters["ratio"], cell, (x * cell, y * cell)
        )


class Superpixels(Transform):
    """Replace cells that follow edges by their mean color: detail goes, coarse shapes stay."""

    name: ClassVar = "superpixels"
    axes: ClassVar = (Axis("superpixels", "fraction", 0.0, 1.0),)
    acts: ClassVar = SuperpixelsOperation
    of_shorter_side: ClassVar = ("cell",)
    noisy: ClassVar = True

    fraction: Annotated[Range, Bounds(0, 1)] = (0.1, 0.5)
    """Share of the cells that are replaced; 0 is the identity."""

    cell: Annotated[Range, Bounds(0.01, 1)] = (0.03, 0.06)
    """Mean side of a cell, as a fraction of the image's shorter side."""
