"""Whether one image shows another again: found by laying one over the other.

Candidates are only candidates. Here the features of two images are matched, the affine map that
most of them agree on is found (RANSAC), one image is warped onto the other, and what remains is
measured where it can be told: in blocks with texture. Brightness and contrast may differ from block
to block, so light and tone do not count. Where nearly all blocks agree, both come of one exposure:
a copy or an edit. Where the features agree and the blocks do not, the same thing was photographed
again: another noise, another shadow, another angle.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from variegate.datasets.prepare.hashes import ORIENTATIONS
from variegate.datasets.prepare.sift import Features, mirrored, rooted, sift_features

# Longest side on which images are laid over each other, and the least, to which small ones grow.
_SIDE, _LEAST_SIDE = 400, 256
_FEATURES = 600
_CONTRAST = 0.015
_RATIO = 0.8
_REACH = 3.0
_LEAST_INLIERS = 8
# Of the pixels in a block; correlation from which two blocks show the same.
_BLOCK = 16
_TEXTURE = 4.0
_ALIKE = 0.85
_LEAST_BLOCKS = 6
_LEAST_OVERLAP = 0.05
_BLUR, _EDGE = 1.0, 7
# An image this much coarser than the other, and small, is compared at its own size, and softened by
# so much of its pixels. Of 120 hands, 200 components and 60 fields of cells at half their size, 48
# to 64 pixels, JPEG quality 60, 98% of the blocks agree then and more; of two images of the same
# sign, part or slide 84% at most.
_COARSER, _COARSE_BLUR, _LEAST_COARSE = 0.75, 0.78, 40
# From such an agreement on there is nothing to refine, and below the other no hope.
_GOOD, _HOPELESS = 0.97, 0.3
_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)
_MOST_STRETCH, _MOST_SCALE = 1.8, 12.0
# Closeness and agreement from which two images are one exposure, measured on the sets in
# benchmarks/duplicates.py. Where the whole of one image lies on the whole of another, re-shots stay
# below .81 (components) and .945 with an agreement of .64 (hands); blur and strong compression of
# 96 x 96 pixels come down to .89 with .72.
_WHOLE = ((0.955, 0.5), (0.88, 0.72))
# The whole on the whole may be sure where features that fit a little better are not: those follow
# the noise of compression. Of 220 hands and components at JPEG quality 60 they agree by .02 more at
# most, of two images of one hand by .13.
_SURER = 0.05
# Where features had to bring them together, re-shots reach .988, lossless edits .994 and more.
_PART = ((0.9895, 0.55),)


class Frame:
    """An image as it is laid over others.

    Attributes:
        size: (height, width) of the image itself.
        detail: its longest side in pixels, as far as it is kept.
    """

    def __init__(self, gray: np.ndarray, size: tuple[int, int]) -> None:
        self.size = size
        longest = max(gray.shape)
        self.detail = min(longest, _SIDE)
        side = min(max(longest, _LEAST_SIDE), _SIDE)
        height, width = (max(8, round(one * side / longest)) for one in gray.shape)
        way = cv2.INTER_AREA if side < longest else cv2.INTER_CUBIC
        self._bytes = cv2.resize(gray, (width, height), interpolation=way)

    @property
    def gray(self) -> np.ndarray:
        """(H, W) float32. Not kept: many frames wait in memory."""
        return self._bytes.astype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of `gray`."""
        return (self._bytes.shape[0], self._bytes.shape[1])

    @property
    def to_image(self) -> np.ndarray:
        """(3, 3) matrix from pixels of `gray` to pixels of the image, corners on corners."""
        height, width = self.shape
        return np.diag([self.size[1] / width, self.size[0] / height, 1.0])

    def reduced(self, detail: int) -> "Frame":
        """Return the image with less detail, as if it had been made smaller."""
        scale = detail / max(self.shape)
        height, width = (max(1, round(side * scale)) for side in self.shape)
        small = cv2.resize(self._bytes, (width, height), interpolation=cv2.INTER_AREA)
        return Frame(small, self.size)

    @cached_property
    def thumbnail(self) -> np.ndarray:
        """(32, 32) float32."""
        return cv2.resize(self.gray, (32, 32), interpolation=cv2.INTER_AREA)

    @property
    def features(self) -> Features:
        """Positions, (N, 2), corner of the first pixel at 0, and rooted descriptors, (N, 128)."""
        places, descriptors = self._features
        return places, rooted(descriptors)

    @cached_property
    def _features(self) -> Features:
        return sift_features(self._bytes, _FEATURES, _CONTRAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How one image lies in another.

    Attributes:
        matrix: (2, 3), from pixels of the second image to pixels of the first, corners at 0.
        agreement: share of the blocks with texture that show the same.
        closeness: correlation of the middle one of those blocks.
        blocks: how many there were.
        overlap: share of the second image that lies inside the first.
        covered: share of the first that the second covers.
        gain, offset: gray values of the second are gain times those of the first plus offset.
        inliers: features that agree; 0 where none were asked.
    """

    matrix: np.ndarray
    agreement: float
    closeness: float
    blocks: int
    overlap: float
    covered: float
    gain: float
    offset: float
    inliers: int = 0

    @property
    def same_exposure(self) -> bool:
        """Whether both show one exposure, where they lie over each other."""
        levels = _PART if self.inliers else _WHOLE
        return any(self.closeness >= c and self.agreement >= a for c, a in levels)


def register(first: Frame, second: Frame) -> Match | None:
    """Lay one image over another.

    Returns:
        How the second lies in the first; None where they show different things. See `Match`: its
        agreement tells whether it is the same exposure.
    """
    coarse = _coarse_match(first, second)
    if coarse is not None and coarse.agreement >= _GOOD:
        return coarse
    best = _best([_judged(first, second, one, 0) for one in _whole_maps(first, second)])
    if best is not None and best.agreement >= _GOOD:
        return best
    features = first.features, second.features
    for mirror in (False, True):
        found = _feature_map(*features, mirror=mirror)
        if found is not None:
            matrix, inliers = found
            best = _best([best, _refined(first, second, matrix, inliers)])
            if best is not None and best.agreement >= _GOOD:
                break
    return best


def _best(found: list[Match | None]) -> Match | None:
    def fit(one: Match) -> float:
        return one.agreement + (_SURER if one.same_exposure else 0.0)

    return max((one for one in found if one), key=fit, default=None)


def _coarse_match(first: Frame, second: Frame) -> Match | None:
    """Lay a whole image over a whole one that is much smaller, without the detail this has not."""
    coarse, fine = sorted((first.detail, second.detail))
    if not _LEAST_COARSE <= coarse < min(_LEAST_SIDE, _COARSER * fine):
        return None
    one, other = (
        frame.reduced(coarse) if frame.detail == fine else frame for frame in (first, second)
    )
    blur = _COARSE_BLUR * _LEAST_SIDE / coarse
    return _best([_judged(one, other, way, 0, blur) for way in _whole_maps(one, other)])


def _whole_maps(first: Frame, second: Frame) -> list[np.ndarray]:
    """Return the maps of the whole second image onto the whole first that fit its thumbnail."""
    small = [one.thumbnail for one in (first, second)]
    maps = []
    for transposed, across, down in ORIENTATIONS:
        shown = small[1].T if transposed else small[1]
        shown = shown[:: -1 if down else 1, :: -1 if across else 1]
        if _correlation(small[0], shown) > 0.8:
            height, width = second.shape
            corners = np.array([(0, 0), (width, 0), (0, height)], np.float32)
            unit = corners / (width, height)
            unit = unit[:, ::-1] if transposed else unit
            unit = np.where(np.array([across, down]), 1 - unit, unit)
            target = unit * np.array(first.shape[::-1])
            maps.append(cv2.getAffineTransform(corners, target.astype(np.float32)))
    return maps


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 else 0.0


def _feature_map(
    first: Features, second: Features, *, mirror: bool
) -> tuple[np.ndarray, int] | None:
    """Return the affine map that the features of two images agree on, and how many do."""
    (places, known), (others, asked) = first, second
    if min(len(known), len(asked)) < _LEAST_INLIERS:
        return None
    if mirror:
        asked = mirrored(asked)
    alike = asked @ known.T
    rows = np.arange(len(asked))
    best = alike.argmax(axis=1)
    first_best = alike[rows, best].copy()
    alike[rows, best] = -1
    near = np.sqrt(np.maximum(0, 2 - 2 * np.stack([first_best, alike.max(axis=1)], axis=1)))
    good = near[:, 0] < _RATIO * near[:, 1]
    if good.sum() < _LEAST_INLIERS:
        return None
    source, target = others[good], places[best[good]]
    matrix, inside = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=_REACH, maxIters=2000
    )
    if matrix is None or not _is_plausible(matrix, mirror=mirror):
        return None
    kept = inside.ravel() > 0
    # Many features of one spot tell no more than one.
    spots = len(np.unique(np.round(target[kept] / 4), axis=0))
    return (matrix, spots) if spots >= _LEAST_INLIERS else None


def _is_plausible(matrix: np.ndarray, *, mirror: bool) -> bool:
    linear = matrix[:, :2]
    large, small = np.linalg.svd(linear, compute_uv=False)
    if small < 1 / _MOST_SCALE or large > _MOST_SCALE or large > _MOST_STRETCH * small:
        return False
    return bool((np.linalg.det(linear) < 0) == mirror)


def _judged(
    first: Frame, second: Frame, matrix: np.ndarray, inliers: int, blur: float = _BLUR
) -> Match | None:
    """Measure what remains when the second image is laid over the first."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale > 1.0:
        # On the coarser of the two: what the other has of details, it cannot confirm.
        back = _judged(second, first, cv2.invertAffineTransform(matrix), inliers, blur)
        return None if back is None else _turned(back)
    sharp = _softened(second.gray, scale)
    height, width = first.shape
    # OpenCV's coordinates have 0 at the middle of the first pixel.
    centred = _shifted(matrix)
    laid = cv2.warpAffine(sharp, centred, (width, height), flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones_like(sharp), centred, (width, height), flags=cv2.INTER_LINEAR)
    return _compared(first, second, laid, inside, matrix, inliers, blur)


def _refined(first: Frame, second: Frame, matrix: np.ndarray, inliers: int) -> Match | None:
    """Measure what remains, after moving the second image by the last parts of a pixel."""
    found = _judged(first, second, matrix, inliers)
    if found is None or found.agreement >= _GOOD or found.agreement < _HOPELESS:
        return found
    start = _shifted(cv2.invertAffineTransform(matrix)).astype(np.float32)
    shrunk = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    one, other = _softened(first.gray, 1 / shrunk), _softened(second.gray, shrunk)
    try:
        _, moved = cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, _ECC, None, 3)
    except cv2.error:
        # It did not come to an end: they do not show the same.
        return found
    back = cv2.invertAffineTransform(moved.astype(np.float64))
    back[:, 2] -= back[:, :2] @ (0.5, 0.5) - 0.5
    return _best([found, _judged(first, second, back, inliers)])


