"""From places in what a model takes back to pixels of the image."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Size

Floats = npt.NDArray[np.float32]

UNSEEN = -1
"""Class of a pixel that the model was not shown: it lies outside the crop."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image came to lie in what a model takes; sizes are (height, width), pixels.

    Attributes:
        image: size of the image.
        input: size of what the model takes.
        inner: size that the image was brought to.
        offset: (rows, columns) of its first pixel; below 0 where a crop begins inside it.
    """

    image: Size
    input: Size
    inner: Size
    offset: tuple[int, int]

    def points(self, points: npt.NDArray[np.floating]) -> Floats:
        """Return points (..., 2), x and y in pixels of the input, as pixels of the image."""
        offset = np.array([self.offset[1], self.offset[0]], np.float64)
        return ((points - offset) / self._scale).astype(np.float32)

    def boxes(self, boxes: npt.NDArray[np.floating]) -> Floats:
        """Return boxes (N, 4), x0, y0, x1, y1, as pixels of the image, cut at its borders."""
        moved = self.points(boxes.reshape(-1, 2, 2))
        most = np.array([self.image[1], self.image[0]], np.float32)
        return np.clip(moved, 0, most).reshape(-1, 4)

    def grid(self, values: npt.NDArray[np.floating]) -> Floats:
        """Return a map (h, w) over the input as one (H, W) over the image, interpolated."""
        matrix = self._to_grid(values.shape[:2])
        height, width = self.image
        return cv2.warpAffine(
            values.astype(np.float32, copy=False),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def unseen(self) -> npt.NDArray[np.bool_]:
        """Return (H, W): which pixels of the image the model was not shown."""
        height, width = self.image
        x = (np.arange(width) + 0.5) * self._scale[0] + self.offset[1]
        y = (np.arange(height) + 0.5) * self._scale[1] + self.offset[0]
        outside_x = (x < 0) | (x > self.input[1])
        outside_y = (y < 0) | (y > self.input[0])
        return outside_y[:, None] | outside_x[None, :]

    @property
    def _scale(self) -> npt.NDArray[np.float64]:
        """Pixels of the input for one of the image, in x and y."""
        return np.array([self.inner[1] / self.image[1], self.inner[0] / self.image[0]])

    def _to_grid(self, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Return the matrix from pixels of the image, counted from centres, to those of a map."""
        cells = np.array([shape[1] / self.input[1], shape[0] / self.input[0]])
        scale = self._scale * cells
        offset = np.array([self.offset[1], self.offset[0]]) * cells + 0.5 * scale - 0.5
        return np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])
