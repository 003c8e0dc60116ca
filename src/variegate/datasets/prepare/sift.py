"""SIFT features as they are compared when one image is laid over another."""

import cv2
import numpy as np

# Of descriptors: 4 x 4 cells of 8 directions.
_CELLS, _DIRECTIONS = 4, 8


#: Positions and descriptors.
Features = tuple[np.ndarray, np.ndarray]


def sift_features(gray: np.ndarray, most: int, least_contrast: float) -> Features:
    """Return the features of an image.

    Args:
        gray: (H, W) uint8.
        most: how many.
        least_contrast: as SIFT takes it.

    Returns:
        Positions, (N, 2) float32, corner of the first pixel at 0, and descriptors, (N, 128) uint8.
    """
    sift = cv2.SIFT.create(nfeatures=most, contrastThreshold=least_contrast)
    points, found = sift.detectAndCompute(gray, None)
    if found is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    places = np.array([point.pt for point in points], np.float32) + 0.5
    # They are whole numbers up to 255.
    return places, found.astype(np.uint8)


def rooted(descriptors: np.ndarray) -> np.ndarray:
    """Return the square roots of descriptors with a sum of 1 (RootSIFT; Arandjelovic 2012)."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1e-6))


def mirrored(descriptors: np.ndarray) -> np.ndarray:
    """Return the descriptors that the same spots have in a mirrored image."""
    cells = descriptors.reshape(-1, _CELLS, _CELLS, _DIRECTIONS)
    turned = cells[:, ::-1][..., -np.arange(_DIRECTIONS) % _DIRECTIONS]
    return np.ascontiguousarray(turned.reshape(len(descriptors), -1))
