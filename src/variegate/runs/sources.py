"""The list of a run's sources, made once and kept on disk.

A dataset may hold more files than memory should be spent on. The list is spooled to a temporary
file, in the order of the storage's listing, and read again from there; what is kept is its
length and some digests, by which a continued run knows that it is the same list.
"""

import hashlib
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, Any, Self

from variegate.codecs import EXTENSIONS
from variegate.formats import CollisionCheck, DatasetFormat, Source
from variegate.formats.scan import seems_image
from variegate.recipes.recipe import Recipe
from variegate.runs.augmenter import format_by_name, variant_suffix
from variegate.runs.job import Shard, source_from_json, source_to_json
from variegate.seeding import generator
from variegate.storage import Snapshot, Storage, key_to_text, log_skip
from variegate.storage.json import dumped, loaded
from variegate.storage.os_errors import writing

# Lines that are read at a time; the place of the first of so many is remembered.
_STRIDE = 500

# For transforms of several images: so many sources that follow each other choose from the same
# candidates, so many of them.
_NEIGHBOURS = 32
_CANDIDATES = 17

# Problems that are named; the others are counted.
_SHOWN = 20


@dataclass(slots=True)
class Listing:
    """The sources of a run. Use it in a with statement; its file goes at the end.

    Attributes:
        total: how many sources.
        identity: by which it is told from another list: numbers and digests, JSON values.
        splits: sources by split ("" for none), files that are no images included.
        objects: how many are known of the images.
        objects_left_out: how many more their annotation files hold, which cannot be used.
        problems: how many things were wrong with annotations, and repaired or left out.
        first_problems: some of them.
        usable: numbers of the sources of which results may be made together with others.
        seed: by which those others are chosen; None where they are not needed.
    """

    file: IO[bytes]
    total: int = 0
    identity: dict[str, Any] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    objects_left_out: int = 0
    problems: int = 0
    first_problems: list[str] = field(default_factory=list)
    usable: "array[int]" = field(default_factory=lambda: array("q"))
    seed: int | None = None
    offsets: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def sources(self, start: int = 0, stop: int | None = None) -> Iterator[Source]:
        """Yield the sources numbered `start` to before `stop`; several readers may take turns."""
        end = self.total if stop is None else min(stop, self.total)
        for block in range(start // _STRIDE, -(-end // _STRIDE)):
            first = block * _STRIDE
            self.file.seek(self.offsets[block])
            lines = list(islice(self.file, min(_STRIDE, end - first)))
            for line in lines[max(0, start - first) :]:
                yield source_from_json(loaded(line))

    def shards(
        self, ranges: Iterable[tuple[int, int]], size: int, *, parallel: int | None = None
    ) -> Iterator[Shard]:
        """Cut ranges of sources into shards.

        Args:
            ranges: of numbers, from the first to before the second.
            size: of a shard, at most.
            parallel: how many are worked on at a time: the last shards are smaller, down to a
                quarter, so that nobody waits long for whoever got the last. None for equal ones.
        """
        known = list(ranges)
        left = sum(stop - start for start, stop in known)
        for start, stop in known:
            sources = self._with_partners(start, stop)
            while start < stop:
                even = left // (2 * parallel) if parallel else size
                taken = min(size, max(even, size // 4, 1), stop - start)
                yield Shard(start, tuple(islice(sources, taken)))
                start, left = start + taken, left - taken

    def _with_partners(self, start: int, stop: int) -> Iterator[Source]:
        """Yield sources with those of which results may be made together with them."""
        if self.seed is None:
            yield from self.sources(start, stop)
            return
        block, others = -1, tuple[Source, ...]()
        for number, source in enumerate(self.sources(start, stop), start):
            if number // _NEIGHBOURS != block:
                block = number // _NEIGHBOURS
                others = self._partners(self.seed, block)
            yield replace(source, partners=tuple(o for o in others if o.key != source.key))

    def _partners(self, seed: int, block: int) -> tuple[Source, ...]:
        """Choose the others for a block of sources: the same ones, however shards are cut."""
        rng = generator(seed, "partners", block)
        count = min(_CANDIDATES, len(self.usable))
        chosen = rng.choice(len(self.usable), size=count, replace=False)
        numbers = sorted(self.usable[int(index)] for index in chosen)
        return tuple(next(self.sources(number, number + 1)) for number in numbers)


def spool(
    storage: Storage,
    dataset_format: DatasetFormat,
    recipe: Recipe,
    *,
    limit: int | None = None,
    on_source: Callable[[Source], str | None] | None = None,
    change: Callable[[Source], Source] | None = None,
) -> Listing:
    """List the sources of a run.

    Args:
        storage: the dataset.
        dataset_format: its format.
        recipe: decides the names of the results.
        limit: process at most this many images, sampled evenly.
        on_source: told of each; sees to the names of the results, too, which are not compared then.
            What it answers is why the source is quarantined unread.
        change: returns what is listed in the place of each.

    Raises:
        OutputError: two sources would share an output's name.
    """
    listing = Listing(tempfile.TemporaryFile())  # noqa: SIM115 - the listing closes it
    try:
        listing.seed = recipe.seed if recipe.mixes else None
        look = on_source or _name_check(storage, dataset_format, recipe)
        _fill(listing, storage, dataset_format, limit, look, change)
    except BaseException:
        listing.file.close()
        raise
    return listing


def _fill(
    listing: Listing,
    storage: Storage,
    dataset_format: DatasetFormat,
    limit: int | None,
    look: Callable[[Source], str | None],
    change: Callable[[Source], Source] | None,
) -> None:
    names, sizes, labels = (hashlib.sha256() for _ in range(3))
    size = 0
    for source, refused in _thinned(storage, dataset_format, limit):
        if change is not None:
            source = change(source)
        if not refused and (why := look(source)) is not None and source.seems_usable:
            source = replace(source, unusable=why)
        data = source_to_json(source)
        with writing(f"the list of the input's files, in {tempfile.gettempdir()}"):
            if listing.total % _STRIDE == 0:
                listing.offsets.append(listing.file.tell())
            listing.file.write(dumped(data) + b"\n")
        names.update(f"{data.pop('key')}\n".encode())
        size += data.pop("size")
        sizes.update(f"{source.size}\n".encode())
        labels.update(dumped(data) + b"\n")
        if listing.seed is not None and seems_augmented(source, dataset_format):
            listing.usable.append(listing.total)
        listing.objects += source.objects
        listing.objects_left_out += source.objects_left_out
        listing.problems += len(source.problems)
        listing.first_problems += source.problems[: _SHOWN - len(listing.first_problems)]
        listing.total += 1
        listing.splits[source.split or ""] += 1
    with writing(f"the list of the input's files, in {tempfile.gettempdir()}"):
        listing.file.flush()
    listing.identity = {
        "files": listing.total,
        "names": names.hexdigest()[:16],
        "bytes": size,
        "sizes": sizes.hexdigest()[:16],
        "labels": labels.hexdigest()[:16],
    }
    if isinstance(storage, Snapshot):
        listing.identity["times"] = storage.times[:16]


def seems_augmented(source: Source, dataset_format: DatasetFormat) -> bool:
    """Say whether a source gets variants, if it is an image."""
    # Masks, for example, are images that belong to another one.
    return source.seems_usable and (not dataset_format.splits or source.split == "train")


def _thinned(
    storage: Storage, dataset_format: DatasetFormat, limit: int | None
) -> Iterator[tuple[Source, bool]]:
    """Yield all sources, or `limit` of those that are taken for images.

    Yields:
        Each with whether the storage refused it: a broken link, a name that leads outside. Those
        come last: nobody may open them, but they are inputs.
    """
    images = sum(dataset_format.images.values())
    if limit is None or limit >= images:
        refused: list[Source] = []

        def note(key: str, reason: str) -> None:
            refused.append(Source(key, 0, skip=reason))
            log_skip(key, reason)

        for source in dataset_format.sources(storage, on_skip=note):
            yield source, False
        yield from ((source, True) for source in refused)
        return
    seen = taken = 0
    for source in dataset_format.sources(storage):
        if not seems_image(source.key) or source.skip is not None:
            continue
        seen += 1
        if taken * images < seen * limit:
            taken += 1
            yield source, False


def _name_check(
    storage: Storage, dataset_format: DatasetFormat, recipe: Recipe
) -> Callable[[Source], str | None]:
    """Return what refuses a run in which two sources would share an output's name.

    It says why a single source can have no results.

    Formats are judged by the sources' names; a file whose content is of another kind than its
    name says is looked at again when it is made (see `variegate.runs.worker`).
    """
    suffixes = {variant_suffix(index, recipe.count()) for index in range(recipe.count())}
    if dataset_format.splits or recipe.classes:
        suffixes.add("")
    checks = {
        name: CollisionCheck(
            suffixes=suffixes,
            extension=extensions[0],
            own_extensions=extensions,
            exists=storage.exists,
        )
        for name, extensions in EXTENSIONS.items()
    }
    wanted = recipe.output.format

    def look(source: Source) -> str | None:
        checks[format_by_name(wanted, source.key)].add(source.key)
        # The folder may be called like a result of any kind.
        found = (check.above(source.key) for check in checks.values())
        other = next(filter(None, found), None)
        return other and (
            f"a folder above it is called like a result of {key_to_text(other)!r}; "
            "rename one of them"
        )

    return look
