"""Blurs: what a lens, a hand or a moving thing does to sharpness.

Borders are mirrored. Wide blurs are made at a reduced scale where that cannot be told from the
blur at full scale: what they leave has no detail that the reduced scale could lose.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.base import Graded, Pixels
from variegate.ops.grain import NORMALS, normal_bytes

Floats = npt.NDArray[np.float32]

_BORDER = cv2.BORDER_REFLECT


@dataclass(frozen=True)
class GaussianBlur(Graded):
    """Blur with a normal kernel.

    Attributes:
        sigma: standard deviation, pixels; 0 is the identity.
    """

    sigma: float

    def _act_on_colors(self, image: Image) -> Image:
        return gaussian_blurred(image, self.sigma)


@dataclass(frozen=True)
class MotionBlur(Graded):
    """Blur along a straight line, as where camera or thing moved while the shutter was open.

    Attributes:
        length: of the line, pixels; 0 is the identity.
        angle_degrees: its direction, 0 from left to right, 90 from top to bottom.
    """

    length: float
    angle_degrees: float

    #: Longest piece of line that is one kernel, pixels: cv2 turns to Fourier transforms, slower
    #: and less exact, beyond 11 x 11.
    _piece = 10.0

    def _act_on_colors(self, image: Image) -> Image:
        angle = math.radians(self.angle_degrees)
        direction = math.cos(angle), math.sin(angle)
        pieces = math.ceil(self.length / self._piece)
        kernel = _line(self.length / pieces, direction)
        if pieces == 1:
            return cv2.filter2D(image, -1, kernel, borderType=_BORDER)
        # A long line is a short one, repeated along itself: 44 sums, not a kernel of 100 x 70.
        short = cv2.filter2D(image, -1, kernel, borderType=_BORDER)
        steps = (np.arange(pieces) - (pieces - 1) / 2) * (self.length / pieces)
        return _repeated(short, [(direction[0] * s, direction[1] * s) for s in steps.tolist()])


@dataclass(frozen=True)
class Defocus(Graded):
    """Blur with a disk, as a lens does off its focus.

    Attributes:
        radius: of the disk, pixels; 0 is the identity.
    """

    radius: float

    def _act_on_colors(self, image: Image) -> Image:
        if self.radius <= 4.5:
            kernel = _disk(self.radius, self.radius)
            return cv2.filter2D(image, -1, kernel, borderType=_BORDER)
        small, across, down = _reduced(image, self.radius / 2.5)
        # A disk of radius r spreads by r / 2 in each direction.
        radii = 2 * _left(self.radius / 2, across), 2 * _left(self.radius / 2, down)
        return _enlarged(cv2.filter2D(small, -1, _disk(*radii), borderType=_BORDER), image)


@dataclass(frozen=True)
class ZoomBlur(Graded):
    """Blur towards the centre, as where the lens zoomed while the shutter was open.

    Attributes:
        amount: how much larger the last moment is than the first; 0 is the identity.
    """

    amount: float

    def _act_on_colors(self, image: Image) -> Image:
        height, width = image.shape[:2]
        # Copies enough that the corners move by less than a pixel and a half from one to the next.
        longest = math.hypot(height, width) / 2 * self.amount
        doublings = max(2, math.ceil(math.log2(1 + longest / 1.5)))
        step = math.log1p(self.amount) / (2**doublings - 1)
        blurred = image
        for doubling in range(doublings):
            zoomed = _zoomed(blurred, math.exp(step * 2**doubling))
            blurred = cv2.addWeighted(blurred, 0.5, zoomed, 0.5, 0)
        return blurred


@dataclass(frozen=True)
class GlassBlur(Graded):
    """Show the image through frosted glass: blur, shift every point by chance, blur again.

    Attributes:
        amount: standard deviation of the shifts, pixels; 0 is the identity.
        grain: distance between independent shifts, pixels.
        noise_key: the key of the shifts.
        sigma: standard deviation of each of the two blurs, pixels.
    """

    amount: float
    grain: float
    noise_key: int
    sigma: float = 0.0

    def _act_on_colors(self, image: Image) -> Image:
        height, width = image.shape[:2]
        nodes = (math.ceil(height / self.grain) + 1, math.ceil(width / self.grain) + 1, 2)
        shifts = (self.amount * NORMALS).astype(np.float32)[normal_bytes(self.noise_key, nodes)]
        if self.grain > 1:
            shifts = cv2.resize(shifts, (width, height), interpolation=cv2.INTER_LINEAR)
        shifts = shifts[:height, :width]
        across = shifts[..., 0] + np.arange(width, dtype=np.float32)
        down = shifts[..., 1] + np.arange(height, dtype=np.float32)[:, np.newaxis]
        blurred = gaussian_blurred(image, self.sigma)
        shifted = cv2.remap(blurred, across, down, cv2.INTER_LINEAR, borderMode=_BORDER)
        return gaussian_blurred(shifted, self.sigma)


@dataclass(frozen=True)
class MedianBlur(Pixels):
    """Replace every value by the median of a square about it.

    Attributes:
        size: side of the square, pixels; between odd numbers, up to 7, the two medians are mixed.
            1 is the identity.
    """

    size: float

    @property
    def is_identity(self) -> bool:
        return self.size == 1

    def _act_on_colors(self, image: Image) -> Image:
        half = (self.size - 1) / 2
        # One step more or less of a large square makes no difference that could be seen.
        lower = math.floor(half) if half < 3 else round(half)
        share = max(0.0, half - lower) if half < 3 else 0.0
        blurred = image.copy() if lower == 0 else cv2.medianBlur(image, 2 * lower + 1)
        if share == 0:
            return blurred
        more = cv2.medianBlur(image, 2 * lower + 3)
        return cv2.addWeighted(blurred, 1 - share, more, share, 0)


@dataclass(frozen=True)
class Sharpen(Graded):
    """Strengthen what a blur would take away (unsharp mask).

    Attributes:
        amount: how many times the difference from the blurred image is added; 0 is the identity.
        sigma: standard deviation of the blur, pixels.
    """

    amount: float
    sigma: float

    def _act_on_colors(self, image: Image) -> Image:
        blurred = gaussian_blurred(image, self.sigma)
        return cv2.addWeighted(image, 1 + self.amount, blurred, -self.amount, 0)


def gaussian_blurred(image: Image, sigma: float) -> Image:
    """Return `image` (H, W) or (H, W, 3) blurred by `sigma` pixels."""
    if sigma == 0:
        return image.copy()
    if sigma < 6:
        side = 2 * math.ceil(3 * sigma) + 1
        return cv2.GaussianBlur(image, (side, side), sigma, borderType=_BORDER)
    # As near to the exact blur as cv2's own bytes are (0.25 levels, that is rounding), in 700 us
    # where full scale takes 3 to 40 ms: benchmarks/pixels.py.
    small, across, down = _reduced(image, sigma / 3)
    sigma_x, sigma_y = _left(sigma, across), _left(sigma, down)
    sides = 2 * math.ceil(3 * sigma_x) + 1, 2 * math.ceil(3 * sigma_y) + 1
    floats = small.astype(np.float32)
    return _enlarged(
        cv2.GaussianBlur(floats, sides, sigma_x, sigmaY=sigma_y, borderType=_BORDER), image
    )


def _reduced(image: Image, factor: float) -> tuple[Image, float, float]:
    """Return `image` about `int(factor)` times smaller, and by how much in x and in y."""
    height, width = image.shape[:2]
    rows, columns = (max(1, round(side / int(factor))) for side in (height, width))
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return small, width / columns, height / rows


def _left(sigma: float, factor: float) -> float:
    """Return the blur, in reduced pixels, that is left to do at a scale reduced by `factor`.

    Averaging over `factor` pixels and interpolating between such averages blur, too.
    """
    spent = (factor**2 - 1) / 12 + factor**2 / 6
    return math.sqrt(max(sigma**2 - spent, 0.01)) / factor


def _enlarged(small: Image | Floats, image: Image) -> Image:
    """Return `small` at the size of `image`, as bytes."""
    size = image.shape[1], image.shape[0]
    return cv2.convertScaleAbs(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))


def _line(length: float, direction: tuple[float, float]) -> Floats:
    """Return a kernel that is a line of this length (pixels) through its centre."""
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 2, 2 * half + 2))
    points = max(2, math.ceil(8 * length))
    for step in ((np.arange(points) + 0.5) / points - 0.5).tolist():
        x, y = half + length * step * direction[0], half + length * step * direction[1]
        for column, row, weight in _corners(x - int(x), y - int(y)):
            kernel[int(y) + row, int(x) + column] += weight
    kernel = kernel[:-1, :-1]
    return (kernel / points).astype(np.float32)


def _disk(radius_x: float, radius_y: float) -> Floats:
    """Return a kernel that is an ellipse, its edge pixels weighted by how much it covers them."""
    half_x, half_y = math.ceil(radius_x - 0.5), math.ceil(radius_y - 0.5)
    parts = 8
    x = ((np.arange((2 * half_x + 1) * parts) + 0.5) / parts - half_x - 0.5) / radius_x
    y = ((np.arange((2 * half_y + 1) * parts) + 0.5) / parts - half_y - 0.5) / radius_y
    inside = (x * x)[np.newaxis] + (y * y)[:, np.newaxis] <= 1
    counts = inside.reshape(2 * half_y + 1, parts, 2 * half_x + 1, parts).sum(axis=(1, 3))
    if not counts.any():
        return np.ones((1, 1), np.float32)
    return (counts / counts.sum()).astype(np.float32)


def _repeated(image: Image, offsets: list[tuple[float, float]]) -> Image:
    """Return the mean of `image` moved by each (x, y) of `offsets`, in fractions of pixels."""
    height, width = image.shape[:2]
    across, down = (math.ceil(max(abs(offset[axis]) for offset in offsets)) for axis in (0, 1))
    wide = cv2.copyMakeBorder(image, down, down + 1, across, across + 1, _BORDER)
    mean = np.empty_like(image)
    # By bands of rows: they stay in the cache, and floats take four times the memory of bytes.
    band = max(64, 2 * down)
    for start in range(0, height, band):
        rows = min(band, height - start)
        floats = wide[start : start + rows + 2 * down + 1].astype(np.float32)
        total = np.zeros((rows, *image.shape[1:]), np.float32)
        for x, y in offsets:
            left, top = math.floor(x), math.floor(y)
            for column, row, weight in _corners(x - left, y - top):
                first_row, first_column = down + top + row, across + left + column
                part = floats[first_row : first_row + rows, first_column : first_column + width]
                total = cv2.scaleAdd(part, weight / len(offsets), total, total)
        mean[start : start + rows] = cv2.convertScaleAbs(total)
    return mean


def _corners(x: float, y: float) -> list[tuple[int, int, float]]:
    """Return (column, row, weight) of the pixels that share a point between them."""
    corners = [
        (0, 0, (1 - x) * (1 - y)),
        (1, 0, x * (1 - y)),
        (0, 1, (1 - x) * y),
        (1, 1, x * y),
    ]
    return [corner for corner in corners if corner[2] > 0]


def _zoomed(image: Image, factor: float) -> Image:
    height, width = image.shape[:2]
    x, y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[factor, 0, x - factor * x], [0, factor, y - factor * y]])
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
