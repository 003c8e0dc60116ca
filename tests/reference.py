"""Slow and plain versions of what variegate does fast, for tests to compare with. No cv2 here."""

import numpy as np


def place(index: np.ndarray, length: int, border: str) -> np.ndarray:
    """Return which pixel of a row of `length` stands at `index`, by np.pad's definitions."""
    if border == "wrap":
        return index % length
    if border == "edge" or length == 1:
        return np.clip(index, 0, length - 1)
    folded = np.abs(index) % (2 * length - 2)
    return np.where(folded >= length, 2 * length - 2 - folded, folded)


def pixels(image: np.ndarray, x: np.ndarray, y: np.ndarray, border: str, fill) -> np.ndarray:
    """Return float64 values of the pixels in columns `x` and rows `y`, wherever they lie."""
    height, width = image.shape[:2]
    kind = "edge" if border == "constant" else border
    values = image[place(y, height, kind), place(x, width, kind)].astype(np.float64)
    if border == "constant":
        values[(x < 0) | (x >= width) | (y < 0) | (y >= height)] = fill
    return values


def bilinear(image: np.ndarray, points: np.ndarray, border: str = "edge", fill=0) -> np.ndarray:
    """Return float64 values at `points` (..., 2): x, y; a pixel's centre is at a half."""
    x, y = points[..., 0] - 0.5, points[..., 1] - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, down = x - left, y - top
    if image.ndim == 3:
        right, down = right[..., np.newaxis], down[..., np.newaxis]
    above = (1 - right) * pixels(image, left, top, border, fill)
    above = above + right * pixels(image, left + 1, top, border, fill)
    below = (1 - right) * pixels(image, left, top + 1, border, fill)
    below = below + right * pixels(image, left + 1, top + 1, border, fill)
    return (1 - down) * above + down * below


def centres(size: tuple[int, int]) -> np.ndarray:
    """Return (H, W, 2) the centre of every pixel."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.stack([x, y], axis=-1)


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return `points` (..., 2) moved by a (3, 3) matrix."""
    x, y = points[..., 0], points[..., 1]
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in np.asarray(matrix, np.float64))
    return np.stack([u / w, v / w], axis=-1)


def warped(image, matrix, size, border="edge", fill=0) -> np.ndarray:
    """Return float64: `image` under `matrix` (source to output) on a canvas of `size`."""
    return bilinear(image, moved(np.linalg.inv(matrix), centres(size)), border, fill)


def area_averaged(image, matrix, size, parts: int = 8) -> np.ndarray:
    """Return float64: as `warped`, every pixel the mean over its area of the source's pixels."""
    back, total = np.linalg.inv(matrix), 0.0
    for across in range(parts):
        for down in range(parts):
            shift = (np.array([across, down]) + 0.5) / parts - 0.5
            points = np.floor(moved(back, centres(size) + shift)).astype(np.int64)
            total = total + pixels(image, points[..., 0], points[..., 1], "edge", 0)
    return total / parts**2


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio, decibels."""
    error = np.mean((np.asarray(one, np.float64) - two) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def smooth_image(height: int, width: int, waves: float = 3.0) -> np.ndarray:
    """Return (H, W, 3) uint8 of slow waves: interpolation hardly errs on it."""
    points = centres((height, width)) / min(height, width) * 2 * np.pi * waves
    x, y = points[..., 0], points[..., 1]
    channels = [np.sin(x) * np.cos(y / 2), np.cos(x / 3 + y), np.sin(x / 2 - y / 3)]
    return np.rint(127.5 + 100 * np.stack(channels, axis=-1)).astype(np.uint8)
