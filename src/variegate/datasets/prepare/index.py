"""The index of an audit: what is needed to recognise its images again without their files.

A line of JSON says what it is of, and one follows for each image: its measures, digests, hash and
words, and a small gray image of it, 8 to 14 kB in all. New images are registered with the
small one. Of 12 photos and 15 files made of each, all are found again and none as another photo;
one is told as photographed again, a grade too low, where the file itself would tell. The
digest of an image's pixels is known where it was decoded in full: an image with the pixels of a
JPEG file is told as a copy of that.
"""

import base64
import shutil
import tempfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

import cv2
import msgspec
import numpy as np

from variegate.codecs import Limits
from variegate.datasets.prepare.comparison import Comparison, Frames
from variegate.datasets.prepare.duplicates import Collection
from variegate.datasets.prepare.measures import Measures
from variegate.datasets.prepare.registration import Frame
from variegate.datasets.prepare.relations import GRADES, Relation
from variegate.errors import InputError
from variegate.storage import Storage, key_from_text, key_to_text, open_storage, printable
from variegate.storage.json import dumped, loaded

#: Its name among the tables of an audit.
INDEX = "prepare.index"
_VERSION = 3
# No file has it in its name.
_OLD = "\0"
_READING = Lock()


def index_head(place: str, images: int, features: str | None = None) -> bytes:
    """Return the first line of an index; `features` is the identity of the model that was asked."""
    head = {"variegate_index": _VERSION, "place": place, "images": images, "features": features}
    return dumped(head) + b"\n"


def index_line(key: str, one: Measures) -> bytes:
    """Return the line of an image."""
    kept = one.to_json()
    # Whose camera it was is nobody's business where an index goes.
    del kept["camera"], kept["taken"]
    return dumped({"key": key_to_text(key), **kept}) + b"\n"


class ImageIndex:
    """An index, copied to a temporary file. Use it in a with statement.

    Attributes:
        place: of the images.
        features: identity of the model whose answers about them it holds; None for none.
        collection: they, as they are searched.
    """

    def __init__(self, file: IO[bytes], told: str) -> None:
        self._file = file
        self._told = told
        self._offsets = array("q")
        self.place = ""
        self.features: str | None = None
        self.collection = Collection()

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """Read an index.

        Args:
            place: its file, or the folder or bucket of its audit.

        Raises:
            InputError: there is none, or it is damaged.
        """
        text = str(place).rstrip("/")
        folder, _, name = text.rpartition("/")
        is_file = text.endswith(f"/{INDEX}") or text == INDEX or Path(text).is_file()
        storage = open_storage(folder or ".") if is_file else open_storage(text)
        key = name if is_file else INDEX
        if not storage.exists(key):
            raise InputError(
                f"{printable(text)}: there is no {INDEX}; variegate audit writes one beside its "
                "tables"
            )
        # Closed with the index.
        index = cls(tempfile.TemporaryFile(), printable(text))  # noqa: SIM115
        try:
            with storage.open_read(key) as there:
                shutil.copyfileobj(there, index._file)
            index._read()
        except BaseException:
            index._file.close()
            raise
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> None:
        self._file.seek(0)
        try:
            head = loaded(self._file.readline())
            if head["variegate_index"] != _VERSION:
                raise InputError(
                    f"{self._told}: an index of another version; make it anew with variegate audit"
                )
            self.place = str(head["place"])
            self.features = head.get("features")
            place = self._file.tell()
            for line in self._file:
                key, one = _measures(loaded(line))
                self._offsets.append(place)
                self.collection.add(key, one)
                place += len(line)
        except (ValueError, LookupError, TypeError, msgspec.MsgspecError) as error:
            raise InputError(
                f"{self._told}: no index of variegate, or a damaged one; make it anew with "
                "variegate audit"
            ) from error
        if len(self.collection) != head["images"]:
            raise InputError(
                f"{self._told}: it ends early, after {len(self.collection):,} of "
                f"{head['images']:,} images; make it anew with variegate audit"
            )

    def frame(self, number: int) -> Frame | None:
        """Return an image, small, as it is laid over others."""
        # Several threads may ask, and there is one place in the file.
        with _READING:
            self._file.seek(self._offsets[number])
            line = self._file.readline()
        _, one = _measures(loaded(line))
        data = np.frombuffer(base64.b64decode(one.small), np.uint8)
        gray = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        return None if gray is None else Frame(gray, (one.height, one.width))


def _measures(line: dict[str, Any]) -> tuple[str, Measures]:
    return key_from_text(line.pop("key")), Measures.from_json(line)


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image that shows what one of an index shows.

    Attributes:
        key: of the new image.
        known: of the one in the index.
        relation: of the new one to that.
    """

    key: str
    known: str
    relation: Relation

    @property
    def sentence(self) -> str:
        """The relation in words."""
        return self.relation.sentence(f"{printable(self.known)} (known)", printable(self.key))


class _Frames:
    """Images of an index, and new ones."""

    def __init__(self, index: ImageIndex, new: Frames) -> None:
        self._index = index
        self._new = new

    def of(self, key: str) -> Frame | None:
        if key.startswith(_OLD):
            return self._index.frame(int(key.removeprefix(_OLD)))
        return self._new.of(key)


def known_images(
    index: ImageIndex,
    new: Collection,
    storage: Storage,
    limits: Limits,
    *,
    features: str | None = None,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[KnownImage]:
    """Find the new images that show what an image of the index shows; of each the closest one.

    Args:
        index: what is known.
        new: the new images.
        storage: where they are.
        limits: as for `decode`.
        features: identity of the model that saw the new ones; what another one saw is not compared.
        threads: that register pairs.
        on_progress: told how many candidates of how many were registered.
    """
    old = index.collection
    count = len(old)
    both = Collection()
    both.extend(old)
    both.extend(new)
    if features is None or features != index.features:
        both.without_features()
    found = _identical(both, count)
    candidates = both.candidates(count)
    pairs = [
        (int(one), int(other))
        for one, other in candidates[candidates[:, 0] < count]
        if int(other) not in found
    ]
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, len(pairs))

    keys = list(chain((f"{_OLD}{number}" for number in range(count)), new.keys))
    frames = _Frames(index, Frames(storage, limits))
    judge = Comparison(frames, keys, both.qualities, threads=threads, on_pair=tell)
    for (one, other), relation in zip(pairs, judge(pairs), strict=True):
        if relation is not None and _is_closer(relation, found.get(other)):
            found[other] = (one, relation)
    return [
        KnownImage(both.keys[number], both.keys[one], relation)
        for number, (one, relation) in sorted(found.items())
    ]


def _identical(both: Collection, count: int) -> dict[int, tuple[int, Relation]]:
    """Return the new images whose bytes or pixels are those of a known one."""
    seen: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
    for number in range(count):
        for known, digest in zip(seen, both.digests(number), strict=True):
            if digest is not None:
                known.setdefault(digest, number)
    found: dict[int, tuple[int, Relation]] = {}
    for number in range(count, len(both)):
        data, pixels = both.digests(number)
        if data in seen[0]:
            found[number] = (seen[0][data], Relation(grade="bytes"))
        elif pixels is not None and pixels in seen[1]:
            found[number] = (seen[1][pixels], Relation(grade="pixels"))
    return found


def _is_closer(relation: Relation, other: tuple[int, Relation] | None) -> bool:
    def rank(one: Relation) -> tuple[int, float]:
        return GRADES.index(one.grade), -one.closeness

    return other is None or rank(relation) < rank(other[1])
