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
#: Steps of the inverse's integers in one level.
_FINE = 2**11


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
        # Method 0 takes a third of the time of the usual 4; at the same quality the file is larger
        # and the image looks the same.
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
    16 x 16 pixels; H.264's transform and step sizes, the same step for all frequencies, a dead
    zone as for predicted blocks, and no deblocking.

    Attributes:
        qp: quantization parameter as H.264 counts, up to 51: the step doubles every 6; 0 is the
            identity.
    """

    qp: float

    def _act_on_colors(self, image: Image) -> Image:
        height, width = image.shape[:2]
        whole = cv2.copyMakeBorder(image, 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(self._in_macroblocks(whole)[:height, :width])

    def _in_macroblocks(self, image: Image) -> Image:
        if image.ndim == 2:
            return _quantized(image, self._step)
        height, width = image.shape[:2]
        luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        planes = [_quantized(luma, self._step)]
        for plane in chroma:
            half = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            coarse = _quantized(half, self._step)
            planes.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
        return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)

    @property
    def _step(self) -> float:
        """Levels of a step of an orthonormal transform."""
        return 0.625 * 2 ** (self.qp / 6)


def _quantized(plane: Image, step: float) -> Image:
    """Return a plane whose blocks of 8 x 8 were transformed, quantized by `step`, and put back.

    All is exact: every sum is of whole numbers below 2**24, so that float32 products are the same
    in any order, on any processor; what is rounded is rounded number by number.
    """
    width = plane.shape[1]
    blocks = (plane.astype(np.float32) - 128).reshape(-1, 8, width)
    levels = _transformed(blocks, _TRANSFORM)
    # Below five sixths of a step nothing is left: the dead zone that encoders have.
    levels *= _tiled(1 / (step * _AREAS), width)
    signs = np.copysign(np.float32(1 / 6), levels)
    np.trunc(np.add(levels, signs, out=levels), out=levels)
    levels *= _tiled(step * _FINE / _AREAS, width)
    np.rint(levels, out=levels)
    values = _transformed(levels, _TRANSFORM.T) * np.float32(1 / _FINE) + np.float32(128)
    return cv2.convertScaleAbs(np.maximum(values, 0).reshape(plane.shape))


def _transformed(blocks: Floats, matrix: Floats) -> Floats:
    """Return `matrix` @ block @ `matrix`.T of the blocks of every 8 rows, (N, 8, W)."""
    matrix = np.ascontiguousarray(matrix)
    rows = np.matmul(matrix, blocks)
    return (rows.reshape(-1, 8) @ np.ascontiguousarray(matrix.T)).reshape(blocks.shape)


def _tiled(block: npt.NDArray[np.float64], width: int) -> Floats:
    return np.tile(block.astype(np.float32), (1, width // 8))
