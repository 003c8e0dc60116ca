"""Mean and deviation of the channels over all pixels, exact: by sums of whole numbers.

Sums and sums of squares of 8-bit samples are whole numbers, and follow from how often each value
comes. Python adds them without end, so the result depends on no order and no number of workers. It
is rounded once, at the end.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

_WHITE = 255
# OpenCV counts in 32-bit floats, which hold every whole number up to here.
_COUNTED = 1 << 24
_VALUES = np.arange(256, dtype=np.int64)


@dataclass(slots=True)
class ChannelSums:
    """Sums over pixels.

    Attributes:
        images, pixels: how many.
        gray: images of one channel, which count as three equal ones.
        sums, squares: of the samples, R, G and B.
    """

    images: int = 0
    pixels: int = 0
    gray: int = 0
    sums: list[int] = field(default_factory=lambda: [0, 0, 0])
    squares: list[int] = field(default_factory=lambda: [0, 0, 0])

    @classmethod
    def of(cls, image: np.ndarray) -> "ChannelSums":
        """Return the sums of one image, (H, W) or (H, W, 3) uint8."""
        gray = image.ndim == 2
        counts = [histogram(image, channel) for channel in range(1 if gray else 3)]
        sums = [int(one @ _VALUES) for one in counts]
        squares = [int(one @ _VALUES**2) for one in counts]
        return cls(
            1,
            image.shape[0] * image.shape[1],
            int(gray),
            sums * 3 if gray else sums,
            squares * 3 if gray else squares,
        )

    def add(self, other: "ChannelSums") -> None:
        """Take the sums of other pixels."""
        self.images += other.images
        self.pixels += other.pixels
        self.gray += other.gray
        for channel in range(3):
            self.sums[channel] += other.sums[channel]
            self.squares[channel] += other.squares[channel]

    @property
    def figures(self) -> "ChannelFigures | None":
        """Mean and deviation, from 0 (black) to 1 (white); None of no pixels."""
        if not self.pixels:
            return None
        return ChannelFigures(
            images=self.images,
            pixels=self.pixels,
            channels="gray" if self.gray == self.images else "RGB",
            gray=self.gray,
            mean=[one / (_WHITE * self.pixels) for one in self.sums],
            std=[
                # Of the population: all pixels are there.
                math.sqrt(self.pixels * squares - total * total) / (_WHITE * self.pixels)
                for total, squares in zip(self.sums, self.squares, strict=True)
            ],
        )


def histogram(image: np.ndarray, channel: int) -> np.ndarray:
    """Return (256,) int64: how often each value comes in a channel."""
    counts = np.zeros(256, np.int64)
    rows = max(1, _COUNTED // image.shape[1])
    for start in range(0, image.shape[0], rows):
        part = image[start : start + rows]
        found = cv2.calcHist([part], [channel], None, [256], [0, 256])
        counts += found.ravel().astype(np.int64)
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFigures:
    """Mean and deviation of R, G and B.

    Attributes:
        images, pixels: over how many.
        channels: "gray" where all images are of one channel, whose figures stand three times.
        gray: images of one channel.
        mean, std: from 0 (black) to 1 (white).
    """

    images: int
    pixels: int
    channels: str
    gray: int
    mean: list[float]
    std: list[float]

    @property
    def normalize(self) -> str:
        """The line for torchvision."""
        count = 1 if self.channels == "gray" else 3
        mean, std = (
            ", ".join(f"{one:.6f}" for one in values[:count]) for values in (self.mean, self.std)
        )
        return f"v2.Normalize(mean=[{mean}], std=[{std}])"
