"""The tags of a TIFF file, classic or BigTIFF; values are read when asked for."""

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from variegate.codecs.limits import Limits
from variegate.errors import DecodeError

# Bytes a value, and how struct calls it, by the type in a directory.
_TYPES = {
    1: (1, "B"),
    2: (1, "B"),
    3: (2, "H"),
    4: (4, "I"),
    6: (1, "b"),
    7: (1, "B"),
    8: (2, "h"),
    9: (4, "i"),
    13: (4, "I"),
    16: (8, "Q"),
    17: (8, "q"),
    18: (8, "Q"),
}


class Tag(enum.IntEnum):
    """The tags that matter here."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    FAX3_OPTIONS = 292
    FAX4_OPTIONS = 293
    PREDICTOR = 317
    COLOR_MAP = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SUB_DIRECTORIES = 330
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    YCBCR_SUBSAMPLING = 530
    ICC_PROFILE = 34675
    DNG_VERSION = 50706


@dataclass(frozen=True)
class Directory:
    """One directory: one image of the file.

    Attributes:
        data: the whole file.
        order: "<" or ">", as struct takes it.
        entries: tag to (type, count, offset of the values).
    """

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int]]

    def __contains__(self, tag: object) -> bool:
        return tag in self.entries

    def raw(self, tag: int) -> bytes | None:
        """The bytes of a tag, or None if it is missing or cut off."""
        if tag not in self.entries:
            return None
        kind, count, at = self.entries[tag]
        size = count * _TYPES.get(kind, (1, ""))[0]
        return self.data[at : at + size] if at + size <= len(self.data) else None

    def numbers(self, tag: int, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """The integers of a tag.

        Raises:
            DecodeError: it is missing and there is no default, or it is broken.
        """
        if tag not in self.entries:
            if default is None:
                raise DecodeError(f"corrupt TIFF: tag {tag} is missing")
            return tuple(default)
        kind, count, at = self.entries[tag]
        size, letter = _TYPES.get(kind, (0, ""))
        if not size or not count or at + count * size > len(self.data):
            raise DecodeError(f"corrupt TIFF: tag {tag} cannot be read")
        return struct.unpack_from(f"{self.order}{count}{letter}", self.data, at)

    def number(self, tag: int, default: int | None = None) -> int:
        """The first integer of a tag; see `numbers`."""
        return self.numbers(tag, None if default is None else (default,))[0]


def read_directories(data: bytes, limits: Limits) -> tuple[Directory, int]:
    """Read the first directory and count all in the chain.

    A chain that leads out of the file, or into itself, ends there.

    Raises:
        DecodeError: there is no first directory.
        LimitError: there are more than the limits allow.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset, count, entry_size = ("Q", "Q", 20) if big else ("I", "H", 12)
    at = _unpack(order + offset, data, 8 if big else 4)
    first: Directory | None = None
    seen: set[int] = set()
    while at and at not in seen:
        entries_at = at + struct.calcsize(count)
        entries = _unpack(order + count, data, at) if entries_at <= len(data) else None
        if entries is None or entries_at + entries * entry_size > len(data):
            break
        seen.add(at)
        limits.check_frames(len(seen), "TIFF")
        if first is None:
            first = Directory(data, order, _entries(data, order, entries_at, entries, big=big))
        following = entries_at + entries * entry_size
        if following + struct.calcsize(offset) > len(data):
            break
        at = _unpack(order + offset, data, following)
    if first is None:
        raise DecodeError(
            f"truncated TIFF ({len(data):,} bytes, but its directory is at byte {at:,})"
        )
    return first, len(seen)


def _unpack(form: str, data: bytes, at: int) -> int:
    return struct.unpack_from(form, data, at)[0]


def _entries(
    data: bytes, order: str, at: int, count: int, *, big: bool
) -> dict[int, tuple[int, int, int]]:
    form, size, room = (order + "HHQQ", 20, 8) if big else (order + "HHII", 12, 4)
    found: dict[int, tuple[int, int, int]] = {}
    for entry in range(at, at + count * size, size):
        tag, kind, values, offset = struct.unpack_from(form, data, entry)
        # Few values stand in the entry itself.
        inside = values * _TYPES.get(kind, (8, ""))[0] <= room
        found.setdefault(tag, (kind, values, entry + size - room if inside else offset))
    return found
