"""Small datasets to train on."""

from pathlib import Path

import cv2
import numpy as np

from variegate.seeding import generator


def write_set(root: Path, counts: dict[str, dict[str, int]], side: int = 24) -> Path:
    """Write images by split and class: each class has a color and a stripe, and every image noise.

    Args:
        root: folder.
        counts: split -> class -> images.
        side: of them, pixels.
    """
    names = sorted({name for classes in counts.values() for name in classes})
    for split, classes in counts.items():
        for name, count in classes.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            number = names.index(name)
            for index in range(count):
                rng = generator(7, split, name, index)
                image = rng.integers(0, 60, (side, side, 3), dtype=np.uint8)
                image[:, :, number % 3] += 120
                image[number * 3 % side : number * 3 % side + 3] += 60
                cv2.imwrite(str(folder / f"{split}{index}.png"), image)
    return root


def usual(root: Path) -> Path:
    """Write a set that can be learned: three classes in three splits."""
    return write_set(
        root,
        {
            "train": {"a": 10, "b": 9, "c": 8},
            "val": {"a": 3, "b": 3, "c": 3},
            "test": {"a": 3, "b": 3, "c": 4},
        },
    )
