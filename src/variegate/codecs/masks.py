"""Masks: images whose values are numbers, classes or objects, and not colors.

So nothing may touch a value: no color conversion, no profile, no palette looked up, no scaling of
1, 2 and 4 bits to 8. A mask in color holds one number a pixel, R + 256 G + 65536 B, as in COCO's
panoptic masks.
"""

import functools
import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from variegate.codecs import bmp, jpeg, jpeg_masks, pillow, png, tiff
from variegate.codecs.decode import faults_named
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, upright
from variegate.codecs.sniff import NAMES, kind_of
from variegate.errors import DecodeError, ShapeError, UnsupportedError

MASK_EXTENSION = ".png"

_Parse = Callable[[bytes, Limits], Parsed]
_Open = Callable[[bytes], Image.Image]


def _open_png(data: bytes) -> ImageFile.ImageFile:
    """Without damage that Pillow would not notice, and without text that swells in memory."""
    return PngImagePlugin.PngImageFile(io.BytesIO(png.verified(data)))


_KINDS: dict[str, tuple[_Parse, _Open]] = {
    "png": (png.parse, _open_png),
    "tiff": (tiff.parse, lambda data: TiffImagePlugin.TiffImageFile(io.BytesIO(data))),
    "jpeg": (jpeg.parse, lambda data: JpegImagePlugin.JpegImageFile(io.BytesIO(data))),
    "bmp": (bmp.parse, lambda data: Image.fromarray(bmp.stored_values(data))),
    "gif": (pillow.parse, functools.partial(pillow.open_image, "gif")),
    "webp": (pillow.parse, functools.partial(pillow.open_image, "webp")),
}
_DEFAULT_LIMITS = Limits()
# Bits a value -> by what Pillow multiplies gray values when it spreads them over eight bits.
_SPREAD = {2: 85, 4: 17}
_MOST_IDS = 1 << 24


def decode_mask(data: bytes, limits: Limits = _DEFAULT_LIMITS, *, soft: bool = False) -> Array:
    """Decode a mask to the values that it stores, upright.

    Args:
        data: the file's content: PNG, or BMP, TIFF, GIF, WebP, JPEG.
        limits: checked on the header, before any pixel is decoded.
        soft: its values are shares, which what JPEG and lossy WebP do to them leaves nearly as
            they were; all others are restored.

    Returns:
        (H, W), C-contiguous: uint8 for 1 to 8 bits gray and for palettes (the indices); uint16 for
        16 bits gray; uint32 for RGB, R + 256 G + 65536 B. Alpha is left out where it is opaque.

    Raises:
        DecodeError: the bytes are no image, or broken, or not all there.
        LimitError: it is larger than the limits.
        UnsupportedError: it is of a kind that holds no such values, or with losses that have
            cost them.
    """
    limits.check_bytes(len(data))
    kind = kind_of(data)
    if kind is None:
        raise DecodeError(f"not a mask ({len(data):,} bytes that begin with {data[:16]!r})")
    if kind not in _KINDS:
        raise UnsupportedError(f"{NAMES[kind]} masks are not supported; convert it to PNG first")
    parse, opener = _KINDS[kind]
    with faults_named(f"{NAMES[kind]} mask"):
        parsed = parse(data, limits)
        values = _load(data, kind, opener, parsed)
        if (lossy := lossy_mask(data)) and not soft:
            values = jpeg_masks.restored(values, lossy)
    return _joined(upright(values, parsed.orientation))


def lossy_mask(data: bytes) -> str | None:
    """Return what a mask's file has changed its values by: "JPEG", "lossy WebP"; None if nothing.

    The beginning of a file, up to its pixels, is enough.
    """
    kind = kind_of(data)
    if kind == "webp" and pillow.is_lossy_webp(data):
        return "lossy WebP"
    return "JPEG" if kind == "jpeg" else None


def encode_mask(mask: np.ndarray, palette: bytes | None = None) -> bytes:
    """Encode a mask as PNG: the same values, the same bytes.

    Args:
        mask: (H, W); uint8 or bool as 8 bits gray, uint16 as 16 bits gray, uint32 below 2**24 as
            RGB.
        palette: R, G, B of index 0, 1, ...: uint8 values are written as indices into it. Values
            beyond it are black.

    Raises:
        ShapeError: the array is not one of these, or the palette is not whole.
    """
    if mask.ndim != 2 or not mask.size:
        raise ShapeError(f"mask: expected (H, W) with at least one pixel, got {mask.shape}")
    mask = np.ascontiguousarray(mask.astype(np.uint8) if mask.dtype == np.bool_ else mask)
    if palette is not None:
        return _with_palette(mask, palette)
    if mask.dtype == np.uint32:
        if int(mask.max()) >= _MOST_IDS:
            raise ShapeError(f"mask: expected values below 2**24, got {int(mask.max()):,}")
        # Little-endian bytes R, G, B, 0; OpenCV wants B, G, R.
        mask = mask.astype("<u4").view(np.uint8).reshape(*mask.shape, 4)[:, :, 2::-1].copy()
    elif mask.dtype not in (np.uint8, np.uint16):
        raise ShapeError(f"mask: expected uint8, uint16 or uint32, got {mask.dtype}")
    _, coded = cv2.imencode(".png", mask)
    return coded.tobytes()


def _load(data: bytes, kind: str, opener: _Open, parsed: Parsed) -> Array:
    """Return (H, W) or (H, W, 3) as stored."""
    if kind == "png" and data[24] == 16 and data[25] in (2, 4, 6):
        raise UnsupportedError("a mask of 16 bits with several channels; expected 8 bits, or gray")
    with opener(data) as image:
        if image.size != (parsed.width, parsed.height):
            raise DecodeError(f"corrupt {NAMES[kind]} mask: two sizes in its header")
        image.load()
        values = _values(image)
    if kind == "png" and data[25] == 0 and data[24] in _SPREAD:
        values = values // np.uint8(_SPREAD[data[24]])
    return values


def _values(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    if image.mode == "1":
        return pixels.astype(np.uint8)
    if image.mode in ("L", "P", "RGB"):
        return pixels
    if image.mode in ("LA", "PA", "RGBA"):
        if int(pixels[:, :, -1].min()) < 255:
            raise UnsupportedError("a mask that is partly transparent; save it without alpha")
        return pixels[:, :, 0] if pixels.shape[2] == 2 else pixels[:, :, :3]
    if image.mode.startswith("I;16"):
        return pixels.astype(np.uint16)
    raise UnsupportedError(
        f"a mask of mode {image.mode!r}; expected 1 to 16 bits gray, a palette, or RGB"
    )


def _joined(values: Array) -> Array:
    """Return R + 256 G + 65536 B of (H, W, 3); (H, W) as it is."""
    if values.ndim == 2:
        return values
    red, green, blue = (values[:, :, channel].astype(np.uint32) for channel in range(3))
    return red | green << np.uint32(8) | blue << np.uint32(16)


def _with_palette(mask: Array, palette: bytes) -> bytes:
    if mask.dtype != np.uint8:
        raise ShapeError(f"mask: expected uint8 with a palette, got {mask.dtype}")
    if not palette or len(palette) % 3 or len(palette) > 768:
        raise ShapeError(f"palette: expected 3 to 768 bytes, three a color, got {len(palette)}")
    image = Image.fromarray(mask, "L")
    image.putpalette(palette.ljust(3 * (int(mask.max()) + 1), b"\0"))
    coded = io.BytesIO()
    image.save(coded, "PNG", compress_level=1)
    return coded.getvalue()
