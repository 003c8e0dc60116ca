"""PBM, PGM, PPM, PAM and PFM, read here in full."""

import functools
import re
from dataclasses import dataclass

import numpy as np

from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array, Parsed, Raster, float_to_eight_bits
from variegate.errors import DecodeError, UnsupportedError

# Comments may stand between any two words of the header.
_GAP = rb"(?:\s+|#[^\n\r]*[\n\r])+"
_PNM = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})")
_MAXIMUM = re.compile(_GAP + rb"(\d{1,10})")
_PFM = re.compile(rb"P([Ff])\s+(\d{1,10})\s+(\d{1,10})\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s")
_PAM = re.compile(rb"P7\s((?:[^\n]{0,200}\n){0,50}?)ENDHDR\n")
_PIECE_BYTES = 2**20
_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789 \t\n\v\f\r"))


@dataclass(frozen=True)
class _Header:
    """Attributes: channels count alpha in; start is the offset of the pixels."""

    form: str
    height: int
    width: int
    channels: int
    maximum: int
    start: int
    scale: float = 1.0


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a PNM, PAM or PFM picture.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: a PAM of more than 4 channels.
    """
    if data.startswith(b"P7"):
        header = _read_pam(data)
    elif data[:2] in (b"PF", b"Pf"):
        header = _read_pfm(data)
    else:
        header = _read_pnm(data)
    limits.check_size(header.height, header.width, "PNM")
    return Parsed(
        height=header.height, width=header.width, load=functools.partial(_load, data, header)
    )


def _read_pnm(data: bytes) -> _Header:
    found = _PNM.match(data)
    if not found:
        raise DecodeError("corrupt PNM: no width and height in its header")
    form, end, maximum = found[1].decode(), found.end(), 1
    if form not in "14":
        last = _MAXIMUM.match(data, end)
        if not last or not 0 < int(last[1]) < 65536:
            raise DecodeError("corrupt PNM: its largest value is not within 1 to 65,535")
        maximum, end = int(last[1]), last.end()
    # One white space after the header; in the forms written in digits it does not matter.
    channels = 3 if form in "36" else 1
    return _Header(form, int(found[3]), int(found[2]), channels, maximum, end + 1)


def _read_pfm(data: bytes) -> _Header:
    found = _PFM.match(data)
    if not found:
        raise DecodeError("corrupt PFM: no width, height and scale in its header")
    channels = 3 if found[1] == b"F" else 1
    return _Header("f", int(found[3]), int(found[2]), channels, 1, found.end(), float(found[4]))


def _read_pam(data: bytes) -> _Header:
    found = _PAM.match(data)
    if not found:
        raise DecodeError("corrupt PAM: its header does not end")
    words = {}
    for line in found[1].splitlines():
        name, _, value = line.partition(b" ")
        words[name] = value.strip()
    numbers = [words.get(name, b"") for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    if not all(value.isdigit() and len(value) <= 10 for value in numbers):
        raise DecodeError("corrupt PAM: WIDTH, HEIGHT, DEPTH or MAXVAL is missing in its header")
    width, height, channels, maximum = map(int, numbers)
    if not 0 < maximum < 65536:
        raise DecodeError("corrupt PAM: MAXVAL is not within 1 to 65,535")
    if not 1 <= channels <= 4:
        raise UnsupportedError(f"PAM of {channels} channels; 1 to 4 are read")
    return _Header("7", height, width, channels, maximum, found.end())


def _load(data: bytes, header: _Header, reduce: int) -> Raster:  # noqa: ARG001 - always 1
    shape: tuple[int, ...] = (header.height, header.width)
    if header.channels > 1:
        shape = (*shape, header.channels)
    if header.form == "f":
        samples = _floats(data, header).reshape(shape)[::-1]
        return Raster(float_to_eight_bits(samples), "gray" if header.channels == 1 else "rgb")
    if header.form == "4":
        row_bytes = -(-header.width // 8)
        rows = np.frombuffer(_stored(data, header, header.height * row_bytes), np.uint8)
        bits = np.unpackbits(rows.reshape(header.height, row_bytes), axis=1, count=header.width)
        # 1 is black.
        return Raster(np.where(bits, np.uint8(0), np.uint8(255)), "gray")
    if header.form in "123":
        values = _written_numbers(data, header)
    else:
        size = 2 if header.maximum > 255 else 1
        count = header.height * header.width * header.channels
        values = np.frombuffer(_stored(data, header, count * size), f">u{size}")
    return _raster(_scaled(values, header.maximum).reshape(shape))


def _raster(samples: Array) -> Raster:
    if samples.ndim == 2:
        return Raster(samples, "gray")
    if samples.shape[2] == 2:
        return Raster(samples[..., 0], "gray", samples[..., 1])
    alpha = samples[..., 3] if samples.shape[2] == 4 else None
    return Raster(samples[..., :3], "rgb", alpha)


def _stored(data: bytes, header: _Header, size: int) -> memoryview:
    if header.start + size > len(data):
        raise DecodeError(f"truncated PNM ({len(data):,} of {header.start + size:,} bytes)")
    return memoryview(data)[header.start : header.start + size]


def _scaled(values: Array, maximum: int) -> Array:
    """v * 255 / maximum, rounded; the table is small, whatever the picture's size."""
    if maximum == 255 and values.dtype.itemsize == 1:
        return values
    known = np.minimum(np.arange(2 ** (8 * min(values.dtype.itemsize, 2))), maximum)
    table = ((known * 255 + maximum // 2) // maximum).astype(np.uint8)
    return table[np.minimum(values, len(table) - 1)]


def _floats(data: bytes, header: _Header) -> Array:
    order = "<" if header.scale < 0 else ">"
    count = header.height * header.width * header.channels
    return np.frombuffer(_stored(data, header, count * 4), order + "f4")


def _written_numbers(data: bytes, header: _Header) -> Array:
    """The forms with decimal digits; in a bitmap they need no space between them."""
    count = header.height * header.width * header.channels
    # Room for any sensible spacing: memory follows the picture, and not the file.
    body = data[header.start - 1 : header.start + 16 * count + 2**20]
    body = re.sub(rb"#[^\n\r]*", b"", body)
    if body.translate(None, _NOT_DIGITS) != body:
        raise DecodeError("corrupt PNM: something else than numbers among its pixels")
    if header.form == "1":
        digits = np.frombuffer(body.translate(None, b" \t\n\v\f\r"), np.uint8)
        values = 1 - np.minimum(digits - ord("0"), 1)
    else:
        values = _numbers(body, count)
    if len(values) < count:
        raise DecodeError(f"truncated PNM ({len(values):,} of {count:,} values)")
    return values[:count].astype(np.uint16)


def _numbers(body: bytes, count: int) -> Array:
    """The first `count` numbers, or as many as there are; a piece at a time, to save memory."""
    parts, found, at = [], 0, 0
    while found < count and at < len(body):
        end = min(at + _PIECE_BYTES, len(body))
        while end < len(body) and body[end] in b"0123456789":
            end += 1
        # Not with its `count`: it would fill up what is missing with anything.
        numbers = np.fromstring(body[at:end], np.int64, sep=" ")
        parts.append(np.minimum(numbers, 65535).astype(np.uint16))
        found, at = found + len(numbers), end
    return np.concatenate(parts) if parts else np.zeros(0, np.uint16)
