"""HEIF, through the optional package pillow-heif, which brings libheif."""

import functools
from typing import Any

import numpy as np

from variegate.codecs.bmff import Container, read_container
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, to_eight_bits, unpremultiplied
from variegate.errors import UnsupportedError


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a HEIF; libheif tells its size upright and cropped.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: pillow-heif is not installed.
    """
    container = read_container(data, limits, "HEIF")
    try:
        import pillow_heif
    except ImportError as missing:
        raise UnsupportedError(
            "reading HEIF needs pillow-heif; install it with: pip install 'variegate[heif]'"
        ) from missing
    # libheif itself compares what is coded with what is declared, before it takes memory.
    image = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    width, height = image.size
    limits.check_size(height, width, "HEIF")
    return Parsed(
        height=height,
        width=width,
        load=functools.partial(_load, container, image),
        frames=max(1, container.frames, len(image)),
        profile=lambda: container.profile(container.primary),
    )


def _load(container: Container, image: Any) -> Raster:
    primary = image[image.primary_index]
    pixels: Array = np.asarray(primary)
    if pixels.dtype == np.uint16:
        pixels = to_eight_bits(pixels, 16)
    if pixels.ndim == 2:
        return Raster(pixels, "gray")
    colors, alpha = pixels[..., : 1 if pixels.shape[2] < 3 else 3], None
    if pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1]
        if primary.premultiplied_alpha:
            colors = unpremultiplied(colors, alpha, 255)
    if colors.shape[2] == 1 or container.is_gray(container.primary):
        return Raster(colors[..., 0], "gray", alpha)
    return Raster(colors, "rgb", alpha)
