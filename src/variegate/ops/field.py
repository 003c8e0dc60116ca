"""`Field`: an uneven change of coordinates, and any chain of fields and warps.

A displacement says for each output point where in the source it looks; a field is a list of
displacements and warps, first to last, and resamples the source once, however long the list.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.polygons import Points
from variegate.annotations.sample import Image, Size
from variegate.ops.base import Geometric, Operation
from variegate.ops.matrices import IDENTITY, Matrix
from variegate.ops.view import View
from variegate.ops.warp import Warp, averaged

Map = npt.NDArray[np.float32]

# An inverse is sought until it is right to this many pixels, or for this many rounds.
_CLOSE = 0.01
_ROUNDS = 100
# Points are looked up in rows of this length, and no farther out than cv2 can count.
_COLUMNS = 256
_FAR = 30_000


@dataclass(frozen=True)
class Displacement(ABC):
    """Where each point of a canvas looks, relative to itself.

    Attributes:
        size: (height, width) of the canvas; a displacement does not change it.
    """

    size: Size

    @abstractmethod
    def offsets(self) -> Map:
        """Return (H, W, 2) float32: x and y offsets, pixels, at every pixel centre."""

    def undone(self, points: Points) -> Points:
        """Return (K, 2) the points of the canvas that look at `points` of the source.

        Found by repeated correction, which converges as long as the displacement does not fold
        the image; beyond the canvas the offset of its edge is taken.
        """
        if not len(points):
            return points
        offsets = self.offsets()
        found = points
        for _ in range(_ROUNDS):
            wrong = points - (found + _at(offsets, found))
            found = found + wrong
            if np.abs(wrong).max() < _CLOSE:
                break
        return found


@dataclass(frozen=True)
class Lattice(Displacement):
    """Offsets given on a coarse lattice and smoothly filled in between.

    Attributes:
        nodes: (rows, columns): the canvas has that many cells, and a node in the middle of each.
        values: rows * columns * 2 float32 (x then y offset, pixels), as bytes.
    """

    nodes: tuple[int, int]
    values: bytes

    def offsets(self) -> Map:
        coarse = np.frombuffer(self.values, np.float32).reshape(*self.nodes, 2)
        return cv2.resize(coarse, self.size[::-1], interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Wave(Displacement):
    """A sine that runs in one direction and shifts at right angles to it.

    Attributes:
        amplitude: pixels.
        wavelength: pixels.
        direction: radians; 0 runs along x and shifts along y.
        phase: radians.
    """

    amplitude: float
    wavelength: float
    direction: float
    phase: float

    def offsets(self) -> Map:
        height, width = self.size
        # math, not numpy: numpy takes other roundings of double precision with AVX-512.
        cos, sin = np.float32(math.cos(self.direction)), np.float32(math.sin(self.direction))
        across = np.arange(0.5, width, dtype=np.float32) * cos
        down = np.arange(0.5, height, dtype=np.float32) * sin
        turns = (across[np.newaxis, :] + down[:, np.newaxis]) * np.float32(
            2 * np.pi / self.wavelength
        )
        shift = np.float32(self.amplitude) * np.sin(turns + np.float32(self.phase))
        return np.dstack([shift * -sin, shift * cos])


@dataclass(frozen=True)
class Lens(Displacement):
    """Radial distortion: barrel (above 0) or pincushion (below 0).

    The point at radius r, with r = 1 in the corners, looks at radius r * (1 + c * r**2) for a
    coefficient c above 0. Below 0 that would fold the corners over; there it looks at
    r / (1 + d * r**2), with d such that the corner looks at 1 + c, too.

    Attributes:
        coefficient: -0.5 or more; 0 is the identity.
    """

    coefficient: float

    def offsets(self) -> Map:
        height, width = self.size
        x = np.arange(0.5, width, dtype=np.float32) - np.float32(width / 2)
        y = np.arange(0.5, height, dtype=np.float32) - np.float32(height / 2)
        corner = np.float32((width**2 + height**2) / 4)
        bend = (x[np.newaxis] ** 2 + y[:, np.newaxis] ** 2) / corner
        if self.coefficient >= 0:
            bend *= np.float32(self.coefficient)
        else:
            bend *= np.float32(-self.coefficient / (1 + self.coefficient))
            bend = -bend / (1 + bend)
        return np.dstack([bend * x[np.newaxis], bend * y[:, np.newaxis]])


@dataclass(frozen=True)
class Field(Geometric):
    """A chain of displacements and warps, done in one resampling.

    Attributes:
        parts: first to last.
        view: how the source is sampled.
    """

    parts: tuple[Displacement | Warp, ...]
    view: View = field(default_factory=View)

    def output_size(self, size: Size) -> Size:
        return self.parts[-1].size

    def then(self, other: Operation) -> Operation | None:
        return _joined(self, other) if isinstance(other, Warp | Field) else super().then(other)

    def after(self, first: Operation) -> Operation | None:
        return _joined(first, self) if isinstance(first, Warp) else super().after(first)

    def source_points(self) -> Map:
        """Return (H, W, 2) float32: the source point that each output pixel's centre shows."""
        matrix = IDENTITY
        points: Map | None = None
        for part in reversed(self.parts):
            if isinstance(part, Warp):
                matrix = part.matrix.inverse() @ matrix
                continue
            straight = points is None and matrix == IDENTITY
            points = _projected(_centres(self.parts[-1].size) if points is None else points, matrix)
            matrix = IDENTITY
            offsets = part.offsets()
            points = points + (offsets if straight else _sampled(offsets, points))
        return _projected(_centres(self.parts[-1].size) if points is None else points, matrix)

    def move_points(self, points: Points) -> Points:
        for part in self.parts:
            points = part.move_points(points) if isinstance(part, Warp) else part.undone(points)
        return points

    @property
    def straight(self) -> bool:
        return False

    @property
    def mirrored(self) -> bool:
        return sum(part.mirrored for part in self.parts if isinstance(part, Warp)) % 2 == 1

    def _resampled(self, image: Image, view: View) -> Image:
        # How much the whole chain shrinks is a matter of its warps.
        matrix = IDENTITY
        for part in self.parts:
            if isinstance(part, Warp):
                matrix = part.matrix @ matrix
        small = averaged(image, matrix, view)
        points = self.source_points()
        if small is not image:
            points *= np.divide(small.shape[1::-1], image.shape[1::-1], dtype=np.float32)
        return cv2.remap(
            small,
            points - np.float32(0.5),
            None,
            view.cv_interpolation,
            borderMode=view.cv_border,
            borderValue=view.cv_fill(image),
        )


