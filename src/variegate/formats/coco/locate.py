"""Which images COCO files mean, all files of a set together."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations

from variegate.annotations.checks import are_numbers, objects_left_out
from variegate.errors import InputError
from variegate.formats.base import counted, named
from variegate.formats.coco.objects import Reader
from variegate.formats.coco.path_ends import inside_folder
from variegate.formats.coco.places import Located, Places, inside, locate
from variegate.formats.coco.read import CocoFile, is_id
from variegate.formats.notes import Information
from variegate.formats.scan import (
    Said,
    Survey,
    canonical_split,
    split_below,
)
from variegate.storage import Storage, printable

# So many images are compared between two files.
_LOOKED_AT = 20
# Folders that only say that images are in them.
_PLAIN_FOLDERS = frozenset(("images", "imgs", "jpegimages", "data"))


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

    def problems(self) -> Iterator[str]:
        """Yield what costs objects that belong to no image that is there."""
        yield from filter(objects_left_out, self.file.problems)
        names = {*self.found.missing, *self.found.outside}
        owners = {
            owner
            for name, owner in zip(self.file.files, self.file.owners, strict=True)
            if name in names
        }
        slots = owners.union(*(self.file.same.get(owner, ()) for owner in owners))
        lost = sum(map(self.file.annotations.count, slots))
        if lost and self.file.kind != "panoptic":
            images = counted(len(names), "image", "images")
            objects = counted(lost, "object", "objects")
            yield f"{printable(self.file.key)}: {images} listed but missing; {objects} left out"


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
            yield from (problem for problem in one.file.problems if not objects_left_out(problem))
            yield from one.found.notes(printable(one.file.key))
        yield from self._versions()
        if self.unlisted:
            count = counted(self.unlisted, "image is", "images are")
            yield Information(f"{count} not listed in any COCO file and left out")

    def _versions(self) -> Iterator[str]:
        """Say which files tell different things of the same images, as older copies do.

        The objects of instances and keypoints are the same, and those of stuff are of other
        classes. The first images of each two files are looked at.
        """
        looked: Counter[tuple[int, int]] = Counter()
        for key, entries in self.images.items() if len(self.files) > 1 else ():
            for (first, one), (second, other) in combinations(entries, 2):
                pair = first, second
                if first == second or looked[pair] >= _LOOKED_AT:
                    continue
                looked[pair] += 1
                ours, theirs = self._told(first, one), self._told(second, other)
                shared = {name for name, _ in ours} & {name for name, _ in theirs}
                if all(
                    any(name in shared for name, _ in more)
                    for more in (ours - theirs, theirs - ours)
                ):
                    looked[pair] = _LOOKED_AT
                    names = " and ".join(repr(self.files[at].file.key) for at in pair)
                    yield (
                        f"{names} name other objects of one class in {printable(key)!r}, and "
                        "the image gets those of both; if one is a version of the other, keep "
                        "one of them"
                    )

    def _told(self, number: int, entry: int) -> set[tuple[str, str]]:
        """Return what a file says of an image: classes, each with a box."""
        file = self.files[number].file
        found = set()
        for _, value in file.about(file.owners[entry]):
            segments = value.get("segments_info") if file.kind == "panoptic" else None
            for one in segments if isinstance(segments, list) else [value]:
                fields = one if isinstance(one, dict) else {}
                category = fields.get("category_id")
                name = file.names.get(category) if is_id(category) else None
                if name is None:
                    continue
                box = fields.get("bbox")
                place = repr([float(side) for side in box]) if are_numbers(box, 4) else ""
                if segments is not None:
                    place += f" {fields.get('id')} {fields.get('area')}"
                if place:
                    found.add((f"{file.kind}: {name}", place))
        return found


def locate_files(storage: Storage, survey: Survey, files: list[CocoFile]) -> CocoImages:
    """Look through the listing for the images and masks of the files.

    Raises:
        InputError: a name may mean one of several images.
    """
    within = None if survey.hints.images is None else inside_folder(survey.hints.images)
    names = [{name: inside(name, file.key) for name in file.files if name} for file in files]
    segments = [list(_segment_files(file)) for file in files]
    listed = chain.from_iterable(one.values() for one in names)
    places = Places.of(storage, survey, [*filter(None, listed), *chain.from_iterable(segments)])
    located = []
    images: dict[str, tuple[tuple[int, int], ...]] = {}
    masks: set[str | None] = {None}
    for number, file in enumerate(files):
        folder = _mask_folder(file.key, segments[number], places)
        found = locate(
            file.key, names[number], places, split=file.split, masks=folder, within=within
        )
        if within is None:
            _check_distinct(file, names[number], places, masks=folder)
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


def _check_distinct(
    file: CocoFile, names: Mapping[str, str | None], places: Places, *, masks: str | None
) -> None:
    """Make sure that no two images of a file have one name that several files have, too.

    Raises:
        InputError: which is which cannot be told.
    """
    entries: dict[str, int] = {}
    for number, name in enumerate(file.files):
        relative = names.get(name) if name else None
        if name is None or relative is None:
            continue
        first = entries.setdefault(name, number)
        if file.owners[first] == file.owners[number]:
            continue
        keys = [key for key in places.ending(relative) if not (masks and key.startswith(masks))]
        if len(keys) > 1:
            raise InputError(
                f"{printable(file.key)}: images[{first}] and images[{number}] are both called "
                f"{name!r}, which may be any of {named(keys)}; "
                "write names with their folders into it"
            )


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
