"""TGA: the pixels by Pillow; which of them are alpha, and colors of 15 and 16 bits, by us.

Truevision's version 2 says in its extension area what the attribute bits of a pixel are. Only two
of the five types are alpha: whoever takes the others for it lays a full image over white.
"""

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from variegate.codecs.limits import Limits, check_end, check_ratio
from variegate.codecs.pillow import load_image, open_image, unsupported
from variegate.codecs.pixels import (
    Array,
    Parsed,
    Raster,
    from_palette,
    to_eight_bits,
    unpremultiplied,
)
from variegate.errors import DecodeError

_SIGNATURE = b"TRUEVISION-XFILE.\0"
# Of the extension area: its size, and where the type of the attributes stands in it.
_EXTENSION_BYTES, _ATTRIBUTES_AT = 495, 494
_STRAIGHT, _PREMULTIPLIED = 3, 4
_WORDS = (15, 16)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a TGA.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: its palette is too long, or begins late.
    """
    kind, first, map_depth = data[2], int.from_bytes(data[3:5], "little"), data[7]
    width, height, depth = struct.unpack_from("<HHB", data, 12)
    limits.check_size(height, width, "TGA")
    if kind & 7 == 1 and (first or depth in _WORDS):
        raise unsupported("TGA with a palette of more than 256 colors, or one that begins late")
    read = _reader(data, kind, depth, map_depth)

    def load() -> Raster:
        bytes_each = (depth + 7) // 8
        if kind & 8:
            # A packet of 128 pixels takes one of them, and a byte.
            check_ratio(data, height * width * (1 + bytes_each), 128, "TGA")
        else:
            check_end(data, _pixels_at(data) + height * width * bytes_each, "TGA")
        return _with_its_alpha(read(), data, kind)

    return Parsed(height=height, width=width, load=load)


def _reader(data: bytes, kind: int, depth: int, map_depth: int) -> Callable[[], Raster]:
    """Return what decodes the pixels, their attributes as alpha."""
    # Pillow rounds words of 15 and 16 bits down, and takes their attribute the other way round.
    if kind & 7 == 2 and depth in _WORDS:
        return lambda: _colored(_stored(data, depth=16))
    if kind & 7 == 1 and map_depth in _WORDS:
        return lambda: _looked_up(data)
    image = open_image("tga", data)
    if not image.tile or depth == 1:
        raise DecodeError(f"corrupt TGA: type {kind} with {depth} bits a pixel")
    return lambda: load_image(image)


def _pixels_at(data: bytes) -> int:
    """Return where the pixels begin: behind header, text and palette."""
    length, map_depth = struct.unpack_from("<HB", data, 5)
    return 18 + data[0] + (length * ((map_depth + 7) // 8) if data[1] else 0)


def _stored(data: bytes, *, depth: int) -> Array:
    """Return what is stored: Pillow is shown gray of 8 bits, or of 8 with 8 of alpha."""
    start = bytes((0, 0, 3 | data[2] & 8)) + bytes(5) + data[8:16] + bytes((depth, data[17]))
    with open_image("tga", start + data[_pixels_at(data) :]) as image:
        image.load()
        return np.asarray(image)


def _colored(halves: Array) -> Raster:
    words = halves[..., 0] | halves[..., 1].astype(np.uint16) << np.uint16(8)
    colors, alpha = _split(words)
    return Raster(colors, "rgb", alpha)


def _looked_up(data: bytes) -> Raster:
    (length,) = struct.unpack_from("<H", data, 5)
    at = 18 + data[0]
    check_end(data, at + 2 * length, "TGA")
    return from_palette(_stored(data, depth=8), *_split(np.frombuffer(data, "<u2", length, at)))


def _split(words: Array) -> tuple[Array, Array]:
    """Return colors and attribute of words of 16 bits: ARRRRRGG GGGBBBBB."""
    fives = np.stack([words >> np.uint16(shift) & np.uint16(31) for shift in (10, 5, 0)], axis=-1)
    return to_eight_bits(fives, 5), (words >> np.uint16(15)).astype(np.uint8) * np.uint8(255)


def _with_its_alpha(raster: Raster, data: bytes, kind: int) -> Raster:
    """Keep as alpha what is declared to be alpha."""
    if raster.alpha is None:
        return raster
    attributes = _attributes(data)
    if attributes == _PREMULTIPLIED:
        colors = raster.samples.reshape(*raster.alpha.shape, -1)
        straight = unpremultiplied(colors, raster.alpha, 255).reshape(raster.samples.shape)
        return replace(raster, samples=straight)
    if attributes is not None:
        return raster if attributes == _STRAIGHT else replace(raster, alpha=None)
    # Gray with alpha has no other sign of it; and nobody stores an image of which nothing shows.
    declared = data[17] & 15 or kind & 7 == 3
    return raster if declared and raster.alpha.any() else replace(raster, alpha=None)


def _attributes(data: bytes) -> int | None:
    """Return the type of the attributes, 0 to 4, or None where nothing is said of them."""
    if not data.endswith(_SIGNATURE) or len(data) < 26:
        return None
    at = int.from_bytes(data[-26:-22], "little")
    if not 18 <= at <= len(data) - 26 - _EXTENSION_BYTES:
        return None
    if int.from_bytes(data[at : at + 2], "little") < _EXTENSION_BYTES:
        return None
    return data[at + _ATTRIBUTES_AT]
