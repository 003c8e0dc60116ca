"""`PiecewiseAffine`: a grid of points is moved, and between three of them all is affine."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from variegate.ops.field import Displacement, Map


@dataclass(frozen=True)
class PiecewiseAffine(Displacement):
    """Offsets given at the corners of a grid of cells, each cut into two triangles.

    Attributes:
        nodes: (rows, columns) of points, evenly, from edge to edge; two at least.
        values: rows * columns * 2 float32 (x then y offset, pixels), as bytes.
    """

    nodes: tuple[int, int]
    values: bytes

    def offsets(self) -> Map:
        grid = np.frombuffer(self.values, np.float32).reshape(*self.nodes, 2)
        rows, down = _places(self.size[0], self.nodes[0])
        columns, across = _places(self.size[1], self.nodes[1])
        left, right = grid[:, columns], grid[:, columns + 1]
        share = across[:, np.newaxis]
        # Along the edges between two rows of cells, at every column of pixels.
        edges = left + share * (right - left)
        result = np.empty((*self.size, 2), np.float32)
        for row in range(self.nodes[0] - 1):
            first, last = np.searchsorted(rows, (row, row + 1))
            if first == last:
                continue
            height = down[first:last, np.newaxis, np.newaxis]
            # From the upper edge down along the left side, from the lower one up along the right.
            above = edges[row] + height * (left[row + 1] - left[row])
            below = edges[row + 1] + (height - 1) * (right[row + 1] - right[row])
            upper = share + height <= 1
            result[first:last] = np.where(upper, above, below)
        return result


def _places(length: int, nodes: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return for each pixel its cell, and where in it the pixel's centre lies, 0 to 1."""
    places = (np.arange(length) + 0.5) * ((nodes - 1) / length)
    cells = np.minimum(places.astype(np.intp), nodes - 2)
    return cells, (places - cells).astype(np.float32)
