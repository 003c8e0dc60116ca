"""Which images COCO files mean: `file_name` is relative to a folder that nobody names."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

from variegate.formats.base import about, counted
from variegate.formats.coco.objects import Reader
from variegate.formats.coco.read import CocoFile
from variegate.formats.scan import (
    Said,
    Survey,
    canonical_split,
    leave_unsaid,
    relative_name,
    split_below,
)
from variegate.storage import Storage, printable

# Folders that only say that images are in them.
_PLAIN_FOLDERS = frozenset(("images", "imgs", "jpegimages", "data"))


@dataclass(slots=True)
class Places:
    """Keys by their last part, of images that some file could mean; and how many images exist."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, storage: Storage, survey: Survey, names: Iterable[str]) -> Self:
        """Look through the listing for images with these names, whatever their folders."""
        places, wanted = cls(), frozenset(map(posixpath.basename, names))
        for entry in storage.list(on_skip=leave_unsaid):
            if survey.is_image(entry.key):
                places.count += 1
                name = posixpath.basename(entry.key)
                if name in wanted:
                    places.keys.setdefault(name, []).append(entry.key)
        return places

    def holds(self, key: str) -> bool:
        return key in self.keys.get(posixpath.basename(key), ())

    def folders(self, names: Iterable[str]) -> Counter[str]:
        """Count the folders, "" or with a slash at the end, below which files have these names."""
        counts: Counter[str] = Counter()
        for name in names:
            for key in self.keys.get(posixpath.basename(name), ()):
                if key == name or key.endswith(f"/{name}"):
                    counts[key[: len(key) - len(name)]] += 1
        return counts


def inside(name: str, file: str) -> str | None:
    """Return a `file_name` with forward slashes, or None where it leaves the dataset.

    One that climbs ("../images/1.jpg") is relative to its COCO file and becomes a key, with a
    slash before it.
    """
    plain = relative_name(name)
    if plain is None or posixpath.normpath(plain) == ".":
        return None
    if ".." not in plain.split("/"):
        return posixpath.normpath(plain)
    key = posixpath.normpath(posixpath.join(posixpath.dirname(file), plain))
    return None if key.startswith("..") or key == "." else f"/{key}"


@dataclass(frozen=True, slots=True)
class Located:
    """Where the images are that one file names.

    Attributes:
        folder: the one that most names are relative to, "" or with a slash at its end.
        keys: name, as the file has it -> key.
        missing, outside: names of images that are not there, or lie outside of the dataset.
    """

    folder: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    def notes(self, file: str) -> Iterator[str]:
        """Yield what the user should know of the names in `file`."""
        outside = f"outside the dataset, says {file}"
        yield from (
            f"{note}; not read" for note in about(self.outside, "file lies", "files lie", outside)
        )
        yield from about(self.missing, "image is", "images are", f"listed in {file} but missing")


def locate(
    file: str,
    names: Mapping[str, str | None],
    places: Places,
    *,
    split: str | None,
    masks: str | None = None,
) -> Located:
    """Return where the images of a file are.

    Args:
        file: key of the file.
        names: as the file has them -> what `inside` makes of them.
        places: all images.
        split: of the file.
        masks: the folder of its masks, in which its images are not.
    """
    folders = _image_folders(file, filter(None, names.values()), places, split=split)
    folders = [folder for folder in folders if folder != masks]
    keys, missing, outside = {}, [], []
    for name, relative in names.items():
        if relative is None:
            outside.append(name)
        elif (key := _find(relative, folders, places)) is None:
            missing.append(name)
        else:
            keys[name] = key
    return Located("".join(folders[:1]), keys, tuple(missing), tuple(outside))


def _find(name: str, folders: list[str], places: Places) -> str | None:
    """Return a key; where the first folder does not have the file, only one of the others may."""
    if name.startswith("/"):
        return name[1:] if places.holds(name[1:]) else None
    found = [key for folder in folders if places.holds(key := folder + name)]
    sure = len(found) == 1 or (found and found[0] == folders[0] + name)
    return found[0] if sure else None


