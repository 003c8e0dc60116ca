"""Shuffled cells."""

from typing import Annotated, ClassVar

from variegate.ops import grid_shuffle as ops
from variegate.transforms.base import Axis, Bounds, Range, Transform


class GridShuffleTransform(Transform):
    """Let cells of a grid change places, two and two: parts stay, how they are arranged goes.

    Objects are cut where a cell that moves ends; each piece is an object of its own.
    """

    name: ClassVar = "grid_shuffle"
    axes: ClassVar = (Axis("grid_shuffle", "fraction", 0.0, 1.0),)
    acts: ClassVar = ops.GridShuffle
    noisy: ClassVar = True

    fraction: Annotated[Range, Bounds(0, 1)] = (0.5, 1.0)
    """Fraction of the cells that change places, two at least; 0 is the identity."""
    cells: Annotated[Range, Bounds(2, 32, whole=True)] = (3.0, 4.0)
    """Cells along each side."""
