"""`GridShuffle`: cells of a grid change places."""

from dataclasses import dataclass, replace

import numpy as np

from variegate.annotations.polygons import Outlines, Points
from variegate.annotations.sample import Image, Size
from variegate.annotations.targets import Keypoints, Layer, Targets
from variegate.ops.base import Operation
from variegate.ops.matrices import translation
from variegate.ops.mixing import Region
from variegate.ops.pieces import Piece, Shape, assembled
from variegate.ops.warp import Warp
from variegate.seeding import noise_generator

# Sums of areas are right to some digits only.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class GridShuffle(Operation):
    """Cells of a grid change places, two and two.

    All cells are of one size; where that leaves some rows or columns, half of them stay on either
    side. What is known of the image is cut at the borders of cells that move: a piece of an object
    moves with its cell and becomes an object of its own.

    Attributes:
        cells: along each side, or one for each pixel where that is less.
        fraction: of the cells that move; 0 is the identity.
        noise_key: the key of which cells change places; with more of them the others stay with
            theirs.
    """

    cells: int
    fraction: float
    noise_key: int

    @property
    def is_identity(self) -> bool:
        return self.fraction == 0

    def _act(self, image: Image) -> Image:
        changed = np.array(image, order="C")
        for source, target in self._moves((image.shape[0], image.shape[1])):
            changed[_slices(target)] = image[_slices(source)]
        return changed

    def apply_targets(self, targets: Targets, size: Size) -> Targets:
        moves = self._moves(size)
        pieces = []
        for source, target in moves:
            piece = _piece(targets, source)
            shape = np.ones((source[2] - source[0], source[3] - source[1]), np.bool_)
            pieces.append(Piece(piece, shape, target[0], target[1]))
        if not pieces:
            return targets
        placed = assembled(pieces, size)
        stayed = _without(targets, [source for source, _ in moves], self._still(size, moves), size)
        if targets.semantic is not None:
            semantic = self._shuffled(targets.semantic, moves)
            layers = (one if one.role == "objects" else semantic for one in stayed.layers)
            stayed = replace(stayed, layers=tuple(layers))
        return stayed.joined(placed)

    def _grid(self, size: Size) -> tuple[int, int]:
        """Return how many rows and columns of cells there are."""
        return min(self.cells, size[0]), min(self.cells, size[1])

    def _cell(self, number: int, size: Size) -> Region:
        rows, columns = self._grid(size)
        height, width = size[0] // rows, size[1] // columns
        top = (size[0] - rows * height) // 2 + number // columns * height
        left = (size[1] - columns * width) // 2 + number % columns * width
        return top, left, top + height, left + width

    def _moves(self, size: Size) -> list[tuple[Region, Region]]:
        """Return from where to where each cell that moves goes."""
        rows, columns = self._grid(size)
        order = noise_generator(self.noise_key, "cells").permutation(rows * columns).tolist()
        pairs = rows * columns // 2
        # A fraction that is not 0 moves two cells at least.
        count = min(pairs, max(1, round(self.fraction * pairs))) if self.fraction else 0
        found = []
        for pair in range(count):
            one, two = (self._cell(order[2 * pair + index], size) for index in (0, 1))
            found += [(one, two), (two, one)]
        return found

    def _still(self, size: Size, moves: list[tuple[Region, Region]]) -> list[Region]:
        """Return the regions that stay: cells, and what is beyond them."""
        rows, columns = self._grid(size)
        moving = {source for source, _ in moves}
        cells = [self._cell(number, size) for number in range(rows * columns)]
        top, left, bottom, right = (*cells[0][:2], *cells[-1][2:])
        around = [
            (0, 0, top, size[1]),
            (bottom, 0, size[0], size[1]),
            (top, 0, bottom, left),
            (top, right, bottom, size[1]),
        ]
        return [one for one in (*cells, *around) if one not in moving and _pixels(one)]

    @staticmethod
    def _shuffled(layer: Layer, moves: list[tuple[Region, Region]]) -> Layer:
        values = layer.values.copy()
        for source, target in moves:
            values[_slices(target)] = layer.values[_slices(source)]
        return replace(layer, values=values)


