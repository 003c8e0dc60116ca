"""`Warp`: a projective change of coordinates onto a canvas of any size.

Crop, pad, resize, flip, rotate, shear and perspective are all of this kind, and a chain of them is
one of them again: its matrix is the product, and the source is resampled once.

A matrix takes source points to output points in continuous coordinates (see
`variegate.annotations.sample`), so it moves labels as it stands. Only `cv2`, which counts from
pixel centres, needs the half-pixel shift.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.polygons import Outlines, Points
from variegate.annotations.sample import Image, Size
from variegate.errors import ShapeError
from variegate.ops.base import Geometric, Operation
from variegate.ops.matrices import Array, Matrix, scaling, translation
from variegate.ops.surroundings import Sides, in_four_channels, with_border
from variegate.ops.view import View

# Entries this close to an integer are that integer: cos(90 degrees) is 6e-17.
_SNAP = 1e-9
# A float next to it has no room for a fraction.
_ROUNDING = 1.5 * 2.0**52
# The least third coordinate that is seen, and where points go that are not.
_NEAREST = 1e-4
_NOWHERE = 1e9
# cv2 counts a warp's pixels in 16 bits.
_LARGEST_SIDE = 2**15 - 1


# Beyond this number of an image's sides, folding takes less time than cv2's border.
_MOST_FOLDS = 64
_BAND_PIXELS = 2**18

_PLAIN_VIEW = View()


@dataclass(frozen=True)
class Warp(Geometric):
    """A projective transformation.

    Attributes:
        matrix: source to output.
        size: (height, width) of the output canvas.
        view: how the source is sampled.
    """

    matrix: Matrix
    size: Size
    view: View = _PLAIN_VIEW

    @classmethod
    def of(cls, matrix: npt.ArrayLike, size: Size, view: View | None = None) -> "Warp":
        """Make one from a matrix or a (3, 3) array.

        Raises:
            ShapeError: the matrix is not (3, 3), not invertible, or the canvas has no pixels.
        """
        entries = Matrix.of(matrix)
        a, b, x, c, d, y, g, h, i = entries
        if g == h == 0 and i == 1:
            return cls._affine((a, b, x, c, d, y), size, view or _PLAIN_VIEW)
        # A sum is finite only where all of its terms are; opposite infinities give none either.
        if not math.isfinite(a + b + x + c + d + y + g + h + i):
            raise ShapeError(f"matrix: expected finite numbers, got {list(entries)}")
        if abs(entries.determinant) < 1e-12 or min(size) < 1:
            raise ShapeError(f"warp onto {size}: the matrix {list(entries)} leaves no image")
        # Where the origin lies out of sight, at or behind the viewer, its depth i may be 0 or less;
        # the sign stays, since the depth of points in sight is above 0.
        scale = max(abs(g), abs(h), abs(i)) if g or h else i
        snapped = _snapped([entry / scale for entry in entries])
        return cls(Matrix(snapped), size, view or _PLAIN_VIEW)

    @classmethod
    def _affine(cls, entries: tuple[float, ...], size: Size, view: View) -> "Warp":
        """Make one from the two upper rows of an affine matrix: every step of a chain is one."""
        a, b, x, c, d, y = entries
        if not math.isfinite(a + b + x + c + d + y):
            raise ShapeError(f"matrix: expected finite numbers, got {[*entries, 0.0, 0.0, 1.0]}")
        if -1e-12 < a * d - b * c < 1e-12 or size[0] < 1 or size[1] < 1:
            raise ShapeError(
                f"warp onto {size}: the matrix {[*entries, 0.0, 0.0, 1.0]} leaves no image"
            )
        # As `_snapped`; to add and take away a large number rounds in a quarter of the time.
        if -_SNAP < a - (whole := a + _ROUNDING - _ROUNDING) < _SNAP:
            a = whole
        if -_SNAP < b - (whole := b + _ROUNDING - _ROUNDING) < _SNAP:
            b = whole
        if -_SNAP < x - (whole := x + _ROUNDING - _ROUNDING) < _SNAP:
            x = whole
        if -_SNAP < c - (whole := c + _ROUNDING - _ROUNDING) < _SNAP:
            c = whole
        if -_SNAP < d - (whole := d + _ROUNDING - _ROUNDING) < _SNAP:
            d = whole
        if -_SNAP < y - (whole := y + _ROUNDING - _ROUNDING) < _SNAP:
            y = whole
        return cls(Matrix((a, b, x, c, d, y, 0.0, 0.0, 1.0)), size, view)

    @property
    def array(self) -> Array:
        """(3, 3) float64, source to output."""
        return self.matrix.array

    def output_size(self, size: Size) -> Size:
        return self.size

    def move_points(self, points: Points) -> Points:
        matrix = self.array
        moved = points @ matrix[:2, :2].T + matrix[:2, 2]
        if matrix[2, :2].any():
            depth = points @ matrix[2, :2] + matrix[2, 2]
            # A point behind the viewer would come back from the other side: it is nowhere.
            moved = np.where(
                depth[:, np.newaxis] >= _NEAREST,
                moved / np.maximum(depth, _NEAREST)[:, np.newaxis],
                -_NOWHERE,
            )
        return moved

    def before_viewer(self, outlines: Outlines) -> Outlines:
        g, h, i = self.matrix[6:]
        return outlines if g == h == 0 else outlines.beyond_line(g, h, i - _NEAREST)

    def turns(self, size: Size) -> bool:
        a, b, _, c, d, _, g, h, _ = self.matrix
        if g or h or sorted(map(abs, (a, b, c, d))) != [0, 0, 1, 1] or a * d == b * c:
            return False
        corners = self.move_points(np.array([[0.0, 0.0], [size[1], size[0]]]))
        ends = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
        return ends == [0, 0, self.size[1], self.size[0]]

    @property
    def straight(self) -> bool:
        return True

    @property
    def mirrored(self) -> bool:
        return self.matrix.determinant < 0

    def from_reduced(self, full: Size, reduced: Size) -> "Warp":
        """Return the warp that takes a smaller copy of the source where this takes the source."""
        return Warp.of(
            self.matrix @ scaling(full[1] / reduced[1], full[0] / reduced[0]), self.size, self.view
        )

    def then(self, other: Operation) -> Operation | None:
        if not isinstance(other, Warp):
            return super().then(other)
        view = self.view.joined(other.view)
        return Warp.of(other.matrix @ self.matrix, other.size, view) if view else None

    def moves_pixels_only(self) -> bool:
        """Whether every output pixel is exactly one source pixel (or border)."""
        a, b, x, c, d, y, g, h, _ = self.matrix
        if g or h or not (x.is_integer() and y.is_integer()):
            return False
        straight = abs(a) == abs(d) == 1 and b == c == 0
        return straight or (abs(b) == abs(c) == 1 and a == d == 0)

    def _act(self, image: Image) -> Image:
        return self._moved(image) if self.moves_pixels_only() else super()._act(image)

    def _resampled(self, image: Image, view: View) -> Image:
        height, width = image.shape[:2]
        if view.interpolation != "nearest" and _covers(self.matrix, (height, width), self.size):
            return _resized(image, self.size, view)
        small = averaged(image, self.matrix, view)
        matrix = self.matrix @ scaling(width / small.shape[1], height / small.shape[0])
        return _resampled(small, matrix, self.size, view)

    def _moved(self, image: Image) -> Image:
        """Flip, turn, crop and pad without interpolation."""
        a, b, x, c, d, y, *_ = self.matrix
        swapped = a == 0
        if swapped:
            image = cv2.transpose(image)
        turned_height, turned_width = image.shape[:2]
        signs = (b, c) if swapped else (a, d)
        flips = {(1.0, 1.0): None, (-1.0, 1.0): 1, (1.0, -1.0): 0, (-1.0, -1.0): -1}[signs]
        if flips is not None:
            image = cv2.flip(image, flips)
        # Where the turned source's top left corner comes to lie on the canvas.
        left = int(x) - (turned_width if signs[0] < 0 else 0)
        top = int(y) - (turned_height if signs[1] < 0 else 0)
        return _placed(image, left, top, self.size, self.view)


def _snapped(entries: Iterable[float]) -> tuple[float, ...]:
    """Return entries of a matrix; those that all but are integers are integers."""
    return tuple(
        [
            float(whole) if -_SNAP < entry - (whole := round(entry)) < _SNAP else entry
            for entry in entries
        ]
    )


def shrinkage(matrix: Matrix, size: Size) -> tuple[float, float]:
    """Return how many times (y, x) the middle of a source of `size` is shrunk; 1.0 for none."""
    a, b, _, d, e, _, g, h, _ = matrix
    u, v, w = matrix.moved(size[1] / 2, size[0] / 2)
    u, v = u / w, v / w
    # Lengths of the columns of the Jacobian of the projective map at (x, y).
    along_x = math.hypot(a - u * g, d - v * g) / abs(w)
    along_y = math.hypot(b - u * h, e - v * h) / abs(w)
    return max(1.0, 1 / max(along_y, 1e-9)), max(1.0, 1 / max(along_x, 1e-9))


def averaged(image: Image, matrix: Matrix, view: View) -> Image:
    """Average blocks of pixels where resampling by `matrix` would otherwise skip some of them.

    Bilinear sampling sees two pixels each way: beyond a factor of two it aliases.
    """
    height, width = image.shape[:2]
    down, across = (math.floor(t + _SNAP) for t in shrinkage(matrix, (height, width)))
    if view.interpolation == "nearest" or down == across == 1:
        return image
    size = (max(1, round(width / across)), max(1, round(height / down)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _resampled(image: Image, matrix: Matrix, size: Size, view: View) -> Image:
    """Resample by `matrix` (continuous coordinates) onto a canvas of `size`."""
    padded = image.ndim == 3 and image.shape[2] == 3
    sides = _border_sides(image, matrix, size, view)
    if sides is None:
        source = in_four_channels(image)
    else:
        source = with_border(image, sides, view.cv_border)
        matrix = matrix @ translation(-sides[2], -sides[0])
    centred = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    if sides is None and _repeats_often(source, centred, size, view):
        warped = _folded(source, centred, size, view)
        return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB) if padded else warped
    warp, transform = (
        (cv2.warpAffine, centred.array[:2])
        if centred.is_affine
        else (cv2.warpPerspective, centred.array)
    )
    warped = warp(
        source,
        transform,
        size[::-1],
        flags=view.cv_interpolation,
        borderMode=view.cv_border,
        borderValue=view.cv_fill(image),
    )
    del source
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB) if padded else warped


def _border_sides(image: Image, matrix: Matrix, size: Size, view: View) -> Sides | None:
    """Return how much border the canvas sees around the image, where it is a moderate one.

    cv2 looks up what lies beyond an image pixel by pixel: a warp that never has to takes 0.5 to
    0.75 of the time, the border's included (benchmarks/kernels.py).

    Returns:
        Pixels above, below, before and after it; None where no border is laid.
    """
    if view.border in (None, "constant"):
        return None
    height, width = image.shape[:2]
    back = matrix.inverse()
    corners = [back.moved(x, y) for x in (0, size[1]) for y in (0, size[0])]
    if min(w for _, _, w in corners) < 1e-6:
        # The canvas reaches the horizon: what it sees has no end.
        return None
    before, after = _overhang([u / w for u, _, w in corners], width)
    above, below = _overhang([v / w for _, v, w in corners], height)
    tall, wide = above + height + below, before + width + after
    if tall * wide > 2 * height * width or max(tall, wide) > _LARGEST_SIDE:
        return None
    return above, below, before, after


def _repeats_often(image: Image, centred: Matrix, size: Size, view: View) -> bool:
    """Whether the canvas sees the image many times over, reflected or repeated.

    cv2 finds a pixel beyond the image by one fold after the other: of a strip of 6 pixels, a
    thousand for each pixel of the canvas.
    """
    if view.border not in ("reflect", "wrap") or not centred.is_affine:
        return False
    back = centred.inverse()
    corners = [back.moved(x, y) for x in (0, size[1]) for y in (0, size[0])]
    return any(
        max(abs(corner[axis]) for corner in corners) > _MOST_FOLDS * length
        for axis, length in ((0, image.shape[1]), (1, image.shape[0]))
    )


def _folded(image: Image, centred: Matrix, size: Size, view: View) -> Image:
    """Resample by an affine matrix (pixel centres), each coordinate folded back in one step."""
    back = centred.inverse().array
    rows = max(1, _BAND_PIXELS // size[1])
    result = np.empty((*size, *image.shape[2:]), image.dtype)
    columns = np.arange(size[1], dtype=np.float64)
    for top in range(0, size[0], rows):
        lines = np.arange(top, min(top + rows, size[0]), dtype=np.float64)[:, np.newaxis]
        x, y = (
            _fold(one[0] * columns + one[1] * lines + one[2], length, view)
            for one, length in ((back[0], image.shape[1]), (back[1], image.shape[0]))
        )
        result[top : top + len(lines)] = cv2.remap(
            image, x, y, view.cv_interpolation, borderMode=view.cv_border
        )
    return result


def _fold(places: Array, length: int, view: View) -> npt.NDArray[np.float32]:
    """Bring coordinates of pixel centres to those inside where the border shows the same."""
    if view.border == "wrap":
        return np.mod(places, length).astype(np.float32)
    if length == 1:
        return np.zeros(places.shape, np.float32)
    period = 2.0 * (length - 1)
    folded = np.mod(places, period)
    return np.minimum(folded, period - folded).astype(np.float32)


def _overhang(corners: list[float], length: int) -> tuple[int, int]:
    """Return how many pixels corners lie before 0 and after `length`."""
    # Two more, for the neighbours that an interpolation looks at.
    before, after = 2 - min(corners), 2 + max(corners) - length
    return max(0, math.ceil(before)), max(0, math.ceil(after))


def _resized(image: Image, size: Size, view: View) -> Image:
    """Bring the whole image to `size`: average along sides that shrink, interpolate the others."""
    height, width = image.shape[:2]
    smaller = (min(height, size[0]), min(width, size[1]))
    if smaller != (height, width):
        # At 1.99 times smaller, 48 dB from the exact average; bilinear sampling has 35.
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != size:
        image = cv2.resize(image, size[::-1], interpolation=view.cv_interpolation)
    return image


def _covers(matrix: Matrix, source: Size, size: Size) -> bool:
    """Whether `matrix` is a plain resize of the whole source onto the whole canvas."""
    close = _SNAP * max(size)
    resize = (size[1] / source[1], 0.0, 0.0, 0.0, size[0] / source[0], 0.0, 0.0, 0.0, 1.0)
    pairs = zip(matrix, resize, strict=True)
    return all(abs(one - two) <= close for one, two in pairs)


def _placed(image: Image, left: int, top: int, size: Size, view: View) -> Image:
    """Lay `image` on a canvas with its corner at (left, top); crop and pad as that needs."""
    height, width = image.shape[:2]
    canvas_height, canvas_width = size
    above, below = max(0, top), max(0, canvas_height - top - height)
    before, after = max(0, left), max(0, canvas_width - left - width)
    if max(above, below) >= canvas_height or max(before, after) >= canvas_width:
        return _resampled(image, translation(left, top), size, view)
    rows = slice(max(0, -top), min(height, canvas_height - top))
    columns = slice(max(0, -left), min(width, canvas_width - left))
    sides = above, below, before, after
    if view.border == "constant" or not any(sides):
        part, fill = np.ascontiguousarray(image[rows, columns]), view.cv_fill(image)
        return cv2.copyMakeBorder(part, *sides, view.cv_border, value=fill) if any(sides) else part
    # The other borders are made of the image's own pixels: pad the whole, then crop.
    whole = cv2.copyMakeBorder(image, *sides, view.cv_border)
    y, x = max(0, -top), max(0, -left)
    return np.ascontiguousarray(whole[y : y + canvas_height, x : x + canvas_width])