def _image_folders(
    file: str, names: Iterable[str], places: Places, *, split: str | None
) -> list[str]:
    """Return the folders in which the images of a file may be, the most likely first.

    A folder that names another split than the file is never taken: it may hold other images of
    the same names. Of the rest those with the most of the names come first, then those near the
    file.
    """
    counts = places.folders(names)
    home = posixpath.dirname(file)

    def rank(folder: str) -> tuple[bool, int, bool, int, bool, int, str]:
        parts = folder.split("/")[:-1]
        return (
            split_below(folder) != split,
            -counts[folder],
            folder.rstrip("/") != home,
            -len(posixpath.commonprefix([home.split("/"), parts])),
            "images" not in parts,
            len(parts),
            folder,
        )

    fitting = (one for one in counts if split is None or split_below(one) in (split, None))
    return sorted(fitting, key=rank)


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A COCO file, and where what it names is.

    Attributes:
        file: what it says.
        found: its images.
        masks: the folder of its panoptic masks, or None.
        reader: makes objects of its entries.
    """

    file: CocoFile
    found: Located
    masks: str | None
    reader: Reader


@dataclass(frozen=True, slots=True)
class CocoImages:
    """COCO files and the images that belong to them.

    Attributes:
        files: in the order of their keys.
        images: key -> (file, number of its entry) of all that is said of it.
        unlisted: how many images no file lists.
        is_image: says so by the name.
        said: what the user says of the splits of folders.
    """

    files: tuple[LocatedFile, ...]
    images: Mapping[str, tuple[tuple[int, int], ...]]
    unlisted: int
    is_image: Callable[[str], bool]
    said: Said = field(default_factory=dict)

    def splits(self, key: str) -> list[str]:
        """Return the splits that the files about an image belong to, in their order."""
        own = {self.files[number].file.split for number, _ in self.images[key]}
        return sorted(split for split in own if split is not None)

    def split(self, key: str) -> str | None:
        """Return the split of an image: its files', or else that of its folder."""
        own = self.splits(key)
        return own[0] if own else split_below(key, self.said)

    def notes(self) -> Iterator[str]:
        """Yield what the user should know."""
        for one in self.files:
            yield from one.file.problems
            yield from one.found.notes(printable(one.file.key))
        if self.unlisted:
            count = counted(self.unlisted, "image is", "images are")
            yield f"{count} not listed in any COCO file and left out"


def locate_files(storage: Storage, survey: Survey, files: list[CocoFile]) -> CocoImages:
    """Look through the listing for the images and masks of the files."""
    names = [{name: inside(name, file.key) for name in file.files if name} for file in files]
    segments = [list(_segment_files(file)) for file in files]
    listed = chain.from_iterable(one.values() for one in names)
    places = Places.of(storage, survey, [*filter(None, listed), *chain.from_iterable(segments)])
    located = []
    images: dict[str, tuple[tuple[int, int], ...]] = {}
    masks: set[str | None] = {None}
    for number, file in enumerate(files):
        folder = _mask_folder(file.key, segments[number], places)
        found = locate(file.key, names[number], places, split=file.split, masks=folder)
        masks_by_name = {
            name: _mask_key(name, file.key, folder, places) for name in segments[number]
        }
        masks.update(masks_by_name.values())
        located.append(LocatedFile(file, found, folder, Reader(file, number, masks_by_name)))
        for entry_number, name in enumerate(file.files):
            if name and (key := found.keys.get(name)):
                images[key] = (*images.get(key, ()), (number, entry_number))
    unlisted = places.count - len(images) - len(masks - {None})
    return CocoImages(tuple(located), images, unlisted, survey.is_image, survey.hints.splits)


def _segment_files(file: CocoFile) -> Iterator[str]:
    """Yield the names of the masks of a panoptic file."""
    if file.kind != "panoptic":
        return
    for slot in range(len(file.slots)):
        for _, value in file.annotations.group(slot):
            name = value.get("file_name")
            if "segments_info" in value and isinstance(name, str):
                yield name


def _mask_folder(file: str, names: Iterable[str], places: Places) -> str | None:
    """Return the folder of a panoptic file's masks: mostly it is called like the file."""
    counts = places.folders(names)
    stem = posixpath.splitext(posixpath.basename(file))[0]
    home = posixpath.dirname(file)

    def rank(folder: str) -> tuple[bool, bool, int, str]:
        other = posixpath.basename(folder.rstrip("/")) != stem
        return other, not folder.startswith(home), -counts[folder], folder

    return min(counts, key=rank, default=None)


def _mask_key(name: str, file: str, folder: str | None, places: Places) -> str | None:
    """Return the key of a mask, or None where it is missing."""
    relative = inside(name, file)
    if relative is None or folder is None:
        return None
    key = relative[1:] if relative.startswith("/") else folder + relative
    return key if places.holds(key) else None


def image_key(key: str, *, split: str | None, extension: str) -> str:
    """Return where an image of another set goes: `images/train/`, its own folders, its name."""
    *folders, name = key.split("/")
    plain = [
        folder
        for folder in folders
        if folder.lower() not in _PLAIN_FOLDERS
        and canonical_split(folder.rstrip("0123456789")) is None
    ]
    stem, dot, own = name.rpartition(".")
    file = name if dot and f".{own.lower()}" == extension else f"{stem or name}{extension}"
    return "/".join(["images", *([split] if split else []), *plain, file])
