"""A hash of what an image shows: 256 signs of its lowest frequencies.

Each bit is the sign of a coefficient of the discrete cosine transform (DCT-II) of the image, made
gray and 64 x 64. With a median for a threshold, as usual, an image has to be hashed in each of its
eight orientations. With signs it has not: mirroring turns the signs of the odd frequencies,
and transposing swaps rows and columns, so the hashes of all eight follow from one.
"""

import cv2
import numpy as np

#: Bits of a hash; the first, of the mean, is always 0.
BITS = 256
_SIDE, _LOW = 64, 16

#: The eight orientations, in the order of `oriented`: transposed first, then mirrored in x and y.
ORIENTATIONS = tuple((t, x, y) for t in (False, True) for x in (False, True) for y in (False, True))


def dct_hash(gray: np.ndarray) -> bytes:
    """Return the hash of an image.

    Args:
        gray: (H, W) uint8.

    Returns:
        32 bytes; bit v * 16 + u, the highest of each byte first: the sign of frequency (u, v).
    """
    small = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:_LOW, :_LOW]
    positive = low > 0
    positive[0, 0] = False
    return np.packbits(positive.ravel()).tobytes()


def oriented(hashes: np.ndarray, orientation: tuple[bool, bool, bool]) -> np.ndarray:
    """Return the hashes that images have in another orientation.

    Args:
        hashes: (N, 32) uint8.
        orientation: transposed first; then mirrored left to right; then top to bottom.

    Returns:
        (N, 32) uint8. Coefficients of 0, which have no sign, may differ.
    """
    transposed, across, down = orientation
    bits = np.unpackbits(hashes, axis=1).reshape(-1, _LOW, _LOW)
    if transposed:
        bits = bits.transpose(0, 2, 1)
    odd = np.arange(_LOW, dtype=np.uint8) % 2
    turned = (odd[None, :] * across) ^ (odd[:, None] * down)
    return np.packbits((bits ^ turned).reshape(-1, BITS), axis=1)


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return in how many bits hashes differ.

    Args:
        one, other: (N, 32) uint8, or one of them (1, 32).

    Returns:
        (N,) int64.
    """
    apart = np.ascontiguousarray(one ^ other).view(np.uint64)
    return np.bitwise_count(apart).sum(axis=1, dtype=np.int64)
