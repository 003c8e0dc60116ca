"""What Pascal VOC, YOLO and LabelMe share: each image has an annotation file of its own."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from variegate.annotations.annotation import Annotation
from variegate.annotations.checks import Problems, Size
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import InputError, LimitError
from variegate.formats.base import DatasetFormat, Source, about
from variegate.formats.coco.path_ends import inside_folder
from variegate.formats.hints import Hints
from variegate.formats.notes import information
from variegate.formats.pairing import Listed, Pairs, counterpart, in_mask_folder, is_paper, parts_of
from variegate.formats.scan import is_hidden, leave_unsaid, split_below
from variegate.formats.stated_size import SettledSize, SizeEvidence, StatedSize
from variegate.formats.writer import Item, Writer
from variegate.storage import Entry, OnSkip, Storage, log_skip, printable


class BrokenFileError(Exception):
    """An annotation file cannot be used. Holds line and reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


class UndecodedFileError(BrokenFileError):
    """An annotation file is not in the encoding that is said."""

    def __init__(self, tried: str, said: str | None) -> None:
        """Take the encoding that was tried, and the one that the user says."""
        remedy = "check --encoding" if said else "say its encoding, such as --encoding gbk"
        name = "UTF-8" if tried.lower() in ("utf-8", "utf-8-sig") else tried
        super().__init__(1, f"not in {name}; {remedy}")


class PairedWriter(Writer):
    """Writes an annotation file for each image.

    Attributes:
        folders: folder of images -> folder of their annotation files; a field of each subclass,
            at its own place in the job's record.
    """

    extension: ClassVar[str]
    """Of the annotation files."""
    role: ClassVar[str | None] = None
    """What replaces "images" in the folders of annotation files; None where they are the images'
    own."""

    folders: Mapping[str, str]

    def annotation_key(self, image: str) -> str:
        """Return the key of an image's annotation file."""
        folder, stem, _ = parts_of(image)
        fresh = counterpart(folder, self.role) if self.role else folder
        return f"{self.folders.get(folder, fresh)}{stem}{self.extension}"

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        return super().sidecar_keys(key, annotation) | {self.annotation_key(key)}

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        if item.annotation is not None and not item.annotation.extra.get("no_file"):
            text = self.text(item, item.annotation)
            yield self.annotation_key(item.key), text.encode("utf-8", "replace")

    @abstractmethod
    def text(self, item: Item, annotation: Annotation) -> str:
        """Return the annotation file of one image."""


