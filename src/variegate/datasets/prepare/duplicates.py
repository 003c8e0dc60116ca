"""The search for duplicates among measured images: from digests to candidates to groups."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np

from variegate.codecs import Limits
from variegate.datasets.prepare.candidates import hash_pairs, word_pairs
from variegate.datasets.prepare.comparison import Comparison, Frames
from variegate.datasets.prepare.detail import is_enlarged_or_padded
from variegate.datasets.prepare.groups import Found, Group, Grouper
from variegate.datasets.prepare.measures import LEAST_CONTRAST, Measures
from variegate.datasets.prepare.neighbors import near_pairs
from variegate.datasets.prepare.relations import Relation
from variegate.datasets.prepare.words import TABLES
from variegate.storage import Storage


@dataclass(slots=True)
class Collection:
    """What is kept of all images in memory: about 2 kB each.

    Attributes:
        keys: of the images, by number.
    """

    keys: list[str] = field(default_factory=list)
    _hashes: bytearray = field(default_factory=bytearray)
    _words: "array[int]" = field(default_factory=lambda: array("I"))
    _counts: "array[int]" = field(default_factory=lambda: array("I"))
    _areas: "array[int]" = field(default_factory=lambda: array("q"))
    _sizes: "array[int]" = field(default_factory=lambda: array("q"))
    _bytes: list[bytes] = field(default_factory=list)
    _pixels: list[bytes | None] = field(default_factory=list)
    _plain: list[bool] = field(default_factory=list)
    _features: list[bytes] = field(default_factory=list)
    qualities: list[int | None] = field(default_factory=list)

    def add(self, key: str, one: Measures) -> None:
        """Take an image."""
        self.keys.append(key)
        self._hashes += bytes.fromhex(one.hash)
        words = one.word_array
        self._words.frombytes(words.tobytes())
        self._counts.append(len(words))
        self._areas.append(one.height * one.width)
        self._sizes.append(one.size)
        self._bytes.append(bytes.fromhex(one.bytes_digest))
        pixels = one.pixels_digest
        self._pixels.append(None if pixels is None else bytes.fromhex(pixels))
        self._plain.append(one.contrast < LEAST_CONTRAST)
        self._features.append(one.feature_bytes)
        self.qualities.append(one.quality)

    def extend(self, other: "Collection") -> None:
        """Take all images of another one behind those that are there."""
        for name in (one.name for one in fields(self)):
            getattr(self, name).extend(getattr(other, name))

    def without_features(self) -> None:
        """Forget what a model saw."""
        self._features = [b""] * len(self)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def hashes(self) -> np.ndarray:
        """(N, 32) uint8."""
        return np.frombuffer(self._hashes, np.uint8).reshape(-1, 32)

    def ranks(self) -> np.ndarray:
        """Return the place of each: larger images first, then larger files, then by name."""
        order = sorted(
            range(len(self)), key=lambda n: (-self._areas[n], -self._sizes[n], self.keys[n])
        )
        ranks = np.empty(len(self), np.int64)
        ranks[order] = np.arange(len(self))
        return ranks

    def candidates(self, first: int = 0) -> np.ndarray:
        """Return pairs that may show the same, (P, 2); the second is numbered `first` or more."""
        compared = np.flatnonzero(~np.array(self._plain, bool))
        close = compared[hash_pairs(self.hashes[compared])]
        words = np.frombuffer(self._words, np.uint32).reshape(-1, TABLES)
        counts = np.frombuffer(self._counts, np.uint32)
        owners = np.repeat(np.arange(len(self), dtype=np.uint32), counts)
        alike = word_pairs(words, owners, len(self), first=first)
        seen = near_pairs(self._features, first=first)
        found = np.unique(np.concatenate([close, alike, seen]), axis=0)
        return found[found[:, 1] >= first]

    def digests(self, number: int) -> tuple[bytes, bytes | None]:
        """Return the digests of an image's bytes and pixels."""
        return self._bytes[number], self._pixels[number]

    def identical(
        self, ranks: np.ndarray, candidates: np.ndarray, digest: Callable[[str], bytes | None]
    ) -> list[Group]:
        """Return groups of images with the same bytes or the same pixels.

        Args:
            ranks: of all images.
            candidates: pairs that may show the same.
            digest: returns that of an image's pixels, for those that were reduced when measured.
        """
        pixels = list(self._pixels)
        areas = np.frombuffer(self._areas, np.int64)
        alike = candidates[areas[candidates[:, 0]] == areas[candidates[:, 1]]]
        for number in np.unique(alike).tolist():
            if pixels[number] is None:
                pixels[number] = digest(self.keys[number])
        same: dict[bytes, list[int]] = {}
        for number in np.argsort(ranks).tolist():
            same.setdefault(pixels[number] or self._bytes[number], []).append(number)
        return [
            Group(best, {one: self._same(best, one) for one in others})
            for best, *others in same.values()
            if others
        ]

    def _same(self, best: int, one: int) -> Relation:
        return Relation(grade="bytes" if self._bytes[best] == self._bytes[one] else "pixels")


def find_duplicates(
    collection: Collection,
    storage: Storage,
    limits: Limits,
    *,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Find the groups of images that show the same.

    Args:
        collection: all images.
        storage: where they are.
        limits: as for `decode`.
        threads: that register pairs.
        on_progress: told how many candidates of at most how many were registered.
    """
    if not len(collection):
        return Found()
    ranks, candidates = collection.ranks(), collection.candidates()
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(min(done, len(candidates)), len(candidates))

    frames = Frames(storage, limits)
    identical = collection.identical(ranks, candidates, frames.digest)
    judge = Comparison(frames, collection.keys, collection.qualities, threads=threads, on_pair=tell)

    def made_of(one: int, other: int, relation: Relation) -> bool:
        return is_enlarged_or_padded(frames, collection.keys[one], collection.keys[other], relation)

    return Grouper(ranks, identical, judge, made_of).found(candidates)
