"""Masks that were smoothed: at edges they have values between those of the classes beside them.

An antialiased drawing, or a mask that was made larger or smaller like a photo, has them. A class
fills some place; a blend stands only at edges, between a smaller and a larger value.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

import cv2
import numpy as np

from variegate.annotations.targets import Mask
from variegate.codecs import decode_mask, lossy_mask
from variegate.errors import ImageError, InputError
from variegate.formats.base import counted
from variegate.storage import Storage, printable

# One value that is nowhere but at edges may be a border that was drawn.
_FEWEST = 4
# Of all pixels of values that fill no place.
_SHARE = 0.5
_SHOWN = 3
_LIMIT = 1 << 28
_LOOKED_AT = 10


def blended_values(mask: Mask) -> list[int]:
    """Return the values of a mask that seem to be blends of two others; none if they are few.

    Args:
        mask: (H, W) uint8, uint16, or uint32 of colors.
    """
    planes = _planes(mask)
    near, far = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)
    flat = np.all([cv2.erode(one, near) == cv2.dilate(one, near) for one in planes], axis=0)
    filling = np.unique(mask[flat])
    rest = ~np.isin(mask, filling)
    if not rest.any() or len(filling) < 2:
        return []
    low, high = ([change(one, far) for one in planes] for change in (cv2.erode, cv2.dilate))
    sides = list(zip(planes, low, high, strict=True))
    between = [(least < one) & (one < most) for one, least, most in sides]
    # A color's channel may be the same on both sides.
    same = [least == most for _, least, most in sides]
    blends = rest & np.any(between, axis=0)
    blends &= np.all([a | b for a, b in zip(between, same, strict=True)], axis=0)
    values = np.unique(mask[blends])
    enough = len(values) >= _FEWEST and blends.sum() >= _SHARE * rest.sum()
    return values.tolist() if enough else []


def blend_notes(storage: Storage, masks: Iterable[str], remedy: str) -> list[str]:
    """Return what is to be said of smoothed masks among some.

    Args:
        storage: where they are.
        masks: their keys; the first are looked at.
        remedy: what is done with such values, and what the user can do.
    """
    looked, found = 0, list[tuple[str, list[int]]]()
    for key in islice(masks, _LOOKED_AT):
        try:
            data = storage.read(key, limit=_LIMIT)
            values = [] if lossy_mask(data) else blended_values(decode_mask(data))
        except (ImageError, InputError):
            continue
        looked += 1
        found += [(key, values)] if values else []
    if not found:
        return []
    (key, values), *_ = found
    are = f"{len(found):,} of {counted(looked, 'mask', 'masks')} looked at have values"
    such = f"such as {printable(key)!r}: {_shown(values)}"
    return [
        f"{are} between those of two classes at edges, as smoothed (antialiased) masks do, {such}; "
        + remedy
    ]


def loss_notes(storage: Storage, masks: Iterable[str]) -> list[str]:
    """Return what is to be said of masks in formats that change values, among some."""
    kinds = Counter[str]()
    for key in islice(masks, _LOOKED_AT):
        with suppress(InputError):
            kinds[lossy_mask(storage.read(key, limit=_LIMIT)) or ""] += 1
    return [
        f"{count:,} of {counted(kinds.total(), 'mask', 'masks')} looked at are {kind}, which "
        "changes values: they are rounded to those that they had; save masks as PNG"
        for kind, count in sorted(kinds.items())
        if kind
    ]


def _shown(values: Iterable[int]) -> str:
    """Return "17, 93, 140 and 20 more"."""
    listed = list(values)
    shown = ", ".join(map(str, listed[:_SHOWN]))
    return f"{shown} and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else shown


def _planes(mask: Mask) -> list[np.ndarray]:
    if mask.dtype != np.uint32:
        return [np.ascontiguousarray(mask)]
    return [(mask >> np.uint32(shift)).astype(np.uint8) for shift in (0, 8, 16)]
