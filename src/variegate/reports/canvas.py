"""Text and thumbnails on a canvas."""

import math
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from variegate.annotations.sample import Image as Pixels

# Neutral, so that it falsifies no color, and dark enough to stand on white and on black pages.
BACKGROUND = (36, 38, 42)
PANEL = (48, 51, 56)
TEXT = (236, 237, 239)
FAINT = (158, 163, 170)
ACCENT = (122, 184, 255)
_CHECKER = (200, 216)

# Pixels along the longer side from which an image can be made out.
_READABLE = 120


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that comes with Pillow."""
    return ImageFont.load_default(size)


def width_of(text: str, size: int) -> float:
    """Return how wide a text is, pixels."""
    return font(size).getlength(text)


def wrap(text: str, *, width: int, size: int, lines: int) -> list[str]:
    """Break a text at spaces into at most `lines` lines; what does not fit ends in "..."."""
    done: list[str] = []
    words = text.split()
    while words:
        line = words.pop(0)
        while words and width_of(f"{line} {words[0]}", size) <= width:
            line = f"{line} {words.pop(0)}"
        if len(done) == lines - 1 and words:
            line = f"{line} {' '.join(words)}"
            words = []
        done.append(_shortened(line, width=width, size=size))
    return done


def _shortened(line: str, *, width: int, size: int) -> str:
    if width_of(line, size) <= width:
        return line
    while line and width_of(f"{line}...", size) > width:
        line = line[:-1]
    return f"{line.rstrip()}..."


def thumbnail(image: Pixels, box: tuple[int, int]) -> Pixels:
    """Return an RGB image that fits into `box` (height, width); small ones stay as they are.

    Transparency is laid over a checkerboard, so that it is seen.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    scale = min(1.0, box[0] / image.shape[0], box[1] / image.shape[1])
    if scale < 1:
        height, width = (max(1, math.floor(side * scale + 0.5)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        return _over_checker(image)
    return image


def enlarged(image: Pixels) -> Pixels:
    """Return an image of few pixels with each of them as a square; others as they are."""
    times = _READABLE // max(image.shape[:2])
    return image.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else image


def _over_checker(image: Pixels) -> Pixels:
    rows, columns = np.indices(image.shape[:2]) // 8
    checker = np.where((rows + columns) % 2, *_CHECKER)[..., np.newaxis]
    alpha = image[..., 3:].astype(np.float32) / 255
    mixed = image[..., :3] * alpha + checker * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)


class Canvas:
    """An image that is drawn on."""

    def __init__(self, height: int, width: int) -> None:
        self._image = Image.new("RGB", (width, height), BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        *,
        size: int,
        color: tuple[int, int, int] = TEXT,
    ) -> None:
        """Write one line; `at` is its upper left corner, (x, y)."""
        # What no font can write must not end the program.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        self._draw.text(at, clean, font=font(size), fill=color)

    def panel(self, at: tuple[int, int], size: tuple[int, int]) -> None:
        """Draw the ground of a cell; `at` is (x, y), `size` (height, width)."""
        (x, y), (height, width) = at, size
        self._draw.rounded_rectangle((x, y, x + width - 1, y + height - 1), 5, fill=PANEL)

    def thumbnail(self, at: tuple[int, int], size: tuple[int, int], image: Pixels) -> None:
        """Put an RGB image into the middle of a field; `at` is (x, y), `size` (height, width)."""
        x = at[0] + (size[1] - image.shape[1]) // 2
        y = at[1] + (size[0] - image.shape[0]) // 2
        self._image.paste(Image.fromarray(np.ascontiguousarray(image)), (x, y))

    def swatch(self, at: tuple[int, int], side: int, color: tuple[int, int, int]) -> None:
        """Draw a small square of a color; `at` is its upper left corner, (x, y)."""
        x, y = at
        self._draw.rounded_rectangle((x, y, x + side, y + side), 3, fill=color)

    def pixels(self) -> Pixels:
        """Return what was drawn, (H, W, 3) RGB."""
        return np.asarray(self._image)
