"""AVIF: the sizes by our own look at the boxes and streams, the pixels by libavif (Pillow)."""

import functools
import io

import numpy as np
from PIL import AvifImagePlugin

from variegate.codecs import av1
from variegate.codecs.bmff import Container, read_container
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Parsed, Raster
from variegate.errors import DecodeError

# EXIF's orientation by the quarters turned counterclockwise, then None, or the axis of a mirror.
_ORIENTATIONS = {
    (0, None): 1,
    (1, None): 8,
    (2, None): 3,
    (3, None): 6,
    (0, 0): 4,
    (0, 1): 2,
    (1, 0): 5,
    (1, 1): 7,
    (2, 0): 2,
    (2, 1): 4,
    (3, 0): 7,
    (3, 1): 5,
}


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the boxes of an AVIF; an animation counts as its still picture.

    Raises:
        DecodeError: it is broken, or its parts contradict each other.
        LimitError: it is larger than the limits.
    """
    container = read_container(data, limits, "AVIF")
    item = container.primary
    height, width = container.size(item)
    limits.check_size(height, width, "AVIF")
    return Parsed(
        height=height,
        width=width,
        load=functools.partial(_load, container, limits),
        frames=max(1, container.frames),
        orientation=_orientation(container),
        profile=lambda: container.profile(item),
    )


def _orientation(container: Container) -> int:
    """From the transformations of the container, which rule out those of EXIF."""
    turn = container.find(container.primary, b"irot")
    mirror = container.find(container.primary, b"imir")
    quarters = turn[0] & 3 if turn else 0
    return _ORIENTATIONS[quarters, mirror[0] & 1 if mirror else None]


def _load(container: Container, limits: Limits, reduce: int) -> Raster:  # noqa: ARG001
    for item, kind in container.kinds.items():
        if kind == b"av01":
            _check_stream(container, item, limits)
    # The brand of a still picture makes libavif take that, and no track.
    still = container.data[:8] + b"avif" + container.data[12:]
    with AvifImagePlugin.AvifImageFile(io.BytesIO(still)) as image:
        image.load()
        pixels = np.asarray(image)
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    if container.is_gray(container.primary):
        return Raster(pixels[..., 0], "gray", alpha)
    return Raster(pixels[..., :3], "rgb", alpha)


def _check_stream(container: Container, item: int, limits: Limits) -> None:
    """libavif would decode whatever size is coded, and then scale it to what is declared."""
    height, width = av1.largest_frame(container.content(item))
    if not height:
        return
    limits.check_size(height, width, "AVIF")
    declared = container.size(item)
    if height > declared[0] or width > declared[1]:
        raise DecodeError(
            f"corrupt AVIF: {declared[1]:,} x {declared[0]:,} pixels declared,"
            f" {width:,} x {height:,} coded"
        )
