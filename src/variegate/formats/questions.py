"""What the names of folders leave open: a split, a class, or masks? Only the user can know."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from variegate.annotations.splits import canonical_split, split_words
from variegate.codecs import decode_mask
from variegate.errors import ImageError, InputError
from variegate.formats.base import named
from variegate.formats.mask_pairs.pairs import split_key
from variegate.formats.pairing import holds_annotations
from variegate.formats.scan import Survey, leave_unsaid, said_split, split_and_group
from variegate.storage import Storage, printable

# So many of the folders beside each other must look like splits: among many classes a train
# station and a test tube are none.
_ALIKE = 0.5
# Of two folders, so many names are compared, and so many files looked at.
_COMPARED, _LOOKED_AT = 50, 4
# A mask has no more values than this; a photo has.
_MOST_VALUES = 40
_LIMIT = 1 << 26


def unknown_splits(survey: Survey) -> list[str]:
    """Return folders with images that look like splits and are none that is known.

    Folders beside each other are judged together: two different splits must be meant.
    """
    for parent, names in _siblings(survey).items():
        known = {name: split for name in names if (split := _known(survey, parent, name))}
        alike = {n: words for n in names - known.keys() if (words := split_words(n))}
        meant = {*known.values()}.union(*alike.values())
        several = alike and len(meant) > 1 and len(names) > 1
        if several and len(known) + len(alike) >= _ALIKE * len(names):
            return ["/".join((*parent, name)) for name in sorted(alike)]
    return []


def _known(survey: Survey, parent: tuple[str, ...], name: str) -> str | None:
    return said_split((*parent, name), survey.hints.splits) or canonical_split(name)


def _siblings(survey: Survey) -> dict[tuple[str, ...], set[str]]:
    found: dict[tuple[str, ...], set[str]] = {}
    for folder in survey.tally.folders:
        if holds_annotations("/".join(folder)):
            continue
        for depth, name in enumerate(folder):
            found.setdefault(folder[:depth], set()).add(name)
    return found


def ask_for_splits(folders: list[str]) -> str:
    """Return the question which splits these folders are."""
    example = " ".join(f"--split {split}={one}" for split, one in _examples(folders))
    return (
        f"the folders {named(folders)} look like splits, but of which is not known: say it, such "
        f"as {example}; or choose --format, if they are none"
    )


def _examples(folders: list[str]) -> Iterator[tuple[str, str]]:
    for folder in map(printable, folders[:3]):
        words = split_words(folder.rpartition("/")[2]) - {"?"}
        yield min(words, default="test"), folder


def same_classes(survey: Survey) -> str | None:
    """Return a question where folders without splits hold the same folders: which are classes?"""
    inner: dict[str, set[str]] = {}
    if survey.split_folders:
        return None
    for folder in survey.inner:
        inner.setdefault("".join(folder[:1]), set()).update(folder[1:2])
    if len(inner) < 2:
        return None
    common, every = set.intersection(*inner.values()), set.union(*inner.values())
    if len(common) < 2 or len(common) < _ALIKE * len(every):
        return None
    tops = sorted(inner)
    return (
        f"the folders {named(tops)} hold the same folders, {named(sorted(common))}: if they are "
        f"splits, say which, such as --split train={printable(tops[0])} "
        f"--split val={printable(tops[1])}; if they are the classes, --format classes"
    )


def masks_for_classes(survey: Survey, storage: Storage) -> str | None:
    """Return a question where of two folders one seems to hold the masks of the other's images."""
    if len(survey.groups) != 2 or len({one.total() for one in survey.groups.values()}) != 1:
        return None
    keys = {name: _some_images(survey, storage, name) for name in sorted(survey.groups)}
    for images, masks in (sorted(keys), sorted(keys, reverse=True)):
        pairs = list(zip(keys[images], keys[masks], strict=False))
        alike = all(split_key(one)[1] in split_key(other)[1] for one, other in pairs)
        if alike and _all_masks(storage, keys[masks]) and not _all_masks(storage, keys[images]):
            return (
                f"the folders {named((images, masks))} hold files of the same names, and those in "
                f"{printable(masks)!r} look like masks: rename the folders images and masks, and "
                "the masks like their images; if the folders are classes, --format classes"
            )
    return None


def _some_images(survey: Survey, storage: Storage, group: str) -> list[str]:
    """Return the first images of a folder that may be a class."""
    folder = next(
        one
        for one, inner in zip(survey.tally.folders, survey.inner, strict=True)
        if split_and_group(inner, survey.split_folders)[1] == group
    )
    listed = storage.list("/".join(folder), on_skip=leave_unsaid)
    return list(islice((one.key for one in listed if survey.is_image(one.key)), _COMPARED))


def _all_masks(storage: Storage, keys: list[str]) -> bool:
    """Say whether the first of some images have few values, as masks do, and more than one."""
    for key in keys[:_LOOKED_AT]:
        try:
            values = len(np.unique(decode_mask(storage.read(key, limit=_LIMIT))))
        except (ImageError, InputError):
            return False
        if not 1 < values <= _MOST_VALUES:
            return False
    return True
