"""How strongly a JPEG file was compressed: quantisation tables, and the sampling of its chroma."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin

_SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


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
