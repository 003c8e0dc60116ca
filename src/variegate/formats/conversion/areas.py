"""Semantic masks as objects, for formats that have no such masks: one for each connected area."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from variegate.annotations import rle
from variegate.annotations.annotation import Object
from variegate.annotations.targets import Mask
from variegate.formats.mask_pairs.values import BACKGROUND, NO_OBJECT


def area_names(names: tuple[str, ...]) -> dict[int, str]:
    """Return the classes whose areas are objects, by their values.

    Args:
        names: of the values 0, 1, ...; the background and pixels without a class are left out.
    """
    return {
        value: name
        for value, name in enumerate(names)
        if name.lower().strip("_ ") not in BACKGROUND
    }


def area_values(values: Mask) -> set[int]:
    """Return the values of a mask that are classes where nothing names them: all but 0 and 255."""
    return {int(value) for value in np.unique(values)} - {0, NO_OBJECT}


def areas_of(values: Mask, names: Mapping[int, str]) -> Iterator[Object]:
    """Yield the connected areas of each class, the classes by their values.

    Pixels that touch at a corner are connected.

    Args:
        values: (H, W), of which each is a class.
        names: of the classes that are wanted, by their values.
    """
    for value in (int(one) for one in np.unique(values)):
        if value not in names:
            continue
        count, labels = cv2.connectedComponents((values == value).astype(np.uint8), connectivity=8)
        for number in range(1, count):
            yield Object(category=names[value], rle=rle.encode(labels == number))
