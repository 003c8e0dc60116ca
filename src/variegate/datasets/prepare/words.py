"""Local features as words: what stays of an image that is cropped, turned, mirrored or padded.

The strongest SIFT features of an image, each cut down to a few 32-bit words: signs of random
projections of its descriptor. The same spot of two files often gives the same word, two spots
seldom, so that files with words in common are found by sorting, as in a book's index.

A mirrored spot has the same descriptor with its cells and directions in reverse order. Sums and
absolute differences of both orders are the same for the two, and these are projected: mirror images
share their words.
"""

from functools import cache

import cv2
import numpy as np

from variegate.seeding import generator

#: Words of an image: so many features, and for each one word of every table.
FEATURES, TABLES = 128, 3
_SIDE = 224
_CONTRAST = 0.02
_WORD_BITS = 32
# Of descriptors: 4 x 4 cells of 8 directions.
_CELLS, _DIRECTIONS = 4, 8
_PROJECTION_SEED = 20_240_611


def image_words(gray: np.ndarray) -> np.ndarray:
    """Return the words of an image, the strongest features first.

    Args:
        gray: (H, W) uint8.

    Returns:
        (N, TABLES) uint32, N at most FEATURES; fewer where there is little to see.
    """
    scale = _SIDE / max(gray.shape)
    height, width = (max(8, round(side * scale)) for side in gray.shape)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(gray, (width, height), interpolation=way)
    points, found = _detector().detectAndCompute(resized, None)
    if found is None:
        return np.zeros((0, TABLES), np.uint32)
    order = np.argsort([-point.response for point in points], kind="stable")[:FEATURES]
    return _words(rooted(found[order]))


def rooted(descriptors: np.ndarray) -> np.ndarray:
    """Return the square roots of descriptors with a sum of 1 (RootSIFT; Arandjelovic 2012)."""
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return np.sqrt(descriptors / sums)


def mirrored(descriptors: np.ndarray) -> np.ndarray:
    """Return the descriptors that the same spots have in a mirrored image."""
    cells = descriptors.reshape(-1, _CELLS, _CELLS, _DIRECTIONS)
    turned = cells[:, ::-1][..., -np.arange(_DIRECTIONS) % _DIRECTIONS]
    return np.ascontiguousarray(turned.reshape(len(descriptors), -1))


def _words(descriptors: np.ndarray) -> np.ndarray:
    other = mirrored(descriptors)
    both = np.concatenate([descriptors + other, np.abs(descriptors - other)], axis=1)
    # By OpenCV, in this thread: a library of linear algebra would wake others for so little.
    projected = cv2.gemm(both, _projection(), 1.0, None, 0.0)
    signs = (projected > 0).reshape(-1, TABLES, _WORD_BITS)
    packed = np.packbits(signs, axis=2).view(">u4")[:, :, 0]
    return packed.astype(np.uint32)


@cache
def _projection() -> np.ndarray:
    """Return random directions, each with a sum of 0 over sums and over differences.

    No descriptor has a negative entry: without that, most signs would be alike.
    """
    size = _CELLS * _CELLS * _DIRECTIONS
    rng = generator(_PROJECTION_SEED, "words")
    made = rng.normal(size=(2, size, TABLES * _WORD_BITS))
    made -= made.mean(axis=1, keepdims=True)
    return np.asarray(made.reshape(2 * size, -1), np.float32)


@cache
def _detector() -> cv2.SIFT:
    return cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=_CONTRAST)
