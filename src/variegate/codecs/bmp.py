"""BMP, read here in full: Pillow and OpenCV each show some valid files wrong, or not at all."""

import functools
import struct
from dataclasses import dataclass

import numpy as np

from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, from_palette, to_eight_bits
from variegate.errors import DecodeError, UnsupportedError

_RGB, _RLE8, _RLE4, _BITFIELDS, _JPEG, _PNG, _ALPHA_BITFIELDS = range(7)
_NO_MASKS = (0, 0, 0, 0)


@dataclass(frozen=True)
class Bitmap:
    """The header of a bitmap, with or without the file header before it.

    Attributes:
        height: pixels.
        width: pixels.
        top_down: whether the first row stored is the uppermost.
        bits: a pixel.
        compression: one of the codes above.
        masks: where red, green, blue and alpha lie in a pixel of 16 or 32 bits; 0 for none.
        palette_at: offset into the file.
        palette_count: colors.
        palette_step: bytes a color.
        pixels_at: offset into the file.
        profile: ICC profile.
    """

    height: int
    width: int
    top_down: bool
    bits: int
    compression: int
    masks: tuple[int, int, int, int]
    palette_at: int
    palette_count: int
    palette_step: int
    pixels_at: int
    profile: bytes | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of a row with its padding to a multiple of four."""
        return (self.width * self.bits + 31) // 32 * 4


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a BMP.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: there is a JPEG or PNG inside, as only printers use.
    """
    bitmap = read_bitmap(data, 14, int.from_bytes(data[10:14], "little"))
    limits.check_size(bitmap.height, bitmap.width, "BMP")
    return Parsed(
        height=bitmap.height,
        width=bitmap.width,
        load=functools.partial(_load, data, bitmap),
        profile=lambda: bitmap.profile,
    )


def read_bitmap(data: bytes, at: int, pixels_at: int) -> Bitmap:
    """Read a bitmap header at an offset.

    Args:
        data: the file.
        at: offset of the header.
        pixels_at: offset of the pixels; 0 for right after the palette.
    """
    (size,) = struct.unpack_from("<I", data, at)
    used = masks_size = compression = 0
    if size == 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, at + 4)
    else:
        width, height, planes, bits = struct.unpack_from("<iiHH", data, at + 4)
        if size >= 40:
            (compression,) = struct.unpack_from("<I", data, at + 16)
            (used,) = struct.unpack_from("<I", data, at + 32)
    if compression in (_JPEG, _PNG):
        raise UnsupportedError("BMP with a JPEG or PNG inside is not read; convert it to PNG first")
    _check(planes, bits, compression)
    masks = _NO_MASKS
    if compression in (_BITFIELDS, _ALPHA_BITFIELDS):
        count = 4 if size >= 56 or compression == _ALPHA_BITFIELDS else 3
        red, green, blue, alpha = (*struct.unpack_from(f"<{count}I", data, at + 40), 0)[:4]
        masks = (red, green, blue, alpha)
        masks_size = 4 * count if size == 40 else 0
    elif bits == 16:
        masks = (0x7C00, 0x03E0, 0x001F, 0)
    step = 3 if size == 12 else 4
    palette_at = at + size + masks_size
    count = min(used or 2**bits, 2**bits) if bits <= 8 else 0
    # Where the offset is inside header or palette, it is wrong, and the pixels follow these.
    return Bitmap(
        height=abs(height),
        width=width,
        top_down=height < 0,
        bits=bits,
        compression=compression,
        masks=masks,
        palette_at=palette_at,
        palette_count=count,
        palette_step=step,
        pixels_at=max(pixels_at, palette_at + count * step),
        profile=_profile(data, at) if size >= 124 else None,
    )


def _check(planes: int, bits: int, compression: int) -> None:
    allowed = {
        _RGB: (1, 2, 4, 8, 16, 24, 32),
        _RLE8: (8,),
        _RLE4: (4,),
        _BITFIELDS: (16, 32),
        _ALPHA_BITFIELDS: (16, 32),
    }
    if planes not in (0, 1) or bits not in allowed.get(compression, ()):
        raise DecodeError(
            f"corrupt BMP: {planes} planes of {bits} bits with compression {compression}"
        )


def _profile(data: bytes, at: int) -> bytes | None:
    """The profile that a version 5 header embeds."""
    if data[at + 56 : at + 60] != b"DEBM":
        return None
    start, size = struct.unpack_from("<II", data, at + 112)
    return data[at + start : at + start + size] or None


def _load(data: bytes, bitmap: Bitmap, reduce: int) -> Raster:  # noqa: ARG001 - always 1
    return load_bitmap(data, bitmap)


