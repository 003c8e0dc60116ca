"""Transforms that draw one `Field`: uneven changes of shape."""

import math
from typing import Annotated, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Displacement, Field, Lattice, Lens, Operation, Wave
from variegate.seeding import noise_generator
from variegate.transforms.base import Axis, Bounds, Parameters, Range, both_ways, draw_from
from variegate.transforms.geometry import Viewed, view


def _field(displacement: Displacement, parameters: Parameters) -> Operation:
    return Field((displacement,), view(parameters))


def _lattice(size: Size, nodes: tuple[int, int], reach: tuple[float, float], key: int) -> Lattice:
    """Return a lattice of uniform offsets within `reach` (x, y pixels) either way."""
    unit = noise_generator(key).random((*nodes, 2)) * 2 - 1
    return Lattice(size, nodes, (unit * reach).astype(np.float32).tobytes())


class Elastic(Viewed):
    """Deform the image like a sheet of rubber."""

    name: ClassVar = "elastic"
    axes: ClassVar = (Axis("elastic", "amplitude", 0.0, 0.1),)
    noisy: ClassVar = True

    amplitude: Annotated[Range, Bounds(0, 0.5)] = (0.01, 0.04)
    """Greatest displacement, as a fraction of the shorter side; 0 is the identity."""
    smoothness: Annotated[Range, Bounds(high=1, above=0.005, log=True)] = (0.25, 0.25)
    """Distance over which the displacement changes, as a fraction of the shorter side."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        side = min(size)
        # Nodes closer than pixels show nothing more, and of a long image they would fill memory.
        spacing = max(1.0, parameters["smoothness"] * side)
        nodes = (math.ceil(size[0] / spacing) + 1, math.ceil(size[1] / spacing) + 1)
        reach = parameters["amplitude"] * side
        return _field(_lattice(size, nodes, (reach, reach), parameters["noise_key"]), parameters)


class GridDistort(Viewed):
    """Move the nodes of a coarse grid, each by itself."""

    name: ClassVar = "grid_distort"
    axes: ClassVar = (Axis("grid_distort", "amount", 0.0, 0.3),)
    noisy: ClassVar = True

    amount: Annotated[Range, Bounds(0, 0.5)] = (0.05, 0.2)
    """Greatest displacement of a node, as a fraction of a cell; 0 is the identity."""
    cells: Annotated[Range, Bounds(2, 50, whole=True)] = (5.0, 5.0)
    """Cells along each side."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        amount = draw_from(rng, self.amount)
        cells = int(draw_from(rng, (self.cells[0], self.cells[1] + 0.999)))
        return {"amount": amount, "cells": cells, **self.further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        cells, amount = parameters["cells"], parameters["amount"]
        reach = (amount * size[1] / cells, amount * size[0] / cells)
        return _field(_lattice(size, (cells, cells), reach, parameters["noise_key"]), parameters)


class WaveTransform(Viewed):
    """Bend the image along a sine."""

    name: ClassVar = "wave"
    axes: ClassVar = (Axis("wave", "amplitude", 0.0, 0.1),)

    amplitude: Annotated[Range, Bounds(0, 0.5)] = (0.01, 0.03)
    """Greatest displacement, as a fraction of the shorter side; 0 is the identity."""
    wavelength: Annotated[Range, Bounds(high=10, above=0.01, log=True)] = (0.3, 0.8)
    """Length of a wave, as a fraction of the shorter side."""
    direction_degrees: Annotated[Range, Bounds(-360, 360)] = (0.0, 180.0)
    """Direction in which the wave runs; 0 is along x."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"phase_degrees": draw_from(rng, (0.0, 360.0)), **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        side = min(size)
        wave = Wave(
            size,
            parameters["amplitude"] * side,
            parameters["wavelength"] * side,
            math.radians(parameters["direction_degrees"]),
            math.radians(parameters["phase_degrees"]),
        )
        return _field(wave, parameters)


class LensTransform(Viewed):
    """Distort like a lens: barrel above 0, pincushion below."""

    name: ClassVar = "lens"
    axes: ClassVar = both_ways("lens", "coefficient", 0.0, up=0.5, down=-0.5)

    coefficient: Annotated[Range, Bounds(-0.5, 2)] = (-0.15, 0.15)
    """A corner shows what lay (1 + coefficient) times as far from the middle; 0 is the identity."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return _field(Lens(size, parameters["coefficient"]), parameters)
