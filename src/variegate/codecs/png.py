"""PNG: our own walk over the chunks, the pixels by libpng (OpenCV).

libpng gets the chunks that make the image and no other, each with its checksum verified: no text
can swell in memory, no animation can hide the image, nothing is printed.
"""

import functools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from variegate.codecs.color import MAX_PROFILE_BYTES
from variegate.codecs.depth import integers_to_eight_bits
from variegate.codecs.exif import orientation_of
from variegate.codecs.limits import Depth, Limits
from variegate.codecs.pixels import Array, Parsed, Raster, is_gray, to_eight_bits
from variegate.errors import DecodeError, LimitError

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIXEL_CHUNKS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))
# The smallest chunk is 12 bytes: without a limit, a list of them would be larger than the file.
_MAX_CHUNKS = 200_000
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_PROFILES = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
# EXIF data have 64 kB at most where they come from, and two digits a byte.
_MAX_TEXT_BYTES = 2**18
_END = b"\0\0\0\0IEND\xaeB`\x82"
_BLOCK_BYTES = 1 << 12
# OpenCV's own limit.
_LARGEST_SIDE = 2**20


@dataclass
class _Header:
    height: int = 0
    width: int = 0
    depth: int = 0
    color: int = 0
    # (type, offset of the chunk, its whole length)
    chunks: list[tuple[bytes, int, int]] = field(default_factory=list)
    # Its end chunk is there; without one, all pixels are.
    ended: bool = False
    complete: bool = False
    frames: int = 1


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a PNG.

    An animated PNG counts as its static image: what every reader shows, animated or not part of
    the animation, and what is there even if the animation is broken.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
    """
    header = _read(data)
    limits.check_size(header.height, header.width, "PNG")
    limits.check_frames(header.frames, "PNG")
    return Parsed(
        height=header.height,
        width=header.width,
        load=functools.partial(_load, data, header, limits.depth),
        frames=header.frames,
        orientation=orientation_of(_exif(data, header)),
        profile=functools.partial(_profile, data, header),
        bits=header.depth,
        faults=("its end mark is missing",) if header.complete and not header.ended else (),
    )


def verified(data: bytes) -> bytes:
    """The PNG with nothing in it but what makes the image, each checksum verified.

    Raises:
        DecodeError: it is broken, not all there, or too small for the pixels that it claims.
        LimitError: it has too many chunks, or a side that cannot be read.
    """
    header = _read(data)
    _check_plausible(data, header)
    return _clean(data, header)


def read_palette(data: bytes) -> bytes | None:
    """Return R, G, B of index 0, 1, ... of a PNG with a palette; None for every other file.

    The beginning of the file up to the palette is enough.
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[25:26] != b"\3":
        return None
    header = _Header()
    _walk(data, header)
    palette = next(_bodies(data, header, b"PLTE"), None)
    return palette and palette[: len(palette) // 3 * 3]


def _read(data: bytes) -> _Header:
    header = _Header()
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR" or not _intact(data, 8, 25):
        raise DecodeError("corrupt PNG: it does not begin with a sound header")
    header.width, header.height, header.depth, header.color = struct.unpack_from(">IIBB", data, 16)
    if header.depth not in _DEPTHS.get(header.color, ()):
        raise DecodeError(f"corrupt PNG: color type {header.color} with {header.depth} bits")
    _walk(data, header)
    header.complete = header.ended or _has_all_pixels(data, header)
    return header


def _has_all_pixels(data: bytes, header: _Header) -> bool:
    """Say whether only the end chunk lacks: all compressed pixels are there, checksum included."""
    _, at, length = header.chunks[-1]
    if not _END.startswith(data[at + length :]):
        return False
    inflate = zlib.decompressobj()
    try:
        for body in _bodies(data, header, b"IDAT"):
            # A block at a time, and forgotten: it may swell.
            for start in range(0, len(body), _BLOCK_BYTES):
                inflate.decompress(body[start : start + _BLOCK_BYTES])
    except zlib.error:
        return False
    return inflate.eof


def _walk(data: bytes, header: _Header) -> None:
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big") + 12
        kind = data[at + 4 : at + 8]
        if at + length > len(data):
            break
        header.chunks.append((kind, at, length))
        if len(header.chunks) > _MAX_CHUNKS:
            raise LimitError(f"PNG with more than {_MAX_CHUNKS:,} chunks")
        if kind == b"acTL" and length >= 16 and _intact(data, at, length):
            header.frames = max(1, int.from_bytes(data[at + 8 : at + 12], "big"))
        elif kind == b"IEND":
            header.ended = True
            break
        at += length


def _intact(data: bytes, at: int, length: int) -> bool:
    body = memoryview(data)[at + 4 : at + length - 4]
    return zlib.crc32(body) == int.from_bytes(data[at + length - 4 : at + length], "big")


def _bodies(data: bytes, header: _Header, wanted: bytes) -> Iterator[bytes]:
    for kind, at, length in header.chunks:
        if kind == wanted and _intact(data, at, length):
            yield data[at + 8 : at + length - 4]


def _profile(data: bytes, header: _Header) -> bytes | None:
    body = next(_bodies(data, header, b"iCCP"), b"")
    _, _, packed = body.partition(b"\0")
    inflate = zlib.decompressobj()
    try:
        # The first byte is the method; there is only one.
        profile = inflate.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if profile and inflate.eof else None


def _exif(data: bytes, header: _Header) -> bytes:
    """The EXIF data: in a chunk of their own, or as ImageMagick and older programs put them."""
    for kind in (b"eXIf", *_TEXTS):
        for body in _bodies(data, header, kind):
            if kind == b"eXIf":
                return body
            if body.startswith(_RAW_PROFILES):
                return _raw_profile(kind, body)
    return b""


def _raw_profile(kind: bytes, body: bytes) -> bytes:
    """What a text "Raw profile type ..." holds: a name, a length, and hexadecimal digits."""
    text, packed = body.partition(b"\0")[2], kind == b"zTXt"
    if packed:
        # The first byte is the method; there is only one.
        text = text[1:]
    elif kind == b"iTXt":
        # Whether it is packed, the method, a language and a translation.
        packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    try:
        if packed:
            text = zlib.decompressobj().decompress(text, _MAX_TEXT_BYTES)
        return bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except (zlib.error, ValueError):
        return b""


def _load(data: bytes, header: _Header, depth: Depth) -> Raster:
    _check_plausible(data, header)
    clean = _clean(data, header)
    transparent = next(_bodies(data, header, b"tRNS"), None) if header.color in (0, 2) else None
    direct_rgb = header.color == 2 and header.depth == 8
    flags = cv2.IMREAD_COLOR_RGB if direct_rgb else cv2.IMREAD_UNCHANGED
    pixels = cv2.imdecode(np.frombuffer(clean, np.uint8), flags)
    if pixels is None:
        raise DecodeError("corrupt PNG: its compressed pixels are broken")
    if pixels.dtype == np.uint16 and header.depth != 16:
        raise DecodeError("corrupt PNG: decoded to another depth than declared")
    if not direct_rgb and pixels.ndim == 3:
        code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, code)
    alpha = _keyed(pixels, header, transparent) if transparent is not None else None
    # OpenCV has spread 1, 2 and 4 bits over 8 already.
    bits = 16 if header.depth == 16 else 8
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels, alpha = pixels[..., :3], to_eight_bits(pixels[..., 3], bits)
    pixels = integers_to_eight_bits(pixels, bits, depth)
    if pixels.ndim == 2:
        return Raster(pixels, "gray", alpha)
    if header.color in (0, 4) or (header.color == 3 and _gray_palette(data, header)):
        return Raster(np.ascontiguousarray(pixels[..., 0]), "gray", alpha)
    return Raster(np.ascontiguousarray(pixels), "rgb", alpha)


