"""Figures of an image, against what it was made of."""

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate.codecs import Limits, encode, luminance_steps
from variegate.datasets.prepare.measures import jpeg_quality, measure


@pytest.mark.parametrize("quality", [25, 35, 60, 75, 90, 98])
def test_the_quality_of_a_jpeg_is_the_one_it_was_written_with(photos, quality, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photos[0]).save(path, quality=quality)
    assert abs(jpeg_quality(path.read_bytes()) - quality) <= 1


@pytest.mark.parametrize(("quality", "progressive"), [(5, False), (60, True), (100, False)])
def test_luminance_steps_are_those_that_another_reader_finds(
    photos, quality, progressive, tmp_path
):
    path = tmp_path / "a.jpg"
    Image.fromarray(photos[0]).save(path, quality=quality, progressive=progressive)
    with Image.open(path) as image:
        assert sorted(luminance_steps(path.read_bytes())) == sorted(image.quantization[0])


def test_a_file_without_tables_has_no_luminance_steps(photos):
    data = encode(photos[0], format="jpeg", quality=80)
    at = data.index(b"\xff\xdb")
    assert luminance_steps(data) is not None
    assert luminance_steps(data[:at] + data[data.index(b"\xff\xc0") :]) is None
    assert luminance_steps(data[: at + 20]) is None


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


def test_a_jpeg_is_measured_at_a_fraction_of_its_size_as_it_would_be_in_full(photos):
    large = cv2.resize(photos[0], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    whole = measure(encode(large, format="png"), "a.png", Limits())
    part = measure(encode(large, format="jpeg", quality=92), "a.jpg", Limits())
    assert whole.pixels_digest
    assert part.pixels_digest is None
    for name in ("brightness", "dark", "bright", "contrast"):
        assert getattr(part, name) == pytest.approx(getattr(whole, name), abs=0.02)
    assert part.sharpness == pytest.approx(whole.sharpness, rel=0.25)


def test_sharpness_tells_blur_and_not_size(photos):
    def sharpness(image):
        return measure(encode(image, format="png"), "a.png", Limits()).sharpness

    photo = cv2.resize(photos[0], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    double = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(photo, (0, 0), max(photo.shape) / 50)
    assert sharpness(double) == pytest.approx(sharpness(photo), rel=0.2)
    assert sharpness(blurred) < min(20, sharpness(photo) / 10)


def test_all_pixels_of_a_blank_jpeg_are_digested(tmp_path):
    blank, found = Image.new("RGB", (800, 600), (200, 120, 90)), []
    for progressive in (False, True):
        blank.save(tmp_path / "a.jpg", progressive=progressive)
        found.append(measure((tmp_path / "a.jpg").read_bytes(), "a.jpg", Limits()))
    assert found[0].pixels_digest == found[1].pixels_digest is not None
    assert found[0].bytes_digest != found[1].bytes_digest