def _joined(first: Warp | Field, second: Warp | Field) -> Field | None:
    """Return the chain of two as one operation, or None where their borders contradict."""
    view = first.view.joined(second.view)
    if view is None:
        return None
    parts: list[Displacement | Warp] = []
    for part in (*_parts(first), *_parts(second)):
        before = parts[-1] if parts else None
        if isinstance(before, Warp) and isinstance(part, Warp):
            parts[-1] = Warp.of(part.matrix @ before.matrix, part.size)
        else:
            parts.append(part)
    return Field(tuple(parts), view)


def _parts(operation: Warp | Field) -> tuple[Displacement | Warp, ...]:
    return operation.parts if isinstance(operation, Field) else (operation,)


def _centres(size: Size) -> Map:
    """Return (H, W, 2) float32: the centre of every pixel."""
    x, y = np.meshgrid(
        np.arange(0.5, size[1], dtype=np.float32), np.arange(0.5, size[0], dtype=np.float32)
    )
    return np.dstack([x, y])


def _projected(points: Map, matrix: Matrix) -> Map:
    if matrix == IDENTITY:
        return points
    if matrix.is_affine:
        return cv2.transform(points, matrix.array[:2] / matrix[8])
    return cv2.perspectiveTransform(points, matrix.array)


def _at(offsets: Map, points: Points) -> Map:
    """Return the offsets at any number of points, (K, 2)."""
    # cv2 takes no more than 32,766 columns.
    rows = math.ceil(len(points) / _COLUMNS)
    grid = np.zeros((rows * _COLUMNS, 2), np.float32)
    grid[: len(points)] = np.clip(points, -_FAR, _FAR)
    sampled = _sampled(offsets, grid.reshape(rows, _COLUMNS, 2))
    return sampled.reshape(-1, 2)[: len(points)]


def _sampled(offsets: Map, points: Map) -> Map:
    """Return the offsets at `points`; those of the nearest edge beyond the canvas."""
    return cv2.remap(
        offsets, points - np.float32(0.5), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
