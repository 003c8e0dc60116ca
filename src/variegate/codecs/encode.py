"""From pixels to bytes: the same pixels and options, the same bytes; no metadata."""

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from variegate.codecs.pixels import Array, over_white
from variegate.codecs.sniff import EXTENSIONS
from variegate.errors import ShapeError, did_you_mean

_SUBSAMPLINGS = {"4:4:4": "444", "4:2:2": "422", "4:2:0": "420", "4:4:0": "440", "4:1:1": "411"}
_LARGEST_SIDE = {"jpeg": 65_500, "png": 1_000_000, "webp": 16_383}


def encode(
    image: np.ndarray,
    *,
    format: str,  # noqa: A002 - the field's word
    quality: int = 95,
    subsampling: str = "4:2:0",
    tables: Mapping[int, Sequence[int]] | None = None,
    compression: int | None = None,
    lossless: bool = False,
) -> bytes:
    """Encode pixels as a file.

    Args:
        image: uint8; (H, W) or (H, W, 1) gray, (H, W, 3) RGB, (H, W, 4) RGBA, straight.
        format: "jpeg" (transparency is laid over white), "png" or "webp".
        quality: 1 to 100, for jpeg and lossy webp.
        subsampling: of the chroma, for jpeg: 4:4:4, 4:2:2, 4:2:0, 4:4:0 or 4:1:1.
        tables: quantisation tables for jpeg, instead of those of a quality; see `quantisation`.
        compression: 0 to 9, for png; None is OpenCV's quick default, which level 1 takes twice and
            level 6 five times as long as.
        lossless: for webp; every value survives, those under full transparency too.

    Raises:
        ShapeError: the array or an option is not one of these, or it is too large for the format.
    """
    pixels = _checked(image, format, quality)
    if format == "jpeg":
        return _jpeg(pixels, quality, subsampling, tables)
    if format == "png":
        return _png(pixels, compression)
    return _webp(pixels, quality, lossless)


def _checked(image: np.ndarray, format_: str, quality: int) -> Array:
    if format_ not in EXTENSIONS:
        raise ShapeError(
            f"format: expected {', '.join(EXTENSIONS)}, got {format_!r}"
            f"{did_you_mean(str(format_), EXTENSIONS)}"
        )
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise ShapeError(f"quality: expected 1 to 100, got {quality!r}")
    if image.dtype != np.uint8:
        raise ShapeError(f"image: expected uint8, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise ShapeError(f"image: expected (H, W), (H, W, 1), (H, W, 3) or 4, got {image.shape}")
    height, width = image.shape[:2]
    if not 1 <= min(height, width) <= max(height, width) <= _LARGEST_SIDE[format_]:
        raise ShapeError(
            f"image: {format_} holds 1 to {_LARGEST_SIDE[format_]:,} pixels a side,"
            f" got {width:,} x {height:,}"
        )
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    return np.ascontiguousarray(image)


def _jpeg(
    pixels: Array, quality: int, subsampling: str, tables: Mapping[int, Sequence[int]] | None
) -> bytes:
    if subsampling not in _SUBSAMPLINGS:
        raise ShapeError(f"subsampling: expected {', '.join(_SUBSAMPLINGS)}, got {subsampling!r}")
    if tables is not None:
        return _with_tables(pixels, subsampling, tables)
    if pixels.ndim == 2:
        return simplejpeg.encode_jpeg(pixels[:, :, np.newaxis], quality, "GRAY", "Gray")
    if pixels.shape[2] == 4:
        pixels = over_white(pixels[..., :3], pixels[..., 3])
    return simplejpeg.encode_jpeg(pixels, quality, "RGB", _SUBSAMPLINGS[subsampling])


def _with_tables(pixels: Array, subsampling: str, tables: Mapping[int, Sequence[int]]) -> bytes:
    """Encode with given tables, which simplejpeg cannot."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = over_white(pixels[..., :3], pixels[..., 3])
    coded = io.BytesIO()
    own = {number: list(steps) for number, steps in tables.items()}
    # Pillow has no names for the two rare ones.
    known = subsampling if subsampling in ("4:4:4", "4:2:2", "4:2:0") else "4:2:0"
    Image.fromarray(pixels).save(coded, "JPEG", qtables=own, subsampling=known)
    return coded.getvalue()


def _png(pixels: Array, compression: int | None) -> bytes:
    options: list[int] = []
    if compression is not None:
        if isinstance(compression, bool) or not 0 <= compression <= 9:
            raise ShapeError(f"compression: expected 0 to 9, got {compression!r}")
        options = [cv2.IMWRITE_PNG_COMPRESSION, compression]
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(pixels, code)
    _, coded = cv2.imencode(".png", pixels, options)
    return coded.tobytes()


def _webp(pixels: Array, quality: int, lossless: bool) -> bytes:
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    image = Image.fromarray(pixels)
    coded = io.BytesIO()
    image.save(coded, "WEBP", quality=quality, lossless=lossless, exact=True)
    return coded.getvalue()
