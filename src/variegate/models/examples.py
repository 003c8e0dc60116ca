"""Images of a dataset with what is known of them, decoded ahead, in the order of the listing."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Image, Size
from variegate.annotations.targets import Targets
from variegate.codecs import Limits, decode, kind_of, probe
from variegate.errors import ImageError, InputError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.runs.annotate import AnnotationWriter
from variegate.storage import Snapshot, Storage, log_skip, open_storage, printable

Part = Literal["train", "val", "test", "all"]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An image and what is known of it.

    Attributes:
        key: in the dataset.
        image: decoded, upright; None where there is none.
        labels: classes of the image as a whole, each with its share.
        targets: its objects and masks, or None.
        fault: why it cannot be used.
    """

    key: str
    image: Image | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    targets: Targets | None = None
    fault: str | None = None

    @property
    def size(self) -> Size:
        """(height, width), pixels; 0 of an image that cannot be used."""
        return (0, 0) if self.image is None else (self.image.shape[0], self.image.shape[1])


class Examples:
    """The images of one part of a dataset. Use it in a with statement."""

    def __init__(
        self,
        place: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - as the option is called
        label_pattern: str | None = None,
        hints: Hints = NO_HINTS,
        limits: Limits | None = None,
        part: Part | None = None,
        workers: int | None = None,
    ) -> None:
        """Detect the format.

        Args:
            place: a folder, zip or tar file, or bucket.
            format: its name; None to detect it.
            label_pattern: regular expression with a group "label", for labels in file names.
            hints: what cannot be told from the files of the dataset.
            limits: larger images cannot be used.
            part: a split, or "all"; None for test, or else val, or else everything.
            workers: threads that decode; 0 for none but this one, None for one a processor.

        Raises:
            InputError: there are no images, their format is unknown, or the split is not there.
        """
        self.place = str(place)
        self._limits = hints.decoding(limits or Limits())
        self._workers = os.cpu_count() or 1 if workers is None else workers
        with ExitStack() as stack:
            self._storage = stack.enter_context(Snapshot(open_storage(place)))
            self.format = detect(
                self._storage, name=format, label_pattern=label_pattern, hints=hints
            )
            self.part = self._part(part)
            self._closing = stack.pop_all()

    def _part(self, wanted: Part | None) -> str:
        there = self.format.splits
        if wanted is None:
            return next((name for name in ("test", "val") if name in there), "all")
        if wanted != "all" and wanted not in there:
            listed = ", ".join(there) or "no splits"
            raise InputError(f"{self.place}: expected the split {wanted!r}, it has {listed}")
        return wanted

    @property
    def total(self) -> int:
        """Images of the part, judged by their names."""
        images = self.format.images
        return sum(images.values()) if self.part == "all" else images.get(self.part, 0)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know: those of the format, and which part is used."""
        splits = self.format.splits
        if not splits or self.part == "all":
            return self.format.notes
        return (*self.format.notes, f"the images of {self.part} are used")

    def sample(self, most: int) -> Iterator[Example]:
        """Yield at most so large a number of examples, evenly spread over the listing."""
        return self._loaded(most)

    def __iter__(self) -> Iterator[Example]:
        return self._loaded(None)

    def _sources(self, most: int | None) -> Iterator[Source]:
        total, seen, taken = max(1, self.total), 0, 0
        for source in self.format.sources(self._storage, on_skip=log_skip):
            if not source.seems_usable or self.part not in ("all", source.split or ""):
                continue
            seen += 1
            if most is None or (taken < most and taken * total < seen * min(most, total)):
                taken += 1
                yield source

    def _loaded(self, most: int | None) -> Iterator[Example]:
        sources = self._sources(most)
        if not self._workers:
            loader = ExampleLoader(self.format, self._storage, self._limits)
            yield from map(loader.load, sources)
            return
        own = threading.local()

        def load(source: Source) -> Example:
            if not hasattr(own, "loader"):
                # No handle of an archive is shared.
                own.loader = ExampleLoader(self.format, open_storage(self.place), self._limits)
            return own.loader.load(source)

        waiting: deque[Future[Example]] = deque()
        with ThreadPoolExecutor(self._workers) as pool:
            for source in sources:
                waiting.append(pool.submit(load, source))
                if len(waiting) > 4 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def close(self) -> None:
        """Let go of the listing."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ExampleLoader:
    """Decodes images of a dataset and reads what is known of them."""

    def __init__(self, found: DatasetFormat, storage: Storage, limits: Limits) -> None:
        """Take where they are.

        Args:
            found: format of the dataset.
            storage: of its files.
            limits: larger images cannot be used.
        """
        self._limits, self._storage = limits, storage
        self._annotations = AnnotationWriter(LabelRule(), found.writer(), storage, storage, limits)

    def load(self, source: Source) -> Example:
        """Return an example, or why there is none."""
        try:
            data = self._storage.read(source.key, limit=self._limits.max_bytes)
            if "." not in source.key.rpartition("/")[2] and kind_of(data) is None:
                # Nobody said that it is an image.
                return Example(source.key)
            image = decode(data, limits=self._limits)
            size, turn = (image.shape[0], image.shape[1]), probe(data, self._limits).orientation
            targets = self._annotations.targets(source, size, turn)
        except (ImageError, InputError) as error:
            return Example(source.key, fault=f"{printable(source.key)}: {error}")
        return Example(source.key, image, source.shares, targets)
