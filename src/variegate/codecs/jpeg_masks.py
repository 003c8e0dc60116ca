"""Masks that were saved as JPEG or lossy WebP, which changes values around every edge.

JPEG codes blocks of 8 x 8 pixels by themselves, so a block without an edge keeps its one value, or
all but: what the flat blocks hold are the values that the mask had. Where these lie far apart,
every other pixel belongs to the nearest. Where they do not (classes 0, 1, 2), no rule can tell a
value from the noise around another, and the mask is refused.
"""

import cv2
import numpy as np

from variegate.codecs.pixels import Array
from variegate.errors import UnsupportedError

# Larger blocks first: a single one of 8 may be flat only because it lost its detail.
_SIDES = (16, 8)
# Noise of usual qualities reaches half of this.
_LEAST_GAP = 64
# Where more than this share is farther from all values, they are shades and no mask.
_NEAR, _MOST_FAR = 32, 0.1
# Black and white come out as something close to them.
_SLACK = 3
# Edges are narrower.
_PLACE = np.ones((5, 5), np.uint8)
_GRAY_SPREAD = 8
_REFUSED = "{} has changed the values of this mask beyond repair; save masks as PNG"


def restored(values: Array, what: str) -> Array:
    """Return a mask with the values that it had before it was saved with losses.

    Args:
        values: (H, W) or (H, W, 3) uint8, as decoded.
        what: the format, for messages.

    Returns:
        (H, W) uint8.

    Raises:
        UnsupportedError: they cannot be told.
    """
    if values.ndim == 3:
        if int((values.max(axis=-1) - values.min(axis=-1)).max()) > _GRAY_SPREAD:
            raise UnsupportedError(_REFUSED.format(what))
        values = values[..., 1]
    levels = _levels(values, what) if what == "JPEG" else _black_and_white(values, what)
    far = _far(values, levels)
    if np.mean(far) > _MOST_FAR or _fills_a_place(far):
        raise UnsupportedError(_REFUSED.format(what))
    return _snapped(levels)[_nearest(values, levels)]


def _nearest(values: Array, levels: Array) -> Array:
    """Return the number of the level that is nearest to each pixel."""
    middles = (levels[1:].astype(int) + levels[:-1]) / 2
    return np.searchsorted(middles, values)


def _far(values: Array, levels: Array) -> Array:
    """Return which pixels are far from all levels."""
    return np.abs(values.astype(np.int16) - levels[_nearest(values, levels)]) > _NEAR


def _fills_a_place(some: Array) -> bool:
    """Say whether some pixels are more than an edge: those of an object with a value of its own."""
    return bool(cv2.erode(some.astype(np.uint8), _PLACE, borderValue=0).any())


def _levels(values: Array, what: str) -> Array:
    """Return the values of the mask, ascending."""
    found = np.unique(values)
    if len(found) == 1:
        return found
    flat = found[:0]
    for side in _SIDES:
        # Values near one that is known are noise around it.
        for value in _flat_values(values, side):
            if np.abs(flat.astype(int) - value).min(initial=255) >= _LEAST_GAP or side == _SIDES[0]:
                flat = np.union1d(flat, value)
        if len(flat) > 1 and not _fills_a_place(_far(values, flat)):
            break
    # An object may be too small for a flat block; in a mask of black and white it is white.
    if len(flat) < 2 and found[0] <= _SLACK and found[-1] >= 255 - 4 * _SLACK:
        flat = np.array([0, 255], np.uint8)
    if len(flat) < 2 or int(np.diff(flat.astype(int)).min()) < _LEAST_GAP:
        raise UnsupportedError(_REFUSED.format(what))
    return flat


def _black_and_white(values: Array, what: str) -> Array:
    """Return 0 and 255, where they are all: WebP's range of brightness keeps no others exactly."""
    dark, light = int(values.min()) <= _SLACK, int(values.max()) >= 255 - _SLACK
    inner = _flat_values(values, 4)
    grays = ((inner > _NEAR) & (inner < 255 - _NEAR)).any()
    one_level = int(np.ptp(values)) <= _SLACK
    if grays or not (dark or light) or not (one_level or (dark and light)):
        raise UnsupportedError(_REFUSED.format(what))
    return np.array([level for level, there in ((0, dark), (255, light)) if there], np.uint8)


def _flat_values(values: Array, side: int) -> Array:
    """Return the values of the blocks that have one only."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    blocks = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
    low, high = blocks.min(axis=(1, 3), initial=255), blocks.max(axis=(1, 3), initial=0)
    return np.unique(low[low == high])


def _snapped(levels: Array) -> Array:
    levels = np.where(levels <= _SLACK, 0, levels)
    return np.where(levels >= 255 - _SLACK, 255, levels).astype(np.uint8)
