"""Conversions of whole images without whole images of intermediate values."""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Large enough that the loop costs nothing, small enough for the cache.
_BAND_SAMPLES = 2**18


def by_bands(convert: Callable[..., Array], first: Array, *others: Array) -> Array:
    """Apply a function of arrays of equal height a band of rows at a time.

    The wide intermediate values that it makes then take little memory, whatever the image.
    """
    rows = max(1, _BAND_SAMPLES // max(1, first[:1].size))
    if rows >= len(first):
        return convert(first, *others)
    head = convert(first[:rows], *(other[:rows] for other in others))
    result = np.empty((len(first), *head.shape[1:]), head.dtype)
    result[:rows] = head
    for top in range(rows, len(first), rows):
        band = slice(top, top + rows)
        result[band] = convert(first[band], *(other[band] for other in others))
    return result
