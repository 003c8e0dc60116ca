"""`Warp`: a projective change of coordinates onto a canvas of any size.

Crop, pad, resize, flip, rotate, shear and perspective are all of this kind, and a chain of them is
one of them again: its matrix is the product, and the source is resampled once.

A matrix takes source points to output points in continuous coordinates (see `variegate.sample`),
so it moves labels as it stands. Only `cv2`, which counts from pixel centres, needs the half-pixel
shift.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import cv2
import numpy as np
import numpy.typing as npt

from variegate.errors import ShapeError
from variegate.ops.base import Geometric, Operation, Pointwise
from variegate.outlines import Outlines, Points
from variegate.sample import Image, Size
from variegate.targets import Layer, Mask

Border = Literal["reflect", "edge", "constant", "wrap"]
Interpolation = Literal["nearest", "linear", "cubic"]
Color = tuple[int, int, int]
Matrix = npt.NDArray[np.float64]

BORDERS: dict[Border, int] = {
    "reflect": cv2.BORDER_REFLECT_101,
    "edge": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "wrap": cv2.BORDER_WRAP,
}
INTERPOLATIONS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
}

# Entries this close to an integer are that integer: cos(90 degrees) is 6e-17.
_SNAP = 1e-9
# The least third coordinate that is seen, and where points go that are not.
_NEAREST = 1e-4
_NOWHERE = 1e9
# cv2 counts a warp's pixels in 16 bits.
_LARGEST_SIDE = 2**15 - 1


def translation(x: float, y: float) -> Matrix:
    """Return the (3, 3) matrix that moves points by (x, y) pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: float, y: float) -> Matrix:
    """Return the (3, 3) matrix that scales about the origin."""
    return np.diag([x, y, 1.0])


def about(matrix: Matrix, x: float, y: float) -> Matrix:
    """Return `matrix` acting about the point (x, y) instead of the origin."""
    if matrix[2, 0] == 0 == matrix[2, 1]:
        # The same, without two products of matrices.
        moved = matrix.copy()
        moved[0, 2] += x - matrix[0, 0] * x - matrix[0, 1] * y
        moved[1, 2] += y - matrix[1, 0] * x - matrix[1, 1] * y
        return moved
    return translation(x, y) @ matrix @ translation(-x, -y)


def _snapped(entry: float) -> float:
    whole = float(round(entry))
    return whole if abs(entry - whole) < _SNAP else entry


@dataclass(frozen=True)
class View:
    """How a geometric operation samples its source.

    Attributes:
        border: what lies beyond the source; None where that is never seen.
        fill: RGB, for border "constant".
        interpolation: how values between pixels are found; None where none are needed.
        gray: the level that fills a gray picture; None where it is the luminance of `fill`.
    """

    border: Border | None = None
    fill: Color = (0, 0, 0)
    interpolation: Interpolation | None = None
    gray: int | None = None

    def joined(self, other: "View") -> "View | None":
        """Return the view of a chain of two, or None where they contradict each other."""
        if self.border and other.border:
            if self.border != other.border:
                return None
            fills = (self.fill, self.gray_fill), (other.fill, other.gray_fill)
            if self.border == "constant" and fills[0] != fills[1]:
                return None
        if self.interpolation and other.interpolation and self.interpolation != other.interpolation:
            return None
        edge = self if self.border else other
        return View(edge.border, edge.fill, self.interpolation or other.interpolation, edge.gray)

    def repainted(self, change: Pointwise) -> "View":
        """Return this view with its fill changed as `change` changes colors."""
        # On gray pictures a color change asks for the luminance first: the order matters.
        gray = change.on_gray(self.gray_fill)
        return View(self.border, change.on_color(self.fill), self.interpolation, gray)

    @property
    def gray_fill(self) -> int:
        """What fills a gray picture."""
        if self.gray is not None:
            return self.gray
        r, g, b = self.fill
        return round(0.299 * r + 0.587 * g + 0.114 * b)

    @property
    def cv_border(self) -> int:
        """The border for cv2; where none is asked for, half-pixel overhangs repeat the edge."""
        return BORDERS[self.border or "edge"]

    @property
    def cv_interpolation(self) -> int:
        """The interpolation for cv2."""
        return INTERPOLATIONS[self.interpolation or "linear"]

    def cv_fill(self, image: Image) -> tuple[float, ...]:
        """Return the fill for an image of this kind: its luminance for gray, alpha 0 for RGBA."""
        if image.ndim == 2:
            return (float(self.gray_fill),)
        r, g, b = self.fill
        return (float(r), float(g), float(b), 0.0)


