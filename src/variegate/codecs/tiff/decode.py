"""TIFF: what the samples mean, for every depth, sample format and color space in use.

Pillow and OpenCV each read a part of what is about, and some of that wrong. So only the undoing of
the compression is left to libtiff (in chunks.py); what the bytes mean is decided here.
"""

import functools
from dataclasses import dataclass

import numpy as np

from variegate.codecs.bands import by_bands
from variegate.codecs.color import lab_to_srgb, ycbcr_to_rgb
from variegate.codecs.depth import floats_to_eight_bits, integers_to_eight_bits
from variegate.codecs.exif import legal_orientation
from variegate.codecs.limits import Depth, Limits
from variegate.codecs.pixels import (
    Array,
    Parsed,
    Raster,
    Space,
    from_palette,
    to_eight_bits,
    unpremultiplied,
)
from variegate.codecs.tiff.chunks import read_samples
from variegate.codecs.tiff.directory import Directory, Tag, read_directories
from variegate.codecs.tiff.structure import FAX, FLOAT, SIGNED, Structure, structure_of
from variegate.errors import DecodeError, UnsupportedError

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _INKS, _YCBCR = range(7)
_CIELAB, _ICCLAB = 8, 9
_COLORS = {
    _WHITE_IS_ZERO: 1,
    _BLACK_IS_ZERO: 1,
    _RGB: 3,
    _PALETTE: 1,
    _MASK: 1,
    _INKS: 4,
    _YCBCR: 3,
    _CIELAB: 3,
    _ICCLAB: 3,
}
_PREMULTIPLIED, _STRAIGHT = 1, 2


