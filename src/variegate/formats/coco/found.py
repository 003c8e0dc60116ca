"""Which of the files in a dataset the COCO files mean."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from variegate.formats.base import counted, named
from variegate.formats.coco.file import CocoFile, folder_split
from variegate.formats.coco.pictures import Part
from variegate.formats.coco.places import (
    Folders,
    Places,
    by_key,
    image_folders,
    inside,
    mask_folder,
    segment_files,
)
from variegate.formats.scan import Survey, leave_unsaid
from variegate.storage import Storage, printable


@dataclass(slots=True)
class Found:
    """COCO files and the images that belong to them.

    Attributes:
        files: in the order of their keys.
        folders: of each, where its images are.
        masks: of each, where its panoptic masks are.
        parts: of each, what reads its entries.
        images: key -> (file, number of its entry) of all that is said of it.
        missing, refused: of each, names of images that are not there, or lie outside.
        unlisted: images that no file lists.
        is_image: says so by the name.
    """

    files: tuple[CocoFile, ...]
    folders: tuple[Folders, ...]
    masks: tuple[str | None, ...]
    parts: tuple[Part, ...]
    images: Mapping[str, tuple[tuple[int, int], ...]]
    missing: tuple[list[str], ...]
    refused: tuple[list[str], ...]
    is_image: Callable[[str], bool]
    unlisted: int = 0

    def splits(self, key: str) -> set[str]:
        """Return the splits that the files about an image belong to."""
        own = {self.files[number].split for number, _ in self.images[key]}
        return {split for split in own if split is not None}

    def split(self, key: str) -> str | None:
        """Return the split of an image: its files', or else that of its folder."""
        own = sorted(self.splits(key))
        return own[0] if own else folder_split(key.lower().split("/")[:-1])

    def notes(self) -> Iterator[str]:
        """Yield what the user should know."""
        for number, file in enumerate(self.files):
            yield from file.problems
            key = printable(file.key)
            if refused := self.refused[number]:
                count = counted(len(refused), "file lies", "files lie")
                yield f"{count} outside the dataset, says {key}: {named(refused)}; not read"
            if missing := self.missing[number]:
                count = counted(len(missing), "image is", "images are")
                yield f"{count} listed in {key} but missing: {named(missing)}"
        if self.unlisted:
            count = counted(self.unlisted, "image is", "images are")
            yield f"{count} not listed in any COCO file and left out"


def find(storage: Storage, survey: Survey, files: list[CocoFile]) -> Found:
    """Look through the listing for the images and masks of the files."""
    names = [[None if n is None else inside(n, file.key) for n in file.files] for file in files]
    segments = [list(segment_files(file)) for file in files]
    wanted = {posixpath.basename(n) for listed in names for n in listed if n}
    wanted |= {posixpath.basename(n) for listed in segments for n in listed}
    places = Places(frozenset(wanted))
    for entry in storage.list(on_skip=leave_unsaid):
        if survey.is_image(entry.key):
            places.add(entry.key)
    masks = [mask_folder(file, n, places) for file, n in zip(files, segments, strict=True)]
    folders = [
        image_folders(file.key, file.split, filter(None, listed), places, masks=mask)
        for file, listed, mask in zip(files, names, masks, strict=True)
    ]
    matches: list[tuple[str, int, int]] = []
    missing: list[list[str]] = [[] for _ in files]
    refused: list[list[str]] = [[] for _ in files]
    for number, file in enumerate(files):
        for entry_number, name in enumerate(names[number]):
            original = file.files[entry_number]
            if original is None:
                continue
            if name is None:
                refused[number].append(original)
            elif (key := folders[number].find(name, places)) is None:
                missing[number].append(original)
            else:
                matches.append((key, number, entry_number))
    found = Found(
        files=tuple(files),
        folders=tuple(folders),
        masks=tuple(masks),
        parts=tuple(
            Part(file, number, mask, places)
            for number, (file, mask) in enumerate(zip(files, masks, strict=True))
        ),
        images=by_key(matches),
        missing=tuple(missing),
        refused=tuple(refused),
        is_image=survey.is_image,
    )
    named_masks = {
        mask for part, n in zip(found.parts, segments, strict=True) for mask in map(part.mask, n)
    }
    found.unlisted = places.count - len(found.images) - len(named_masks - {None})
    return found
