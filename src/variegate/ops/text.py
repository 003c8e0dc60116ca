"""`TextOverlay`: lines of text on top of the image."""

import io
import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from variegate.annotations.sample import Image, Size
from variegate.ops.base import Pixels

_REC_601 = (299, 587, 114)
_CONTRAST = 90  # levels
_LEAST_DRAWN = 64  # pixels
_LINE = 1.25  # of a line's height: from one line to the next


@dataclass(frozen=True)
class TextOverlay(Pixels):
    """Lines of text on top of the image, at its left or wherever there is room for them.

    The font is Aileron by Sora Sagano (CC0), which Pillow has in its own code.

    Attributes:
        height: of a line, pixels; 0 is the identity.
        lines: of text.
        place: (x, y), each from 0 to 1: where in the room that is left the text lies.
        color: RGB; a gray image gets its luminance.
        opacity: 0 (the identity) to 1.
        readable: whether a color that is about as bright as what lies below is turned into its
            opposite, or into black or white.
    """

    height: float
    lines: tuple[str, ...]
    place: tuple[float, float]
    color: tuple[int, int, int]
    opacity: float = 1.0
    readable: bool = False

    @property
    def is_identity(self) -> bool:
        return self.height == 0 or self.opacity == 0 or not any(self.lines)

    def visible(self, size: Size) -> npt.NDArray[np.bool_]:
        """Return (H, W) where less than half of the color is the text's."""
        seen = np.ones(size, np.bool_)
        if self.is_identity:
            return seen
        top, left, share = self._block(size)
        seen[top : top + share.shape[0], left : left + share.shape[1]] = share < 128
        return seen

    def _act_on_colors(self, image: Image) -> Image:
        top, left, share = self._block((image.shape[0], image.shape[1]))
        changed = np.array(image, order="C")
        region = changed[top : top + share.shape[0], left : left + share.shape[1]]
        color: tuple[int, ...] = self.color
        if self.readable:
            color = _readable(color, _brightness(region))
        if image.ndim == 2:
            color = (_luminance(color),)
        else:
            share = share[..., np.newaxis]
        mixed = region * (255 - share) + np.array(color, np.uint16) * share
        region[...] = ((mixed + 127) // 255).astype(np.uint8)
        return changed

    def _block(self, size: Size) -> tuple[int, int, npt.NDArray[np.uint16]]:
        """Return the top and the left of the text, and how much of each pixel is its color."""
        # Drawn large and reduced, so that letters have the same shapes and places at any size.
        drawn = _LEAST_DRAWN
        while drawn < self.height:
            drawn *= 2
        factor, font = self.height / drawn, _font(drawn)
        wide = max(font.getlength(line) for line in self.lines)
        full = (math.ceil(drawn * _LINE * len(self.lines)), math.ceil(wide) + 1)
        # What lies beyond the image is not drawn.
        rows, columns = (
            min(length, math.ceil(side / factor)) for length, side in zip(full, size, strict=True)
        )
        block = PillowImage.new("L", (columns, rows), 0)
        draw = ImageDraw.Draw(block)
        for number, line in enumerate(self.lines):
            draw.text((0, round(number * drawn * _LINE)), line, fill=255, font=font)
        height = min(size[0], max(1, round(rows * factor)))
        width = min(size[1], max(1, round(columns * factor)))
        letters = cv2.resize(np.asarray(block), (width, height), interpolation=cv2.INTER_AREA)
        top = round(self.place[1] * (size[0] - height))
        left = round(self.place[0] * (size[1] - width))
        # By whole numbers: opacity in steps of 1/255.
        opacity = round(self.opacity * 255)
        share = (letters.astype(np.uint16) * np.uint16(opacity) + 127) // 255
        return top, left, share.astype(np.uint16)


def _readable(color: tuple[int, ...], brightness: int) -> tuple[int, ...]:
    """Return a color, its negative, or black or white: the first that stands out."""
    for one in (color, tuple(255 - level for level in color)):
        if abs(_luminance(one) - brightness) >= _CONTRAST:
            return one
    return (0, 0, 0) if brightness > 127 else (255, 255, 255)


def _luminance(color: tuple[int, ...]) -> int:
    return (
        sum(weight * level for weight, level in zip(_REC_601, color, strict=True)) + 500
    ) // 1000


def _brightness(region: Image) -> int:
    """Return the mean luminance of a part of an image."""
    # Whole numbers: the sums are exact whatever their order.
    sums = [int(total) // (region.shape[0] * region.shape[1]) for total in cv2.sumElems(region)]
    return sums[0] if region.ndim == 2 else _luminance(tuple(sums[:3]))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, of a size in pixels, letters set one after the other."""
    # Basic, not Raqm: that one is there where the system has FriBiDi, and sets letters otherwise.
    return ImageFont.truetype(io.BytesIO(_font_file()), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _font_file() -> bytes:
    bundled = ImageFont.load_default(10)
    assert isinstance(bundled, ImageFont.FreeTypeFont)
    return bundled.font_bytes
