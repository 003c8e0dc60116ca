"""Whether the larger of two images that show the same has anything that the smaller one has not.

Enlarging makes pixels and no detail: what is left of the larger image when the smaller one,
enlarged, is taken away is next to nothing. Padding adds a margin of one color. Either way the other
one is the better one to keep.
"""

import cv2
import numpy as np

from variegate.datasets.prepare.comparison import Frames
from variegate.datasets.prepare.relations import Relation

# Of the gradients' energy, what may be left of an enlarged image. Of 28 photos of the test data
# and their reduced copies .14 and more is left (from three times on .28), of copies enlarged by
# 1.5 to 3 times without loss .02 in the median, at JPEG quality 75 .12.
_LEFT, _LEFT_OF_MUCH, _MUCH = 0.12, 0.2, 2.5
# Nearer to the same size the two are not told apart.
_LEAST_TIMES = 1.4
_WAYS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
# Gray levels by which a margin may differ, where it was compressed with loss.
_PLAIN = 4.0
_LEAST_MARGIN = 0.02


def is_enlarged_or_padded(frames: Frames, larger: str, smaller: str, relation: Relation) -> bool:
    """Say whether an image is another one enlarged, or with a plain margin around it.

    Args:
        frames: where images are read.
        larger: key of the image.
        smaller: key of the other one.
        relation: of the other one to it.
    """
    if relation.part is not None:
        return not relation.mirrored and _is_padded(frames, larger, relation.part)
    if relation.grade != "copy" or relation.scale * _LEAST_TIMES > 1:
        return False
    large, small = frames.whole(larger), frames.whole(smaller)
    if large is None or small is None:
        return False
    allowed = _LEFT if relation.scale * _MUCH > 1 else _LEFT_OF_MUCH
    return left_without(large, small) < allowed


def left_without(large: np.ndarray, small: np.ndarray) -> float:
    """Return what is left of an image without what a smaller one of the same has, 0 to 1.

    Args:
        large, small: (H, W) uint8, of the same content.

    Returns:
        Of the energy of its gradients, by the kind of enlarging that explains most; light and
        contrast may differ.
    """
    whole = large.astype(np.float32)
    whole -= whole.mean()
    left = 1.0
    for way in _WAYS:
        enlarged = cv2.resize(small.astype(np.float32), large.shape[::-1], interpolation=way)
        enlarged -= enlarged.mean()
        gain = float((enlarged * whole).sum()) / max(float((enlarged * enlarged).sum()), 1.0)
        left = min(left, _energy(whole - gain * enlarged) / max(_energy(whole), 1.0))
    return left


def _energy(image: np.ndarray) -> float:
    down, across = np.diff(image, axis=0), np.diff(image, axis=1)
    return float((down * down).sum() + (across * across).sum())


def _is_padded(frames: Frames, larger: str, part: tuple[int, int, int, int]) -> bool:
    frame = frames.of(larger)
    if frame is None:
        return False
    (height, width), (rows, columns) = frame.size, frame.shape
    x, y, wide, tall = part
    outside = np.ones((rows, columns), np.uint8)
    first = (round(x * columns / width), round(y * rows / height))
    last = (round((x + wide) * columns / width), round((y + tall) * rows / height))
    outside[first[1] : last[1], first[0] : last[0]] = 0
    # Reducing mixes margin and image where they meet.
    outside = cv2.erode(outside, np.ones((5, 5), np.uint8), borderValue=1)
    margin = frame.gray[outside > 0]
    return margin.size >= _LEAST_MARGIN * rows * columns and float(margin.std()) <= _PLAIN
