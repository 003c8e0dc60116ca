"""Folder per class: ``cats/7.jpg``, or ``train/cats/7.jpg`` with splits above."""

import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from variegate.annotations.splits import canonical_split
from variegate.errors import InputError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, counted, named
from variegate.formats.notes import information
from variegate.formats.plain import ClassFoldersWriter
from variegate.formats.questions import (
    ask_for_splits,
    masks_for_classes,
    same_classes,
    unknown_splits,
)
from variegate.formats.scan import Survey, split_and_group
from variegate.storage import Storage, printable

# Folder names that say what the files are for, and not what they show.
_ANNOTATIONS = {
    *("annotation", "annotations", "label", "labels", "mask", "masks"),
    *("segmentation", "segmentations", "segmentationclass", "segmentationobject"),
}
_ROLES = _ANNOTATIONS | {"image", "images", "imgs", "jpegimages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolders(DatasetFormat):
    """The label is the first folder below the root or the split; deeper folders say nothing."""

    name: ClassVar[str] = "classes"
    bare: ClassVar[bool] = True
    heading: ClassVar[str] = "folder per class"

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        root, groups = survey.root, survey.groups
        if chosen and root and not groups and not survey.split_folders:
            # One class only: its folder was taken for a wrapping around everything.
            groups, root = {root[-1]: survey.direct}, root[:-1]
        elif not chosen and (alike := unknown_splits(survey)):
            raise InputError(f"{printable(storage.url)}: {ask_for_splits(alike)}")
        elif problem := _problem(survey, chosen=chosen):
            return NotThisFormat(problem)
        elif not chosen and (
            question := same_classes(survey) or masks_for_classes(survey, storage)
        ):
            raise InputError(f"{printable(storage.url)}: {question}")
        return cls(
            root="".join(f"{part}/" for part in root),
            split_folders=survey.split_folders,
            classes=tuple(sorted(groups)),
            images=survey.images,
            notes=_notes(survey, groups),
        )

    def label(self, key: str) -> str | None:
        return split_and_group((self.inside(key) or "").split("/")[:-1], self.split_folders)[1]

    def writer(self) -> ClassFoldersWriter:
        return ClassFoldersWriter(classes=self.classes)


def _notes(survey: Survey, groups: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    aside = survey.aside.total()
    outside = survey.images.total() - sum(counts.total() for counts in groups.values()) - aside
    count = counted(outside, "image stands", "images stand")
    notes = [f"{count} in no class folder and without a label"] if outside else []
    if aside:
        count = counted(aside, "image", "images")
        notes.append(f"{count} of {named(survey.aside)} in no split and without a label")
    splits = [key for key in survey.lists if _is_list_of_split(key)]
    others = [key for key in survey.lists if key not in splits]
    if others:
        notes.append(f"{named(map(printable, others))}: not used; the folders are the classes")
    lost: tuple[str, ...] = ()
    if splits and not survey.split_folders:
        which = named(map(printable, splits))
        lost = (
            f"{which} may list the images of splits, but is not used: all images are for training",
        )
    return (*information(notes), *lost)


def _is_list_of_split(key: str) -> bool:
    return canonical_split(posixpath.splitext(posixpath.basename(key))[0]) is not None


def _problem(survey: Survey, *, chosen: bool) -> str | None:
    if survey.tally.crowded:
        return "there are too many folders to be classes"
    if not survey.groups:
        return "there are no class folders"
    if strays := survey.stray_folders:
        splits = named(sorted(survey.split_folders))
        return (
            f"the folders {named(strays)} stand beside those of the splits, {splits}: "
            f"say which split is in each, such as --split test={strays[0]}"
        )
    if chosen:
        return None
    if count := _unplaced(survey):
        return f"images ({count:,}) stand beside the folders {named(sorted(survey.groups))}"
    if len(survey.groups) == 1:
        return f"{named(survey.groups)} is the only folder"
    if roles := _roles(survey):
        return f"the folders {named(roles)} look like parts of an annotated set"
    return None


def _unplaced(survey: Survey) -> int:
    """Count the images that stand beside folders of classes, or are for training and in none.

    A folder of images to validate or test on may come without labels.
    """
    found = [
        (folder[0] if folder else "", count, *split_and_group(folder, survey.split_folders))
        for folder, count in zip(survey.inner, survey.tally.folders.values(), strict=True)
    ]
    labelled = {top for top, _, _, group in found if group}
    return sum(
        count
        for top, count, split, group in found
        if group is None
        and top not in survey.aside
        and (top in labelled or split in (None, "train"))
    )


def _roles(survey: Survey) -> list[str]:
    """Return the folders that cannot be classes, as in ``images/`` beside ``masks/``."""
    deeper = {part for folder in survey.tally.folders for part in folder[len(survey.root) :]}
    found = {part for part in deeper if part.lower() in _ANNOTATIONS}
    return sorted(found | {group for group in survey.groups if group.lower() in _ROLES})
