"""WebP: our own walk over the chunks, the pixels by libwebp (Pillow)."""

import functools
import io
from dataclasses import dataclass

import numpy as np
from PIL import WebPImagePlugin

from variegate.codecs.exif import orientation_of
from variegate.codecs.icc import MAX_PROFILE_BYTES
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Parsed, Raster
from variegate.errors import DecodeError


@dataclass
class _Header:
    height: int = 0
    width: int = 0
    frames: int = 0
    orientation: int = 1
    profile: bytes | None = None


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a WebP.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
    """
    claimed = int.from_bytes(data[4:8], "little") + 8
    header = _walk(data, min(claimed, len(data)), limits)
    if not header.width:
        raise DecodeError(f"truncated WebP ({len(data):,} of {claimed:,} bytes)")
    return Parsed(
        height=header.height,
        width=header.width,
        load=functools.partial(_load, data, claimed),
        frames=max(1, header.frames),
        orientation=header.orientation,
        profile=lambda: header.profile,
    )


def _walk(data: bytes, end: int, limits: Limits) -> _Header:
    header = _Header()
    at = 12
    while at + 8 <= end:
        kind = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 18]
        # The extended header comes first if there is one, and has the last word on the size.
        if kind in (b"VP8X", b"VP8 ", b"VP8L") and not header.width:
            header.width, header.height = _size(kind, body)
            limits.check_size(header.height, header.width, "WebP")
        elif kind == b"ANMF":
            header.frames += 1
            limits.check_frames(header.frames, "WebP")
        elif kind == b"EXIF":
            header.orientation = orientation_of(data[at + 8 : at + 8 + size])
        elif kind == b"ICCP" and size <= MAX_PROFILE_BYTES:
            header.profile = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return header


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height from the first 10 bytes of a chunk; 0 if it is cut off."""
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if body[3:6] != b"\x9d\x01\x2a":
        raise DecodeError("corrupt WebP: its first frame is no key frame")
    width, height = int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")
    return width & 0x3FFF, height & 0x3FFF


def _load(data: bytes, claimed: int, reduce: int) -> Raster:  # noqa: ARG001 - always 1
    if len(data) < claimed:
        raise DecodeError(f"truncated WebP ({len(data):,} of {claimed:,} bytes)")
    with WebPImagePlugin.WebPImageFile(io.BytesIO(data)) as image:
        image.load()
        pixels = np.asarray(image)
    if pixels.shape[2] == 4:
        return Raster(pixels[..., :3], "rgb", pixels[..., 3])
    return Raster(pixels, "rgb")
