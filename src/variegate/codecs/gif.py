"""GIF: the blocks are walked here, and the first frame is laid on its screen here.

Only the LZW codes are left to Pillow. The whole frame and nothing else is read, so that no later
frame and no background color, which no browser shows, has a say in it.
"""

import functools
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, from_palette
from variegate.errors import DecodeError


@dataclass(frozen=True)
class _Frame:
    """The first frame.

    Attributes:
        box: left, top, width, height on the screen.
        interlaced: whether the rows are in four passes.
        palette: offset and number of colors.
        data_at: offset of the byte that tells the codes' first size.
        transparent: index that shows what is beneath, or None.
    """

    box: tuple[int, int, int, int]
    interlaced: bool
    palette: tuple[int, int]
    data_at: int
    transparent: int | None


@dataclass(frozen=True)
class _Walk:
    first: _Frame
    frames: int


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a GIF, and count its frames.

    A first frame larger than the screen enlarges it, as in browsers.

    Raises:
        DecodeError: it is broken, or ends before its first frame.
        LimitError: screen, frame or number of frames is larger than the limits.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    limits.check_size(height, width, "GIF")
    colors = 2 << (flags & 7) if flags & 0x80 else 0
    walk = _walk(data, (13, colors), limits)
    left, top, frame_width, frame_height = walk.first.box
    limits.check_size(frame_height, frame_width, "GIF frame")
    height, width = max(height, top + frame_height), max(width, left + frame_width)
    limits.check_size(height, width, "GIF")
    return Parsed(
        height=height,
        width=width,
        load=functools.partial(_load, data, walk.first, height, width),
        frames=walk.frames,
    )


def _walk(data: bytes, global_palette: tuple[int, int], limits: Limits) -> _Walk:
    at = 13 + 3 * global_palette[1]
    first, frames, transparent = None, 0, None
    while at < len(data):
        block = data[at]
        if block == 0x21 and at + 2 <= len(data):
            if data[at + 1] == 0xF9 and at + 7 <= len(data):
                transparent = data[at + 6] if data[at + 3] & 1 else None
            at = _after_blocks(data, at + 2)
        elif block == 0x2C and at + 11 <= len(data):
            *box, flags = struct.unpack_from("<HHHHB", data, at + 1)
            colors = 2 << (flags & 7) if flags & 0x80 else 0
            palette = (at + 10, colors) if colors else global_palette
            at += 10 + 3 * colors
            if first is None:
                left, top, width, height = box
                first = _Frame(
                    (left, top, width, height), bool(flags & 0x40), palette, at, transparent
                )
            frames, transparent = frames + 1, None
            limits.check_frames(frames, "GIF")
            at = _after_blocks(data, at + 1)
        else:
            # The trailer, or something that no reader can make sense of.
            break
    if first is None:
        raise DecodeError(f"truncated GIF (the {len(data):,} bytes end before its first frame)")
    return _Walk(first, frames)


def _after_blocks(data: bytes, at: int) -> int:
    """The offset after a chain of blocks, each with its length before it, 0 for the last."""
    size = len(data)
    while at < size:
        length = data[at]
        at += 1 + length
        if not length:
            break
    return at


def _load(data: bytes, frame: _Frame, height: int, width: int, reduce: int) -> Raster:  # noqa: ARG001
    indices = _indices(data, frame)
    at, colors = frame.palette
    if not colors:
        raise DecodeError("corrupt GIF: neither the file nor its first frame has a palette")
    palette = np.frombuffer(data, np.uint8, 3 * colors, at).reshape(-1, 3)
    opacity = np.full(256, 255, np.uint8)
    if frame.transparent is not None:
        opacity[frame.transparent] = 0
        # An index for nothing but transparency may lie outside of the palette.
    raster = from_palette(indices, palette, opacity[: max(colors, int(indices.max()) + 1)])
    return _on_screen(raster, frame, height, width)


def _indices(data: bytes, frame: _Frame) -> Array:
    _, _, width, height = frame.box
    if frame.data_at >= len(data):
        raise DecodeError(f"truncated GIF (the {len(data):,} bytes end before its pixels)")
    bits = data[frame.data_at]
    if not 1 <= bits <= 11:
        raise DecodeError(f"corrupt GIF: codes of {bits} bits")
    codes = data[frame.data_at + 1 :]
    # A code of 12 bits stands for 4,096 pixels at best.
    if width * height > 2731 * (len(codes) + 2):
        raise DecodeError(f"truncated GIF ({len(data):,} bytes cannot hold its pixels)")
    try:
        image = Image.frombytes("L", (width, height), codes, "gif", bits, int(frame.interlaced))
    except ValueError as fault:
        raise DecodeError(f"truncated or corrupt GIF ({len(data):,} bytes)") from fault
    return np.asarray(image)


def _on_screen(raster: Raster, frame: _Frame, height: int, width: int) -> Raster:
    """Lay the frame on the empty, transparent screen."""
    left, top, frame_width, frame_height = frame.box
    if (frame_height, frame_width) == (height, width):
        return raster
    place = (slice(top, top + frame_height), slice(left, left + frame_width))
    samples = np.full((height, width, *raster.samples.shape[2:]), 255, np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    samples[place] = raster.samples
    alpha[place] = 255 if raster.alpha is None else raster.alpha
    return Raster(samples, raster.space, alpha)
