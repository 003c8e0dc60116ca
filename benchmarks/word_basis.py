"""The basis of words, learned from photos and crops of them: prints the file that holds it.

python word_basis.py > ../src/variegate/datasets/prepare/word_basis.py

Spots of a photo and of two crops of it that lie on each other tell how much a description changes
where nothing but the crop did. The directions are wanted in which descriptions differ most beside
that (linear discriminants, Fisher 1936).
"""

import base64
import textwrap

import cv2
import numpy as np

from photos import data
from variegate.datasets.prepare.spots import find_spots
from variegate.datasets.prepare.words import FEATURES, SIDE, descriptions, scaled

PHOTOS, DIMENSIONS = 80, 16
_SHARES = (0.1, 0.2, 0.3)
# Distance over radius, and doublings of the radius, up to which two spots are one.
_NEAR, _ALIKE = 0.6, 0.3
_TEXT = '''"""The directions in which what is around spots differs most. By word_basis.py."""

import base64
from functools import cache

import numpy as np

DIMENSIONS = {dimensions}
_VALUES = """
{values}
"""


@cache
def basis() -> tuple[np.ndarray, np.ndarray]:
    """Return the usual description, (D,) float32, and the directions, (D, DIMENSIONS)."""
    read = np.frombuffer(base64.b64decode(_VALUES), "<f2").astype(np.float32)
    usual, *directions = read.reshape(1 + DIMENSIONS, -1)
    return usual, np.stack(directions, axis=1)
'''


def main() -> None:
    """Learn and print."""
    paths = sorted((data() / "clothing_classes").glob("*/*/*.jpg"))
    chosen = paths[:: max(1, len(paths) // PHOTOS)]
    seen, changes = [], []
    for path in chosen:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        whole, described = _spots(gray)
        seen.append(described)
        height, width = gray.shape
        for share in _SHARES:
            y, x = int(height * share * 0.4), int(width * share * 0.6)
            part = gray[y : y + int(height * (1 - share)), x : x + int(width * (1 - share))]
            inside, other = _spots(part)
            inside[:, :2] += x, y
            one, two = np.nonzero(_same(whole, inside))
            changes.append((described[one] - other[two]) / np.sqrt(2))
    both = np.concatenate(seen)
    usual = both.mean(axis=0)
    directions = _discriminants(both, np.concatenate(changes))
    values = np.concatenate([usual[None], directions.T]).astype("<f2")
    text = base64.b64encode(values.tobytes()).decode()
    print(_TEXT.format(dimensions=DIMENSIONS, values="\n".join(textwrap.wrap(text, 96))), end="")


def _spots(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y and the logarithm of the radius in pixels of the image, and descriptions."""
    resized = scaled(gray)
    found = find_spots(resized, FEATURES)
    if found is None:
        return np.zeros((0, 3)), np.zeros((0, 1))
    reduced = 2.0 ** np.round(np.log2(resized.shape[1] / (found.last[:, 0] + 1)))
    scale = (reduced * max(gray.shape) / SIDE)[:, None]
    places = np.concatenate(
        [(found.places + 0.5) * scale, np.log2(found.radii[:, None] * scale)], 1
    )
    return places.astype(float), descriptions(found)


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    apart = np.linalg.norm(one[:, None, :2] - other[None, :, :2], axis=2)
    near = apart < _NEAR * np.exp2(one[:, None, 2])
    return near & (np.abs(one[:, None, 2] - other[None, :, 2]) < _ALIKE)


def _discriminants(seen: np.ndarray, changes: np.ndarray) -> np.ndarray:
    spread = seen.std(axis=0) + 1e-6
    # Some of those that lie on each other are others all the same.
    size = np.linalg.norm(changes / spread, axis=1)
    within = np.cov(changes[size < np.quantile(size, 0.9)].T)
    within += np.diag(1e-4 * np.diag(within) + 1e-9)
    root = np.linalg.inv(np.linalg.cholesky(within))
    strength, turned = np.linalg.eigh(root @ np.cov(seen.T) @ root.T)
    best = np.argsort(-strength)[:DIMENSIONS]
    return root.T @ turned[:, best] / np.sqrt(strength[best])


if __name__ == "__main__":
    main()
