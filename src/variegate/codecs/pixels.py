"""From decoded samples of any depth and colour space to the one form variegate works on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from variegate.codecs import color
from variegate.codecs.bands import by_bands

Array = np.ndarray[Any, Any]
Space = Literal["gray", "rgb", "cmyk"]

# Four stops above white.
_BRIGHTEST_HIGHLIGHT = 16.0


@dataclass(frozen=True)
class Raster:
    """Decoded samples, as stored: not yet turned upright, not yet sRGB.

    Attributes:
        samples: uint8; (H, W) gray, (H, W, 3) rgb, (H, W, 4) cmyk.
        space: "cmyk" has 255 for full ink.
        alpha: (H, W) uint8, straight, or None for an opaque image.
    """

    samples: Array
    space: Space
    alpha: Array | None = None


@dataclass(frozen=True)
class Parsed:
    """An image whose header has been read and found within the limits.

    Attributes:
        height: pixels, as stored (before it is turned upright).
        width: pixels, as stored.
        load: decodes the pixels.
        frames: of the animation, or pages.
        orientation: EXIF's, 1 to 8.
        profile: finds the ICC profile, when it is needed.
        reduced: does so at 1/2, 1/4 or 1/8 of the size, as it is told; None where it cannot.
        faults: what is wrong with the file and harms no pixel, a clause each.
        bits: of a sample, as stored.
        inks: its samples are CMYK.
    """

    height: int
    width: int
    load: Callable[[], Raster]
    frames: int = 1
    orientation: int = 1
    profile: Callable[[], bytes | None] = lambda: None
    reduced: Callable[[int], Raster] | None = None
    faults: tuple[str, ...] = ()
    bits: int = 8
    inks: bool = False


def raster_of(pixels: Array) -> Raster:
    """The raster of (H, W) gray, (H, W, 2) gray and alpha, (H, W, 3) RGB or (H, W, 4) RGBA."""
    if pixels.ndim == 2:
        return Raster(pixels, "gray")
    if pixels.shape[2] == 2:
        return Raster(pixels[..., 0], "gray", pixels[..., 1])
    return Raster(pixels[..., :3], "rgb", pixels[..., 3] if pixels.shape[2] == 4 else None)


def to_eight_bits(samples: Array, bits: int) -> Array:
    """Scale unsigned integers of `bits` bits to uint8: v * 255 / (2**bits - 1), rounded."""
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    top = 2**bits - 1
    if bits <= 16:
        table = (np.arange(top + 1, dtype=np.uint32) * 255 + top // 2) // top
        return table.astype(np.uint8)[samples]
    # v * 255 must fit in 64 bits.
    spare = max(0, bits - 32)
    top >>= spare

    def scale(band: Array) -> Array:
        wide = (band >> band.dtype.type(spare)).astype(np.uint64)
        return ((wide * 255 + top // 2) // top).astype(np.uint8)

    return by_bands(scale, samples)


def float_to_eight_bits(samples: Array) -> Array:
    """Scale floating point samples to uint8.

    0 to 1 is the full scale, as image editors write it, and values up to 16 are highlights beyond
    white. If any is larger, the file holds integers in floating point, and the full scale is that
    of the smallest unsigned integer that holds them: 255, 65,535 or 4,294,967,295. Negative values
    and NaN are black, and infinity is white.
    """
    largest = float(np.max(samples, where=np.isfinite(samples), initial=0.0))
    full = 1.0
    if largest > _BRIGHTEST_HIGHLIGHT:
        full = next((top for top in (255.0, 65535.0, 4294967295.0) if largest <= top), largest)

    def scale(band: Array) -> Array:
        # A signaling NaN is no reason to warn.
        with np.errstate(invalid="ignore"):
            wide = band.astype(np.float64)
        np.nan_to_num(wide, copy=False, nan=0.0, posinf=full, neginf=0.0)
        np.clip(wide, 0, full, out=wide)
        wide *= 255 / full
        return np.rint(wide, out=wide).astype(np.uint8)

    return by_bands(scale, samples)


def unpremultiplied(colors: Array, alpha: Array, top: int) -> Array:
    """Take premultiplied alpha out of unsigned integer colors whose full scale is `top`."""

    def divide(band: Array, share: Array) -> Array:
        straight = np.rint(band * (top / np.maximum(share, 1)[..., np.newaxis]))
        return np.minimum(straight, top).astype(colors.dtype)

    return by_bands(divide, colors, alpha)


def from_palette(indices: Array, palette: Array, alpha: Array | None = None) -> Raster:
    """Look colors up. A palette of nothing but grays makes a gray image.

    Args:
        indices: (H, W), unsigned integers; those beyond the palette are black.
        palette: (N, 3) uint8.
        alpha: (N,) uint8, or None.
    """
    beyond = max(0, int(indices.max()) + 1 - len(palette))
    palette = np.concatenate((palette, np.zeros((beyond, 3), np.uint8)))
    if alpha is not None:
        alpha = np.concatenate((alpha, np.full(beyond, 255, np.uint8)))[indices]
    if is_gray(palette):
        return Raster(palette[:, 0][indices], "gray", alpha)
    return Raster(palette[indices], "rgb", alpha)


def is_gray(palette: Array) -> bool:
    """Whether all colors, (N, 3), are grays."""
    return bool((palette == palette[:, :1]).all())


def finish(raster: Raster, parsed: Parsed, *, keep_alpha: bool) -> Array:
    """Turn a raster into upright sRGB or gray.

    Returns:
        uint8, C-contiguous; (H, W), (H, W, 3), or (H, W, 4) if keep_alpha and the image has
        transparency.
    """
    samples, alpha = raster.samples, raster.alpha
    profile = parsed.profile()
    if profile is not None or raster.space == "cmyk":
        samples = color.to_srgb(samples, raster.space, profile)
    if alpha is not None and int(alpha.min()) < 255:
        samples = with_alpha(samples, alpha) if keep_alpha else over_white(samples, alpha)
    return upright(samples, parsed.orientation)


def with_alpha(samples: Array, alpha: Array) -> Array:
    """Join (H, W) or (H, W, 3) and (H, W) to (H, W, 4) RGBA."""
    if samples.ndim == 2:
        return cv2.merge((samples, samples, samples, np.ascontiguousarray(alpha)))
    return np.dstack((samples, alpha))


def over_white(samples: Array, alpha: Array) -> Array:
    """Lay a straight-alpha image over white: c * a + 255 * (1 - a), rounded."""

    def blend(colors: Array, share: Array) -> Array:
        weight = share.astype(np.uint16)
        if colors.ndim == 3:
            weight = weight[..., np.newaxis]
        # At most 255 * 255 + 127: it fits.
        blended = colors * weight
        blended += 255 * (255 - weight) + 127
        return (blended // np.uint16(255)).astype(np.uint8)

    return by_bands(blend, samples, alpha)


def upright(samples: Array, orientation: int) -> Array:
    """Undo an EXIF orientation, 1 to 8; 5 to 8 exchange height and width. C-contiguous."""
    samples = np.ascontiguousarray(samples)
    match orientation:
        case 2:
            return cv2.flip(samples, 1)
        case 3:
            return cv2.rotate(samples, cv2.ROTATE_180)
        case 4:
            return cv2.flip(samples, 0)
        case 5:
            return cv2.transpose(samples)
        case 6:
            return cv2.rotate(samples, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            return cv2.flip(cv2.transpose(samples), -1)
        case 8:
            return cv2.rotate(samples, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            return samples