def load_bitmap(data: bytes, bitmap: Bitmap) -> Raster:
    """Decode the pixels of a bitmap; the fourth byte of plain 32-bit pixels has no meaning."""
    if bitmap.compression in (_RLE8, _RLE4):
        indices = _run_lengths(data, bitmap)
    else:
        rows = stored_rows(data, bitmap.pixels_at, bitmap.height, bitmap.row_bytes, bitmap)
        if bitmap.bits > 8:
            raster = _direct(rows, bitmap)
            return raster if bitmap.top_down else _flipped(raster)
        indices = unpack_bits(rows, bitmap.width, bitmap.bits)
    palette = np.frombuffer(
        data, np.uint8, bitmap.palette_count * bitmap.palette_step, bitmap.palette_at
    )
    colors = palette.reshape(-1, bitmap.palette_step)[:, 2::-1]
    raster = from_palette(indices, colors)
    return raster if bitmap.top_down else _flipped(raster)


def _flipped(raster: Raster) -> Raster:
    alpha = None if raster.alpha is None else raster.alpha[::-1]
    return Raster(raster.samples[::-1], raster.space, alpha)


def stored_rows(data: bytes, at: int, height: int, row_bytes: int, bitmap: Bitmap) -> Array:
    """View (height, row_bytes) uint8 in the file; only the last row's padding may be missing."""
    end = at + height * row_bytes
    padding = row_bytes - (bitmap.width * bitmap.bits + 7) // 8
    if len(data) < end - padding:
        raise DecodeError(f"truncated BMP ({len(data):,} of {end:,} bytes)")
    if len(data) < end:
        data, at, end = data[at:] + bytes(padding), 0, end - at
    return np.frombuffer(data, np.uint8, end - at, at).reshape(height, row_bytes)


def unpack_bits(rows: Array, width: int, bits: int) -> Array:
    """Spread pixels of 1, 2, 4 or 8 bits, first pixel highest, over (H, width) uint8."""
    if bits == 8:
        return rows[:, :width]
    if bits == 1:
        return np.unpackbits(rows, axis=1, count=width)
    each = 8 // bits
    rows = rows[:, : -(-width // each)]
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    spread = (rows[:, :, np.newaxis] >> shifts) & np.uint8(2**bits - 1)
    return spread.reshape(len(rows), -1)[:, :width]


def _direct(rows: Array, bitmap: Bitmap) -> Raster:
    """Pixels that are colors themselves."""
    width = bitmap.width
    if bitmap.bits == 24:
        return Raster(rows[:, : 3 * width].reshape(-1, width, 3)[..., ::-1], "rgb")
    if bitmap.masks == _NO_MASKS:
        return Raster(rows.reshape(-1, width, 4)[..., 2::-1], "rgb")
    pixels = rows.view("<u2" if bitmap.bits == 16 else "<u4")[:, :width]
    channels = [_masked(pixels, mask) for mask in bitmap.masks]
    alpha = channels[3] if bitmap.masks[3] else None
    return Raster(np.dstack(channels[:3]), "rgb", alpha)


def _masked(pixels: Array, mask: int) -> Array:
    """The channel under a mask, as uint8."""
    shift = (mask & -mask).bit_length() - 1 if mask else 0
    bits = mask.bit_count()
    if mask >> shift != 2**bits - 1:
        raise DecodeError(f"corrupt BMP: channel mask {mask:#x} has gaps")
    if not mask:
        return np.zeros(pixels.shape, np.uint8)
    values = (pixels >> pixels.dtype.type(shift)) & pixels.dtype.type(2**bits - 1)
    return to_eight_bits(values.astype(np.uint8) if bits <= 8 else values, bits)


def _run_lengths(data: bytes, bitmap: Bitmap) -> Array:
    """Undo RLE8 or RLE4; pixels that are jumped over have index 0."""
    height, width, half = bitmap.height, bitmap.width, bitmap.compression == _RLE4
    indices = np.zeros((height, width), np.uint8)
    at, x, y = bitmap.pixels_at, 0, 0
    while y < height:
        if at + 2 > len(data):
            raise DecodeError(f"truncated BMP (row {y:,} of {height:,} is not complete)")
        count, code = data[at], data[at + 1]
        at += 2
        if count:
            run = (code >> 4, code & 15) if half else (code, code)
            indices[y, x : x + count : 2] = run[0]
            indices[y, x + 1 : x + count : 2] = run[1]
            x += count
        elif code == 0:
            x, y = 0, y + 1
        elif code == 1:
            break
        elif code == 2:
            if at + 2 > len(data):
                raise DecodeError(f"truncated BMP (row {y:,} of {height:,} is not complete)")
            x, y = x + data[at], y + data[at + 1]
            at += 2
        else:
            size = (code + 1) // 2 if half else code
            run_bytes = np.frombuffer(data[at : at + size], np.uint8)
            if len(run_bytes) < size:
                raise DecodeError(f"truncated BMP (row {y:,} of {height:,} is not complete)")
            values = unpack_bits(run_bytes[np.newaxis], code, 4)[0] if half else run_bytes
            room = max(0, width - x)
            indices[y, x : x + code] = values[:room]
            x += code
            # Padded to 16 bits.
            at += size + size % 2
    return indices
