"""Ready randomness for whole images.

Drawing a normal for every value of an image is the dearest thing noise could do (6,300 us for
512 x 512 x 3). So each process makes one table of normals and one of even bytes, always the same,
the first time it needs them, and an image is covered by spans of a table from places, and with
signs, drawn from its operation's ``noise_key`` (60 us). Nothing within a span repeats, and spans
are short enough that no two images, and no two parts of a large one, have more than 65,536
values in common.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import stringzilla

from variegate.seeding import generator, noise_generator

Bytes = npt.NDArray[np.uint8]
_Number = TypeVar("_Number", np.uint8, np.uint16)

#: Values in a table; both tables are 4 MB.
TABLE_LENGTH = 2**22
_SPAN = 2**16
_STEPS_PER_SIGMA = 28

#: What each byte of `normal_bytes` stands for: normals in steps of 1/28, up to 4.5.
NORMALS: npt.NDArray[np.float64] = (
    np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64) / _STEPS_PER_SIGMA
)

_SIGNED = np.arange(256, dtype=np.uint8).view(np.int8)
_AMOUNTS = np.abs(_SIGNED.astype(np.int16)).astype(np.uint8).tobytes()
_POSITIVE = (255 * (_SIGNED > 0)).astype(np.uint8).tobytes()


def normal_bytes(key: int, shape: tuple[int, ...], *path: int | str) -> Bytes:
    """Return bytes of this shape; read through `NORMALS` they are independent standard normals."""
    return _covered(normals(), key, shape, path)


def even_bytes(key: int, shape: tuple[int, ...], *path: int | str) -> Bytes:
    """Return independent bytes of this shape, every value as likely."""
    return _covered(_evens(), key, shape, path)


def even_words(key: int, shape: tuple[int, ...], *path: int | str) -> npt.NDArray[np.uint16]:
    """Return independent 16-bit numbers of this shape, every value as likely."""
    return even_bytes(key, (*shape[:-1], 2 * shape[-1]), *path).view("<u2")


def in_grains(
    drawn: Callable[..., npt.NDArray[_Number]],
    key: int,
    shape: tuple[int, ...],
    side: int,
    *path: int | str,
) -> npt.NDArray[_Number]:
    """Return what `drawn` (one of the above) draws, the same all over squares of `side` pixels."""
    if side == 1:
        return drawn(key, shape, *path)
    rows, columns = -(-shape[0] // side), -(-shape[1] // side)
    grains = drawn(key, (rows, columns, *shape[2:]), *path)
    # By a whole factor and without mixing: every processor repeats the same values.
    size = columns * side, rows * side
    covered = cv2.resize(grains, size, interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(covered[: shape[0], : shape[1]])


def grain_side(grain: float) -> int:
    """Return the side of a grain of about `grain` pixels: whole, and at least one."""
    return max(1, round(grain))


def looked_up(values: Bytes, table: Bytes | bytes) -> Bytes:
    """Return the entry of `table` (256 bytes) for each byte."""
    # 13 us for 512 x 512 x 4, against 250 us of cv2.LUT: benchmarks/kernels.py.
    changed = np.array(values, order="C")
    stringzilla.translate(changed.reshape(-1).data, bytes(table), inplace=True)
    return changed


def _covered(table: Bytes, key: int, shape: tuple[int, ...], path: tuple[int | str, ...]) -> Bytes:
    covered: Bytes = np.empty(shape, np.uint8)
    flat = covered.reshape(-1)
    for span in normal_spans(key, flat.size, *path):
        part = flat[span.values]
        if span.negative:
            # Two's complement: the bytes of the negative normals, and even bytes again.
            np.negative(table[span.places], out=part)
        else:
            part[:] = table[span.places]
    return covered


class NoiseSpan(NamedTuple):
    """A part of an image, short enough for a processor's cache, and what covers it.

    Attributes:
        values: which of the image's values, one after the other.
        places: of a table.
        negative: whether what stands there is taken negative.
    """

    values: slice
    places: slice
    negative: bool


def normal_spans(key: int, count: int, *path: int | str) -> Iterator[NoiseSpan]:
    """Yield by which parts of a table `normal_bytes` covers `count` values."""
    draws = noise_generator(key, *path).integers(0, TABLE_LENGTH - _SPAN, -(-count // _SPAN))
    for start, draw in zip(range(0, count, _SPAN), draws.tolist(), strict=True):
        stop, place = min(count, start + _SPAN), draw & ~1
        yield NoiseSpan(slice(start, stop), slice(place, place + stop - start), bool(draw & 1))


@functools.cache
def normals() -> Bytes:
    """Return the table of normal bytes."""
    rng = generator(0, "grain", "normals")
    table = np.empty(TABLE_LENGTH, np.int8)
    # By blocks: all at once would take four times the memory of the table.
    for start in range(0, TABLE_LENGTH, _SPAN):
        steps = np.rint(rng.standard_normal(_SPAN, dtype=np.float32) * _STEPS_PER_SIGMA)
        table[start : start + _SPAN] = np.clip(steps, -127, 127).astype(np.int8)
    return table.view(np.uint8)


@functools.cache
def amounts() -> Bytes:
    """Return the table of normal bytes without their signs."""
    return without_signs(normals())


@functools.cache
def signs() -> Bytes:
    """Return 255 where the table of normal bytes is above 0."""
    return where_positive(normals())


def without_signs(noise: Bytes) -> Bytes:
    """Return the absolute values of normal bytes."""
    return looked_up(noise, _AMOUNTS)


def where_positive(noise: Bytes) -> Bytes:
    """Return 255 where normal bytes are above 0, else 0."""
    return looked_up(noise, _POSITIVE)


@functools.cache
def _evens() -> Bytes:
    words = generator(0, "grain", "evens").integers(0, 2**64, TABLE_LENGTH // 8, dtype=np.uint64)
    return words.astype("<u8", copy=False).view(np.uint8)
