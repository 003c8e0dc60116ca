"""One mask file for each object: ``<id>/images/<id>.png`` and ``<id>/masks/*.png``.

A mask's folder or its name before a number is the object's class where these repeat
(``masks/nucleus/1.png``, ``masks/nucleus_1.png``); else all objects are of the class "object".
Every value but 0 is the object.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar

from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import IMAGE_EXTENSIONS, decode_mask
from variegate.errors import ImageError, InputError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, Source, mask_source
from variegate.formats.blends import blend_notes, loss_notes
from variegate.formats.image_size import image_size, mask_problem
from variegate.formats.mask_pairs.pairs import split_key
from variegate.formats.object_masks.writer import OBJECT, Case, ObjectMasksWriter
from variegate.formats.scan import Survey, canonical_split, leave_unsaid, split_above
from variegate.storage import Entry, OnSkip, Storage, log_skip, printable

_IMAGES = ("images", "image", "imgs", "img")
_MASKS = ("masks", "mask", "instances", "objects", "labels")
# Names before the number that say nothing of what an object is.
_NO_CLASSES = {"mask", "masks", "object", "obj", "instance", "inst", "label", "seg", "img", "image"}
_NUMBERED = re.compile(r"([^\W\d_][^\W\d]*?)[ _-]?\d+")
_MOST_CLASSES = 100
# Masks that are looked at.
_SAMPLE = 10
_BLENDS = (
    "all of them but 0 are taken for the object; save masks without smoothing, or say --masks "
    "instances if that is right"
)
# This share of the images must be alone in a folder that has a folder of masks beside it.
_ALONE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMasks(DatasetFormat):
    """Every image has a folder of its own, with a folder of masks.

    Attributes:
        images_folder, masks_folder: what they are called.
        by_folder, by_name: where the class of an object stands, if it stands anywhere.
        value: of the objects in the masks.
    """

    name: ClassVar[str] = "object-masks"
    heading: ClassVar[str] = "one mask file for each object"
    takes: ClassVar[frozenset[str]] = frozenset(("masks",))

    images_folder: str
    masks_folder: str
    by_folder: bool = False
    by_name: bool = False
    value: int = 255

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        if (folders := _folders(survey, chosen=chosen)) is None:
            return NotThisFormat("images do not stand alone beside a folder of masks")
        if survey.hints.masks not in (None, "instances"):
            return NotThisFormat(f"its masks are those of objects, not {survey.hints.masks}")
        dataset_format = cls(
            root=survey.prefix,
            said=survey.hints.splits,
            images_folder=folders[0],
            masks_folder=folders[1],
        )
        return dataset_format._completed(storage, is_said=survey.hints.masks == "instances")

    def _completed(self, storage: Storage, *, is_said: bool) -> DatasetFormat:
        """Look through the listing: images by split, classes, the value of objects.

        Args:
            storage: the dataset.
            is_said: the user says that masks are those of objects, whatever values they have.
        """
        images: Counter[str] = Counter()
        classes: Counter[tuple[str, str]] = Counter()
        some: list[str] = []
        for entry in storage.list(on_skip=leave_unsaid):
            case = self._case(entry.key)
            if case is None:
                continue
            if case.part == self.images_folder:
                images[self.split(entry.key) or ""] += 1
                continue
            some += [entry.key] if len(some) < _SAMPLE else []
            folder, stem, _ = split_key(case.rest)
            word = _NUMBERED.fullmatch(stem)
            if len(classes) <= 2 * _MOST_CLASSES:
                classes["folder", folder.partition("/")[0]] += 1
                classes["name", word[1] if word else ""] += 1
        by_folder = _class_names(classes, "folder")
        by_name = [] if by_folder else _class_names(classes, "name")
        return replace(
            self,
            images=images,
            classes=tuple(sorted(by_folder or by_name or [OBJECT])),
            by_folder=bool(by_folder),
            by_name=bool(by_name),
            value=_value(storage, some[0] if some else None),
            notes=(
                *loss_notes(storage, some),
                *(() if is_said else blend_notes(storage, some, _BLENDS)),
            ),
        )

    def split(self, key: str) -> str | None:
        return split_above(key, said=self.said)

    def writer(self) -> ObjectMasksWriter:
        return ObjectMasksWriter(
            classes=self.classes,
            images_folder=self.images_folder,
            masks_folder=self.masks_folder,
            value=self.value,
        )

    def sources(self, storage: Storage, *, on_skip: OnSkip = log_skip) -> Iterator[Source]:
        # What belongs to one image stands together in the listing: "<id>/images", "<id>/masks".
        for folder, group in groupby(storage.list(on_skip=on_skip), key=_CaseFinder(self)):
            if folder is None:
                yield from (Source(entry.key, entry.size) for entry in group)
            else:
                yield from self._sources(storage, list(group))

    def _sources(self, storage: Storage, entries: list[Entry]) -> Iterator[Source]:
        """Yield the files of one image's folder."""
        images, masks = (
            [e for e in entries if (case := self._case(e.key)) and case.part == part]
            for part in (self.images_folder, self.masks_folder)
        )
        size = image_size(storage, images[0].key) if images else None
        problems = [] if masks or not images else [f"{printable(images[0].key)}: no masks"]
        objects = []
        for mask in masks if images else ():
            if problem := mask_problem(storage, mask.key, size):
                problems.append(f"{printable(mask.key)}: {problem}; object left out")
            else:
                objects.append(Object(category=self._category(mask.key), mask_file=mask.key))
        annotation = Annotation(size=size, objects=tuple(objects))
        for entry in entries:
            source = Source(entry.key, entry.size)
            case = self._case(entry.key)
            if case is None:
                yield source
            elif case.part == self.masks_folder:
                yield mask_source(entry, alone=not images)
            elif entry is images[0]:
                split, said = self.split(entry.key), tuple(problems)
                yield replace(source, split=split, annotation=annotation, problems=said)
            else:
                other = f"the masks beside it belong to {printable(images[0].key)!r}"
                yield replace(source, split=self.split(entry.key), unusable=other)

    def _case(self, key: str) -> Case | None:
        """Return where an image or a mask stands; None for all other files."""
        if self.inside(key) is None or split_key(key)[2].lower() not in IMAGE_EXTENSIONS:
            return None
        return Case.of(key, (self.images_folder, self.masks_folder))

    def _category(self, key: str) -> str:
        case = self._case(key)
        folder, stem, _ = split_key(case.rest if case else key)
        if self.by_folder:
            return folder.partition("/")[0]
        word = _NUMBERED.fullmatch(stem) if self.by_name else None
        return word[1] if word else OBJECT


