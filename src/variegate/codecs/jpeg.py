"""JPEG: the header by our own scan, the pixels by libjpeg-turbo (simplejpeg), strictly."""

import functools
import io
import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NoReturn

import cv2
import numpy as np
import simplejpeg
from PIL import JpegImagePlugin

from variegate.codecs.color import BROKEN_PROFILE
from variegate.codecs.exif import orientation_of
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, Space
from variegate.errors import DecodeError, LimitError, UnsupportedError

# Sampling factors, first component over the others, that TurboJPEG takes.
_USUAL_SAMPLING = {(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (1, 4)}
# No encoder writes more than some dozens. Each costs a pass over all coefficients.
_MAX_SCANS = 1000
ADOBE = 0xEE
_APP2 = 0xE2
_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda..[\1-\4]", re.DOTALL)
_PROGRESSIVE = 0xC2
_ARITHMETIC = (0xC9, 0xCA)
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


@dataclass
class _Header:
    """What the segments before the pixels say."""

    frame: int = 0
    precision: int = 0
    height: int = 0
    width: int = 0
    # (horizontal, vertical) sampling factors
    components: list[tuple[int, int]] = field(default_factory=list)
    orientation: int = 1
    adobe_transform: int | None = None
    # (number, how many there are, content) of each part of the profile
    icc: list[tuple[int, int, bytes]] = field(default_factory=list)
    # (marker, start, stop) of each segment
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    scan_at: int = 0
    ended: bool = False

    @property
    def profile(self) -> bytes | None:
        """The ICC profile; None where its parts do not make one."""
        parts = sorted(self.icc)
        sound = [(number, len(parts)) for number in range(1, len(parts) + 1)]
        if [part[:2] for part in parts] != sound:
            return None
        return b"".join(content for _, _, content in parts) or None

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it and harms no pixel."""
        broken = self.icc and self.profile is None
        return (
            *((BROKEN_PROFILE,) if broken else ()),
            *(() if self.ended else ("its end mark is missing",)),
        )


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a JPEG.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: it has 12 or 16 bits a sample, or 2 components.
    """
    header = _scan(data)
    if not header.frame:
        raise DecodeError(f"truncated JPEG (the {len(data):,} bytes end before its size is told)")
    limits.check_size(header.height, header.width, "JPEG")
    if header.precision != 8:
        raise UnsupportedError(
            f"JPEG with {header.precision} bits a sample is not supported; convert it to 8 bits"
        )
    if len(header.components) not in (1, 3, 4):
        raise UnsupportedError(
            f"JPEG with {len(header.components)} components; 1, 3 and 4 are supported"
        )
    if not header.scan_at:
        raise DecodeError(f"truncated JPEG (the {len(data):,} bytes end before its pixels)")
    usual = _usual_sampling(header.components)
    load = functools.partial(_load if usual else _load_with_pillow, data, header)
    return Parsed(
        height=header.height,
        width=header.width,
        load=load,
        orientation=header.orientation,
        profile=lambda: header.profile,
        reduced=load if usual else None,
        faults=header.faults,
        inks=len(header.components) == 4,
    )


def segments(data: bytes) -> list[tuple[int, int, int]]:
    """Return marker, start and stop of each segment before the pixels."""
    return _scan(data).segments


def _scan(data: bytes) -> _Header:
    """Walk over the segments up to the first scan."""
    header = _Header()
    at, end = 2, len(data) - 4
    while at <= end:
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        if marker == 0xDA:
            header.scan_at = at
            header.ended = data.rfind(_END, at) >= 0
            break
        length = (data[at + 2] << 8) + data[at + 3]
        _read_segment(header, marker, data, at + 4, at + 2 + length)
        header.segments.append((marker, at, at + 2 + length))
        at += 2 + length
    return header


def _read_segment(header: _Header, marker: int, data: bytes, at: int, stop: int) -> None:
    if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
        if header.frame or stop - at < 9 or stop > len(data):
            raise DecodeError("corrupt JPEG: a broken or second frame header")
        header.frame = marker
        header.precision, header.height, header.width, count = struct.unpack_from(">BHHB", data, at)
        factors = data[at + 7 : min(stop, at + 6 + 3 * count) : 3]
        header.components = [(factor >> 4, factor & 15) for factor in factors]
        if len(factors) != count or not all(h and v for h, v in header.components):
            raise DecodeError("corrupt JPEG: a broken frame header")
    elif marker == 0xE1 and data.startswith(b"Exif\0", at):
        if header.orientation == 1:
            header.orientation = orientation_of(data[at:stop])
    elif marker == _APP2 and data.startswith(b"ICC_PROFILE\0", at) and stop >= at + 14:
        header.icc.append((data[at + 12], data[at + 13], data[at + 14 : stop]))
    elif marker == ADOBE and data.startswith(b"Adobe", at) and stop >= at + 12:
        header.adobe_transform = data[at + 11]


def _usual_sampling(components: list[tuple[int, int]]) -> bool:
    """Whether TurboJPEG knows the subsampling (a single component has none)."""
    if len(components) == 1:
        return True
    (h, v), others = components[0], components[1:]
    if len(components) == 4:
        others = components[1:3]
        if components[3] != components[0]:
            return False
    if len(set(others)) != 1:
        return False
    return (h, v) in _USUAL_SAMPLING and others[0] == (1, 1)


def _load(data: bytes, header: _Header, reduce: int = 1) -> Raster:
    _check_plausible(data, header)
    # Below 16 pixels several scales give the same size, and TurboJPEG would take the smallest.
    tiny = reduce > 1 and min(header.height, header.width) < 16
    factor = 1 if tiny else reduce
    space = {1: "GRAY", 3: "RGB", 4: "CMYK"}[len(header.components)]
    size = (-(-header.height // factor), -(-header.width // factor))
    if header.ended:
        samples = _decode_strictly(data, space, *size)
    else:
        samples = _decode_without_end(data, header, space, *size)
    if tiny:
        size = (-(-header.width // reduce), -(-header.height // reduce))
        samples = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
    return _raster(samples, header)


def _raster(samples: Array, header: _Header) -> Raster:
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[:, :, 0]
    space: Space = "gray" if samples.ndim == 2 else "rgb"
    if len(header.components) == 4:
        space = "cmyk"
        # Adobe stores ink inverted, and whoever writes its marker does the same.
        samples = 255 - samples if header.adobe_transform is not None else samples
    return Raster(samples, space)


def _decode_without_end(data: bytes, header: _Header, space: str, height: int, width: int) -> Array:
    """Decode what only its end mark is missing of; where pixels are missing too, that is an error.

    libjpeg complains of every bit that it has to make up, and of bytes that are left over: none of
    either, and the data end where the pixels end.
    """
    # A lone 0xFF may have been the beginning of more; arithmetic codes go on for ever.
    cut = data.endswith(b"\xff") or header.frame in _ARITHMETIC
    if not cut and _scans_are_whole(data, header):
        with suppress(DecodeError):
            return _decode_strictly(data + _END, space, height, width, padding=False)
    raise _truncated(data)


def _scans_are_whole(data: bytes, header: _Header) -> bool:
    """Whether the scans bring every coefficient of every component, to its last bit."""
    brought = set()
    for found in _SCAN.finditer(data, header.scan_at):
        at = found.start() + 5
        count = data[at - 1]
        components, at = data[at : at + 2 * count : 2], at + 2 * count
        first, last, bits = (0, 63, 0)
        if header.frame == _PROGRESSIVE:
            first, last, bits = data[at], data[at + 1], data[at + 2]
        if bits & 15 == 0:
            brought |= {(one, place) for one in components for place in range(first, last + 1)}
    return len(brought) == 64 * len(header.components)


def _decode_strictly(
    data: bytes, space: str, height: int, width: int, *, padding: bool = True
) -> Array:
    """Decode with every complaint of libjpeg an error, but for four that harm no pixel.

    Args:
        data: the file.
        space: as simplejpeg calls what comes out.
        height, width: at least this many pixels; less than in the file for a smaller copy.
        padding: whether there may be some before the end mark.
    """
    for _ in range(4):
        try:
            samples: Array = simplejpeg.decode_jpeg(
                data, space, min_height=height, min_width=width, strict=True
            )
        except ValueError as complaint:
            repaired = _repair(data, str(complaint), padding=padding)
            if repaired is None:
                _raise(data, str(complaint), complaint)
            data = repaired
        else:
            return samples
    raise DecodeError("corrupt JPEG: several contradictions in its header")


def _raise(data: bytes, complaint: str, cause: Exception) -> NoReturn:
    if "Premature end" in complaint:
        raise _truncated(data) from cause
    raise DecodeError(f"corrupt JPEG: {complaint.removeprefix('Corrupt JPEG data: ')}") from cause


def _truncated(data: bytes) -> DecodeError:
    return DecodeError(f"truncated JPEG (it ends after {len(data):,} bytes)")


def without_segments(data: bytes, *markers: int) -> bytes:
    """Return a JPEG without the segments of some kinds that stand before its pixels."""
    kept, at = [], 0
    for marker, start, stop in _scan(data).segments:
        if marker in markers:
            kept.append(data[at:start])
            at = stop
    return b"".join((*kept, data[at:]))


def _repair(data: bytes, complaint: str, *, padding: bool) -> bytes | None:
    """Take away what libjpeg complained about, if it harms no pixel; None if it does.

    Then the whole is decoded again, strictly: no other fault hides behind the first.
    """
    if found := _EXTRANEOUS.search(complaint):
        # Some cameras pad the scan. Other leftovers are a sign of broken data before them.
        end = data.rfind(b"\xff\xd9")
        surplus = data[end - int(found[1]) : end]
        harmless = padding and not surplus.strip(b"\0\xff")
        return data[: end - len(surplus)] + data[end:] if harmless else None
    if "Invalid SOS parameters for sequential" in complaint:
        # Samsung cameras write them so; only progressive scans have a use for them.
        at = _scan(data).scan_at
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        return data[: stop - 3] + b"\0\x3f\0" + data[stop:]
    if "bad ICC marker" in complaint:
        return without_segments(data, _APP2)
    if "unknown JFIF revision" in complaint:
        at = data.find(b"JFIF\0") + 5
        return data[:at] + b"\x01\x01" + data[at + 2 :]
    return None


def _check_plausible(data: bytes, header: _Header) -> None:
    """Refuse, before memory is asked for, files too small for the pixels that they claim."""
    if header.frame not in _ARITHMETIC:
        # Each 8 x 8 block of the finest component takes one bit or more in Huffman code.
        widest = max(h for h, _ in header.components)
        tallest = max(v for _, v in header.components)
        blocks = max(
            -(-header.width * h // (8 * widest)) * -(-header.height * v // (8 * tallest))
            for h, v in header.components
        )
        if blocks > 8 * (len(data) - header.scan_at):
            raise DecodeError(
                f"truncated JPEG ({len(data):,} bytes are too few for"
                f" {header.width:,} x {header.height:,} pixels)"
            )
    if header.frame in (0xC2, 0xC6, 0xCA) and data.count(b"\xff\xda") > _MAX_SCANS:
        raise LimitError(f"JPEG with more than {_MAX_SCANS:,} scans")


def _load_with_pillow(data: bytes, header: _Header) -> Raster:
    """Decode a subsampling that TurboJPEG does not know. Pillow notices truncation only."""
    _check_plausible(data, header)
    if not header.ended:
        raise _truncated(data)
    # Pillow reads metadata too, and warns of faults in them.
    parts = [
        data[start:stop]
        for marker, start, stop in header.segments
        if marker == ADOBE or not (0xE0 <= marker <= 0xEF or marker == 0xFE)
    ]
    clean = b"".join((b"\xff\xd8", *parts, data[header.scan_at :]))
    with JpegImagePlugin.JpegImageFile(io.BytesIO(clean)) as image:
        image.load()
        samples = np.asarray(image)
    # Pillow has turned Adobe's inks round already.
    return _raster(samples, replace(header, adobe_transform=None))