def _softened(gray: np.ndarray, scale: float) -> np.ndarray:
    """Return an image without what would be lost when it is made smaller by `scale`."""
    return cv2.GaussianBlur(gray, (0, 0), 0.45 / scale) if scale < 0.7 else gray


def _shifted(matrix: np.ndarray) -> np.ndarray:
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return moved


def _compared(
    first: Frame,
    second: Frame,
    laid: np.ndarray,
    inside: np.ndarray,
    matrix: np.ndarray,
    inliers: int,
    blur: float,
) -> Match | None:
    full = inside > 0.999
    # Not where blurring brings in what lies outside.
    sure = cv2.erode(full.astype(np.uint8), np.ones((_EDGE, _EDGE), np.uint8)) > 0
    covered = float(full.mean())
    area = abs(float(np.linalg.det(matrix[:, :2]))) * second.shape[0] * second.shape[1]
    overlap = min(1.0, float(full.sum()) / area)
    if max(covered, overlap) < _LEAST_OVERLAP or full.sum() < _LEAST_BLOCKS * _BLOCK**2:
        return None
    one = cv2.GaussianBlur(first.gray, (0, 0), blur)
    other = cv2.GaussianBlur(laid, (0, 0), blur)
    blocks = _Blocks.of(one, other, sure)
    if blocks.textured.sum() < _LEAST_BLOCKS:
        return None
    gain, offset = _tone(one[full], other[full])
    return Match(
        matrix=(first.to_image @ _square(matrix) @ np.linalg.inv(second.to_image))[:2],
        agreement=float((blocks.correlation[blocks.textured] >= _ALIKE).mean()),
        closeness=float(np.median(blocks.correlation[blocks.textured])),
        blocks=int(blocks.textured.sum()),
        overlap=overlap,
        covered=covered,
        gain=gain,
        offset=offset,
        inliers=inliers,
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks of two images that lie over each other.

    Attributes:
        textured: whether there is something to compare, in either.
        correlation: of the two.
    """

    textured: np.ndarray
    correlation: np.ndarray

    @classmethod
    def of(cls, one: np.ndarray, other: np.ndarray, full: np.ndarray) -> "_Blocks":
        rows, columns = one.shape[0] // _BLOCK, one.shape[1] // _BLOCK

        def cut(image: np.ndarray) -> np.ndarray:
            cropped = image[: rows * _BLOCK, : columns * _BLOCK]
            tiles = cropped.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3)
            return tiles.reshape(rows * columns, -1)

        whole = cut(full).all(axis=1)
        a, b = cut(one)[whole], cut(other)[whole]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        spread = np.sqrt((a * a).mean(axis=1)), np.sqrt((b * b).mean(axis=1))
        product = np.maximum(spread[0] * spread[1], 1e-6)
        return cls(np.maximum(*spread) >= _TEXTURE, (a * b).mean(axis=1) / product)


def _tone(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return gain and offset that make the second of the first."""
    deviation = float(one.std())
    if deviation < 1e-3:
        return 1.0, float(other.mean() - one.mean())
    covariance = float(((one - one.mean()) * (other - other.mean())).mean())
    gain = covariance / deviation**2
    return gain, float(other.mean() - gain * one.mean())


def _square(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, (0, 0, 1)])


def _turned(back: Match) -> Match:
    """Return a match of the second image in the first from that of the first in the second."""
    gain = back.gain or 1.0
    return Match(
        matrix=cv2.invertAffineTransform(back.matrix),
        agreement=back.agreement,
        closeness=back.closeness,
        blocks=back.blocks,
        overlap=back.covered,
        covered=back.overlap,
        gain=1 / gain,
        offset=-back.offset / gain,
        inliers=back.inliers,
    )
