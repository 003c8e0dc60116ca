"""Whether the larger of two images that show the same has anything that the smaller one has not.

Enlarging makes pixels and no detail: above the smaller image's highest frequency there is next to
nothing. Padding adds a margin of one color. Either way the other one is the better one to keep.
"""

import cv2
import numpy as np

from variegate.datasets.prepare.comparison import Frames
from variegate.datasets.prepare.relations import Relation

# Energy above the smaller image's highest frequency by that below it, of gradients. Measured on
# photos of the test data, JPEG quality 30 and up: those that were not enlarged have .15 and more.
_EMPTY = 0.12
_LEAST_TIMES, _MOST_TIMES = 1.25, 4.0
_SIDE = 512
# Gray levels by which a margin may differ, where it was compressed with loss.
_PLAIN = 4.0
_LEAST_MARGIN = 0.02


def is_enlarged_or_padded(frames: Frames, larger: str, relation: Relation) -> bool:
    """Say whether an image is another one enlarged, or with a plain margin around it.

    Args:
        frames: where images are read.
        larger: key of the image.
        relation: of the other one to it.
    """
    if relation.part is not None:
        return _is_padded(frames, larger, relation.part)
    if relation.grade != "copy" or not relation.scale <= 1 / _LEAST_TIMES:
        return False
    gray = frames.whole(larger)
    return gray is not None and is_empty_above(gray, relation.scale)


def is_empty_above(gray: np.ndarray, share: float) -> bool:
    """Say whether an image has no detail beyond a share of its highest frequency.

    Args:
        gray: (H, W) uint8.
        share: side of a smaller image by side of this one.
    """
    share = max(share, 1 / _MOST_TIMES)
    height, width = gray.shape
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    middle = gray[top : top + _SIDE, left : left + _SIDE].astype(np.float64)
    middle = (middle - middle.mean()) * np.outer(*map(np.hanning, middle.shape))
    power = np.abs(np.fft.rfft2(middle)) ** 2
    down, across = np.fft.fftfreq(middle.shape[0])[:, None] * 2, np.fft.rfftfreq(middle.shape[1])
    across = across[None] * 2
    gradients = power * (down**2 + across**2)
    # Interpolation works along each side.
    frequency = np.maximum(np.abs(down), across)
    above = (frequency > share * 1.12) & (frequency < min(1.0, share * 1.7))
    below = (frequency > share * 0.5) & (frequency < share * 0.92)
    if not above.any() or not below.any():
        return False
    return bool(gradients[above].mean() < _EMPTY * gradients[below].mean())


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
