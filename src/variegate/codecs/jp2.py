"""JPEG 2000: the size and structure by our own walk, the pixels by OpenJPEG."""

import functools
import io
import struct
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Jpeg2KImagePlugin

from variegate.codecs.bands import by_bands
from variegate.codecs.color import ycbcr_to_rgb
from variegate.codecs.depth import integers_to_eight_bits
from variegate.codecs.limits import Depth, Limits
from variegate.codecs.pixels import Parsed, Raster, raster_of, to_eight_bits
from variegate.errors import DecodeError, LimitError, UnsupportedError

# OpenJPEG keeps some kilobytes for each tile from the start, used or not.
_MAX_TILES = 5_000
_START, _SIZE, _CODING, _COMPONENT_CODING = 0xFF4F, 0xFF51, 0xFF52, 0xFF53
_TILE_PART, _END = 0xFF90, 0xFFD9
# Enumerated color spaces (ITU-T T.800 and T.801): what OpenJPEG makes RGB or gray of, and CMYK.
_SRGB, _GRAY, _YCC, _CMYK = 16, 17, 18, 12


@dataclass(frozen=True)
class _Boxes:
    """What the boxes say around the codestream at `stream_at`; `space` is a number of above."""

    stream_at: int = 0
    profile: bytes | None = None
    space: int | None = None
    palette: bool = False


