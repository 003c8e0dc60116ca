"""TIFF files of any layout, written from the specification, to check the reader against."""

import struct
import zlib
from collections.abc import Iterable

import numpy as np

_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}


def tiff(
    chunks: list[bytes],
    *,
    size: tuple[int, int],
    bits: int = 8,
    samples: int = 1,
    order: str = "<",
    big: bool = False,
    tags: dict[int, tuple[int, Iterable[int]]] | None = None,
) -> bytes:
    """A file of one directory; `tags` are (type, values), and come over the usual ones."""
    offsets, at, body = [], 16, b""
    for chunk in chunks:
        offsets.append(at + len(body))
        body += chunk + b"\0" * (len(chunk) % 2)
    all_tags: dict[int, tuple[int, Iterable[int]]] = {
        256: (4, [size[1]]),
        257: (4, [size[0]]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [1 if samples < 3 else 2]),
        273: (4, offsets),
        277: (3, [samples]),
        278: (4, [-(-size[0] // len(chunks))]),
        279: (4, [len(chunk) for chunk in chunks]),
    }
    all_tags |= tags or {}
    if 322 in all_tags:
        all_tags[324], all_tags[325] = all_tags.pop(273), all_tags.pop(279)
        del all_tags[278]
    directory_at = at + len(body)
    entry, room, offset = ("HHQ", 8, "Q") if big else ("HHI", 4, "I")
    values_at = directory_at + (8 if big else 2) + len(all_tags) * (20 if big else 12) + room
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(all_tags.items()):
        numbers = list(numbers)
        packed = struct.pack(f"{order}{len(numbers)}{_LETTERS[kind]}", *numbers)
        entries += struct.pack(order + entry, tag, kind, len(numbers))
        if len(packed) <= room:
            entries += packed.ljust(room, b"\0")
        else:
            entries += struct.pack(order + offset, values_at + len(values))
            values += packed
    mark = b"II" if order == "<" else b"MM"
    if big:
        start = mark + struct.pack(order + "HHHQ", 43, 8, 0, directory_at)
        count = struct.pack(order + "Q", len(all_tags))
    else:
        start = (mark + struct.pack(order + "HI", 42, directory_at)).ljust(16, b"\0")
        count = struct.pack(order + "H", len(all_tags))
    return start + body + count + entries + bytes(room) + values


def packed_bits(samples: np.ndarray, bits: int) -> bytes:
    """Rows of samples of any number of bits, each row filled up to a byte."""
    rows = []
    for row in samples.reshape(samples.shape[0], -1):
        text = "".join(f"{int(value):0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


def lzw(data: bytes) -> bytes:
    """TIFF's LZW, with nothing but single bytes and clear codes: 9 bits each."""
    text = ""
    for at in range(0, len(data), 200):
        text += f"{256:09b}" + "".join(f"{value:09b}" for value in data[at : at + 200])
    text += f"{257:09b}"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def packbits(data: bytes) -> bytes:
    parts = [data[at : at + 128] for at in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)
