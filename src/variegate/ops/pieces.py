"""Pieces of images on a canvas, and what is known of it, put together from what is known of them.

All objects with a mask share one layer, however many pieces there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Size
from variegate.annotations.targets import Layer, Mask, Targets
from variegate.ops.mixing import alike

Shape = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece and where it lies, wholly within the canvas.

    Attributes:
        targets: of the piece, as of an image of its own.
        shape: (H, W) where it covers what lies below it.
        top, left: its corner on the canvas, pixels.
    """

    targets: Targets
    shape: Shape
    top: int
    left: int

    @property
    def place(self) -> tuple[slice, slice]:
        """The rows and columns of the canvas that it takes up."""
        height, width = self.shape.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def covered_by(pieces: Sequence[Piece], size: Size) -> Shape:
    """Return where a canvas of `size` is covered."""
    covered = np.zeros(size, np.bool_)
    for piece in pieces:
        covered[piece.place] |= piece.shape
    return covered


def assembled(pieces: Sequence[Piece], size: Size) -> Targets:
    """Return the targets of a canvas of `size` on which pieces lie, the last on top; one at least.

    The semantic mask is that of the pieces, and 0 where none lies.
    """
    topmost = np.zeros(size, np.uint16)
    for number, piece in enumerate(pieces, 1):
        topmost[piece.place][piece.shape] = number
    own_layer = np.zeros(size, np.uint16)
    classes: Layer | None = None
    joined: Targets | None = None
    layer_of: list[int] = []
    for number, piece in enumerate(pieces, 1):
        shown = topmost[piece.place] == number
        targets = piece.targets
        if not (shown | ~piece.shape).all():
            targets = targets.hidden(shown | ~piece.shape)
        first = joined.count if joined else 0
        for layer in targets.layers:
            if layer.role == "objects":
                part, own = own_layer[piece.place], shown & (layer.values > 0)
                part[own] = layer.values[own] + np.uint16(first)
            else:
                classes = _with_piece(classes, layer, piece.place, shown, size)
        # All that have a mask have it in the first layer.
        layer_of += [min(layer, 0) for layer in targets.layer_of]
        placed = _placed(targets, piece)
        joined = placed if joined is None else joined.joined(placed)
    assert joined is not None
    layers = (Layer(own_layer, "objects"), *([] if classes is None else [classes]))
    return replace(joined, layers=layers, layer_of=tuple(layer_of))


def _placed(targets: Targets, piece: Piece) -> Targets:
    """Return a piece's targets where they lie on the canvas, without masks."""
    x, y = piece.left, piece.top
    outlines = replace(targets.outlines, points=np.array([x, y]) + targets.outlines.points)
    return replace(
        targets,
        boxes=np.array([x, y, x, y]) + targets.boxes,
        outlines=outlines,
        keypoints=targets.keypoints.shifted(x, y),
        beside=targets.beside.shifted(x, y),
        layers=(),
        layer_of=(-1,) * targets.count,
        kept_boxes=False,
        exact_boxes=False,
    )


def _with_piece(
    below: Layer | None, layer: Layer, place: tuple[slice, slice], shown: Shape, size: Size
) -> Layer:
    """Return a mask of classes as large as the canvas, with that of a piece in it."""
    values: Mask
    if below is None:
        values = np.zeros((*size, *layer.values.shape[2:]), layer.values.dtype)
        own = layer.values
    else:
        values, own = alike(below.values, layer.values)
    values[place][shown] = own[shown]
    return replace(layer, values=values)