class _CaseFinder:
    """Says which image's folder each file of a listing belongs to; remembers the last."""

    def __init__(self, dataset_format: ObjectMasks) -> None:
        self._format = dataset_format
        self._folder: str | None = None

    def __call__(self, entry: Entry) -> str | None:
        if case := self._format._case(entry.key):
            self._folder = case.folder
        elif self._folder is not None and not entry.key.startswith(f"{self._folder}/"):
            self._folder = None
        return self._folder


def _folders(survey: Survey, *, chosen: bool) -> tuple[str, str] | None:
    """Return what the folders of images and of masks are called, if the dataset has them."""
    tally = survey.tally.folders
    for images in sorted({f[-1] for f in tally if f and f[-1].lower() in _IMAGES}):
        cases = {f[:-1]: count for f, count in tally.items() if f and f[-1] == images}
        for masks in sorted({p for f in tally for p in f if p.lower() in _MASKS}):
            beside = Counter[tuple[str, ...]]()
            for folder, count in tally.items():
                if masks in folder and (parent := folder[: folder.index(masks)]) in cases:
                    beside[parent] += count
            alone = sum(count == 1 for count in cases.values())
            several = sum(beside.values()) > len(beside) or chosen
            enough = beside and alone >= len(cases) * _ALONE and len(beside) >= alone * _ALONE
            if enough and several and not _are_splits(cases):
                return images, masks
    return None


def _are_splits(cases: Iterable[tuple[str, ...]]) -> bool:
    """Say whether the folders above those of images are splits, and not one for each image.

    "train-0" beside "train-1" is an image's: a split has one folder.
    """
    parents = list(cases)
    splits = Counter((parent[:-1], canonical_split(parent[-1])) for parent in parents if parent)
    return () in parents or any(split and n == 1 for (_, split), n in splits.items())


def _class_names(counts: Counter[tuple[str, str]], kind: str) -> list[str]:
    """Return the classes that folders or names tell, or none if some tell nothing."""
    found = {name: count for (which, name), count in counts.items() if which == kind}
    if not found or "" in found or len(found) > _MOST_CLASSES:
        return []
    if any(name.lower() in _NO_CLASSES for name in found) or sum(found.values()) < 2 * len(found):
        return []
    return list(found)


def _value(storage: Storage, key: str | None) -> int:
    """Return the value of the object in a mask; 255 where there is no telling."""
    try:
        return int(decode_mask(storage.read(key)).max()) or 255 if key else 255
    except (ImageError, InputError):
        return 255
