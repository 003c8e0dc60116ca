"""Transforms that compress as WebP and low-bitrate video do."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from variegate.ops import compression as ops
from variegate.transforms.base import Axis, Bounds, Range, Transform


@dataclass(frozen=True)
class _WebpAxis(Axis):
    """An axis of WebP qualities along which the loss grows evenly."""

    def value(self, intensity: float) -> float:
        super().value(intensity)
        return self.end + (self.start - self.end) * (1 - intensity) ** 2


class Webp(Transform):
    """Compress as a lossy WebP file: smeared texture and, at its worst, large flat blocks."""

    name: ClassVar = "webp"
    axes: ClassVar = (_WebpAxis("webp", "quality", 100.0, 0.0),)
    acts: ClassVar = lambda quality: ops.Webp(round(quality))

    quality: Annotated[Range, Bounds(0, 100)] = (5.0, 60.0)
    """Quality as libwebp counts, rounded; 0 is the worst, and 100 leaves the image as it is."""


@dataclass(frozen=True)
class _QpAxis(Axis):
    """An axis of quantization parameters along which the loss grows evenly."""

    def value(self, intensity: float) -> float:
        super().value(intensity)
        # The step, which doubles every 6, grows as the square of the intensity.
        return self.end + 6 * math.log2(intensity**2) if intensity > 0.06 else 2 * intensity


class VideoCompression(Transform):
    """Quantize blocks as low-bitrate video does: flat blocks, smeared color, no fine texture.

    A single image has no motion: this is what a codec's macroblocks do to it (H.264's transform
    and steps, color at half the resolution, no deblocking), not an encoded video.
    """

    name: ClassVar = "video_compression"
    axes: ClassVar = (_QpAxis("video_compression", "qp", 0.0, 51.0),)
    acts: ClassVar = ops.VideoBlocks

    qp: Annotated[Range, Bounds(0, 51)] = (32.0, 44.0)
    """Quantization parameter as H.264 counts: the step doubles every 6, and 51 is the coarsest;
    0 leaves the image as it is."""