@dataclass(frozen=True)
class _Header:
    height: int
    width: int
    components: int
    bits: int
    boxes: _Boxes

    @property
    def is_cmyk(self) -> bool:
        """Whether its four components are inks."""
        profile, space = self.boxes.profile, self.boxes.space
        declared = profile[16:20] == b"CMYK" if profile else space == _CMYK
        return declared and self.components == 4

    @property
    def contradicts(self) -> bool:
        """Whether it is gray, or in color, against what the boxes say of its color space."""
        declared = {_GRAY: False, _SRGB: True, _YCC: True}.get(self.boxes.space or 0)
        return declared == (self.components < 3) and not self.boxes.palette


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a JPEG 2000, in its boxes or bare.

    Raises:
        DecodeError: it is broken.
        LimitError: image or structure is larger than the limits.
        UnsupportedError: it has more than 4 components, or signed ones.
    """
    boxes = _Boxes() if data[:2] == b"\xff\x4f" else _unboxed(data)
    if boxes.space not in (None, _SRGB, _GRAY, _YCC, _CMYK):
        raise UnsupportedError(
            f"JPEG 2000 in color space {boxes.space} is not supported; convert it to sRGB first"
        )
    header = _read_size(data, boxes, limits)
    return Parsed(
        height=header.height,
        width=header.width,
        load=functools.partial(_load, data, header, limits.depth),
        profile=lambda: boxes.profile,
        bits=header.bits,
    )


def _unboxed(data: bytes) -> _Boxes:
    at, boxes = 0, _Boxes()
    while at + 8 <= len(data):
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind == b"jp2c":
            return replace(boxes, stream_at=start)
        if kind == b"pclr":
            boxes = replace(boxes, palette=True)
        # The first that can be understood counts.
        if kind == b"colr" and boxes.profile is None and boxes.space is None:
            if data[start] in (2, 3):
                boxes = replace(boxes, profile=data[start + 3 : at + size])
            elif data[start] == 1:
                number = int.from_bytes(data[start + 3 : start + 7], "big")
                boxes = replace(boxes, space=number)
        if kind == b"jp2h":
            # Its boxes are walked like those around it.
            at = start
            continue
        if size < 8:
            break
        at += size
    raise DecodeError(f"truncated JPEG 2000 (the {len(data):,} bytes end before its pixels)")


def _read_size(data: bytes, boxes: _Boxes, limits: Limits) -> _Header:
    at = boxes.stream_at
    if data[at : at + 4] != b"\xff\x4f\xff\x51":
        raise DecodeError("corrupt JPEG 2000: its codestream does not begin with a size")
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = (
        struct.unpack_from(">IIIIIIIIH", data, at + 8)
    )
    size = (max(0, height - top), max(0, width - left))
    limits.check_size(*size, "JPEG 2000")
    if not 1 <= components <= 4:
        raise UnsupportedError(f"JPEG 2000 with {components} components; 1 to 4 are supported")
    depths = [data[at + 42 + 3 * index] for index in range(components)]
    if any(depth & 0x80 for depth in depths) or max(depths) > 15:
        raise UnsupportedError("JPEG 2000 with signed samples, or above 16 bits, is not supported")
    limits.check_size(tile_height, 1, "JPEG 2000 tile")
    limits.check_size(1, tile_width, "JPEG 2000 tile")
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    if tiles > _MAX_TILES:
        raise LimitError(f"JPEG 2000 of {tiles:,} tiles; {_MAX_TILES:,} are allowed")
    return _Header(*size, components, 1 + max(depths), boxes)


def _load(data: bytes, header: _Header, depth: Depth) -> Raster:
    _check_structure(data, header)
    if header.bits > 8 and header.components != 2:
        return _load_deep(data, header, depth)
    # Pillow refuses a contradiction; without the boxes, the components tell.
    stream = data[header.boxes.stream_at :] if header.contradicts else data
    with Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(stream)) as image:
        image.load()
        pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    if header.is_cmyk:
        return Raster(pixels, "cmyk")
    return raster_of(to_eight_bits(pixels, 8 * pixels.itemsize))


def _load_deep(data: bytes, header: _Header, depth: Depth) -> Raster:
    """Above 8 bits, by OpenCV: Pillow makes black of white (65,535 becomes 256, and so 0)."""
    is_ycc = header.boxes.space == _YCC and header.components >= 3
    # OpenCV is shown the components alone where it would not know what to do with their colors.
    bare = header.is_cmyk or is_ycc or header.contradicts
    stream = data[header.boxes.stream_at :] if bare else data
    pixels = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DecodeError("corrupt JPEG 2000: its compressed pixels are broken")
    if pixels.ndim == 2:
        return Raster(integers_to_eight_bits(pixels, header.bits, depth), "gray")
    pixels = cv2.cvtColor(
        pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    )
    if header.is_cmyk:
        return Raster(to_eight_bits(pixels, header.bits), "cmyk")
    alpha = to_eight_bits(pixels[..., 3], header.bits) if pixels.shape[2] == 4 else None
    colors = integers_to_eight_bits(pixels[..., :3], header.bits, "full" if is_ycc else depth)
    return Raster(by_bands(ycbcr_to_rgb, colors) if is_ycc else colors, "rgb", alpha)


def _check_structure(data: bytes, header: _Header) -> None:
    """Walk over all marker segments and tile parts up to the end of the codestream."""
    at = header.boxes.stream_at + 2
    while True:
        if at + 2 > len(data):
            raise DecodeError(f"truncated JPEG 2000 (it ends after {len(data):,} bytes)")
        (marker,) = struct.unpack_from(">H", data, at)
        if marker == _END:
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in (_CODING, _COMPONENT_CODING):
            wide = 2 if header.components > 256 else 1
            start = at + 4 if marker == _CODING else at + 4 + wide
            # Style, then 4 bytes for the whole in the first kind; then levels.
            levels_at = start + 5 if marker == _CODING else start + 1
            if data[start] & 1:
                _check_precincts(data[levels_at + 5 : at + 2 + length], header)
        if marker == _TILE_PART:
            (part,) = struct.unpack_from(">I", data, at + 6)
            # 0: the last one, which goes on to the end.
            at = at + part if part else data.rfind(b"\xff\xd9")
            if at < 0 or (part and part < 14):
                raise DecodeError(f"truncated JPEG 2000 (it ends after {len(data):,} bytes)")
        else:
            at += 2 + length


def _check_precincts(sizes: bytes, header: _Header) -> None:
    """OpenJPEG takes some hundred bytes for every precinct, however small it is."""
    for size in sizes[1:]:
        width, height = 1 << (size & 15), 1 << (size >> 4)
        count = -(-header.width // width) * -(-header.height // height) * header.components
        if count > 10_000 + header.height * header.width // 256:
            raise LimitError(f"JPEG 2000 of {count:,} precincts for its size")
