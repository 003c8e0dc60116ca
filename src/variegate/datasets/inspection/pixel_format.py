"""How deep an image is and what its channels are, told by its header."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from variegate.codecs.limits import Limits
from variegate.codecs.tiff.directory import Tag, read_directories
from variegate.errors import ImageError

_LIMITS = Limits()
_BY_COUNT = {1: "gray", 2: "gray and alpha", 3: "RGB", 4: "RGBA"}
_PNG_CHANNELS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray and alpha", 6: "RGBA"}
_TIFF_CHANNELS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "RGB", 8: "Lab"}
_WITH_ALPHA = {"gray": "gray and alpha", "RGB": "RGBA"}
# Frame headers of JPEG; 0xC4, 0xC8 and 0xCC are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_CMYK_JP2 = re.compile(rb"colr\x01..\0\0\0\x0c", re.DOTALL)
_PIXI = re.compile(rb"pixi\0\0\0\0([\x01-\x04])(.)", re.DOTALL)
_AV1 = re.compile(rb"av1C..(.)", re.DOTALL)
_PNM = re.compile(rb"P([1-6Ff])(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d*)")


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What a header says of an image's pixels.

    Attributes:
        bits: a channel.
        channels: "gray", "RGB", "RGBA", "palette", "CMYK", ...
    """

    bits: int
    channels: str


def pixel_format_of(kind: str, data: bytes) -> PixelFormat | None:
    """Return what an image's beginning, up to the end of its header, says; None if it does not.

    Args:
        kind: as `variegate.codecs.probe` tells it.
        data: of the file.
    """
    reader = _READERS.get(kind)
    try:
        return reader(data) if reader else None
    except (ImageError, IndexError, ValueError):
        return None


def _jpeg(data: bytes) -> PixelFormat | None:
    at = 2
    while at + 9 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1
        elif marker in _FRAMES:
            channels = {1: "gray", 4: "CMYK"}.get(data[at + 9], "RGB")
            return PixelFormat(data[at + 4], channels)
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            at += 2 + (0 if marker in _WITHOUT_LENGTH else length)
    return None


def _png(data: bytes) -> PixelFormat | None:
    channels = _PNG_CHANNELS.get(data[25], "gray")
    if b"tRNS" in data[: max(0, data.find(b"IDAT"))]:
        channels = _WITH_ALPHA.get(channels, channels)
    return PixelFormat(data[24], channels)


def _tiff(data: bytes) -> PixelFormat | None:
    directory, _ = read_directories(data, _LIMITS)
    bits = max(directory.numbers(Tag.BITS, (1,)))
    samples = directory.number(Tag.SAMPLES, 1)
    channels = _TIFF_CHANNELS.get(directory.number(Tag.PHOTOMETRIC, 1), f"{samples} channels")
    if directory.numbers(Tag.EXTRA_SAMPLES, (0,))[0] in (1, 2):
        channels = _WITH_ALPHA.get(channels, channels)
    return PixelFormat(bits, channels)


def _webp(data: bytes) -> PixelFormat | None:
    alpha = (data[12:16] == b"VP8X" and data[20] & 0x10) or (
        data[12:16] == b"VP8L" and data[24] & 0x10
    )
    return PixelFormat(8, "RGBA" if alpha else "RGB")


def _bmp(data: bytes) -> PixelFormat | None:
    old = int.from_bytes(data[14:18], "little") == 12
    bits = int.from_bytes(data[24:26] if old else data[28:30], "little")
    return PixelFormat(8, "palette" if bits <= 8 else "RGBA" if bits == 32 else "RGB")


def _tga(data: bytes) -> PixelFormat | None:
    form = {1: "palette", 2: "RGB", 3: "gray"}[data[2] & 3]
    alpha = form == "RGB" and data[16] == 32
    return PixelFormat(8, "RGBA" if alpha else form)


def _pnm(data: bytes) -> PixelFormat | None:
    found = _PNM.match(data)
    if not found:
        return None
    form = found[1].decode()
    if form in "Ff":
        return PixelFormat(32, "RGB" if form == "F" else "gray")
    channels = "RGB" if form in "36" else "gray"
    return PixelFormat(1 if form in "14" else int(found[2]).bit_length(), channels)


def _jp2(data: bytes) -> PixelFormat | None:
    at = data.find(b"ihdr")
    # In a bare codestream the number of components stands behind eight sizes.
    count, depth = (at + 12, at + 14) if at >= 0 else (40, 42)
    channels = _BY_COUNT.get(int.from_bytes(data[count : count + 2], "big"), "many channels")
    if _CMYK_JP2.search(data):
        channels = "CMYK"
    return PixelFormat((data[depth] & 0x7F) + 1, channels) if data[depth] != 0xFF else None


def _isobmff(data: bytes) -> PixelFormat | None:
    alpha = b"auxiliary:alpha" in data or b"auxid:1" in data
    # Alpha is an image of its own, of one channel.
    most = max(((n[0], b[0]) for n, b in _PIXI.findall(data)), default=None)
    if most is None:
        found = _AV1.search(data)
        if not found:
            return None
        flags = found[1][0]
        bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
        most = (1 if flags & 0x10 else 3, bits)
    channels = _BY_COUNT[most[0]]
    return PixelFormat(most[1], _WITH_ALPHA.get(channels, channels) if alpha else channels)


_READERS: dict[str, Callable[[bytes], PixelFormat | None]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
    "webp": _webp,
    "gif": lambda _: PixelFormat(8, "palette"),
    "bmp": _bmp,
    "tga": _tga,
    "ppm": _pnm,
    "jp2": _jp2,
    "avif": _isobmff,
    "heif": _isobmff,
}
