"""Thumbnails inside a page, as data addresses, bounded in number and bytes."""

import base64
from collections.abc import Callable

import cv2

from variegate.annotations.sample import Image as Pixels
from variegate.codecs import Limits, decode, probe
from variegate.errors import ImageError, InputError
from variegate.reports.canvas import thumbnail
from variegate.reports.markup import Html, tag
from variegate.storage import Storage

_SIDE, _QUALITY = 192, 72
# Up to this side pixels are shown as squares, without loss.
_SMALL = 48
_LOSSLESS = 101


class Thumbnails:
    """Makes thumbnails of the images of a storage.

    Args:
        storage: where the images are.
        limits: as for `decode`.
        most: thumbnails.
        most_bytes: of all of them, as they are in the page.
        on_made: told how many there are by now.
    """

    def __init__(
        self,
        storage: Storage,
        limits: Limits,
        *,
        most: int,
        most_bytes: int,
        on_made: Callable[[int], None] | None = None,
    ) -> None:
        self._storage = storage
        self._limits = limits
        self._most = most
        self._bytes_left = most_bytes
        self._on_made = on_made
        self.made = 0

    def image(self, key: str, name: str) -> Html:
        """Return an `img` element, or the reason why there is none.

        Args:
            key: of the image.
            name: for those who do not see it.
        """
        if self.made >= self._most or self._bytes_left <= 0:
            return tag("span", "no thumbnail: the page has as many as it may", class_="missing")
        try:
            address, size = self._address(key)
        except (ImageError, InputError):
            return tag("span", "no thumbnail: it cannot be read", class_="missing")
        self.made += 1
        if self._on_made:
            self._on_made(self.made)
        self._bytes_left -= len(address)
        return _tag(address, *size, name)

    def _address(self, key: str) -> tuple[str, tuple[int, int]]:
        """Return a data address, and the thumbnail's size."""
        data = self._storage.read(key, limit=self._limits.max_bytes)
        header = probe(data, self._limits)
        longest = max(header.height, header.width)
        fits = [one for one in (2, 4, 8) if header.reducible and longest >= one * _SIDE]
        return image_address(decode(data, limits=self._limits, reduce=max(fits, default=1)))


def image_address(image: Pixels, *, side: int = _SIDE) -> tuple[str, tuple[int, int]]:
    """Return a data address of an image, and its (height, width) there.

    Args:
        image: with or without colors.
        side: the longer side at most, pixels.
    """
    small = thumbnail(image, (side, side))
    quality = _LOSSLESS if max(small.shape[:2]) <= _SMALL else _QUALITY
    pixels = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])
    text = base64.b64encode(encoded.tobytes()).decode()
    return f"data:image/webp;base64,{text}", (small.shape[0], small.shape[1])


def image_tag(image: Pixels, name: str, *, side: int = _SIDE) -> Html:
    """Return an `img` element of an image; `name` is for those who do not see it."""
    address, (height, width) = image_address(image, side=side)
    return _tag(address, height, width, name)


def _tag(address: str, height: int, width: int, name: str) -> Html:
    return tag(
        "img",
        class_="pixels" if max(height, width) <= _SMALL else None,
        src=Html(address),
        width=width,
        height=height,
        alt=name,
        decoding="async",
    )
