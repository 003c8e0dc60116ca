"""What a warp shows beyond its source, against cv2 looking every pixel up by itself."""

import cv2
import numpy as np
import pytest

from variegate.ops import View, Warp
from variegate.ops.matrices import about, translation
from variegate.ops.view import BORDERS

SIZE = (60, 90)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("far", [0.05, 0.3, 3.0])
@pytest.mark.parametrize("slant", [0.0, 2e-3])
def test_border_is_what_cv2_shows(border, far, slant):
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    cos, sin = np.cos(0.3), np.sin(0.3)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [slant, 0, 1]])
    matrix = translation(far * SIZE[1], 0) @ about(turn, SIZE[1] / 2, SIZE[0] / 2)

    made = Warp.of(matrix, SIZE, View(border, (9, 8, 7))).apply_image(image)

    centres = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    expected = cv2.warpPerspective(
        image, centres.array, SIZE[::-1], borderMode=BORDERS[border], borderValue=(9, 8, 7)
    )
    assert np.abs(made.astype(int) - expected).max() <= 1
