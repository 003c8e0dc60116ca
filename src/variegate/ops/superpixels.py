"""`Superpixels`: cells that follow the edges of things, each in its mean color.

As in SLIC (Achanta et al. 2012): a pixel belongs to the seed that is nearest in place and color
together. The image is brought to a scale at which every seed has a square of whole pixels, so
that each square between four seeds is compared with these four at once, for all squares in one
array; no pixel is looked at through a loop or an index.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Graded
from variegate.seeding import noise_generator

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.intp]
Cells = npt.NDArray[np.uint16]

#: Cells are numbered in 16 bits; very long images get larger ones.
_MOST_CELLS = 60_000
#: Side of a lattice's square in the first round, pixels.
_COARSE = 8
#: Pixels of the lattice in the second round at most: about 30 bytes are taken for each.
_MOST_PIXELS = 2**20
#: A color difference (levels, all channels) that counts as much as a square's side.
_CONTRAST = 48


@dataclass(frozen=True)
class Superpixels(Graded):
    """Replace irregular cells that follow edges by their mean color.

    Attributes:
        fraction: share of the cells; 0 is the identity.
        cell: mean side of a cell, pixels.
        noise_key: the key of the seeds, and of which cells are replaced first.
    """

    fraction: float
    cell: float
    noise_key: int

    def _act_on_colors(self, image: Image) -> Image:
        size = image.shape[0], image.shape[1]
        cells, count = self._cells(image, size)
        ranks = noise_generator(self.noise_key, "ranks").permutation(count)
        hidden = _looked_up(cells, np.where(ranks < round(self.fraction * count), 255, 0))
        planes = tuple(cv2.split(image))
        changed = [
            cv2.copyTo(_looked_up(cells, mean), hidden, plane.copy())
            for mean, plane in zip(_means(planes, cells, count), planes, strict=True)
        ]
        return changed[0] if image.ndim == 2 else cv2.merge(changed)

    def _cells(self, image: Image, size: Size) -> tuple[Cells, int]:
        """Return the number of each pixel's cell, and how many cells there are."""
        cell = max(self.cell, math.sqrt(size[0] * size[1] / _MOST_CELLS))
        rows, columns = (max(1, int(side / cell)) for side in size)
        chance = noise_generator(self.noise_key, "seeds").random((rows, columns, 2))
        # In the middle of their squares: the four about a place then hold the nearest.
        places = 0.2 + 0.6 * chance
        coarse = _Lattice.of(image, rows, columns, _COARSE)
        first = coarse.nearest(np.rint(places * _COARSE).astype(np.intp))
        side = min(cell, math.sqrt(_MOST_PIXELS / (rows * columns)))
        side = max(2, 2 * round(side / 2))
        fine = _Lattice.of(image, rows, columns, side)
        found = fine.nearest(coarse.middles(first) * side // _COARSE)
        return (
            cv2.resize(found, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT),
            rows * columns,
        )


@dataclass(frozen=True)
class _Lattice:
    """An image at a scale at which a seed has a square of `side` x `side` pixels, an even number.

    Attributes:
        planes: its channels, each (rows * side, columns * side).
        side: of a square, pixels.
        rows, columns: of squares.
    """

    planes: tuple[Image, ...]
    side: int
    rows: int
    columns: int

    @classmethod
    def of(cls, image: Image, rows: int, columns: int, side: int) -> "_Lattice":
        """Bring an image to scale."""
        size = columns * side, rows * side
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        # Grain is no edge.
        smooth = cv2.GaussianBlur(scaled, (3, 3), 0.8, borderType=cv2.BORDER_REFLECT)
        return cls(tuple(cv2.split(smooth)), side, rows, columns)

    def nearest(self, places: Whole) -> Cells:
        """Return the number of the nearest seed, for each pixel.

        Args:
            places: (rows, columns, 2): y and x of each seed within its square, pixels.
        """
        half, side = self.side // 2, self.side
        squares = self.rows + 1, self.columns + 1
        corner = np.arange(self.rows) * side, np.arange(self.columns) * side
        seed_y = (places[..., 0] + corner[0][:, np.newaxis]).clip(0, self.rows * side - 1)
        seed_x = (places[..., 1] + corner[1]).clip(0, self.columns * side - 1)
        y = (np.arange(squares[0] * side) - half).reshape(squares[0], side, 1, 1)
        x = (np.arange(squares[1] * side) - half).reshape(1, 1, squares[1], side)
        # Squares between seeds begin half a square outside; whole numbers, exact as floats.
        between = [
            cv2.copyMakeBorder(plane, half, half, half, half, cv2.BORDER_REPLICATE)
            .astype(np.float32)
            .reshape(squares[0], side, squares[1], side)
            for plane in self.planes
        ]
        # The planes of a gray image count as three.
        weight = 3 // len(between)
        compact = max(1, round(_CONTRAST**2 / side**2))
        best = np.full((squares[0], side, squares[1], side), np.inf, np.float32)
        found = np.zeros(best.shape, np.uint16)
        for down in (-1, 0):
            row = (np.arange(squares[0]) + down).clip(0, self.rows - 1)
            for right in (-1, 0):
                column = (np.arange(squares[1]) + right).clip(0, self.columns - 1)
                of = np.ix_(row, column)
                distance = compact * _squared(y, seed_y[of]) + compact * _squared(x, seed_x[of])
                for values, plane in zip(between, self.planes, strict=True):
                    distance += weight * _squared(values, plane[seed_y[of], seed_x[of]])
                nearer = distance < best
                np.copyto(best, distance, where=nearer)
                number = (row[:, np.newaxis] * self.columns + column).astype(np.uint16)
                np.copyto(found, number[:, np.newaxis, :, np.newaxis], where=nearer)
        whole = found.reshape(squares[0] * side, squares[1] * side)
        return np.ascontiguousarray(whole[half:-half, half:-half])

    def middles(self, cells: Cells) -> Whole:
        """Return the middle of each cell, (rows, columns, 2), relative to the seed's square."""
        count = self.rows * self.columns
        sizes = np.maximum(1, np.bincount(cells.ravel(), minlength=count))
        y, x = np.mgrid[: cells.shape[0], : cells.shape[1]]
        sums = (np.bincount(cells.ravel(), one.ravel(), count).astype(np.intp) for one in (y, x))
        mean_y, mean_x = ((one // sizes).reshape(self.rows, self.columns) for one in sums)
        across = mean_x - np.arange(self.columns) * self.side
        return np.stack([mean_y - np.arange(self.rows)[:, np.newaxis] * self.side, across], axis=-1)


def _squared(values: npt.NDArray[np.generic], seeds: npt.NDArray[np.generic]) -> Floats:
    """Return the squares of `values` (by squares and pixels) less their squares' `seeds`."""
    seeds = seeds[:, np.newaxis, :, np.newaxis]
    difference = np.subtract(values, seeds, dtype=np.float32, casting="unsafe")
    return np.multiply(difference, difference)


def _looked_up(cells: Cells, values: Whole) -> Image:
    """Return the value (0 ... 255) of each pixel's cell."""
    table = np.zeros((1, 2**16), np.uint8)
    table[0, : values.size] = values
    return cv2.LUT(cells, table)


def _means(planes: tuple[Image, ...], cells: Cells, count: int) -> Whole:
    """Return the mean of each channel in each cell, (C, count)."""
    sizes = np.zeros(count, np.intp)
    sums = np.zeros((len(planes), count))
    # By bands of rows: the counting takes eight bytes a pixel.
    rows = max(1, 2**19 // cells.shape[1])
    for start in range(0, cells.shape[0], rows):
        band = slice(start, start + rows)
        places = cells[band].astype(np.intp).ravel()
        sizes += np.bincount(places, minlength=count)
        for total, plane in zip(sums, planes, strict=True):
            # Floats hold these sums exactly, so that their order makes no difference.
            total += np.bincount(places, weights=plane[band].ravel(), minlength=count)
    # A cell may have lost all of its pixels to its neighbors.
    sizes = np.maximum(1, sizes)
    return (2 * sums.astype(np.intp) + sizes) // (2 * sizes)
