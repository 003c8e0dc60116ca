"""TGA, read here; only its run lengths are left to Pillow."""

import functools
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, from_palette, to_eight_bits
from variegate.errors import DecodeError

_PALETTE, _COLOR, _GRAY = 1, 2, 3
_DEPTHS = {_PALETTE: (8, 16), _COLOR: (15, 16, 24, 32), _GRAY: (8, 16)}
# A Pillow mode that passes as many bytes a pixel through unchanged.
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class _Header:
    kind: int
    packed: bool
    height: int
    width: int
    depth: int
    alpha_bits: int
    from_right: bool
    from_top: bool
    map_first: int
    map_length: int
    map_depth: int
    map_at: int

    @property
    def pixels_at(self) -> int:
        return self.map_at + self.map_length * ((self.map_depth + 7) // 8)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a TGA.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
    """
    id_length, _, image_type, first, length, map_depth = struct.unpack_from("<BBBHHB", data)
    width, height, depth, descriptor = struct.unpack_from("<HHBB", data, 12)
    header = _Header(
        kind=image_type & 7,
        packed=image_type >= 8,
        height=height,
        width=width,
        depth=depth,
        alpha_bits=descriptor & 15,
        from_right=bool(descriptor & 0x10),
        from_top=bool(descriptor & 0x20),
        map_first=first,
        map_length=length,
        map_depth=map_depth,
        map_at=18 + id_length,
    )
    limits.check_size(height, width, "TGA")
    if depth not in _DEPTHS[header.kind]:
        raise DecodeError(f"corrupt TGA: type {image_type} with {depth} bits a pixel")
    return Parsed(height=height, width=width, load=functools.partial(_load, data, header))


def _load(data: bytes, header: _Header, reduce: int) -> Raster:  # noqa: ARG001 - always 1
    pixels = _pixels(data, header)
    if not header.from_top:
        pixels = pixels[::-1]
    if header.from_right:
        pixels = pixels[:, ::-1]
    if header.kind == _GRAY:
        alpha = pixels[..., 1] if header.depth == 16 else None
        return Raster(pixels[..., 0], "gray", alpha)
    if header.kind == _COLOR:
        samples, alpha = _colors(pixels, header.depth, header.alpha_bits)
        return Raster(samples, "rgb", alpha)
    return _looked_up(data, header, pixels)


def _pixels(data: bytes, header: _Header) -> Array:
    """The bytes of the pixels, (H, W, bytes a pixel), in stored order."""
    each = (header.depth + 7) // 8
    shape = (header.height, header.width, each)
    at = header.pixels_at
    if header.packed:
        return _unpacked(data, header, each).reshape(shape)
    end = at + header.height * header.width * each
    if end > len(data):
        raise DecodeError(f"truncated TGA ({len(data):,} of {end:,} bytes)")
    return np.frombuffer(data, np.uint8, end - at, at).reshape(shape)


def _unpacked(data: bytes, header: _Header, each: int) -> Array:
    mode, size = _MODES[each], (header.width, header.height)
    # A packet of 128 pixels takes one of them, and a byte.
    if header.width * header.height * (1 + each) > 128 * len(data):
        raise DecodeError(f"truncated TGA ({len(data):,} bytes cannot hold its pixels)")
    # 1: the first row stored is the uppermost; 8 * each: the bits of a pixel.
    try:
        image = Image.frombytes(mode, size, data[header.pixels_at :], "tga_rle", mode, 1, 8 * each)
    except ValueError as fault:
        raise DecodeError(f"truncated or corrupt TGA ({len(data):,} bytes)") from fault
    return np.asarray(image)


def _colors(stored: Array, depth: int, alpha_bits: int) -> tuple[Array, Array | None]:
    """(..., bytes) of blue, green, red and maybe alpha to (..., 3) RGB and (...) alpha."""
    if depth in (15, 16):
        word = stored[..., 0].astype(np.uint16) | stored[..., 1].astype(np.uint16) << 8
        channels = [((word >> shift) & 31).astype(np.uint8) for shift in (10, 5, 0)]
        alpha = ((word >> 15) * 255).astype(np.uint8) if alpha_bits and depth == 16 else None
        return to_eight_bits(np.stack(channels, axis=-1), 5), alpha
    return stored[..., 2::-1], stored[..., 3] if depth == 32 and alpha_bits else None


def _looked_up(data: bytes, header: _Header, pixels: Array) -> Raster:
    each = (header.map_depth + 7) // 8
    if not 2 <= each <= 4:
        raise DecodeError(f"corrupt TGA: palette of {header.map_depth} bits a color")
    stored = np.frombuffer(data, np.uint8, header.map_length * each, header.map_at)
    colors, alpha = _colors(stored.reshape(-1, each), header.map_depth, header.alpha_bits)
    index = pixels[..., 0].astype(np.uint16)
    if header.depth == 16:
        index |= pixels[..., 1].astype(np.uint16) << 8
    if int(index.min()) < header.map_first:
        raise DecodeError("corrupt TGA: a color before the first of its palette")
    return from_palette(index - np.uint16(header.map_first), colors, alpha)
