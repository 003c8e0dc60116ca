"""Adjustments by a factor, as enhancers of photos have them: 0 is a plain version, 1 the source.

Values move away from the plain version or towards it, by `change` times their distance.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from variegate.annotations.sample import Image
from variegate.ops.base import Graded

_SMOOTH = (np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13).astype(np.float32)


@dataclass(frozen=True)
class Sharpness(Graded):
    """Move values away from those of a smoothed image, or towards them.

    The smoothed image is the mean of 3 x 3 pixels in which the middle counts five times; the
    outermost rows and columns stay.

    Attributes:
        change: share of the distance that is added; 0 is the identity, -1 the smoothed image.
    """

    change: float

    def _act_on_colors(self, image: Image) -> Image:
        smooth = cv2.filter2D(image, -1, _SMOOTH)
        changed = cv2.addWeighted(image, 1 + self.change, smooth, -self.change, 0)
        changed[[0, -1]] = image[[0, -1]]
        changed[:, [0, -1]] = image[:, [0, -1]]
        return changed
