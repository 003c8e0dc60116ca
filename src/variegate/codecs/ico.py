"""Windows icons and cursors: of the pictures inside, the largest, then the one of most colors."""

import functools
import struct
from dataclasses import dataclass, replace

import numpy as np

from variegate.codecs import png
from variegate.codecs.bmp import Bitmap, load_bitmap, read_bitmap, stored_rows, unpack_bits
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Parsed, Raster
from variegate.errors import DecodeError

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class _Entry:
    height: int
    width: int
    bits: int
    size: int
    offset: int


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of the best picture of an icon.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
    """
    kind, count = struct.unpack_from("<HH", data, 2)
    limits.check_frames(count, "icon")
    entries = [_entry(data, 6 + 16 * index, kind) for index in range(count)]
    best = max(entries, key=lambda entry: (entry.height * entry.width, entry.bits))
    if best.offset + best.size > len(data):
        raise DecodeError(f"truncated icon ({len(data):,} of {best.offset + best.size:,} bytes)")
    body = data[best.offset : best.offset + best.size]
    if body.startswith(_PNG):
        return png.parse(body, limits)
    bitmap = read_bitmap(body, 0, 0)
    # The height counts the picture and the mask below it.
    bitmap = replace(bitmap, height=bitmap.height // 2)
    limits.check_size(bitmap.height, bitmap.width, "icon")
    return Parsed(
        height=bitmap.height, width=bitmap.width, load=functools.partial(_load, body, bitmap)
    )


def _entry(data: bytes, at: int, kind: int) -> _Entry:
    width, height, _, _, _, bits, size, offset = struct.unpack_from("<BBBBHHII", data, at)
    # A cursor has its hot spot where an icon has its depth.
    return _Entry(height or 256, width or 256, bits if kind == 1 else 0, size, offset)


def _load(data: bytes, bitmap: Bitmap, reduce: int) -> Raster:  # noqa: ARG001 - always 1
    raster = load_bitmap(data, bitmap)
    if bitmap.bits == 32:
        rows = stored_rows(data, bitmap.pixels_at, bitmap.height, bitmap.row_bytes, bitmap)
        alpha = rows.reshape(bitmap.height, bitmap.width, 4)[::-1, :, 3]
        if alpha.any():
            return Raster(raster.samples, raster.space, alpha)
    return _masked(data, bitmap, raster)


def _masked(data: bytes, bitmap: Bitmap, raster: Raster) -> Raster:
    """Apply the mask of one bit a pixel that follows the colors; 1 is transparent."""
    mask = replace(bitmap, bits=1)
    at = bitmap.pixels_at + bitmap.height * bitmap.row_bytes
    if len(data) < at + bitmap.height * mask.row_bytes:
        # Pillow, for one, writes too short a mask; the colors are all there.
        return raster
    rows = stored_rows(data, at, bitmap.height, mask.row_bytes, mask)
    hidden = unpack_bits(rows, bitmap.width, 1)[::-1]
    return Raster(raster.samples, raster.space, np.where(hidden, np.uint8(0), np.uint8(255)))