@dataclass(frozen=True)
class _Meaning:
    """What the samples of a pixel are.

    Attributes:
        photometric: one of the codes above.
        colors: samples that are color; those after them are extra.
        alpha: index of the sample that is alpha, or None.
        premultiplied: whether alpha is in the colors already.
    """

    photometric: int
    colors: int
    alpha: int | None
    premultiplied: bool


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the first directory of a TIFF, and count the others.

    Raises:
        DecodeError: it is broken.
        LimitError: image, tile or number of pages is larger than the limits.
        UnsupportedError: a compression, color space or depth that is not supported, or a camera's
            raw file, whose first directory is but a thumbnail.
    """
    directory, pages = read_directories(data, limits)
    height, width = directory.number(Tag.HEIGHT), directory.number(Tag.WIDTH)
    limits.check_size(height, width, "TIFF")
    _refuse_raw(data, directory)
    structure = structure_of(directory, limits)
    meaning = _meaning_of(directory, structure)
    has_profile = meaning.photometric not in (_CIELAB, _ICCLAB)
    return Parsed(
        height=height,
        width=width,
        load=functools.partial(_load, directory, structure, meaning, limits.depth),
        frames=pages,
        orientation=legal_orientation(directory.number(Tag.ORIENTATION, 1)),
        profile=lambda: directory.raw(Tag.ICC_PROFILE) if has_profile else None,
        bits=8 if meaning.photometric == _PALETTE else structure.bits,
    )


def _refuse_raw(data: bytes, directory: Directory) -> None:
    thumbnail = directory.number(Tag.SUBFILE, 0) & 1
    if (
        Tag.DNG_VERSION in directory
        or data[8:10] == b"CR"
        or (thumbnail and Tag.SUB_DIRECTORIES in directory)
    ):
        raise UnsupportedError("camera raw files are not supported; convert it to JPEG first")


def _meaning_of(directory: Directory, structure: Structure) -> _Meaning:
    # Left out by some writers; libtiff guesses the same.
    fax = structure.compression in FAX
    guess = _RGB if structure.samples >= 3 else _WHITE_IS_ZERO if fax else _BLACK_IS_ZERO
    photometric = directory.number(Tag.PHOTOMETRIC, guess)
    if photometric not in _COLORS:
        raise UnsupportedError(f"TIFF of photometric type {photometric} is not supported")
    colors = _COLORS[photometric]
    if structure.samples < colors:
        raise DecodeError(f"corrupt TIFF: {structure.samples} samples a pixel, expected {colors}")
    if (
        photometric == _YCBCR
        and not structure.self_contained
        and directory.numbers(Tag.YCBCR_SUBSAMPLING, (2, 2)) != (1, 1)
    ):
        raise UnsupportedError("TIFF with subsampled YCbCr outside of JPEG is not supported")
    if photometric == _INKS and directory.number(Tag.INK_SET, 1) != 1:
        raise UnsupportedError("TIFF with other inks than CMYK is not supported")
    extras = directory.numbers(Tag.EXTRA_SAMPLES, ())
    if not extras and structure.samples == colors + 1:
        # Without the tag, a lone extra sample is nearly always alpha.
        extras = (_STRAIGHT,)
    for index, extra in enumerate(extras[: structure.samples - colors]):
        if extra in (_PREMULTIPLIED, _STRAIGHT):
            return _Meaning(photometric, colors, colors + index, extra == _PREMULTIPLIED)
    return _Meaning(photometric, colors, None, False)


def _load(directory: Directory, structure: Structure, meaning: _Meaning, depth: Depth) -> Raster:
    samples = read_samples(directory, structure)
    if structure.sample_format == SIGNED:
        # The declared range is the full scale, so the lowest value is black and nothing is cut.
        unsigned = samples.view(samples.dtype.str.replace("i", "u"))
        samples = unsigned ^ unsigned.dtype.type(1 << (structure.bits - 1))
    colors = samples[..., : meaning.colors]
    alpha = None if meaning.alpha is None else samples[..., meaning.alpha]
    if alpha is not None and meaning.premultiplied:
        colors = _divided(colors, alpha, structure)
    if meaning.photometric == _PALETTE:
        raster = _looked_up(directory, colors[..., 0], structure)
    else:
        raster = _colored(colors, structure, meaning, depth)
    if alpha is None:
        return raster
    return Raster(raster.samples, raster.space, _eight_bits(alpha, structure))


def _eight_bits(samples: Array, structure: Structure, depth: Depth = "full") -> Array:
    if structure.sample_format == FLOAT:
        return floats_to_eight_bits(samples, depth)
    zero = 1 << (structure.bits - 1) if structure.sample_format == SIGNED else 0
    return integers_to_eight_bits(samples, structure.bits, depth, zero=zero)


def _divided(colors: Array, alpha: Array, structure: Structure) -> Array:
    """Take premultiplied alpha out of the colors, in full depth."""
    if structure.sample_format != FLOAT:
        return unpremultiplied(colors, alpha, 2**structure.bits - 1)
    share = alpha[..., np.newaxis]
    return np.where(share > 0, colors / np.where(share > 0, share, 1), 0)


def _looked_up(directory: Directory, indices: Array, structure: Structure) -> Raster:
    stored = np.array(directory.numbers(Tag.COLOR_MAP), np.uint16)
    if (
        structure.sample_format == FLOAT
        or structure.bits > 16
        or len(stored) < 3 * 2**structure.bits
    ):
        raise DecodeError(f"corrupt TIFF: palette of {len(stored):,} values")
    # 16 bits; but some writers fill it with 8-bit values, and libtiff looks at it the same way.
    palette = stored.astype(np.uint8) if stored.max() < 256 else to_eight_bits(stored, 16)
    return from_palette(indices, palette[: 3 * 2**structure.bits].reshape(3, -1).T)


def _colored(colors: Array, structure: Structure, meaning: _Meaning, depth: Depth) -> Raster:
    if meaning.photometric in (_CIELAB, _ICCLAB):
        return Raster(_lab(colors, structure, signed=meaning.photometric == _CIELAB), "rgb")
    if meaning.photometric in (_YCBCR, _INKS):
        depth = "full"
    eight = _eight_bits(colors, structure, depth)
    # JPEG and WebP chunks come as RGB already.
    if meaning.photometric == _YCBCR and not structure.self_contained:
        return Raster(by_bands(ycbcr_to_rgb, eight), "rgb")
    if meaning.photometric == _WHITE_IS_ZERO:
        return Raster(255 - eight[..., 0], "gray")
    if meaning.colors == 1:
        return Raster(eight[..., 0], "gray")
    space: Space = "cmyk" if meaning.photometric == _INKS else "rgb"
    return Raster(eight, space)


def _lab(colors: Array, structure: Structure, *, signed: bool) -> Array:
    """Lab of 8 or 16 bits to sRGB.

    Chroma is signed in CIELAB, and offset in ICCLAB; in 16 bits, 256 make a unit.
    """
    if structure.bits not in (8, 16) or structure.sample_format == FLOAT:
        raise UnsupportedError(f"Lab TIFF of {structure.bits} bits; 8 and 16 are supported")
    top, unit = 2**structure.bits - 1, 2 ** (structure.bits - 8)
    numbers = colors.astype(np.int32)
    if signed:
        # Two's complement: what is above half is negative.
        numbers[..., 1:] -= (numbers[..., 1:] > top // 2) * (top + 1)
    else:
        numbers[..., 1:] -= 128 * unit
    return lab_to_srgb(numbers, scale=(100 / top, 1 / unit))
