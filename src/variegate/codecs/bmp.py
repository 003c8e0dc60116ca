"""BMP and icons: to read plain rows is shorter than to repair what Pillow makes of them."""

import functools
import struct
from dataclasses import dataclass, replace

import numpy as np

from variegate.codecs import pillow, png
from variegate.codecs.limits import Limits, check_end
from variegate.codecs.pixels import Array, Parsed, Raster, from_palette, to_eight_bits, with_alpha
from variegate.errors import DecodeError

_BIT_FIELDS = (3, 6)
_DEPTHS = (1, 2, 4, 8, 16, 24, 32)


@dataclass(frozen=True)
class _Bitmap:
    """The header; a negative height tells that the first row stored is the uppermost."""

    data: bytes
    size: int
    width: int
    height: int
    bits: int
    compression: int
    colors: int
    masks: tuple[int, ...]

    @property
    def color_bytes(self) -> int:
        return 3 if self.size == 12 else 4

    @property
    def pixels_at(self) -> int:
        """An offset that points into header or palette is wrong: the pixels follow these."""
        masks = 4 * len(self.masks) if self.size == 40 else 0
        end = 14 + self.size + masks + self.colors * self.color_bytes
        return max(int.from_bytes(self.data[10:14], "little"), end)

    @property
    def row_bytes(self) -> int:
        """With the padding to a multiple of four."""
        return (self.width * self.bits + 31) // 32 * 4


def parse(data: bytes, limits: Limits, what: str = "BMP") -> Parsed:
    """Read the header of a BMP.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: it is of a variant that is not supported.
    """
    bitmap = _read(data, what)
    limits.check_size(abs(bitmap.height), bitmap.width, what)
    profile = None
    if bitmap.size >= 124 and data[70:74] == b"DEBM":
        start, length = struct.unpack_from("<II", data, 126)
        profile = data[14 + start : 14 + start + length] or None
    return Parsed(
        height=abs(bitmap.height),
        width=bitmap.width,
        load=functools.partial(_load, bitmap, what),
        profile=lambda: profile,
    )


def _read(data: bytes, what: str) -> _Bitmap:
    size = int.from_bytes(data[14:18], "little")
    width, height, planes, bits = struct.unpack_from("<HHHH" if size == 12 else "<iiHH", data, 18)
    compression, used = (0, 0) if size < 40 else struct.unpack_from("<I12xI", data, 30)
    if planes not in (0, 1) or (bits not in _DEPTHS and compression not in (4, 5)):
        raise DecodeError(f"corrupt {what}: {planes} planes of {bits} bits")
    # Run lengths are 1 and 2: Pillow 12 shows some of them wrong, and Pillow 13 refuses others.
    if compression and not (compression in _BIT_FIELDS and bits in (16, 32)):
        raise pillow.unsupported(f"{what} with compression {compression}")
    masks: tuple[int, ...] = ()
    if compression in _BIT_FIELDS:
        masks = struct.unpack_from("<4I" if size >= 56 or compression == 6 else "<3I", data, 54)
    colors = min(used or 2**bits, 2**bits) if bits <= 8 else 0
    return _Bitmap(data, size, width, height, bits, compression, colors, masks)


def stored_values(data: bytes) -> Array:
    """(H, W) indices of a palette, (H, W, 3) RGB or (H, W, 4) RGBA: what a mask stores."""
    bitmap = _read(data, "BMP")
    if bitmap.bits <= 8:
        return _pixels(bitmap, "BMP")
    raster = _load(bitmap, "BMP")
    return raster.samples if raster.alpha is None else with_alpha(raster.samples, raster.alpha)


def _load(bitmap: _Bitmap, what: str) -> Raster:
    pixels = _pixels(bitmap, what)
    if bitmap.bits <= 8:
        start, step = 14 + bitmap.size, bitmap.color_bytes
        stored = bitmap.data[start : start + bitmap.colors * step]
        palette = np.frombuffer(stored, np.uint8).reshape(-1, step)
        return from_palette(pixels, palette[:, 2::-1])
    if bitmap.bits == 24:
        return Raster(pixels, "rgb")
    usual = (0xFF0000, 0xFF00, 0xFF) if bitmap.bits == 32 else (0x7C00, 0x3E0, 0x1F)
    masks = bitmap.masks if any(bitmap.masks) else usual
    channels = [_channel(pixels, mask, what) for mask in masks]
    alpha = channels[3] if len(masks) == 4 and masks[3] else None
    return Raster(np.dstack(channels[:3]), "rgb", alpha)


