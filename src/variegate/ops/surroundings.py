"""`Surroundings`: an image with its border around it, made once for all warps of that image.

cv2 warps an image fastest in four channels and with all that the canvas sees laid around it; ten
variants of one photo would lay the same border ten times.
"""

from contextvars import ContextVar
from typing import Any

import cv2
import numpy.typing as npt

AnyImage = npt.NDArray[Any]

#: Pixels above, below, before and after an image.
Sides = tuple[int, int, int, int]

# The copy of a larger image would be felt in memory, and its making is not felt beside the warp.
_MOST_PIXELS = 2**21
# Borders are laid wider than the first warp asks for, since others follow.
_WIDER = 1.5


class Surroundings:
    """What lies in and around one image, for as long as nobody changes it.

    Warps of the image that run inside of a ``with`` block share it.
    """

    __slots__ = ("_around", "_border", "_image", "_inside")

    def __init__(self, image: AnyImage) -> None:
        self._image = image
        self._inside: AnyImage | None = None
        self._around: AnyImage | None = None
        self._border = (-1, 0, 0)

    def __enter__(self) -> None:
        _shared.set(self)

    def __exit__(self, *raised: object) -> None:
        _shared.set(None)

    def are_of(self, image: AnyImage) -> bool:
        """Whether this very image is the one."""
        return image is self._image

    def inside(self) -> AnyImage:
        """Return the image as `in_four_channels` does."""
        if self._inside is None:
            self._inside = _padded(self._image)
        return self._inside

    def around(self, sides: Sides, border: int) -> AnyImage:
        """Return a view of the image with its border."""
        kind, tall, wide = self._border
        above, below, before, after = sides
        if kind != border or max(above, below) > tall or max(before, after) > wide:
            tall, wide = int(_WIDER * max(above, below)), int(_WIDER * max(before, after))
            self._around = cv2.copyMakeBorder(self.inside(), tall, tall, wide, wide, border)
            self._border = border, tall, wide
        assert self._around is not None
        height, width = self._around.shape[:2]
        rows = slice(tall - above, height - tall + below)
        return self._around[rows, wide - before : width - wide + after]


_shared: ContextVar[Surroundings | None] = ContextVar("shared", default=None)


def surroundings_of(image: AnyImage) -> Surroundings | None:
    """Return new ones of an image of which several warps will be made; None for a large one."""
    height, width = image.shape[:2]
    return Surroundings(image) if height * width <= _MOST_PIXELS else None


def in_four_channels(image: AnyImage) -> AnyImage:
    """Return RGB as RGBA, which cv2 warps in two thirds of the time; others as they are.

    See benchmarks/kernels.py.
    """
    shared = _shared.get()
    if shared is not None and shared.are_of(image):
        return shared.inside()
    return _padded(image)


def with_border(image: AnyImage, sides: Sides, border: int) -> AnyImage:
    """Return an image in four channels with its border of one of cv2's kinds around it."""
    shared = _shared.get()
    if shared is not None and shared.are_of(image):
        return shared.around(sides, border)
    return cv2.copyMakeBorder(_padded(image), *sides, border)


def _padded(image: AnyImage) -> AnyImage:
    colors = image.ndim == 3 and image.shape[2] == 3
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if colors else image
