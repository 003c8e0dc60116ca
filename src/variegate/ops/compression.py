"""Loss by compression other than JPEG's: WebP, and a frame of low-bitrate video."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from variegate.annotations.sample import Image
from variegate.ops.base import Graded, Pixels

Floats = npt.NDArray[np.float32]

#: The longest side of a WebP file is 16,383: longer images are compressed in parts of this many
#: pixels, which is a multiple of its macroblocks.
_WEBP_PART = 16_368

# The 8 x 8 integer transform of H.264 (ITU-T H.264, 8.5.13). Its rows are orthogonal.
_TRANSFORM: Floats = np.array(
    [
        [8, 8, 8, 8, 8, 8, 8, 8],
        [12, 10, 6, 3, -3, -6, -10, -12],
        [8, 4, -4, -8, -8, -4, 4, 8],
        [10, -3, -12, -6, 6, 12, 3, -10],
        [8, -8, -8, 8, 8, -8, -8, 8],
        [6, -12, 3, 10, -10, -3, 12, -6],
        [4, -8, 8, -4, -4, 8, -8, 4],
        [3, -6, 10, -12, 12, -10, 6, -3],
    ],
    np.float32,
)
_LENGTHS = np.sqrt(np.sum(_TRANSFORM.astype(np.float64) ** 2, axis=1))
_AREAS = np.outer(_LENGTHS, _LENGTHS)
#: What H.264 uses for color where luma has 30 to 51: less (ITU-T H.264, table 8-15).
_OF_COLOR = (29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39)
#: Steps of the inverse's integers in one level.
_FINE = 2**11
#: Columns that are transformed at a time.
_PART = 1024


@dataclass(frozen=True)
class Webp(Pixels):
    """Compress as a lossy WebP file and decompress.

    Attributes:
        quality: 0 to 99, as libwebp counts. 100 is the identity.
    """

    quality: int

    @property
    def is_identity(self) -> bool:
        return self.quality == 100

    def _act_on_colors(self, image: Image) -> Image:
        if max(image.shape[:2]) > _WEBP_PART:
            return self._by_parts(image)
        if image.ndim == 2:
            gray = self._act_on_colors(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
            return cv2.cvtColor(gray, cv2.COLOR_RGB2GRAY)
        coded = io.BytesIO()
        # Method 0 takes a quarter of the time of the usual 4; at the same quality the file is
        # larger, and the image as near to its source (within 0.15 dB at qualities 5 to 80).
        PIL.Image.fromarray(image).save(coded, "WEBP", quality=self.quality, method=0)
        decoded = cv2.imdecode(np.frombuffer(coded.getbuffer(), np.uint8), cv2.IMREAD_COLOR_RGB)
        assert decoded is not None  # it was coded here
        return decoded

    def _by_parts(self, image: Image) -> Image:
        changed = np.empty(image.shape, np.uint8)
        for top in range(0, image.shape[0], _WEBP_PART):
            for left in range(0, image.shape[1], _WEBP_PART):
                part = np.s_[top : top + _WEBP_PART, left : left + _WEBP_PART]
                changed[part] = self._act_on_colors(np.ascontiguousarray(image[part]))
        return changed


@dataclass(frozen=True)
class VideoBlocks(Graded):
    """Quantize blocks as a video codec does that has too few bits, without its motion.

    Luma in blocks of 8 x 8, color at half the resolution, so that its blocks are macroblocks of
    16 x 16 pixels; H.264's transform and steps, the same step for all frequencies, a dead zone as
    for predicted blocks, and no deblocking.

    Attributes:
        qp: quantization parameter as H.264 counts, 0 to 51: the step doubles every 6; 0 is the
            identity.
    """

    qp: float

    def _act_on_colors(self, image: Image) -> Image:
        height, width = image.shape[:2]
        whole = cv2.copyMakeBorder(image, 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(self._in_macroblocks(whole)[:height, :width])

    def _in_macroblocks(self, image: Image) -> Image:
        if image.ndim == 2:
            return _quantized(image, _step(self.qp))
        height, width = image.shape[:2]
        luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        planes = [_quantized(luma, _step(self.qp))]
        step = _step(_color_qp(self.qp))
        for plane in chroma:
            half = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            coarse = _quantized(half, step)
            planes.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
        return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)


def _step(qp: float) -> float:
    """Return the step, in levels, of an orthonormal transform's values."""
    return 0.625 * 2 ** (qp / 6)


def _color_qp(qp: float) -> float:
    """Return what color is quantized by, where luma is by `qp`."""
    if qp <= 29:
        return qp
    lower = int(qp)
    low, high = (lower if lower < 30 else _OF_COLOR[lower - 30], _OF_COLOR[min(51, lower + 1) - 30])
    return low + (high - low) * (qp - lower)


def _quantized(plane: Image, step: float) -> Image:
    """Return a plane whose blocks of 8 x 8 were transformed, quantized by `step`, and put back.

    All is exact: every sum is of whole numbers below 2**24, so that float32 products are the same
    in any order, on any processor; what is rounded is rounded number by number.
    """
    values = _by_columns(plane.astype(np.float32) - np.float32(128), _TRANSFORM)
    # Transposed from here to there: the transform's lengths are the same both ways.
    levels = _by_columns(cv2.transpose(values), _TRANSFORM)
    blocks = levels.reshape(-1, 8, levels.shape[1])
    blocks *= _tiled(1 / (step * _AREAS), levels.shape[1])
    # Below five sixths of a step nothing is left: the dead zone that encoders have.
    blocks += np.copysign(np.float32(1 / 6), blocks)
    np.trunc(blocks, out=blocks)
    blocks *= _tiled(step * _FINE / _AREAS, levels.shape[1])
    np.rint(blocks, out=blocks)
    values = cv2.transpose(_by_columns(levels, _TRANSFORM.T))
    restored = _by_columns(values, _TRANSFORM.T) * np.float32(1 / _FINE) + np.float32(128)
    return cv2.convertScaleAbs(np.maximum(restored, 0))


def _by_columns(plane: Floats, matrix: Floats) -> Floats:
    """Return `matrix` times every 8 values below each other, for a height of whole blocks."""
    blocks = plane.reshape(-1, 8, plane.shape[1])
    changed = np.empty_like(blocks)
    # By parts so small that no linear algebra splits them among threads, which cost more.
    for left in range(0, plane.shape[1], _PART):
        part = np.s_[..., left : left + _PART]
        np.matmul(np.ascontiguousarray(matrix), blocks[part], out=changed[part])
    return changed.reshape(plane.shape)


def _tiled(block: npt.NDArray[np.float64], width: int) -> Floats:
    return np.tile(block.astype(np.float32), (1, width // 8))
