"""How strongly a JPEG file was compressed: quantisation tables, and the sampling of its chroma."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin

from variegate.codecs.jpeg import segments

_SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_TABLES = 0xDB


@dataclass(frozen=True, slots=True)
class Compression:
    """What a JPEG file was compressed with.

    Attributes:
        tables: quantisation tables by number, 64 steps each, row by row.
        subsampling: "4:4:4", "4:2:2", "4:2:0", or None where it is another one.
    """

    tables: Mapping[int, tuple[int, ...]]
    subsampling: str | None


def compression_of(data: bytes) -> Compression | None:
    """Return what a file was compressed with, or None where it is no JPEG file or tells nothing."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            tables = getattr(image, "quantization", {})
            sampling = JpegImagePlugin.get_sampling(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if not tables:
        return None
    return Compression(
        {number: tuple(steps) for number, steps in tables.items()}, _SAMPLINGS.get(sampling)
    )


def luminance_steps(data: bytes) -> tuple[int, ...] | None:
    """Return a JPEG file's first quantisation table, in the file's order; None without one."""
    for marker, start, end in segments(data):
        at, stop = start + 4, min(end, len(data))
        while marker == _TABLES and at < stop:
            kind = ">64H" if data[at] >> 4 else ">64B"
            size = struct.calcsize(kind)
            if at + 1 + size > stop:
                return None
            if data[at] & 15 == 0:
                return struct.unpack_from(kind, data, at + 1)
            at += 1 + size
    return None
