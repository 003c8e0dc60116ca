"""Prints a digest of what every transform, and a few recipes, make of one image.

Run as a program by tests that compare processes and processors.
"""

import hashlib
import json
import sys

import cv2
import numpy as np

from variegate.recipes.recipe import Recipe, presets
from variegate.seeding import generator
from variegate.testing.transforms import applied
from variegate.transforms import all_transforms


def drawn() -> np.ndarray:
    """Return (240, 320, 3): smooth, with edges and texture; made of integers alone."""
    y, x = np.mgrid[:240, :320]
    cells = generator(0, "cells").integers(0, 256, (20, 30, 3))[y // 12, x // 11]
    ramp = np.stack([x * 255 // 319, y * 255 // 239, (x + y) * 255 // 558], axis=-1)
    fine = (x * y // 7 % 64)[..., np.newaxis]
    return ((2 * cells + 5 * ramp + fine) // 8).astype(np.uint8)


def digest(image: np.ndarray) -> str:
    """Return a short digest of the pixels."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16]


def of_transforms(draws: int) -> dict[str, str]:
    """Return the digests of every transform's first draws."""
    image, found = drawn(), {}
    for name, kind in all_transforms().items():
        for draw in range(draws):
            operation = kind().draw(generator(draw, name), image.shape[:2])
            found[f"{name} {draw}"] = digest(applied(operation, image))
        for axis in kind.axes:
            operation = kind.operation_at(axis.name, 0.83, generator(5), image.shape[:2])
            found[f"{axis.name} at 0.83"] = digest(applied(operation, image))
    return found | of_transparent_images()


def of_transparent_images() -> dict[str, str]:
    """Return the digests of what geometry makes of an image with transparency."""
    image, found = drawn(), {}
    image = np.dstack([image, image[::-1, ::-1, 1]])
    for name in ("rotate", "perspective", "elastic", "resize", "lens"):
        operation = all_transforms()[name]().draw(generator(3, name), image.shape[:2])
        found[f"{name}, RGBA"] = digest(operation.apply_image(image))
    return found


def of_recipes() -> dict[str, str]:
    """Return the digests of every variant of every preset."""
    return {
        f"{name} {variant.index}": digest(made)
        for name in presets()
        if not Recipe.load(name).mixes
        for variant, made in Recipe.load(name).variants(drawn()[:120, :150], key="a")
    }


if __name__ == "__main__":
    cv2.setNumThreads(1)
    found = of_transforms(int(sys.argv[1]))
    json.dump(found | of_recipes() if sys.argv[2:] == ["recipes"] else found, sys.stdout)
