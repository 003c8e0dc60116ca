"""How much boxes, masks and keypoints agree, and which belong to which."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.intp]
Matrix = npt.NDArray[np.float64]

# COCO's constants, one for each of its 17 keypoints: https://cocodataset.org/#keypoints-eval
COCO_SIGMAS = np.array(
    (
        *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
        *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    )
)
# For keypoints that nobody measured: between an eye and a hip.
_SIGMA = 0.05
# Share of a box around a person that the person covers, as in COCO's labels on average.
_COVERED = 0.53


def box_iou(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> Matrix:
    """Return the intersection over union of boxes (N, 4) and (M, 4), (N, M)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = (np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (a, b))
    first, second = areas
    union = first[:, None] + second[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def mask_iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> Matrix:
    """Return the intersection over union of masks (N, H, W) and (M, H, W), (N, M)."""
    first = a.reshape(len(a), -1).astype(np.float32)
    second = b.reshape(len(b), -1).astype(np.float32)
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    common = (first @ second.T).astype(np.float64)
    union = first.sum(axis=1)[:, None] + second.sum(axis=1)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def keypoint_similarity(
    expected: npt.NDArray[np.floating],
    visible: npt.NDArray[np.floating],
    found: npt.NDArray[np.floating],
    areas: npt.NDArray[np.floating] | None = None,
) -> Matrix:
    """Return COCO's object keypoint similarity, (N, M).

    Args:
        expected: (N, K, 2), pixels.
        visible: (N, K), above 0 where it is known where the point is.
        found: (M, K, 2).
        areas: (N,) of the objects; None to take them from the boxes around their points.
    """
    seen = visible > 0
    count = expected.shape[1]
    sigmas = COCO_SIGMAS if count == len(COCO_SIGMAS) else np.full(count, _SIGMA)
    if areas is None:
        areas = np.array([_area(one[own]) for one, own in zip(expected, seen, strict=True)])
    distance = ((expected[:, None].astype(np.float64) - found[None]) ** 2).sum(axis=3)
    spread = 2 * (2 * sigmas) ** 2 * np.maximum(areas, 1.0).reshape(-1, 1)
    near = np.exp(-distance / spread[:, None]) * seen[:, None]
    labelled = seen.sum(axis=1)[:, None]
    return np.divide(near.sum(axis=2), labelled, out=np.zeros(near.shape[:2]), where=labelled > 0)


def _area(points: npt.NDArray[np.floating]) -> float:
    if not len(points):
        return 0.0
    sides = points.max(axis=0) - points.min(axis=0)
    return float(sides[0] * sides[1] * _COVERED)


def suppressed(
    boxes: npt.NDArray[np.floating], classes: npt.NDArray[np.integer], most: float
) -> Numbers:
    """Return the numbers of boxes, the surest first, without doubles of the same class.

    Args:
        boxes: (N, 4), the surest first.
        classes: (N,).
        most: overlap (IoU) that two boxes of a class may have.
    """
    left, kept = np.arange(len(boxes)), []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(int(first))
        overlap = box_iou(boxes[first : first + 1], boxes[left])[0]
        left = left[(classes[left] != classes[first]) | (overlap <= most)]
    return np.array(kept, np.intp)


def best_pairs(gains: Matrix) -> list[tuple[int, int]]:
    """Return the pairs of rows and columns whose gains, 0 or more, have the greatest sum.

    Each row and column is in one pair at most; pairs without a gain are left out.
    """
    if not gains.size:
        return []
    turned = gains.shape[0] > gains.shape[1]
    table = gains.T if turned else gains
    pairs = [
        (row, column) for row, column in enumerate(_assigned(-table)) if table[row, column] > 0
    ]
    return sorted((column, row) for row, column in pairs) if turned else pairs


def _assigned(cost: Matrix) -> list[int]:
    """Return a column for each row, at the least cost in total; rows are no more than columns.

    Kuhn's Hungarian method with potentials: rows are entered one by one, each along the shortest
    path of reduced costs, O(rows^2 columns). `owner` holds the row of a column, the last column is
    an extra one in which the row to be entered begins.
    """
    rows, columns = cost.shape
    of_row, of_column = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(columns + 1, -1)
    for row in range(rows):
        owner[columns] = at = row
        column = columns
        least, before = np.full(columns, np.inf), np.full(columns, columns)
        used = np.zeros(columns + 1, bool)
        while at != -1:
            used[column] = True
            free = ~used[:columns]
            reduced = cost[at] - of_row[at] - of_column[:columns]
            better = free & (reduced < least)
            least[better], before[better] = reduced[better], column
            nearest = int(np.where(free, least, np.inf).argmin())
            step = least[nearest]
            of_row[owner[used]] += step
            of_column[used] -= step
            least[free] -= step
            column, at = nearest, int(owner[nearest])
        while column != columns:
            owner[column] = owner[before[column]]
            column = int(before[column])
    found = [0] * rows
    for column in range(columns):
        if owner[column] >= 0:
            found[owner[column]] = column
    return found
