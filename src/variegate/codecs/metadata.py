"""Files without what is said about their image: place, camera, time, thumbnails, comments.

Only what decides the pixels stays; none of them is touched. Nothing stays behind the end of the
image either, where telephones put second images and videos. Color profiles go, too: this is for
files that are sRGB, as `is_plain` says.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from variegate.errors import ShapeError

_STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_SCAN, _END, _COMMENT, _ADOBE, _FIRST_APP = 0xDA, 0xD9, 0xFE, 0xEE, 0xE0
# In coded pixels 0xFF stands before 0 (it is a value itself), before a restart mark, or it fills.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
_MOST_SEGMENT_BYTES = 65_533


def without_metadata(data: bytes, kind: str) -> bytes:
    """Return a JPEG or PNG file with nothing in it but what its pixels need.

    Args:
        data: a whole, sound file.
        kind: "jpeg" or "png".

    Raises:
        ShapeError: it is of another kind.
    """
    if kind == "jpeg":
        return b"".join(_jpeg_parts(data))
    if kind == "png":
        return b"".join((_SIGNATURE, *(part for name, part in _chunks(data) if _is_needed(name))))
    raise ShapeError(f"kind: expected jpeg or png, got {kind!r}")


def with_exif(data: bytes, kind: str, original: bytes) -> bytes:
    """Return a file with the EXIF data of the one it was made from, which says upright now.

    Args:
        data: without metadata.
        kind: "jpeg" or "png".
        original: a file of any kind.
    """
    exif = _upright_exif(original)
    if not exif:
        return data
    if kind == "png":
        body = b"eXIf" + exif.removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        header_end = len(_SIGNATURE) + 25
        return data[:header_end] + chunk + data[header_end:]
    if len(exif) > _MOST_SEGMENT_BYTES:
        return data
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return data[:2] + segment + data[2:]


def _upright_exif(data: bytes) -> bytes:
    """Return the EXIF data of a file; b"" where there is none, or it cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            if not exif:
                return b""
            if _ORIENTATION in exif:
                exif[_ORIENTATION] = 1
            return exif.tobytes()
    except Exception:  # noqa: BLE001 - whatever is wrong with a block that only adds
        return b""


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0xFF, 0x00) or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _END:
            yield data[at : at + 2]
            return
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            # The coded pixels follow, up to the next marker.
            found = _MARKER.search(data, stop)
            stop = found.start() if found else len(data)
        if _is_part_of_pixels(marker, data[at + 4 : at + 9]):
            yield data[at:stop]
        at = stop


def _is_part_of_pixels(marker: int, begin: bytes) -> bool:
    if marker == _FIRST_APP:
        return begin == b"JFIF\0"
    return marker == _ADOBE or not (_FIRST_APP <= marker <= 0xEF or marker == _COMMENT)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        yield name, data[at:stop]
        if name == b"IEND":
            return
        at = stop


def _is_needed(name: bytes) -> bool:
    # The fifth bit of the first letter tells a chunk that must be understood.
    return name == b"tRNS" or not name[0] & 0x20