def _slices(region: Region) -> tuple[slice, slice]:
    top, left, bottom, right = region
    return slice(top, bottom), slice(left, right)


def _pixels(region: Region) -> int:
    top, left, bottom, right = region
    return (bottom - top) * (right - left)


def _piece(targets: Targets, region: Region) -> Targets:
    """Return what is known of a region, as of an image of its own; without objects beyond it."""
    top, left, bottom, right = region
    size = (bottom - top, right - left)
    part = Warp.of(translation(-left, -top), size).apply_targets(targets, size)
    there = np.zeros(part.count + 1, np.bool_)
    there[part.outlines.owners] = True
    for layer in (one for one in part.layers if one.role == "objects"):
        present = np.unique(layer.values)
        there[present[present > 0] - 1] = True
    for number, (start, stop) in enumerate(
        zip(part.keypoints.starts[:-1], part.keypoints.starts[1:], strict=True)
    ):
        there[number] |= bool(part.keypoints.visibility[start:stop].any())
    return part.only(np.flatnonzero(there[:-1]).tolist())


def _without(targets: Targets, moving: list[Region], still: list[Region], size: Size) -> Targets:
    """Return what is left of targets in the regions that stay."""
    stays = np.ones(size, np.bool_)
    for region in moving:
        stays[_slices(region)] = False
    layers = tuple(
        replace(one, values=np.where(stays, one.values, 0).astype(one.values.dtype))
        if one.role == "objects"
        else one
        for one in targets.layers
    )
    count, areas = targets.count, targets.outlines.areas(targets.count)
    gone = sum(
        (_clipped(targets.outlines, region).areas(count) for region in moving), np.zeros(count)
    )
    touched = gone > areas * _ROUNDING
    outlines = _cut(targets, touched, [_clipped(targets.outlines, region) for region in still])
    share = np.divide(areas - gone, areas, out=np.ones(count), where=touched)
    # Those that are all gone are out of sight whatever share of an object has to be seen.
    share[share <= _ROUNDING] = -1.0
    return replace(
        targets,
        boxes=np.where(touched[:, np.newaxis], outlines.bounds(count), targets.boxes),
        outlines=outlines,
        keypoints=_staying(targets.keypoints, stays),
        beside=_staying(targets.beside, stays),
        visible=targets.visible * share,
        layers=layers,
        kept_boxes=False,
        exact_boxes=False,
    )


def _cut(targets: Targets, touched: Shape, parts: list[Outlines]) -> Outlines:
    """Return the outlines, those of some objects in parts."""
    rings: list[tuple[int, Points]] = []
    for number in range(targets.count):
        sources = parts if touched[number] else [targets.outlines]
        rings += [(number, ring) for one in sources for ring in one.of_object(number)]
    return Outlines.of(rings)


def _clipped(outlines: Outlines, region: Region) -> Outlines:
    """Return what of outlines lies in a region."""
    top, left, bottom, right = region
    moved = replace(outlines, points=outlines.points - (left, top))
    cut = moved.clipped((bottom - top, right - left))
    return replace(cut, points=np.array([left, top]) + cut.points)


def _staying(keypoints: Keypoints, stays: Shape) -> Keypoints:
    """Return keypoints of which those that moved away are not labelled."""
    if not len(keypoints.points):
        return keypoints
    last = np.array(stays.shape[::-1]) - 1
    columns, rows = np.clip(keypoints.points.astype(np.intp), 0, last).T
    labelled = stays[rows, columns]
    visibility = np.where(labelled, keypoints.visibility, 0).astype(np.uint8)
    return replace(
        keypoints,
        points=np.where(visibility[:, np.newaxis] > 0, keypoints.points, 0.0),
        visibility=visibility,
    )
