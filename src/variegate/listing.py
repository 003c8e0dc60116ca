"""The list of a run's sources, made once and kept on disk.

A data set may hold more files than memory should be spent on. The list is spooled to a temporary
file, in the order of the storage's listing, and read again from there; what is kept is its
length and one digest, by which a continued run knows that it is the same list.
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, Self

from variegate.codecs import EXTENSIONS, IMAGE_ENDINGS
from variegate.formats import CollisionCheck, Layout, Source, is_hidden
from variegate.job import Shard, source_from_json, source_to_json, variant_suffix
from variegate.recipes import Recipe
from variegate.storage import Storage


@dataclass(slots=True)
class Listing:
    """The sources of a run. Use it in a with statement; its file goes at the end.

    Attributes:
        total: how many sources.
        digest: of all keys, sizes, splits and labels.
        splits: sources by split ("" for none), files that are no pictures included.
        to_augment: sources that the recipe will be applied to, if they are pictures.
    """

    file: IO[bytes]
    total: int = 0
    digest: str = ""
    to_augment: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    offsets: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def sources(self, start: int = 0, stop: int | None = None) -> Iterator[Source]:
        """Yield the sources numbered `start` to before `stop`."""
        end = self.total if stop is None else stop
        if start >= end:
            return
        # One offset is kept for every so many lines: a few bytes a thousand sources.
        near = start // _STRIDE
        self.file.seek(self.offsets[near])
        for number in range(near * _STRIDE, end):
            position = self.file.readline()
            if number >= start:
                # Two readers may take turns.
                here = self.file.tell()
                yield source_from_json(json.loads(position))
                self.file.seek(here)

    def shards(self, ranges: Iterator[tuple[int, int]], size: int) -> Iterator[Shard]:
        """Cut ranges of sources into shards of at most `size`."""
        for start, stop in ranges:
            batch: list[Source] = []
            first = start
            for source in self.sources(start, stop):
                batch.append(source)
                if len(batch) == size:
                    yield Shard(first, tuple(batch))
                    first += len(batch)
                    batch.clear()
            if batch:
                yield Shard(first, tuple(batch))


_STRIDE = 1000


def spool(storage: Storage, layout: Layout, recipe: Recipe, *, limit: int | None = None) -> Listing:
    """List the sources of a run.

    Args:
        storage: the data set.
        layout: how it is laid out.
        recipe: decides the names of the results.
        limit: take only so many pictures, evenly spread over the listing.

    Raises:
        OutputError: two sources would share an output's name.
    """
    listing = Listing(tempfile.TemporaryFile())  # noqa: SIM115 - the listing closes it
    digest = hashlib.sha256()
    check = _NameCheck(storage, layout, recipe)
    for source in _thinned(storage, layout, limit):
        check.add(source)
        if listing.total % _STRIDE == 0:
            listing.offsets.append(listing.file.tell())
        line = json.dumps(source_to_json(source)).encode() + b"\n"
        listing.file.write(line)
        digest.update(line)
        listing.total += 1
        listing.splits[source.split or ""] += 1
        listing.to_augment += not layout.splits or source.split == "train"
    listing.digest = digest.hexdigest()[:16]
    return listing


def _thinned(storage: Storage, layout: Layout, limit: int | None) -> Iterator[Source]:
    """Yield all sources, or `limit` of those that are taken for pictures."""
    pictures = sum(layout.pictures.values())
    if limit is None or limit >= pictures:
        yield from layout.sources(storage)
        return
    seen = taken = 0
    for source in layout.sources(storage):
        if not seems_picture(source.key):
            continue
        seen += 1
        if taken * pictures < seen * limit:
            taken += 1
            yield source


def seems_picture(key: str) -> bool:
    """Say whether a file's name is one that pictures have."""
    ending = PurePosixPath(key.lower()).suffix
    return not is_hidden(key) and (ending in IMAGE_ENDINGS or not ending)


class _NameCheck:
    """Refuses a run in which two sources would share an output's name.

    Formats are judged by the sources' names; a file whose content is of another kind than its
    name says is looked at again when it is made (see `variegate.job`).
    """

    def __init__(self, storage: Storage, layout: Layout, recipe: Recipe) -> None:
        self._format = recipe.output.format
        suffixes = {variant_suffix(index, recipe.count()) for index in range(recipe.count())}
        if layout.splits:
            suffixes.add("")
        self._checks = {
            name: CollisionCheck(
                suffixes=suffixes,
                ending=endings[0],
                own_endings=endings,
                exists=storage.exists,
            )
            for name, endings in EXTENSIONS.items()
        }

    def add(self, source: Source) -> None:
        self._checks[self._predicted(source.key)].add(source.key)

    def _predicted(self, key: str) -> str:
        if self._format != "same":
            return self._format
        for name, endings in EXTENSIONS.items():
            if key.lower().endswith(endings):
                return name
        return "png"
