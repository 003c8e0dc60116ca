"""The box structure that AVIF and HEIF share (ISO base media file format, ISO/IEC 23008-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from variegate.codecs.limits import Limits
from variegate.errors import DecodeError, LimitError

_MAX_BOXES = 100_000


@dataclass
class Container:
    """What a file says about its images.

    Attributes:
        data: the file.
        primary: number of the item that is the image.
        kinds: item to type, for example b"av01" or b"grid".
        properties: (type, body) of each property, in file order.
        associated: item to indices into properties, from 1.
        places: item to (method, [(offset, length)]); length 0 goes on to the end.
        item_data_at: offset of the box that method 1 counts from.
        frames: samples of the longest track, 0 without one.
    """

    data: bytes
    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    associated: dict[int, list[int]] = field(default_factory=dict)
    places: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    item_data_at: int = 0
    frames: int = 0

    def find(self, item: int, kind: bytes) -> Iterator[bytes]:
        """The bodies of an item's properties of a kind."""
        for index in self.associated.get(item, ()):
            if 0 < index <= len(self.properties) and self.properties[index - 1][0] == kind:
                yield self.properties[index - 1][1]

    def size(self, item: int) -> tuple[int, int]:
        """Height and width that are declared for an item, before it is turned; 0, 0 without one."""
        body = next(self.find(item, b"ispe"), b"")
        if len(body) < 12:
            return 0, 0
        width, height = struct.unpack_from(">II", body, 4)
        return height, width

    def profile(self, item: int) -> bytes | None:
        """An item's ICC profile."""
        bodies = self.find(item, b"colr")
        return next((body[4:] for body in bodies if body[:4] in (b"prof", b"rICC")), b"") or None

    def is_gray(self, item: int) -> bool:
        """Whether an item is declared to have a single channel."""
        return next(self.find(item, b"pixi"), b"")[4:5] == b"\x01"

    def content(self, item: int) -> bytes:
        """The coded bytes of an item."""
        method, extents = self.places.get(item, (0, []))
        start = self.item_data_at if method == 1 else 0
        size = len(self.data)
        # Extents may overlap: a small file could claim any amount.
        if sum(length for _, length in extents) > size:
            raise DecodeError(f"truncated file ({size:,} bytes, its image claims more)")
        parts = []
        for offset, length in extents:
            at = start + offset
            if at + length > size:
                raise DecodeError(f"truncated file ({size:,} of {at + length:,} bytes)")
            parts.append(self.data[at : at + length] if length else self.data[at:])
        return b"".join(parts)


def read_container(data: bytes, limits: Limits, what: str) -> Container:
    """Read the boxes, and check every size that is declared in them.

    Raises:
        DecodeError: there is no image in them.
        LimitError: an image, tile or number of frames is larger than the limits.
    """
    container = Container(data)
    for kind, at, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            _read_meta(container, at + 4, end)
        elif kind == b"moov":
            container.frames = _longest_track(data, at, end)
    if container.primary not in container.kinds:
        raise DecodeError(f"truncated or corrupt {what}: no image is declared in it")
    for kind, body in container.properties:
        if kind == b"ispe" and len(body) >= 12:
            width, height = struct.unpack_from(">II", body, 4)
            limits.check_size(height, width, what)
    limits.check_frames(container.frames, what)
    return container


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the body of each box; the last may be cut off."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        stop = end if size == 0 else at + size
        if stop < start:
            return
        yield kind, start, min(stop, end)
        at = stop
    raise LimitError(f"more than {_MAX_BOXES:,} boxes in one")


def _read_meta(container: Container, at: int, end: int) -> None:
    data = container.data
    for kind, start, stop in _boxes(data, at, end):
        body = data[start:stop]
        if kind == b"pitm":
            container.primary = _Reader(body, 4).take(2 if body[0] == 0 else 4)
        elif kind == b"iinf":
            _read_items(container, body)
        elif kind == b"iloc":
            _read_places(container, body)
        elif kind == b"idat":
            container.item_data_at = start
        elif kind == b"iprp":
            for inner, first, last in _boxes(data, start, stop):
                if inner == b"ipco":
                    container.properties += [
                        (name, data[a:b]) for name, a, b in _boxes(data, first, last)
                    ]
                elif inner == b"ipma":
                    _read_associations(container, data[first:last])


class _Reader:
    """Big-endian integers, one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, size: int) -> int:
        """The next integer of `size` bytes; none has the value 0."""
        if self.at + size > len(self.data):
            raise DecodeError("corrupt file: a box ends too early")
        value = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.at += size
        return value


def _read_items(container: Container, body: bytes) -> None:
    start = 6 if body[0] == 0 else 8
    for kind, at, end in _boxes(body, start, len(body)):
        if kind == b"infe" and end - at >= 12 and body[at] in (2, 3):
            reader = _Reader(body, at + 4)
            item = reader.take(2 if body[at] == 2 else 4)
            container.kinds[item] = body[reader.at + 2 : reader.at + 6]


def _read_places(container: Container, body: bytes) -> None:
    version, reader = body[0], _Reader(body, 4)
    sizes = reader.take(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(reader.take(2 if version < 2 else 4)):
        item = reader.take(2 if version < 2 else 4)
        method = reader.take(2) & 15 if version else 0
        reader.take(2)
        base = reader.take(base_size)
        extents = []
        for _ in range(reader.take(2)):
            reader.take(index_size)
            offset = base + reader.take(offset_size)
            extents.append((offset, reader.take(length_size)))
        container.places[item] = (method, extents)


def _read_associations(container: Container, body: bytes) -> None:
    version, wide, reader = body[0], body[3] & 1, _Reader(body, 4)
    for _ in range(reader.take(4)):
        item = reader.take(2 if version < 1 else 4)
        # The highest bit tells a property that must be understood.
        container.associated[item] = [
            reader.take(2) & 0x7FFF if wide else reader.take(1) & 0x7F
            for _ in range(reader.take(1))
        ]


def _longest_track(data: bytes, at: int, end: int) -> int:
    """The largest number of samples of any track."""
    longest = 0
    for kind, start, stop in _boxes(data, at, end):
        if kind in (b"trak", b"mdia", b"minf", b"stbl"):
            longest = max(longest, _longest_track(data, start, stop))
        elif kind == b"stsz":
            longest = max(longest, int.from_bytes(data[start + 8 : start + 12], "big"))
    return longest
