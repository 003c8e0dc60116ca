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
        # x and y side by side, so that numpy goes along whole rows.
        share = np.repeat(across, 2)
        width = 2 * self.size[1]
        edges = left.reshape(-1, width) + share * (right - left).reshape(-1, width)
        drops = np.diff(left, axis=0).reshape(-1, width)
        # What a corner lies off the plane through the other three.
        bends = np.diff(right - left, axis=0).reshape(-1, width)
        result = np.empty((self.size[0], width), np.float32)
        for row in range(self.nodes[0] - 1):
            first, last = np.searchsorted(rows, (row, row + 1))
            height = down[first:last, np.newaxis]
            band = np.multiply(height, drops[row], out=result[first:last])
            band += edges[row]
            # Beyond the diagonal, the triangle with that corner.
            beyond = height + (share - 1)
            np.maximum(beyond, 0, out=beyond)
            beyond *= bends[row]
            band += beyond
        return result.reshape(*self.size, 2)


def _places(length: int, nodes: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return for each pixel its cell, and where in it the pixel's centre lies, 0 to 1."""
    places = (np.arange(length) + 0.5) * ((nodes - 1) / length)
    cells = np.minimum(places.astype(np.intp), nodes - 2)
    return cells, (places - cells).astype(np.float32)