def mask_view(view: View, layer: Layer) -> View:
    """Return how a mask is sampled where its picture is sampled by `view`."""
    border: Border | None = "constant" if layer.role == "objects" else view.border
    value = 0 if layer.role == "objects" else layer.beyond
    fill = (value, value, value)
    if layer.values.ndim == 3:
        fill = (value % 256, value // 256 % 256, value // 65_536)
    return View(border, fill, "linear" if layer.role == "soft" else "nearest")


@dataclass(frozen=True)
class Warp(Geometric):
    """A projective transformation.

    Attributes:
        matrix: (3, 3) source to output, row by row.
        size: (height, width) of the output canvas.
        view: how the source is sampled.
    """

    matrix: tuple[float, ...]
    size: Size
    view: View = field(default_factory=View)

    @classmethod
    def of(cls, matrix: npt.ArrayLike, size: Size, view: View | None = None) -> "Warp":
        """Make one from a (3, 3) array.

        Raises:
            ShapeError: the matrix is not (3, 3), not invertible, or the canvas has no pixels.
        """
        array = np.asarray(matrix, dtype=np.float64)
        # Plain floats: for nine of them numpy takes three times as long.
        entries = array.ravel().tolist()
        if array.shape != (3, 3) or not all(map(math.isfinite, entries)):
            raise ShapeError(f"matrix: expected finite (3, 3), got {array.tolist()}")
        a, b, c, d, e, f, g, h, i = entries
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if abs(determinant) < 1e-12 or min(size) < 1:
            raise ShapeError(f"warp onto {size}: the matrix {array.tolist()} leaves no picture")
        # Where the origin lies out of sight, at or behind the viewer, its depth i may be 0 or less;
        # the sign stays, since the depth of points in sight is above 0.
        scale = max(abs(g), abs(h), abs(i)) if g or h else i
        return cls(tuple([_snapped(entry / scale) for entry in entries]), size, view or View())

    @property
    def array(self) -> Matrix:
        """(3, 3) float64, source to output."""
        return np.array(self.matrix).reshape(3, 3)

    @property
    def paints(self) -> bool:
        return self.view.border == "constant"

    def repainted(self, change: Pointwise) -> Self:
        return replace(self, view=self.view.repainted(change))

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

    def move_mask(self, layer: Layer) -> Mask:
        return replace(self, view=mask_view(self.view, layer)).apply_image(layer.values)

    @property
    def straight(self) -> bool:
        return True

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.array) < 0)

    def from_reduced(self, full: Size, reduced: Size) -> "Warp":
        """Return the warp that takes a smaller copy of the source where this takes the source."""
        return Warp.of(
            self.array @ scaling(full[1] / reduced[1], full[0] / reduced[0]), self.size, self.view
        )

    def then(self, other: Operation) -> Operation | None:
        if not isinstance(other, Warp):
            return super().then(other)
        view = self.view.joined(other.view)
        return Warp.of(other.array @ self.array, other.size, view) if view else None

    def moves_pixels_only(self) -> bool:
        """Whether every output pixel is exactly one source pixel (or border)."""
        a, b, x, c, d, y, g, h, _ = self.matrix
        if g or h or not (x.is_integer() and y.is_integer()):
            return False
        straight = abs(a) == abs(d) == 1 and b == c == 0
        return straight or (abs(b) == abs(c) == 1 and a == d == 0)

    def _act(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if self.moves_pixels_only():
            return self._moved(image)
        if self.view.interpolation != "nearest" and _covers(self.array, (height, width), self.size):
            return _resized(image, self.size, self.view)
        small = averaged(image, self.array, self.view)
        matrix = self.array @ scaling(width / small.shape[1], height / small.shape[0])
        return _resampled(small, matrix, self.size, self.view)

    def _moved(self, image: Image) -> Image:
        """Flip, turn, crop and pad without interpolation."""
        matrix = self.array
        swapped = matrix[0, 0] == 0
        if swapped:
            image = cv2.transpose(image)
        turned_height, turned_width = image.shape[:2]
        signs = (matrix[0, 1], matrix[1, 0]) if swapped else (matrix[0, 0], matrix[1, 1])
        flips = {(1, 1): None, (-1, 1): 1, (1, -1): 0, (-1, -1): -1}[signs]
        if flips is not None:
            image = cv2.flip(image, flips)
        # Where the turned source's top left corner comes to lie on the canvas.
        left = int(matrix[0, 2]) - (turned_width if signs[0] < 0 else 0)
        top = int(matrix[1, 2]) - (turned_height if signs[1] < 0 else 0)
        return _placed(image, left, top, self.size, self.view)


def shrinkage(matrix: Matrix, size: Size) -> tuple[float, float]:
    """Return how many times (y, x) the middle of a source of `size` is shrunk; 1.0 for none."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    x, y = size[1] / 2, size[0] / 2
    w = g * x + h * y + i
    u, v = (a * x + b * y + c) / w, (d * x + e * y + f) / w
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
    # cv2 warps four channels in two thirds of the time of three: benchmarks/kernels.py.
    padded = image.ndim == 3 and image.shape[2] == 3
    source = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if padded else image
    source, matrix = _bordered(source, matrix, size, view)
    centred = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    warp, transform = (
        (cv2.warpPerspective, centred)
        if centred[2, :2].any()
        else (cv2.warpAffine, centred[:2] / centred[2, 2])
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


def _bordered(image: Image, matrix: Matrix, size: Size, view: View) -> tuple[Image, Matrix]:
    """Lay the border that the canvas sees around the image, where it is a moderate one.

    cv2 looks up what lies beyond a picture pixel by pixel: a warp that never has to takes 0.5 to
    0.75 of the time, the border's included (benchmarks/kernels.py).

    Returns:
        The image with its border, and the matrix that takes it where `matrix` takes the image.
    """
    if view.border in (None, "constant"):
        return image, matrix
    height, width = image.shape[:2]
    corners = [[0, size[1], 0, size[1]], [0, 0, size[0], size[0]], [1, 1, 1, 1]]
    u, v, w = np.linalg.inv(matrix) @ corners
    if w.min() < 1e-6:
        # The canvas reaches the horizon: what it sees has no end.
        return image, matrix
    before, after = _overhang(u / w, width)
    above, below = _overhang(v / w, height)
    tall, wide = above + height + below, before + width + after
    if tall * wide > 2 * height * width or max(tall, wide) > _LARGEST_SIDE:
        return image, matrix
    bordered = cv2.copyMakeBorder(image, above, below, before, after, view.cv_border)
    return bordered, matrix @ translation(-before, -above)


def _overhang(corners: Matrix, length: int) -> tuple[int, int]:
    """Return how many pixels corners lie before 0 and after `length`."""
    # Two more, for the neighbours that an interpolation looks at.
    before, after = 2 - corners.min(), 2 + corners.max() - length
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
    pairs = zip(matrix.ravel().tolist(), resize, strict=True)
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
    if above == below == before == after == 0:
        return np.ascontiguousarray(image[rows, columns])
    if view.border == "constant":
        return cv2.copyMakeBorder(
            np.ascontiguousarray(image[rows, columns]),
            above,
            below,
            before,
            after,
            cv2.BORDER_CONSTANT,
            value=view.cv_fill(image),
        )
    # The other borders are made of the picture's own pixels: pad the whole, then crop.
    whole = cv2.copyMakeBorder(image, above, below, before, after, view.cv_border)
    y, x = max(0, -top), max(0, -left)
    return np.ascontiguousarray(whole[y : y + canvas_height, x : x + canvas_width])
