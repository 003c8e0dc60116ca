"""From an outline to pixels: exactly how much of each pixel a polygon covers."""

import numpy as np


def coverage(polygon: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that a simple polygon covers: exact areas, no samples.

    Cut at the pixels' borders, each piece of the outline lies in one pixel. It adds to that pixel
    the area to its right, and its height to all pixels further right: a running sum along the row.
    Samples would lose leads, which are two pixels wide.

    Args:
        polygon: (N, 2), x and y, pixels, continuous: the first pixel spans 0 to 1. It lies
            within the patch.
        corner: x and y of the patch's upper left pixel.
        size: (height, width) of the patch, pixels.

    Returns:
        (height, width) uint8, 255 for a covered pixel.
    """
    height, width = size
    start = _cut(polygon - corner)
    end = np.roll(start, -1, axis=0)
    middle = (start + end) / 2
    column, row = np.floor(middle).astype(np.int64).T
    rise = end[:, 1] - start[:, 1]
    left = rise * (middle[:, 0] - column)
    place = row * (width + 1) + column
    cells = np.bincount(
        np.concatenate([place, place + 1]),
        weights=np.concatenate([rise - left, left]),
        minlength=height * (width + 1),
    )
    share = np.abs(np.cumsum(cells.reshape(height, width + 1)[:, :width], axis=1))
    return np.rint(np.minimum(share, 1) * 255).astype(np.uint8)


def _cut(polygon: np.ndarray) -> np.ndarray:
    """The same polygon with a further point wherever it crosses a border between pixels."""
    end = np.roll(polygon, -1, axis=0)
    edges, shares = [np.arange(len(polygon))], [np.zeros(len(polygon))]
    for a, b in zip(polygon.T, end.T, strict=True):
        low = np.floor(np.minimum(a, b))
        crossings = (np.floor(np.maximum(a, b)) - low).astype(np.int64)
        edge = np.repeat(np.arange(len(polygon)), crossings)
        ordinal = np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
        edges.append(edge)
        shares.append((low[edge] + 1 + ordinal - a[edge]) / (b - a)[edge])
    edge, share = np.concatenate(edges), np.concatenate(shares)
    order = np.lexsort((share, edge))
    edge, share = edge[order], share[order]
    return polygon[edge] + share[:, None] * (end - polygon)[edge]
