"""What the values of a set's masks are: numbers of classes, of objects, or shares of one.

Objects are numbered from 1 in every image, so how many values there are differs from image to
image, each is in one piece, and 0 lies around them. Classes keep their numbers from image to image,
with gaps where one does not show. Masks that look like both are not guessed at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from variegate.annotations.annotation import Object
from variegate.annotations.targets import Mask
from variegate.codecs import decode_mask
from variegate.errors import ImageError, InputError
from variegate.storage import Storage

Meaning = Literal["classes", "instances", "soft"]

NO_OBJECT = 255
"""Around objects, in neither of them, as Pascal VOC has it."""

BACKGROUND = (
    *("background", "bg", "unlabeled", "unlabelled", "unknown", "void"),
    *("ignore", "ignored", "none", "nothing"),
)
"""What the class of pixels that are no object is called, without underscores around it."""
OBJECT = "object"
"""The class of objects whose files tell none."""
_LIMIT = 1 << 28
# Objects that others hide in part are in pieces; this share of a sample may be.
_IN_PIECES = 0.2
# With this number of masks, equal counts of objects would be a strange chance.
_MANY = 10


@dataclass(frozen=True, slots=True)
class _Look:
    """What one mask shows: how many values count on from 1, or 0; and how many are in pieces."""

    count: int
    pieces: int


def meaning_of(storage: Storage, masks: Iterable[str]) -> Meaning | None:
    """Say whether the values of some masks number classes or objects; None where both would fit."""
    looks = list(_looks(storage, masks))
    counts = {look.count for look in looks}
    numbered = sum(look.count for look in looks)
    if 0 in counts or max(counts, default=0) < 2:
        return "classes"
    if sum(look.pieces for look in looks) > _IN_PIECES * numbered:
        return "classes"
    if len(counts) > 1 and max(counts) > 2:
        return "instances"
    return "classes" if len(counts) == 1 and len(looks) >= _MANY else None


def _looks(storage: Storage, masks: Iterable[str]) -> Iterator[_Look]:
    """Look at masks that show something."""
    for key in masks:
        try:
            values = read_mask(storage, key)
        except (ImageError, InputError):
            continue
        found = object_values(values)
        if not found:
            if values.any():
                yield _Look(0, 0)
            continue
        counting = found == list(range(1, len(found) + 1)) and bool((values == 0).any())
        pieces = sum(_pieces(values == value) > 1 for value in found) if counting else 0
        yield _Look(len(found) if counting else 0, pieces)


def _pieces(shape: np.ndarray) -> int:
    return cv2.connectedComponents(shape.astype(np.uint8), connectivity=8)[0] - 1


def read_mask(storage: Storage, key: str) -> Mask:
    """Return the values of a mask.

    Raises:
        ImageError: it is none.
        InputError: it cannot be read.
    """
    return decode_mask(storage.read(key, limit=_LIMIT))


def values_of(storage: Storage, key: str) -> list[int]:
    """Return the values that a mask has; none where it cannot be read."""
    try:
        return [int(value) for value in np.unique(read_mask(storage, key))]
    except (ImageError, InputError):
        return []


def object_class(names: tuple[str, ...]) -> str:
    """Return the class of objects that are only numbered: the one that is named, if it is one."""
    known = [name for name in names if name.lower().strip("_ ") not in BACKGROUND]
    return known[0] if len(known) == 1 else OBJECT


def object_values(values: Mask) -> list[int]:
    """Return the values that are objects, where values number them."""
    found = [int(value) for value in np.unique(values) if value]
    if NO_OBJECT in found and NO_OBJECT - 1 not in found:
        found.remove(NO_OBJECT)
    return found


def objects_of(values: Mask, key: str, category: str) -> Iterator[Object]:
    """Yield the objects of a mask, with the boxes around them.

    Args:
        values: (H, W), of which each but 0 numbers an object.
        key: of the mask.
        category: of all of them.
    """
    for value in object_values(values):
        rows, columns = np.nonzero(values == value)
        left, top = int(columns.min()), int(rows.min())
        right, bottom = int(columns.max()) + 1, int(rows.max()) + 1
        yield Object(
            category=category,
            box=(left, top, right, bottom),
            mask_file=key,
            mask_value=value,
        )