def _pixels(bitmap: _Bitmap, what: str) -> Array:
    """(H, W) indices or words, or (H, W, 3) RGB, the uppermost row first."""
    rows, width, bits, at = abs(bitmap.height), bitmap.width, bitmap.bits, bitmap.pixels_at
    size = rows * bitmap.row_bytes
    # Only the padding of the last row may be missing.
    check_end(bitmap.data, at + size - bitmap.row_bytes + (width * bits + 7) // 8, what)
    data = bitmap.data if len(bitmap.data) >= at + size else bitmap.data.ljust(at + size, b"\0")
    stored = np.frombuffer(data, np.uint8, size, at).reshape(rows, bitmap.row_bytes)
    stored = stored[:: -1 if bitmap.height > 0 else 1]
    if bits < 8:
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        spread = stored[:, :, np.newaxis] >> shifts & np.uint8(2**bits - 1)
        return spread.reshape(rows, -1)[:, :width]
    if bits == 24:
        return stored[:, : 3 * width].reshape(rows, width, 3)[..., ::-1]
    return stored.view(f"<u{bits // 8}")[:, :width]


def _channel(pixels: Array, mask: int, what: str) -> Array:
    """What lies under a mask, as uint8."""
    low = max(0, (mask & -mask).bit_length() - 1)
    top = mask >> low
    if top & (top + 1):
        raise DecodeError(f"corrupt {what}: channel mask {mask:#x} has gaps")
    kind = pixels.dtype.type
    return to_eight_bits(pixels >> kind(low) & kind(top), max(1, top.bit_length()))


def parse_icon(data: bytes, limits: Limits) -> Parsed:
    """Read the header of the largest image in an icon or cursor; of equals, that of most colors.

    Pillow takes that of fewest colors, decodes it while it opens the file, and loses the mask of a
    cursor. So a bitmap is cut out here, and read as a BMP.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: the bitmap is of a variant that is not supported.
    """
    kind, count = struct.unpack_from("<HH", data, 2)
    limits.check_frames(count, "icon")
    entries = []
    for at in range(6, 6 + 16 * count, 16):
        width, height, bits, *place = struct.unpack_from("<BB4xHII", data, at)
        # A cursor has its hot spot where an icon has its depth.
        rank = ((height or 256) * (width or 256), bits if kind == 1 else 0)
        entries.append((rank, place))
    _, (size, start) = max(entries, key=lambda entry: entry[0])
    check_end(data, start + size, "icon")
    body = data[start : start + size]
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return png.parse(body, limits)
    if body[:4] != b"\x28\0\0\0":
        raise pillow.unsupported("icon with neither a PNG nor a Windows bitmap inside")
    # The height counts the colors and the mask below them.
    height = int.from_bytes(body[8:12], "little", signed=True) // 2
    head, rest = body[:8] + struct.pack("<i", height) + body[12:40], body[40:]
    if head[14:20] == b"\x20\0\0\0\0\0":
        # The fourth byte of 32 bits is alpha, as in a BMP whose masks say so.
        head = head[:16] + b"\6" + head[17:]
        rest = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + rest
    bitmap = _read(b"BM" + bytes(12) + head + rest, "icon")
    parsed = parse(bitmap.data, limits, "icon")
    return replace(parsed, load=lambda: _with_mask(parsed.load(), bitmap))


def _with_mask(raster: Raster, bitmap: _Bitmap) -> Raster:
    """Apply the mask of one bit a pixel that follows the colors, 1 for transparent."""
    if raster.alpha is not None and raster.alpha.any():
        return raster
    rows, row_bytes = abs(bitmap.height), (bitmap.width + 31) // 32 * 4
    at = bitmap.pixels_at + rows * bitmap.row_bytes
    if len(bitmap.data) < at + rows * row_bytes:
        # Pillow, for one, writes too short a mask; the colors are all there.
        return replace(raster, alpha=None)
    stored = np.frombuffer(bitmap.data, np.uint8, rows * row_bytes, at).reshape(rows, row_bytes)
    hidden = np.unpackbits(stored, axis=1, count=bitmap.width)[::-1]
    return replace(raster, alpha=np.where(hidden, np.uint8(0), np.uint8(255)))
