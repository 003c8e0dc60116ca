"""Which images a model sees as similar: pairs of near vectors, without comparing all with all.

Vectors are sorted into cells around some of them (an inverted file, as in similarity search): each
goes into the few cells whose centres are nearest to it, and only vectors of one cell are compared.
All sums are of whole numbers that 32-bit floats hold exactly, so the pairs are the same everywhere.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from variegate.seeding import generator

#: Cosine distance below which two images may show the same. With MobileNetV2, of 43 clothing photos
#: and the middle quarter of each 13 pairs are nearer than .2, 31 than .3; of pairs of strangers 4%.
#: It was chosen on these photos, and on no others.
DISTANCE = 0.3
# Where all look alike, all are near: only the nearest are compared.
_MOST_PARTNERS = 8
# So few vectors are one cell.
_FEW = 4_096
_CELLS_OF_EACH = 3
_ROUNDS, _SAMPLE = 2, 65_536
# Of cells that hold more, only what stands near each other in the listing is compared.
_MOST_IN_CELL = 16_384
_BLOCK = 1_024


def near_pairs(
    vectors: Sequence[bytes], *, most_apart: float = DISTANCE, first: int = 0
) -> np.ndarray:
    """Return pairs of images whose vectors are near.

    Args:
        vectors: of each image, int8; empty where there is none. Others than of the usual length
            are compared with none.
        most_apart: cosine distance.
        first: number of the first that is compared with those before it.

    Returns:
        (P, 2) int64, the smaller number first, each pair once, in order; of each image with those
        before it only the nearest.
    """
    length = max((len(one) for one in vectors), default=0)
    numbers = np.array([n for n, one in enumerate(vectors) if len(one) == length], np.int64)
    if not length or len(numbers) < 2:
        return np.zeros((0, 2), np.int64)
    packed = b"".join(vectors[number] for number in numbers.tolist())
    values = np.frombuffer(packed, np.int8).reshape(-1, length)
    total = len(vectors)
    codes, nearness = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for cell in _cells(values):
        for one, other, near in _near(values, cell, 1 - most_apart):
            asked = numbers[one] >= first
            codes.append((numbers[one] * total + numbers[other])[asked])
            nearness.append(near[asked])
    found = _nearest(np.concatenate(codes), np.concatenate(nearness), total)
    pairs = np.stack([found % total, found // total], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _cells(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield numbers of vectors that are compared with each other, ascending."""
    count = len(values)
    if count <= _FEW:
        yield np.arange(count)
        return
    centres = _centres(values)
    nearest = np.concatenate(
        [
            np.argsort(-_cosines(values[start : start + _BLOCK], centres), axis=1, kind="stable")[
                :, :_CELLS_OF_EACH
            ]
            for start in range(0, count, _BLOCK)
        ]
    ).astype(np.int32)
    order = np.argsort(nearest.ravel(), kind="stable")
    cells, members = nearest.ravel()[order], order // _CELLS_OF_EACH
    for cell in np.split(members, np.flatnonzero(np.diff(cells)) + 1):
        for start in range(0, len(cell), _MOST_IN_CELL):
            yield cell[start : start + _MOST_IN_CELL]


def _centres(values: np.ndarray) -> np.ndarray:
    """Return centres of cells, int8: some of the vectors, moved to the middle of those around."""
    rng = generator(0, "cells", len(values))
    count = int(2 * len(values) ** 0.5)
    sample = values[np.sort(rng.choice(len(values), min(_SAMPLE, len(values)), replace=False))]
    centres = sample[np.sort(rng.choice(len(sample), count, replace=False))]
    for _ in range(_ROUNDS):
        nearest = np.concatenate(
            [
                _cosines(sample[start : start + _BLOCK], centres).argmax(axis=1)
                for start in range(0, len(sample), _BLOCK)
            ]
        )
        sums = np.zeros(centres.shape, np.int64)
        np.add.at(sums, nearest, sample.astype(np.int64))
        most = np.abs(sums).max(axis=1, keepdims=True)
        moved = np.round(sums * 127 / np.maximum(most, 1)).astype(np.int8)
        centres = np.where(most > 0, moved, centres)
    return centres


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosines of angles between int8 vectors, (N, M) float32."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    # At most 512 products of 127 * 127: whole numbers below 2 ** 24.
    lengths = [np.sqrt(np.maximum((each * each).sum(axis=1), 1)) for each in (a, b)]
    return np.asarray(a @ b.T / lengths[0][:, None] / lengths[1], np.float32)


def _near(
    values: np.ndarray, cell: np.ndarray, least: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield numbers of vectors, of near ones before them, and the cosines of both."""
    for start in range(0, len(cell), _BLOCK):
        block = cell[start : start + _BLOCK]
        before = cell[: start + len(block)]
        cosines = _cosines(values[block], values[before])
        rows, columns = np.nonzero(cosines >= least)
        earlier = columns < rows + start
        rows, columns = rows[earlier], columns[earlier]
        yield block[rows], before[columns], cosines[rows, columns]


def _nearest(codes: np.ndarray, nearness: np.ndarray, total: int) -> np.ndarray:
    """Return pairs once; of each image's only the nearest."""
    codes, places = np.unique(codes, return_index=True)
    owners = codes // total
    order = np.lexsort((codes, -nearness[places], owners))
    ranks = np.arange(len(order)) - np.searchsorted(owners, owners[order], side="left")
    return codes[order[ranks < _MOST_PARTNERS]]
