"""Images laid over each other, read from where they are: the judge of a search for duplicates."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

import numpy as np

from variegate.codecs import Limits, decode, probe
from variegate.datasets.prepare.measures import gray_of, pixels_digest, reduction
from variegate.datasets.prepare.registration import Frame, register
from variegate.datasets.prepare.relations import Relation, relation_of
from variegate.errors import ImageError, InputError
from variegate.storage import Storage

_LEAST_SIDE = 400
# Frames that are kept, a fifth of a megabyte each with their features.
_KEPT = 1_536


class FrameSource(Protocol):
    """Where images come from that are laid over others."""

    def of(self, key: str) -> Frame | None:
        """Return an image; None where it cannot be read any more."""


class Frames:
    """Images as they are laid over others, the last ones kept. Several threads may share it."""

    def __init__(self, storage: Storage, limits: Limits, *, kept: int = _KEPT) -> None:
        self._storage = storage
        self._limits = limits
        self._most = kept
        self._frames: OrderedDict[str, Frame | None] = OrderedDict()
        self._lock = Lock()

    def of(self, key: str) -> Frame | None:
        """Return an image; None where it cannot be read any more."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        frame = self._read(key)
        with self._lock:
            self._frames[key] = frame
            while len(self._frames) > self._most:
                self._frames.popitem(last=False)
        return frame

    def digest(self, key: str) -> bytes | None:
        """Return the digest of an image's pixels; None where it cannot be read any more."""
        try:
            data = self._storage.read(key, limit=self._limits.max_bytes)
            return bytes.fromhex(pixels_digest(decode(data, limits=self._limits)))
        except (ImageError, InputError):
            return None

    def whole(self, key: str) -> np.ndarray | None:
        """Return an image in gray at its full size; None where it cannot be read any more."""
        try:
            data = self._storage.read(key, limit=self._limits.max_bytes)
            return gray_of(decode(data, limits=self._limits))
        except (ImageError, InputError):
            return None

    def _read(self, key: str) -> Frame | None:
        try:
            data = self._storage.read(key, limit=self._limits.max_bytes)
            header = probe(data, self._limits)
            image = decode(data, limits=self._limits, reduce=reduction(header, _LEAST_SIDE))
        except (ImageError, InputError):
            return None
        return Frame(gray_of(image), (header.height, header.width))


class Comparison:
    """Registers pairs of images.

    Args:
        frames: where they come from.
        keys, qualities: of all images, by number.
        threads: that register; 1 for none but this one.
        on_pair: told of every pair that is done.
    """

    def __init__(
        self,
        frames: FrameSource,
        keys: Sequence[str],
        qualities: Sequence[int | None],
        *,
        threads: int = 1,
        on_pair: Callable[[], None] = lambda: None,
    ) -> None:
        self._frames = frames
        self._keys = keys
        self._qualities = qualities
        self._threads = threads
        self._on_pair = on_pair

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> Iterator[Relation | None]:
        """Yield how the second of each pair is related to the first."""
        if self._threads == 1:
            found: Iterator[Relation | None] = map(self._relation, pairs)
            yield from self._told(found)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            yield from self._told(pool.map(self._relation, pairs))

    def _told(self, found: Iterator[Relation | None]) -> Iterator[Relation | None]:
        for one in found:
            self._on_pair()
            yield one

    def _relation(self, pair: tuple[int, int]) -> Relation | None:
        first, second = (self._frames.of(self._keys[number]) for number in pair)
        if first is None or second is None:
            return None
        match = register(first, second)
        if match is None:
            return None
        qualities = (self._qualities[number] for number in pair)
        return relation_of(match, first.size, second.size, *qualities)
