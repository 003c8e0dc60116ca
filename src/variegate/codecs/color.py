"""From an image's own color space to sRGB: by its ICC profile, from inks, from CIELAB."""

import functools
import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from variegate.codecs.bands import by_bands

Array = np.ndarray[Any, Any]

# Press profiles reach 3 MB. A longer one is ignored, like a broken one.
MAX_PROFILE_BYTES = 8 * 2**20

BROKEN_PROFILE = "its color profile is broken; ignored"

_MODES = {"gray": "L", "rgb": "RGB", "cmyk": "CMYK"}
_SIGNATURES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
_DARKEST_WHITE, _LIGHTEST_BLACK = 224, 96
_D50 = np.array([0.96422, 1.0, 0.82521])
# XYZ relative to D50 to linear sRGB, whose white is D65: Bradford's adaptation is in it.
_TO_LINEAR = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def to_srgb(samples: Array, space: str, profile: bytes | None) -> Array:
    """Convert samples to sRGB (gray stays gray).

    A profile that is broken, or that is for another colour space than the image's, is ignored.

    Args:
        samples: uint8; (H, W) gray, (H, W, 3) rgb, (H, W, 4) cmyk.
        space: "gray", "rgb" or "cmyk" (255 is full ink).
        profile: the image's ICC profile, or None.

    Returns:
        uint8; (H, W) for gray, else (H, W, 3).
    """
    usable = profile is not None and profile[16:20] == _SIGNATURES[space]
    if space == "gray":
        table = _gray_table(profile) if usable and profile is not None else None
        return samples if table is None else table[samples]
    transform = _transform(profile, space) if usable and profile is not None else None
    if transform is not None:
        return by_bands(lambda band: _through(band, transform, _MODES[space]), samples)
    return by_bands(_inks_to_rgb, samples) if space == "cmyk" else samples


@functools.lru_cache(maxsize=8)
def is_broken(profile: bytes) -> bool:
    """Whether an ICC profile cannot be read at all."""
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return True
    return False


def is_srgb(profile: bytes) -> bool:
    """Whether a profile says what is so without one: no color moves by more than a level."""
    if is_broken(profile) or len(profile) > MAX_PROFILE_BYTES:
        return False
    if profile[16:20] == _SIGNATURES["gray"]:
        table = _gray_table(profile)
        return table is None or int(np.abs(table.astype(int) - np.arange(256)).max()) <= 1
    return profile[16:20] == _SIGNATURES["rgb"] and _transform(profile, "rgb") is None


def _inks_to_rgb(samples: Array) -> Array:
    """CMYK without a profile: each ink takes its share of the light, (1 - c) * (1 - k)."""
    light = 255 - samples.astype(np.uint16)
    return ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)


def _through(samples: Array, transform: ImageCms.ImageCmsTransform, mode: str) -> Array:
    height, width = samples.shape[:2]
    image = Image.frombytes(mode, (width, height), samples.tobytes())
    return np.asarray(transform.apply(image))


def _build(profile: Any, mode: str) -> ImageCms.ImageCmsTransform:
    # Relative colorimetric with black point compensation: what editors and browsers show.
    return ImageCms.ImageCmsTransform(
        profile,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


# A camera writes the same profile into every image, so each is judged once.
@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, space: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB, or None where there is nothing to do or nothing to trust.

    White must come out as white and black as dark: every profile in use does that, and one that
    does not would spoil the image.
    """
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        transform = _build(ImageCms.ImageCmsProfile(io.BytesIO(profile)), _MODES[space])
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    ends = {"gray": [[255], [0]], "rgb": [[255] * 3, [0] * 3], "cmyk": [[0] * 4, [255] * 4]}
    white, black = _through(np.array([ends[space]], np.uint8), transform, _MODES[space])[0]
    if white.min() < _DARKEST_WHITE or black.max() > _LIGHTEST_BLACK:
        return None
    if space != "rgb":
        return transform
    # Judged by what it does, not by its name: if no colour moves by more than one level, it is
    # sRGB, whoever wrote it, and the pixels are left alone.
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = _through(cube, transform, "RGB").astype(np.int16) - cube
    return None if int(np.abs(moved).max()) <= 1 else transform


@functools.lru_cache(maxsize=8)
def _gray_table(profile: bytes) -> Array | None:
    transform = _transform(profile, "gray")
    if transform is None:
        return None
    ramp = np.arange(256, dtype=np.uint8)[np.newaxis]
    # Green: closest to lightness where a profile's white is not quite neutral.
    return _through(ramp, transform, "L")[0, :, 1].copy()


def lab_to_srgb(stored: Array, *, scale: tuple[float, float]) -> Array:
    """Convert CIELAB (D50) to sRGB by the formulas; what sRGB cannot show is cut off.

    LittleCMS works from a table here, and is off by up to four levels of 255.

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


def ycbcr_to_rgb(samples: Array) -> Array:
    """ITU-R BT.601, full range, as JPEG has it, and TIFF by default."""
    y, cb, cr = np.moveaxis(samples.astype(np.float32), -1, 0)
    red = y + 1.402 * (cr - 128)
    green = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    blue = y + 1.772 * (cb - 128)
    return np.rint(np.clip(np.stack((red, green, blue), axis=-1), 0, 255)).astype(np.uint8)
