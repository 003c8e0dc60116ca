"""Spots as words: what stays of an image that is cropped, turned, mirrored or padded.

The strongest spots of an image, each cut down to a few 32-bit words: signs of projections of what
is around it. The same spot of two files often gives the same word, two spots seldom, so that files
with words in common are found by sorting, as in a book's index.

What is around a spot is read on rings. Turning the image moves the values of a ring along it, and
mirroring reverses them, so their Fourier coefficients keep their lengths, and products in which all
turns cancel out keep their real part and the size of their imaginary one: no orientation has to be
found, and mirror images share their words.
"""

from functools import cache

import cv2
import numpy as np

from variegate.datasets.prepare.spots import Spots, find_spots
from variegate.datasets.prepare.word_basis import DIMENSIONS, basis
from variegate.seeding import generator

#: Words of an image: so many spots at most, and for each one word of every table.
FEATURES, TABLES = 128, 3
#: Longest side of the image in which spots are looked for.
SIDE = 192
_WORD_BITS = 32
# Radii of the rings, times that of the spot; values on each, and frequencies that are looked at.
_RINGS, _ANGLES, _FREQUENCIES = (1.6, 3.2, 4.8, 6.4), 12, 4
_ASIDE = 3
# Deviation, in gray values, below which contrast is not made equal.
_LEAST_DEVIATION = 2.0
# Gray values by which a plain margin may differ, where it was compressed with loss.
_PLAIN = 8
_PROJECTION_SEED = 20_240_611


def image_words(gray: np.ndarray) -> np.ndarray:
    """Return the words of an image, the strongest spots first.

    Args:
        gray: (H, W) uint8.

    Returns:
        (N, TABLES) uint32, N at most FEATURES; fewer where there is little to see.
    """
    spots = find_spots(scaled(_content(gray)), FEATURES)
    if spots is None or not len(spots):
        return np.zeros((0, TABLES), np.uint32)
    usual, directions = basis()
    # In two steps, each too small for a library of linear algebra to wake other threads.
    projected = (descriptions(spots) - usual) @ directions @ _projection()
    signs = (projected > 0).reshape(-1, TABLES, _WORD_BITS)
    packed = np.packbits(signs, axis=2).view(">u4")[:, :, 0]
    return packed.astype(np.uint32)


def _content(gray: np.ndarray) -> np.ndarray:
    """Return an image without plain margins: what was padded is as large as it was before."""
    edges = (gray[0], gray[-1], gray[:, 0], gray[:, -1])
    if min(int(np.ptp(edge)) for edge in edges) > _PLAIN:
        return gray
    (top, bottom), (left, right) = (_not_plain(gray, axis) for axis in (1, 0))
    return np.ascontiguousarray(gray[top:bottom, left:right])


def _not_plain(gray: np.ndarray, axis: int) -> tuple[int, int]:
    """Return where the rows (axis 1) or columns begin and end that are more than a margin."""
    most, least = (cv2.reduce(gray, axis, way) for way in (cv2.REDUCE_MAX, cv2.REDUCE_MIN))
    found = np.flatnonzero(most - least > _PLAIN)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, gray.shape[1 - axis])


def scaled(gray: np.ndarray) -> np.ndarray:
    """Return an image with a longest side of `SIDE`."""
    scale = SIDE / max(gray.shape)
    height, width = (max(8, round(side * scale)) for side in gray.shape)
    if (height, width) == gray.shape:
        return gray
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(gray, (width, height), interpolation=way)


def descriptions(spots: Spots) -> np.ndarray:
    """Return what is around spots, whatever the orientation, (N, D) float32."""
    rings = _rings(spots).reshape(-1, _ANGLES)
    # The means, then real and imaginary parts of the frequencies.
    waves = cv2.gemm(rings, _waves(), 1.0, None, 0.0).reshape(len(spots), len(_RINGS), -1)
    means, parts = waves[..., 0], waves[..., 1:].reshape(len(spots), len(_RINGS), 2, -1)
    squares = parts * parts
    lengths = np.sqrt(squares[:, :, 0] + squares[:, :, 1])
    # Products of two shall not be ruled by what is strong already.
    parts = parts / np.sqrt(np.maximum(lengths, 1e-6))[:, :, None]
    real, imaginary = parts[:, :, 0], parts[:, :, 1]
    a, b = real[:, 1:], imaginary[:, 1:]
    c, d = real[:, :-1], imaginary[:, :-1]
    # The first frequency twice against the second.
    first, second = real[..., 0], imaginary[..., 0]
    along, across = first * first - second * second, 2 * first * second
    found = (
        means,
        lengths,
        a * c + b * d,
        np.abs(b * c - a * d)[..., :_ASIDE],
        along * real[..., 1] + across * imaginary[..., 1],
        np.abs(across * real[..., 1] - along * imaginary[..., 1]),
    )
    return np.concatenate([one.reshape(len(spots), -1) for one in found], axis=1)


def _rings(spots: Spots) -> np.ndarray:
    """Return the values on rings around spots, (N, rings * angles), of equal light and contrast."""
    x, y = (spots.radii[:, None] * one for one in _directions())
    for place, one in ((x, 0), (y, 1)):
        place += spots.places[:, one, None]
        np.maximum(place, 0, out=place)
        np.minimum(place, spots.last[:, one, None], out=place)
    y += spots.rows[:, None]
    values = cv2.remap(spots.image, x, y, cv2.INTER_LINEAR)
    values -= values.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", values, values) / values.shape[1]
    values /= (np.sqrt(variance) + _LEAST_DEVIATION)[:, None]
    return values


@cache
def _directions() -> np.ndarray:
    angles = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rings = np.array(_RINGS)[:, None, None] * unit
    return np.ascontiguousarray(rings.reshape(-1, 2).T, np.float32)


@cache
def _waves() -> np.ndarray:
    angles = np.arange(_ANGLES)[:, None] * 2 * np.pi / _ANGLES
    cosines = np.cos(angles * np.arange(_FREQUENCIES + 1))
    sines = np.sin(angles * np.arange(1, _FREQUENCIES + 1))
    return np.asarray(np.concatenate([cosines, sines], axis=1) / _ANGLES, np.float32)


@cache
def _projection() -> np.ndarray:
    """Return random directions among those in which spots differ most."""
    rng = generator(_PROJECTION_SEED, "words")
    return np.asarray(rng.normal(size=(DIMENSIONS, TABLES * _WORD_BITS)), np.float32)
