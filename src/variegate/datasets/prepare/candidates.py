"""Which images may show the same: pairs worth registering, found without comparing all with all.

Two indexes, both arrays that are sorted and searched. Hashes find copies, also mirrored and turned
by quarters: some of their bits make a key, and images with a key in common are compared in full;
several tables have keys of other bits, so that a few flipped bits spoil only some. Words
(see `variegate.datasets.prepare.words`) find crops, turns and everything else: images with several
words in common.

An index entry that many images share is met by each of them only up to a number, its first ones: a
thousand copies of one image give thousands of pairs, and not half a million.
"""

from dataclasses import dataclass

import numpy as np

from variegate.datasets.prepare.hashes import BITS, ORIENTATIONS, distances, oriented
from variegate.seeding import generator

# Bits by which hashes may differ; those of different photos differ by 128, 8 more or less.
HASH_DISTANCE = 64
_HASH_TABLES = 16
_SAME_KEY = 24
_SAME_WORD = 24
# Words in common by which two images may show the same.
_LEAST_VOTES, _LEAST_VOTES_OF_MANY, _MANY = 2, 3, 20_000
_MOST_PARTNERS = 24
# Images whose words are searched at a time.
_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class _Index:
    """Keys in order, with the number of the image that each belongs to."""

    keys: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, images: np.ndarray) -> "_Index":
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], images[order])

    def met(self, keys: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers of the keys asked for, and of images that have them."""
        first = np.searchsorted(self.keys, keys, side="left")
        count = np.minimum(np.searchsorted(self.keys, keys, side="right") - first, most)
        asked = np.repeat(np.arange(len(keys)), count)
        within = np.arange(len(asked)) - np.repeat(np.cumsum(count) - count, count)
        return asked, self.images[first[asked] + within]


def hash_pairs(hashes: np.ndarray, most_apart: int = HASH_DISTANCE) -> np.ndarray:
    """Return pairs of images whose hashes are close, in any of the eight orientations.

    Args:
        hashes: (N, 32) uint8.
        most_apart: bits by which they may differ.

    Returns:
        (P, 2) int64, the smaller number first, each pair once, in order.
    """
    total = len(hashes)
    found = [np.zeros(0, np.int64)]
    if total < 2:
        return _unpacked(found[0], 1)
    width = int(np.clip(np.log2(total), 12, 24))
    order = generator(0, "hash tables").permutation(np.arange(1, BITS))
    ways = [oriented(hashes, one) for one in ORIENTATIONS]
    numbers = np.arange(total)
    for table in range(_HASH_TABLES):
        chosen = np.roll(order, -table * BITS // _HASH_TABLES)[:width]
        index = _Index.of(_keys(hashes, chosen), numbers)
        for turned in ways:
            asked, other = index.met(_keys(turned, chosen), _SAME_KEY)
            apart = asked != other
            asked, other = asked[apart], other[apart]
            close = _close(turned, hashes, asked, other, most_apart)
            low, high = np.minimum(asked, other)[close], np.maximum(asked, other)[close]
            found.append(np.unique(low * total + high))
    return _unpacked(np.unique(np.concatenate(found)), total)


def _keys(hashes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the bits `chosen` of every hash as one number."""
    keys = np.zeros(len(hashes), np.uint32)
    for bit in chosen.tolist():
        keys = (keys << 1) | ((hashes[:, bit // 8] >> (7 - bit % 8)) & 1)
    return keys


def _close(
    one: np.ndarray, other: np.ndarray, first: np.ndarray, second: np.ndarray, most: int
) -> np.ndarray:
    close = np.zeros(len(first), bool)
    # In pieces: what is compared is copied.
    for start in range(0, len(first), 1 << 20):
        piece = slice(start, start + (1 << 20))
        close[piece] = distances(one[first[piece]], other[second[piece]]) <= most
    return close


def _unpacked(codes: np.ndarray, total: int) -> np.ndarray:
    return np.stack([codes // total, codes % total], axis=1)


def word_pairs(words: np.ndarray, owners: np.ndarray, total: int, *, first: int = 0) -> np.ndarray:
    """Return pairs of images with several words in common.

    Args:
        words: (W, TABLES) uint32.
        owners: (W,) the number of the image that each row belongs to, ascending.
        total: number of images.
        first: number of the first that is compared with those before it.

    Returns:
        (P, 2) int64, the smaller number first, each pair once, in order.
    """
    least = _LEAST_VOTES if total < _MANY else _LEAST_VOTES_OF_MANY
    tables = [_Index(*_distinct(column, owners)) for column in words.T]
    found = [np.zeros(0, np.int64)]
    for start in range(first, total, _BLOCK):
        begin, stop = np.searchsorted(owners, (start, start + _BLOCK))
        votes = [np.zeros(0, np.int64)]
        for table, index in enumerate(tables):
            # In order of the words, too: neighbors in the index are neighbors in memory.
            keys, images = _distinct(words[begin:stop, table], owners[begin:stop])
            asked, other = index.met(keys, _SAME_WORD)
            owner, other = images[asked].astype(np.int64), other.astype(np.int64)
            votes.append((owner * total + other)[other < owner])
        found.append(_elected(np.concatenate(votes), total, least))
    codes = np.concatenate(found)
    return _unpacked(np.sort(codes % total * total + codes // total), total)


def _distinct(words: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every word of an image once, with its image, ordered by word."""
    both = words.astype(np.uint64)
    both <<= np.uint64(32)
    both |= owners.astype(np.uint32)
    both.sort()
    if len(both):
        both = both[np.concatenate([[True], both[1:] != both[:-1]])]
    return (both >> np.uint64(32)).astype(np.uint32), both.astype(np.uint32)


def _elected(votes: np.ndarray, total: int, least: int) -> np.ndarray:
    """Return the pairs with enough votes; of each image's only those with most."""
    codes, counts = np.unique(votes, return_counts=True)
    codes, counts = codes[counts >= least], counts[counts >= least]
    owners = codes // total
    order = np.lexsort((codes, -counts, owners))
    ranks = np.arange(len(order)) - np.searchsorted(owners, owners[order], side="left")
    return codes[order[ranks < _MOST_PARTNERS]]
