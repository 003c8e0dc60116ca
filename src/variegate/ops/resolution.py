"""Loss of detail by fewer pixels or stronger compression."""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from variegate.annotations.sample import Image
from variegate.ops.base import Pixels
from variegate.ops.grain import grain_side


@dataclass(frozen=True)
class Downscale(Pixels):
    """Make the image smaller, then as large as it was.

    Attributes:
        height, width: between the two, pixels; the image's own are the identity.
        blocks: the smaller image's pixels become blocks of one color; otherwise they are
            interpolated.
    """

    height: int
    width: int
    blocks: bool = False

    def _act_on_colors(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if (height, width) == (self.height, self.width):
            return image.copy()
        small = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        back = cv2.INTER_NEAREST_EXACT if self.blocks else cv2.INTER_LINEAR
        return cv2.resize(small, (width, height), interpolation=back)


@dataclass(frozen=True)
class Jpeg(Pixels):
    """Compress as a JPEG file and decompress.

    Attributes:
        quality: 1 to 99, as libjpeg counts; color at half the resolution. 100 is the identity.
        grain: side of what is compressed as one pixel, pixels; rounded, and at least one. Detail
            finer than that is kept.
    """

    quality: int
    grain: float = 1.0

    @property
    def is_identity(self) -> bool:
        return self.quality == 100

    def _act_on_colors(self, image: Image) -> Image:
        side = grain_side(self.grain)
        if side == 1:
            return self._compressed(image)
        height, width = (max(1, round(length / side)) for length in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        changed = cv2.subtract(self._compressed(small), small, dtype=cv2.CV_16S)
        # Without mixing: what the blocks did shows in squares, and every processor repeats it.
        change = cv2.resize(changed, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return cv2.add(image, change.reshape(image.shape), dtype=cv2.CV_8U)

    def _compressed(self, image: Image) -> Image:
        kind = "GRAY" if image.ndim == 2 else "RGB"
        whole = np.ascontiguousarray(image).reshape(*image.shape[:2], -1)
        data = simplejpeg.encode_jpeg(
            whole, quality=self.quality, colorspace=kind, colorsubsampling="420"
        )
        decoded: Image = simplejpeg.decode_jpeg(data, colorspace=kind)
        return decoded.reshape(image.shape)
