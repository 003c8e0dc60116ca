"""Figures of an image, against what it was made of."""

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate.codecs import Limits, encode
from variegate.datasets.prepare.measures import jpeg_quality, measure


@pytest.mark.parametrize("quality", [25, 35, 60, 75, 90, 98])
def test_the_quality_of_a_jpeg_is_the_one_it_was_written_with(photos, quality, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photos[0]).save(path, quality=quality)
    assert abs(jpeg_quality(path.read_bytes()) - quality) <= 1


def test_figures_of_a_gray_image():
    gray = np.repeat(np.repeat(np.array([[0, 255]], np.uint8), 50, axis=1), 100, axis=0)
    found = measure(encode(gray, format="png"), "a.png", Limits())
    assert (found.height, found.width, found.mode, found.kind) == (100, 100, "gray", "png")
    assert found.brightness == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)
    assert found.entropy == pytest.approx(1)
    assert (found.dark, found.bright) == (0, 1)


def test_equal_pixels_have_equal_digests_in_any_file(photos, tmp_path):
    one = measure(encode(photos[0], format="png"), "a.png", Limits())
    cv2.imwrite(str(tmp_path / "a.bmp"), photos[0][..., ::-1])
    other = measure((tmp_path / "a.bmp").read_bytes(), "a.bmp", Limits())
    assert one.pixels_digest == other.pixels_digest
    assert one.bytes_digest != other.bytes_digest
    third = measure(encode(photos[1], format="png"), "b.png", Limits())
    assert third.pixels_digest != one.pixels_digest


@pytest.mark.parametrize("shape", [(1, 1), (1, 3_000), (3_000, 2)])
def test_images_of_odd_shapes_are_measured(shape):
    found = measure(encode(np.zeros(shape, np.uint8), format="png"), "a.jpg", Limits())
    assert (found.height, found.width) == shape
    assert not found.extension_fits
