"""From samples of more than 8 bits to 8: which of their values become black and white.

What comes out has 8 bits, always. By default the full scale of the file does, so that two images of
one camera stay comparable; of a file that uses a small part of its scale, few gray levels are left.
A window brings them back: the image's own least and greatest value, or two that are given.
"""

import numpy as np

from variegate.codecs.bands import by_bands
from variegate.codecs.limits import Depth
from variegate.codecs.pixels import Array, float_to_eight_bits, to_eight_bits


def integers_to_eight_bits(samples: Array, bits: int, depth: Depth, *, zero: int = 0) -> Array:
    """Scale unsigned integers of `bits` bits to uint8; those of 8 bits and less know no window.

    Args:
        samples: colors, without alpha.
        bits: of a sample.
        depth: what becomes black and white.
        zero: what stands for 0, where the file has signed values.
    """
    if depth == "full" or bits <= 8:
        return to_eight_bits(samples, bits)
    if depth == "auto":
        return _windowed(samples, float(samples.min()), float(samples.max()))
    return _windowed(samples, depth[0] + zero, depth[1] + zero)


def floats_to_eight_bits(samples: Array, depth: Depth) -> Array:
    """Scale floating point samples to uint8; NaN is black."""
    if depth == "full":
        return float_to_eight_bits(samples)
    if depth == "auto":
        finite = np.isfinite(samples)
        low, high = (
            float(edge(samples, where=finite, initial=start))
            for edge, start in ((np.min, np.inf), (np.max, -np.inf))
        )
        return _windowed(samples, low, high)
    return _windowed(samples, *depth)


def _windowed(samples: Array, low: float, high: float) -> Array:
    """Return (v - low) * 255 / (high - low), rounded; where no value differs, black."""
    if not low < high:
        return np.zeros(samples.shape, np.uint8)

    def scale(band: Array) -> Array:
        # A signaling NaN is no reason to warn.
        with np.errstate(invalid="ignore"):
            wide = band.astype(np.float64)
        np.nan_to_num(wide, copy=False, nan=low, posinf=high, neginf=low)
        np.clip(wide, low, high, out=wide)
        wide -= low
        wide *= 255 / (high - low)
        return np.rint(wide, out=wide).astype(np.uint8)

    return by_bands(scale, samples)
