"""Resampling of images with transparency: a color counts by as much of it as is seen.

Whatever stands under a transparent pixel, black for most programs, would otherwise show as a fringe
around everything that is turned or resized (Porter and Duff 1984, "Compositing Digital Images").
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.view import View

AnyImage = npt.NDArray[Any]


def resampled(image: Image, view: View, act: Callable[[AnyImage, View], AnyImage]) -> Image:
    """Resample an image by `act`, in RGBA with colors multiplied by alpha.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.
        view: how it is sampled.
        act: takes an image, of 8 or 16 bits, and how it is sampled.
    """
    transparent = image.ndim == 3 and image.shape[2] == 4 and view.interpolation != "nearest"
    if not transparent or (view.border != "constant" and image[..., 3].min() == 255):
        return act(image, view)
    # What lies beyond is transparent, so of its color nothing is seen.
    result = _divided(act(_multiplied(image), replace(view, fill=(0, 0, 0))))
    unseen = result[..., 3] == 0
    if unseen.any():
        # Whoever takes alpha away finds what was there.
        result[unseen, :3] = act(image, view)[unseen, :3]
    return result


def _multiplied(image: Image) -> npt.NDArray[np.uint16]:
    """Return color times alpha, and 255 times alpha: whole numbers, so nothing is rounded."""
    alpha = image[..., 3:].astype(np.uint16)
    result = image * alpha
    result[..., 3:] = alpha * np.uint16(255)
    return result


def _divided(image: npt.NDArray[np.uint16]) -> Image:
    """Undo `_multiplied`."""
    alpha = image[..., 3:].astype(np.uint32)
    # Interpolation by cubes may leave more color than there is alpha.
    colors = np.minimum(image[..., :3], alpha)
    result = np.empty(image.shape, np.uint8)
    result[..., :3] = (colors * 255 + alpha // 2) // np.maximum(alpha, 1)
    result[..., 3:] = np.minimum((alpha + 127) // 255, 255)
    return result