def _gray_palette(data: bytes, header: _Header) -> bool:
    palette = np.frombuffer(next(_bodies(data, header, b"PLTE"), b""), np.uint8)
    return is_gray(palette[: len(palette) // 3 * 3].reshape(-1, 3))


def _keyed(pixels: Array, header: _Header, transparent: bytes) -> Array | None:
    """Alpha from the one transparent color of a gray or RGB image, compared in full depth."""
    count = _CHANNELS[header.color]
    if len(transparent) < 2 * count:
        return None
    key = np.frombuffer(transparent, ">u2", count).astype(np.uint32)
    key &= 2**header.depth - 1
    if header.depth < 8:
        key = key * 255 // (2**header.depth - 1)
    hit = pixels == key[0] if pixels.ndim == 2 else (pixels[..., :3] == key).all(axis=-1)
    return np.where(hit, np.uint8(0), np.uint8(255))


def _clean(data: bytes, header: _Header) -> bytes:
    """The file with nothing in it but what makes the image."""
    wanted = _PIXEL_CHUNKS | {b"tRNS"} if header.color == 3 else _PIXEL_CHUNKS
    for kind, at, length in header.chunks:
        # The fifth bit of the first letter tells a chunk that must be understood.
        if not kind[0] & 0x20 and not _intact(data, at, length):
            raise DecodeError(f"corrupt PNG: checksum of the {kind!r} chunk at byte {at:,}")
    kept = [
        (at, length)
        for kind, at, length in header.chunks
        if kind in wanted and (kind != b"tRNS" or _intact(data, at, length))
    ]
    if len(kept) == len(header.chunks) and header.ended:
        return data
    view, end = memoryview(data), b"" if header.ended else _END
    return b"".join((view[:8], *(view[at : at + length] for at, length in kept), end))


def _check_plausible(data: bytes, header: _Header) -> None:
    """Refuse, before memory is asked for, files too small for the pixels that they claim."""
    if not header.complete:
        raise DecodeError(f"truncated PNG (it ends after {len(data):,} bytes)")
    if max(header.height, header.width) > _LARGEST_SIDE:
        raise LimitError(
            f"PNG of {header.width:,} x {header.height:,} pixels;"
            f" {_LARGEST_SIDE:,} a side can be read"
        )
    packed = sum(length - 12 for kind, _, length in header.chunks if kind == b"IDAT")
    bits = header.height * header.width * header.depth * _CHANNELS[header.color]
    # Deflate packs 1,032 bytes into one at best.
    if bits // 8 > 1032 * (packed + 64):
        raise DecodeError(
            f"truncated PNG ({packed:,} bytes are too few for"
            f" {header.width:,} x {header.height:,} pixels)"
        )
