"""Masks as run lengths, in COCO's compressed notation.

The runs go down the columns, from left to right, and begin with background (perhaps none). From the
fourth on each is written as its difference from the one before the last; the numbers as groups of
five bits, lowest first, in characters from "0" on, with a sixth bit for "more follows". The format
is pycocotools' (`rleToString` in its `maskApi.c`); tests compare with it.
"""

import numpy as np
import numpy.typing as npt

from variegate.annotations.annotation import Rle
from variegate.errors import DecodeError, ShapeError

Runs = npt.NDArray[np.int64]

_ZERO = 48
_MORE = 32
# An int64 has at most 13 groups of five bits.
_MOST_GROUPS = 13


def encode(mask: np.ndarray) -> Rle:
    """Write a mask as run lengths.

    Args:
        mask: (H, W), anything but 0 is foreground.

    Raises:
        ShapeError: mask is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ShapeError(f"mask: expected (H, W), got {mask.shape}")
    column = np.asarray(mask, dtype=bool).ravel(order="F")
    bounds = np.flatnonzero(column[1:] != column[:-1]) + 1
    edges = np.concatenate(([0], bounds, [column.size]))
    runs = np.diff(edges)
    if column.size and column[0]:
        runs = np.concatenate(([0], runs))
    return from_runs(mask.shape[0], mask.shape[1], runs)


def decode(rle: Rle) -> npt.NDArray[np.uint8]:
    """Return the mask: (H, W) uint8, 0 and 1.

    Raises:
        DecodeError: the text is no run lengths, or they do not fill the mask.
    """
    lengths = runs(rle)
    values = np.zeros(len(lengths), dtype=np.uint8)
    values[1::2] = 1
    flat = np.repeat(values, lengths)
    return np.ascontiguousarray(flat.reshape(rle.width, rle.height).T)


def from_runs(height: int, width: int, lengths: npt.ArrayLike) -> Rle:
    """Compress run lengths; their sum is not checked (see `runs`)."""
    numbers = np.array(lengths, dtype=np.int64).ravel()
    numbers[3:] -= np.array(lengths, dtype=np.int64).ravel()[1:-2]
    characters: list[npt.NDArray[np.int64]] = []
    present: list[npt.NDArray[np.bool_]] = []
    going = np.ones(len(numbers), dtype=bool)
    while going.any():
        group = numbers & 31
        numbers >>= 5
        present.append(going)
        going = going & np.where(group & 16, numbers != -1, numbers != 0)
        characters.append((group | np.where(going, _MORE, 0)) + _ZERO)
    if not characters:
        return Rle(height, width, "")
    table = np.stack(characters, axis=1)[np.stack(present, axis=1)]
    return Rle(height, width, table.astype(np.uint8).tobytes().decode("ascii"))


def runs(rle: Rle) -> Runs:
    """Return the run lengths, background first.

    Raises:
        DecodeError: the text is no run lengths, or they do not fill the mask.
    """
    lengths = _uncompressed(rle.counts)
    total, area = int(lengths.sum()), rle.height * rle.width
    if len(lengths) and int(lengths.min()) < 0:
        raise DecodeError("run lengths: one is below zero")
    if total != area:
        raise DecodeError(
            f"run lengths: they cover {total:,} pixels, "
            f"expected {area:,} ({rle.width} x {rle.height})"
        )
    return lengths


def area(rle: Rle) -> int:
    """Return how many pixels are foreground."""
    return int(runs(rle)[1::2].sum())


def bounds(rle: Rle) -> tuple[int, int, int, int] | None:
    """Return the edges x1, y1, x2, y2 of the foreground, or None where there is none."""
    lengths = runs(rle)
    ends = np.cumsum(lengths)[1::2]
    kept = lengths[1::2] > 0
    last = ends[kept] - 1
    first = last - lengths[1::2][kept] + 1
    if not len(last):
        return None
    height = rle.height
    left, right = int(first.min()) // height, int(last.max()) // height + 1
    if bool((first // height != last // height).any()):  # a run over the end of a column
        return left, 0, right, height
    return left, int((first % height).min()), right, int((last % height).max()) + 1


def _uncompressed(text: str) -> Runs:
    try:
        codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - _ZERO
    except UnicodeEncodeError:
        raise DecodeError("run lengths: not written in COCO's characters") from None
    if not len(codes):
        return codes
    ends = np.flatnonzero((codes & _MORE) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    if codes.min() < 0 or codes.max() > 63 or not len(ends) or ends[-1] != len(codes) - 1:
        raise DecodeError("run lengths: not written in COCO's characters, or cut off")
    sizes = ends - starts + 1
    if int(sizes.max()) > _MOST_GROUPS - 1:
        raise DecodeError("run lengths: one is too large")
    place = np.arange(len(codes)) - np.repeat(starts, sizes)
    numbers = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = (codes[ends] & 16) != 0
    numbers[negative] -= np.left_shift(np.int64(1), 5 * sizes[negative])
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
