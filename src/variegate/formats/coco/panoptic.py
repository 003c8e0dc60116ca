"""Panoptic masks: the number of each segment as a colour, R + 256 G + 65536 B."""

import numpy as np
import numpy.typing as npt

from variegate.codecs import encode
from variegate.errors import ShapeError


def ids_of(image: np.ndarray) -> npt.NDArray[np.uint32]:
    """Return the segments' numbers.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (H, W) uint32; 0 is no segment.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    ids = np.zeros(image.shape[:2], dtype=np.uint32)
    for channel in range(3):
        ids |= image[..., channel].astype(np.uint32) << np.uint32(8 * channel)
    return ids


def png_of(ids: np.ndarray) -> bytes:
    """Return the PNG file of segments' numbers: (H, W), integers below 2^24."""
    if ids.ndim != 2 or ids.dtype.kind not in "ui":
        raise ShapeError(f"ids: expected (H, W) integers, got {ids.shape} {ids.dtype}")
    wide = ids.astype(np.uint32)
    image = np.stack([wide & 255, wide >> 8 & 255, wide >> 16 & 255], axis=-1).astype(np.uint8)
    return encode(image, format="png")
