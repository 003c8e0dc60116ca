"""Albumentations 2.0.8, in its own environment."""

import os
import sys

# It asks the network for its newest version at import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812 - its users' name for it
import cv2
import numpy as np
import pool
from serve import serve

BORDER = cv2.BORDER_REFLECT_101


def one_by_one(*, gamma: bool) -> A.Compose:
    """Return the steps as nine transforms, as its documentation shows them."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Rotate((-15, 15), border_mode=BORDER, p=1),
            A.Affine(scale=(0.9, 1.1), border_mode=BORDER, p=1),
            A.Affine(translate_percent=(-0.05, 0.05), border_mode=BORDER, p=1),
            A.Affine(shear={"x": (-5, 5), "y": (0, 0)}, border_mode=BORDER, p=1),
            A.RandomBrightnessContrast((-0.2, 0.2), (0, 0), p=1),
            A.RandomBrightnessContrast((0, 0), (-0.3, 0.4), p=1),
            *([A.RandomGamma((70, 140), p=1)] if gamma else []),
            A.ColorJitter((1, 1), (1, 1), (0.7, 1.4), (0, 0), p=1),
        ]
    )


def careful() -> A.Compose:
    """Return the same as one affine transform and one change of color; gamma is left out."""
    return A.Compose([A.HorizontalFlip(p=0.5), _affine(), _jitter()])


def careful_hsv() -> A.Compose:
    """Return the same with the change of saturation made in HSV."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            _affine(),
            A.RandomBrightnessContrast((-0.2, 0.2), (-0.3, 0.4), p=1),
            A.HueSaturationValue((0, 0), (-40, 40), (0, 0), p=1),
        ]
    )


def _affine() -> A.Affine:
    return A.Affine(
        rotate=(-15, 15),
        scale=(0.9, 1.1),
        translate_percent=(-0.05, 0.05),
        shear={"x": (-5, 5), "y": (0, 0)},
        border_mode=BORDER,
        p=1,
    )


def _jitter() -> A.ColorJitter:
    return A.ColorJitter((0.8, 1.2), (0.7, 1.4), (0.7, 1.4), (0, 0), p=1)


FORMS = {
    "one_by_one": lambda: one_by_one(gamma=False),
    "nine": lambda: one_by_one(gamma=True),
    "careful": careful,
    "careful_hsv": careful_hsv,
}


def setup() -> pool.Make:
    """Return what yields ten variants of a photo."""
    transform = FORMS[sys.argv[2]]()
    return lambda image: (transform(image=image)["image"] for _ in range(pool.VARIANTS))


def transform_only() -> None:
    """Take turns at making variants of one image."""
    cv2.setNumThreads(1)
    image = np.load(sys.argv[3])
    transform = FORMS[sys.argv[2]]()

    def act() -> None:
        for _ in range(int(sys.argv[4])):
            transform(image=image)

    serve(act)


if __name__ == "__main__":
    transform_only() if sys.argv[1] == "transform_only" else pool.run(setup)