def folder_said(hints: Hints) -> str | None:
    """Return the folder in which the user says that the images are, "" or "a/b/", if at all."""
    return None if hints.images is None else inside_folder(hints.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedFormat(DatasetFormat):
    """The names of all files are held in memory while the format is recognised.

    Attributes:
        pairs: which annotation file belongs to which image.
        strangers: images, without their extensions, whose annotation file is that of another one.
        template: the writer.
    """

    kind: ClassVar[str]
    """What an annotation file is called."""
    without: ClassVar[str] = "nothing is known of its objects"
    """What it means for an image to have none."""
    guesses_without: ClassVar[bool] = False
    """Whether that is a guess: the file may as well be lost."""
    names_image: ClassVar[bool] = False
    """Whether an annotation file says which of two images it is about, `7.jpg` or `7.png`."""

    pairs: Pairs
    strangers: frozenset[str] = frozenset()
    template: PairedWriter
    sizes: SizeEvidence = field(default_factory=SizeEvidence, compare=False, repr=False)

    def with_counts(self, listed: Listed, notes: Iterable[str]) -> Self:
        """Return this with its images counted by split, and with notes.

        Raises:
            InputError: an annotation file may be that of several images.
        """
        strangers = self._strangers(listed)
        images = Counter(
            self.split_of(folder, stem) or ""
            for folder in self.pairs.folders
            for stem in listed.images[folder]
            if not strangers or folder + stem not in strangers
        )
        has = ("image has", "images have")
        left_out = f"its {self.kind} from another image, which is nearer to it; left out"
        notes = (*notes, *about(sorted(strangers), *has, left_out))
        return replace(self, images=images, notes=notes, strangers=strangers)

    def _strangers(self, listed: Listed) -> frozenset[str]:
        found = set[str]()
        for key, (first, *others) in self.pairs.shared(listed):
            if self.pairs.are_as_near(first, others[0]):
                raise InputError(
                    f"{printable(key)} may be the {self.kind} of {printable(first)!r} or of "
                    f"{printable(others[0])!r}: give each image a file of its own, or say where "
                    "the images are with --images DIR"
                )
            found.update(others)
        return frozenset(found)

    def unpaired(self, listed: Listed, *, known: Container[str] = ()) -> Iterator[str]:
        """Yield notes about annotation files and images that lack the other.

        Args:
            listed: the dataset's files.
            known: keys of files that only look like annotation files.
        """
        missing = (key for key in self.pairs.missing(listed) if key not in known)
        yield from about(missing, f"{self.kind} has", f"{self.kind}s have", "no image")
        if not self.names_image:
            twice = sorted(one for one in listed.twice if self.pairs.is_paired(listed, one))
            which = "taken for several images, which differ by their extension alone"
            yield from about(twice, f"{self.kind} is", f"{self.kind}s are", which)
        without = f"no {self.kind}, so {self.without}"
        unlisted = about(self.pairs.unlisted(listed), "image has", "images have", without)
        yield from unlisted if self.guesses_without else information(unlisted)

    def split(self, key: str) -> str | None:
        folder, stem, _ = parts_of(key)
        return self.split_of(folder, stem) if folder in self.pairs.folders else None

    def split_of(self, folder: str, stem: str) -> str | None:
        """Return the split of an image in one of the folders of images."""
        del stem
        return split_below(folder, self.said)

    def writer(self) -> Writer:
        return self.template

    def sources(self, storage: Storage, *, on_skip: OnSkip = log_skip) -> Iterator[Source]:
        homes = set(self.pairs.folders.values())
        for entry in storage.list(on_skip=on_skip):
            folder, stem, extension = parts_of(entry.key)
            skip = self.other_role(entry.key)
            if skip is None and extension.lower() in IMAGE_EXTENSIONS and not is_hidden(entry.key):
                if folder in self.pairs.folders and folder + stem not in self.strangers:
                    yield self._image(storage, entry)
                    continue
                masks = in_mask_folder(entry.key)
                skip = "a mask" if masks else "an image outside the folders that have annotations"
                if folder in self.pairs.folders:
                    skip = f"its {self.kind} is that of another image"
            elif extension.lower() == self.pairs.extension and folder in homes:
                if is_paper(stem):
                    skip = skip or None
                elif entry.key == self.pairs.key_in(folder, stem):
                    skip = skip or "a label file"
                else:
                    skip = "not read: another label file has this name in other case"
            yield Source(entry.key, entry.size, skip=skip)

    def other_role(self, key: str) -> str | None:
        """Return what a file is that is neither an image nor its annotation file, or None."""
        del key
        return None

    def _image(self, storage: Storage, entry: Entry) -> Source:
        where = self.pairs.annotation_key(entry.key) or ""
        problems = Problems(printable(where))
        annotation, unusable = None, None
        try:
            annotation = self.read(storage, entry.key, where, problems)
        except BrokenFileError as error:
            unusable = f"{problems.key}:{error.line}: {error.reason}"
        except (LimitError, InputError) as error:
            unusable = str(error)
        return Source(
            entry.key,
            entry.size,
            self.split(entry.key),
            annotation=annotation,
            problems=tuple(problems.found),
            unusable=unusable,
        )

    def settled(
        self, storage: Storage, image: str, stated: Size | None, say: Callable[[str], None]
    ) -> Size | None:
        """Return the size with which the coordinates of an image are to be read; see `stated_size`.

        Args:
            storage: the dataset.
            image: key of the image.
            stated: (height, width) that its annotation file states.
            say: told what was found.

        Raises:
            InputError: the file cannot be that of this image.
        """

        def claim() -> StatedSize | None:
            return self._stated(storage, image)

        found: SettledSize = self.sizes.settled(
            storage, image, stated, claim=claim, others=lambda: self._all_stated(storage)
        )
        if found.unusable:
            raise InputError(found.unusable)
        if found.problem:
            say(found.problem)
        return found.size

    def _all_stated(self, storage: Storage) -> Iterator[StatedSize]:
        for entry in storage.list(on_skip=leave_unsaid):
            folder, _, extension = parts_of(entry.key)
            is_image = extension.lower() in IMAGE_EXTENSIONS and folder in self.pairs.folders
            if is_image and (found := self._stated(storage, entry.key)) is not None:
                yield found

    def _stated(self, storage: Storage, image: str) -> StatedSize | None:
        where = self.pairs.annotation_key(image)
        if where is None or not storage.exists(where):
            return None
        with suppress(BrokenFileError, InputError, LimitError):
            return StatedSize.of(image, self.unsized(storage, image, where))
        return None

    def unsized(self, storage: Storage, image: str, where: str) -> Annotation:
        """Return the objects of an image wherever they lie, with the size that its file states.

        Here without one: for formats whose files state none. The arguments are those of `read`.
        """
        del storage, image, where
        return Annotation()

    @abstractmethod
    def read(self, storage: Storage, image: str, where: str, problems: Problems) -> Annotation:
        """Return what is known about one image.

        Args:
            storage: the dataset.
            image: key of the image.
            where: key of its annotation file, which may be missing.
            problems: where to say what is wrong.

        Raises:
            BrokenFileError: the annotation file cannot be used.
            InputError, LimitError: a file cannot be read.
        """
