"""An image and what is known about it.

Coordinates are continuous: the left edge of the image is x = 0, its right edge x = W, and the
centre of the first pixel is (0.5, 0.5). Sizes are (height, width), points are (x, y).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from variegate.annotations.targets import Targets
from variegate.errors import ShapeError

Image = npt.NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image with its labels.

    Attributes:
        image: (H, W) or (H, W, 1) gray, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha; uint8.
        labels: classes of the image as a whole, each with its share: {"cat": 1.0}.
        targets: objects and masks, if anything is known of them.
    """

    image: Image
    labels: Mapping[str, float] = field(default_factory=dict)
    targets: Targets | None = None

    @property
    def size(self) -> Size:
        """(height, width), pixels."""
        return size_of(self.image)


def size_of(image: Image) -> Size:
    """Return the (height, width) of an image of any kind."""
    return image.shape[0], image.shape[1]


def check_image(image: object) -> Image:
    """Return `image` if it is of a kind that operations take.

    Raises:
        ShapeError: it is no uint8 array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or it
            has no pixels.
    """
    if not isinstance(image, np.ndarray):
        raise ShapeError(f"image: expected a numpy array, got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise ShapeError(f"image: expected uint8, got {image.dtype}; scale it to 0 ... 255 first")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise ShapeError(
            f"image: expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {image.shape}"
        )
    if image.size == 0:
        raise ShapeError(f"image: expected at least one pixel, got {image.shape}")
    return image
