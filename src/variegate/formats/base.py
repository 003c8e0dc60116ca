"""What a format is: how a dataset tells what its files are."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.annotations.checks import objects_left_out
from variegate.formats.plain import PlainWriter
from variegate.formats.scan import SPLITS, Survey, is_hidden, seems_image, split_and_group
from variegate.formats.writer import Writer
from variegate.storage import Entry, OnSkip, Storage, log_skip, printable


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the input, as its format understands it.

    Attributes:
        key: its path inside the dataset.
        size: in bytes.
        split: "train", "val", "test", or None where the format gives this file none.
        label: its class, or None where the format gives this file none.
        annotation: what else is known about it.
        problems: what was wrong with its annotation and is repaired or left out, each with
            file, line and what was done ("Annotations/7.xml:12: box with no area; object left
            out"); by its last words the objects that are lost are counted.
        unusable: why the image cannot be used at all with this annotation, or None.
        partners: sources of the same split of which images may be made together with this one.
        skip: why the file is not an image of the set ("a mask", "a label file"), or None.
        target: key of its result without an extension, where the run says what it is called.
    """

    key: str
    size: int
    split: str | None = None
    label: str | None = None
    annotation: Annotation | None = None
    problems: tuple[str, ...] = ()
    unusable: str | None = None
    skip: str | None = None
    target: str | None = None
    partners: tuple["Source", ...] = ()

    def __post_init__(self) -> None:
        # Here, so that no format can forget it.
        if self.skip is None and is_hidden(self.key):
            macos = "/._" in f"/{self.key}" or "__MACOSX/" in self.key
            reason = "a side file of macOS" if macos else "a hidden file, or in a hidden folder"
            object.__setattr__(self, "skip", reason)

    @property
    def shares(self) -> dict[str, float]:
        """The classes of the image as a whole, each with its share."""
        if self.annotation is not None and self.annotation.labels:
            return dict(self.annotation.labels)
        return {self.label: 1.0} if self.label else {}

    @property
    def objects(self) -> int:
        """How many objects are known of it."""
        return 0 if self.annotation is None else len(self.annotation.objects)

    @property
    def objects_left_out(self) -> int:
        """How many objects of its annotation file cannot be used."""
        return sum(map(objects_left_out, self.problems))

    @property
    def seems_usable(self) -> bool:
        """Whether it is called like an image of the set, and nothing is known against it."""
        return self.skip is None and self.unusable is None and seems_image(self.key)


@dataclass(frozen=True, slots=True)
class NotThisFormat:
    """Why a dataset is not in a format.

    Attributes:
        reason: a clause without place and full stop.
        noteworthy: the user should hear of it even where another format fits.
        annotated: it has annotations in this format, which belong to none of its images; formats
            without any annotations are not taken instead.
        question: what only the user can answer, and where no other format finds labels, must.
    """

    reason: str
    noteworthy: bool = False
    annotated: bool = False
    question: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat(ABC):
    """The format of one dataset.

    Attributes:
        root: the folder that holds it all, "" or with a slash at its end ("dataset/"). Files
            elsewhere have neither split nor label.
        split_folders: folder, as a path below the root -> canonical split; empty without any.
        said: folder, by its name or path -> split, as the user says.
        classes: the labels, in code-point order.
        images: images by split ("" for none), judged by their names.
        notes: what else the user should know, one sentence each.
        skeletons: category -> its keypoints, for formats that have them.
        labels_from: the folder that labels are taken from, where others have some, too.
    """

    name: ClassVar[str]
    choosable: ClassVar[bool] = False
    """Whether the user may name the folder or file to take labels from, where several have some."""
    bare: ClassVar[bool] = False
    """Whether its datasets have no files of annotations: names tell all that is known."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """Of the hints but "splits" and "depth" those that are of use here."""

    root: str = ""
    split_folders: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skeletons: Mapping[str, Skeleton] = field(default_factory=dict)
    labels_from: str | None = None

    @classmethod
    @abstractmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> "Recognised":
        """Return the format, or why the dataset is not in it.

        Args:
            survey: what the names say.
            storage: for formats with files of their own, such as a table.
            chosen: the user asked for this format: take it wherever that is possible.
        """

    @property
    @abstractmethod
    def heading(self) -> str:
        """The kind of format in a few words, such as "folder per class"."""

    def label(self, key: str) -> str | None:
        """Return the label that the name of one file tells."""
        del key
        return None

    def split(self, key: str) -> str | None:
        """Return the split of one file."""
        inside = self.inside(key)
        return split_and_group(inside.split("/")[:-1], self.split_folders)[0] if inside else None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are, of "train", "val", "test" in this order."""
        return tuple(split for split in SPLITS if self.images.get(split))

    @property
    def option(self) -> str:
        """What `--format` has to be for this to be chosen again."""
        return self.name if self.labels_from is None else f"{self.name}:{self.labels_from}"

    @property
    def description(self) -> str:
        """The format in one plain sentence."""
        below = f" below {printable(self.root)}" if self.root else ""
        classes = f"{counted(len(self.classes), 'class', 'classes')}, " if self.classes else ""
        images = counted(sum(self.images.values()), "image", "images")
        return f"{self.heading}{below}: {classes}{images}, {self._about_splits()}"

    def _about_splits(self) -> str:
        if not self.splits:
            return "no splits (all of it is treated as training data)"
        parts = [f"{split} {self.images[split]:,}" for split in self.splits]
        if unsplit := self.images.get("", 0):
            parts.append(f"in no split {unsplit:,}")
        return f"split ({', '.join(parts)})"

    def sources(self, storage: Storage, *, on_skip: OnSkip = log_skip) -> Iterator[Source]:
        """Yield every file of the dataset, images or not, in the order of the listing."""
        for entry in storage.list(on_skip=on_skip):
            yield self.source(entry, storage)

    def source(self, entry: Entry, storage: Storage) -> Source:
        """Return what is known of one file of the listing."""
        del storage
        return Source(entry.key, entry.size, self.split(entry.key), self.label(entry.key))

    def writer(self) -> Writer:
        """Return what lays results out like this dataset."""
        return PlainWriter(classes=self.classes)

    def inside(self, key: str) -> str | None:
        """Return `key` below the root, or None for files outside and hidden ones."""
        if not key.startswith(self.root) or is_hidden(key):
            return None
        return key[len(self.root) :]


Recognised = DatasetFormat | NotThisFormat


def mask_source(entry: Entry, *, alone: bool) -> Source:
    """Return the source of a mask; one that is `alone`, without its image, is a problem."""
    if not alone:
        return Source(entry.key, entry.size, skip="a mask")
    problem = f"{printable(entry.key)}: a mask without an image; it is left out"
    return Source(entry.key, entry.size, skip="a mask without an image", problems=(problem,))


def counted(count: int, one: str, many: str) -> str:
    """Return "1 image", "2,000 images"."""
    return f"{count:,} {one if count == 1 else many}"


def about(names: Iterable[str], one: str, many: str, words: str) -> Iterator[str]:
    """Yield "2 files are missing: 'a', 'b'" for "file is", "files are", "missing"; not of none."""
    if listed := list(names):
        yield f"{counted(len(listed), one, many)} {words}: {named(listed)}"


def named(names: Iterable[str], most: int = 3) -> str:
    """Return "'a', 'b', 'c' and 7 more"."""
    listed = list(names)
    shown = ", ".join(repr(name) for name in listed[:most])
    return f"{shown} and {len(listed) - most:,} more" if len(listed) > most else shown
