"""Mean and deviation of the channels over all pixels, exact: by sums of whole numbers.

Sums and sums of squares of 8-bit samples are whole numbers. OpenCV's of one image are exact (below
2**53), and Python adds them without end, so the result depends on no order and no number of
workers. It is rounded once, at the end.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

_WHITE = 255


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
        channels = [image] if image.ndim == 2 else list(cv2.split(image))
        sums = [int(cv2.sumElems(one)[0]) for one in channels]
        squares = [int(cv2.norm(one, cv2.NORM_L2SQR)) for one in channels]
        gray = len(channels) == 1
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
