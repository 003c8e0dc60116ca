"""From CIELAB to sRGB, by the formulas.

LittleCMS works from a table here, and is off by up to four levels of 255.
"""

from typing import Any

import numpy as np

from variegate.codecs.bands import by_bands

Array = np.ndarray[Any, Any]

_D50 = np.array([0.96422, 1.0, 0.82521])
# XYZ relative to D50 to linear sRGB, whose white is D65: Bradford's adaptation is in it.
_TO_LINEAR = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def lab_to_srgb(stored: Array, *, scale: tuple[float, float]) -> Array:
    """Convert CIELAB (D50) to sRGB; what sRGB cannot show is cut off.

    Args:
        stored: (H, W, 3) integers: lightness, and a and b, signed.
        scale: what to multiply lightness (to 0 ... 100) and chroma with.

    Returns:
        (H, W, 3) uint8.
    """
    factors = np.array([scale[0], scale[1], scale[1]])
    return by_bands(lambda band: _convert(band * factors), stored)


def _convert(lab: Array) -> Array:
    lightness = (lab[..., 0] + 16) / 116
    roots = (lightness + lab[..., 1] / 500, lightness, lightness - lab[..., 2] / 200)
    root = np.stack(roots, axis=-1)
    xyz = np.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29)) * _D50
    linear = np.clip(xyz @ _TO_LINEAR.T, 0, 1)
    curved = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.rint(curved * 255).astype(np.uint8)
