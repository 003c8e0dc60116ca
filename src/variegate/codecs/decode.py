"""From bytes to a header, and to pixels: whatever the kind, by the same rules."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from variegate.codecs import bmp, color, heif, jp2, jpeg, pillow, png, svg, tga, tiff
from variegate.codecs.color import BROKEN_PROFILE
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Parsed, finish
from variegate.codecs.sniff import EXTENSIONS, NAMES, kind_of
from variegate.errors import DecodeError, ImageError, LimitError, ShapeError, UnsupportedError

# Each reads a header; a kind that is known but not here cannot be read.
_PARSERS: dict[str, Callable[[bytes, Limits], Parsed]] = {
    "jpeg": jpeg.parse,
    "png": png.parse,
    "webp": pillow.parse,
    "gif": pillow.parse,
    "tiff": tiff.parse,
    "bmp": bmp.parse,
    "ppm": pillow.parse,
    "ico": bmp.parse_icon,
    "tga": tga.parse,
    "avif": pillow.parse,
    "heif": heif.parse,
    "jp2": jp2.parse,
    "svg": svg.parse,
}
_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Header:
    """What can be told about an image without decoding it.

    Attributes:
        kind: one of those that `kind_of` gives.
        height: pixels, shown upright.
        width: pixels, shown upright.
        frames: of an animation, or pages; `decode` gives the first.
        reducible: whether `decode` can reduce while decoding.
        orientation: EXIF's, 1 to 8, by which `decode` turns it upright; from 5 on a quarter turn.
        bits: of a sample, as stored; `decode` gives 8.
    """

    kind: str
    height: int
    width: int
    frames: int
    reducible: bool
    orientation: int = 1
    bits: int = 8


def probe(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> Header:
    """Read an image's header; no pixel is decoded.

    Raises:
        DecodeError: the bytes are no image, or its header is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: it is of a kind that cannot be read, or not without an extra.
    """
    kind, parsed = _parse(data, limits)
    height, width = parsed.height, parsed.width
    if parsed.orientation >= 5:
        height, width = width, height
    reducible = parsed.reduced is not None
    return Header(kind, height, width, parsed.frames, reducible, parsed.orientation, parsed.bits)


def faults_of(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> tuple[str, ...]:
    """Return what is wrong with an image's file and costs no pixel, a clause each.

    Args:
        data: the whole file.
        limits: as for `probe`.

    Raises:
        ImageError: as `probe` does.
    """
    _, parsed = _parse(data, limits)
    profile = parsed.profile()
    broken = profile is not None and color.is_broken(profile)
    return (*parsed.faults, *((BROKEN_PROFILE,) if broken else ()))


def is_plain(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> bool:
    """Say whether whoever opens an image sees what `decode` gives of it, alpha kept.

    It is of a kind that can be written, upright as it is stored, sRGB or gray, of 8 bits at most,
    of one frame, and nothing is wrong with it.

    Args:
        data: the whole file.
        limits: as for `probe`.

    Raises:
        ImageError: as `probe` does.
    """
    kind, parsed = _parse(data, limits)
    usual = parsed.orientation == 1 and parsed.frames == 1 and parsed.bits <= 8
    if kind not in EXTENSIONS or not usual or parsed.inks or parsed.faults:
        return False
    profile = parsed.profile()
    return profile is None or color.is_srgb(profile)


def decode(
    data: bytes,
    *,
    limits: Limits = _DEFAULT_LIMITS,
    keep_alpha: bool = False,
    reduce: int = 1,
) -> np.ndarray:
    """Decode the first frame of an image: upright, sRGB, 8 bits.

    Transparency is laid over white. Integer samples of other depths become
    v * 255 / (2**bits - 1), rounded, where bits is the declared depth; or, above 8 bits, what the
    limits' `depth` says.

    Args:
        data: the file's content.
        limits: checked on the header, before any pixel is decoded.
        keep_alpha: keep transparency as a fourth channel instead, if there is any.
        reduce: 1, 2, 4 or 8: decode a `reducible` JPEG at that fraction of its size, rounded up.

    Returns:
        uint8, C-contiguous; (H, W) for a gray image, (H, W, 3) RGB, or (H, W, 4) RGBA, straight,
        if keep_alpha and any alpha is below 255.

    Raises:
        DecodeError: the bytes are no image, or broken, or not all there.
        LimitError: it is larger than the limits.
        UnsupportedError: it is of a kind that cannot be read, or not without an extra.
        ShapeError: reduce is none of the four, or not 1 for an image that is not reducible.
    """
    if reduce not in (1, 2, 4, 8):
        raise ShapeError(f"reduce: expected 1, 2, 4 or 8, got {reduce!r}")
    kind, parsed = _parse(data, limits)
    load = parsed.load
    if reduce != 1 and parsed.reduced is not None:
        load = functools.partial(parsed.reduced, reduce)
    elif reduce != 1:
        raise ShapeError(f"reduce: this {NAMES[kind]} can only be decoded in full, got {reduce}")
    with faults_named(NAMES[kind]):
        raster = load()
        size = (-(-parsed.height // reduce), -(-parsed.width // reduce))
        if raster.samples.shape[:2] != size:
            raise DecodeError(
                f"corrupt {NAMES[kind]}: {size[1]} x {size[0]} pixels in its header,"
                f" {raster.samples.shape[1]} x {raster.samples.shape[0]} in its data"
            )
        return finish(raster, parsed, keep_alpha=keep_alpha)


def _parse(data: bytes, limits: Limits) -> tuple[str, Parsed]:
    limits.check_bytes(len(data))
    kind = kind_of(data)
    if kind is None:
        raise DecodeError(_no_image(data))
    parse = _PARSERS.get(kind)
    if parse is None:
        raise UnsupportedError(f"{NAMES[kind]} images are not supported; convert it to PNG first")
    with faults_named(NAMES[kind]):
        return kind, parse(data, limits)


def _no_image(data: bytes) -> str:
    if not data:
        return "empty file (0 bytes)"
    return f"not an image ({len(data):,} bytes that begin with {data[:16]!r})"


@contextmanager
def faults_named(what: str) -> Iterator[None]:
    """Whatever a decoder raises on bad bytes, raise the fitting ImageError, which names `what`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as fault:
        raise LimitError(f"{what} too large for this machine's memory") from fault
    except Image.DecompressionBombError as fault:
        raise LimitError(f"{what} too large for Pillow: {fault}") from fault
    except Exception as fault:
        text = " ".join(str(fault).split())
        raise DecodeError(f"corrupt {what}: {text or type(fault).__name__}") from fault
