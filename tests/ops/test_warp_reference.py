"""Warps against plain bilinear sampling in double precision, and exact ones against numpy."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import area_averaged, centres, moved, place, psnr, smooth_image, warped
from variegate.ops import View, Warp
from variegate.ops.matrices import about, scaling, translation
from variegate.ops.warp import averaged
from variegate.seeding import generator

BORDERS = ("reflect", "edge", "constant", "wrap")
MAGENTA = (255, 0, 255)
# Rounding to the nearest level, and single precision.
ROUNDED = 0.51


def turned(degrees: float) -> np.ndarray:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])


MATRICES = {
    "rotation": about(turned(33), 80, 60),
    "enlargement": about(scaling(1.7, 2.3), 80, 60),
    "slight shrinking": about(scaling(0.8, 0.6), 80, 60),
    "shear": about(np.array([[1, 0.6, 0], [0.2, 1, 0], [0, 0, 1.0]]), 80, 60),
    "half a pixel": translation(0.5, 0.5),
    "perspective": np.array([[0.9, 0.2, 3], [0.1, 1.1, -7], [0.001, 0.0007, 1.0]]),
    "mirrored turn": about(turned(-71) @ scaling(-1, 1), 80, 60),
    "far beyond": about(turned(10), 80, 60) @ translation(0, 300),
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_warp_samples_like_plain_bilinear(matrix, border, photos):
    for image, fill in ((photos[0], MAGENTA), (photos[0][..., 1], 105)):
        for size in (image.shape[:2], (90, 200)):
            warp = Warp.of(matrix, size, View(border, MAGENTA))
            expected = warped(image, matrix, size, border, fill)
            assert np.abs(warp.apply_image(image) - expected).max() < ROUNDED


def test_transparent_border_keeps_alpha_and_colors_apart(photos):
    image = np.dstack([photos[0], np.full(photos[0].shape[:2], 200, np.uint8)])
    size, matrix = image.shape[:2], MATRICES["rotation"]
    result = Warp.of(matrix, size, View("constant", MAGENTA)).apply_image(image).astype(float)
    # Of every color as much is seen as there is alpha, and of what lies beyond, nothing. Color and
    # alpha are both rounded.
    shares = np.dstack([photos[0] * (200 / 255), image[..., 3]])
    seen = np.dstack([result[..., :3] * result[..., 3:] / 255, result[..., 3]])
    assert np.abs(seen - warped(shares, matrix, size, "constant", (0, 0, 0, 0))).max() < 2 * ROUNDED


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_a_point_moves_like_the_pixel_at_its_place(interpolation):
    image = np.zeros((61, 83), np.uint8)
    image[20, 30] = 255
    matrix = about(turned(30) @ scaling(6, 6), 30.5, 20.5) @ translation(0.0, 0.0)
    matrix = translation(90, 80) @ matrix
    spot = Warp.of(matrix, (220, 240), View("edge", interpolation=interpolation)).apply_image(image)
    weights = spot.astype(np.float64)[..., np.newaxis]
    middle = (weights * centres((220, 240))).sum(axis=(0, 1)) / weights.sum()
    assert middle == pytest.approx(moved(matrix, np.array([30.5, 20.5])), abs=0.1)


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    canvas=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    left=st.integers(-30, 30),
    top=st.integers(-30, 30),
    border=st.sampled_from(BORDERS),
    turn=st.integers(0, 7),
    channels=st.sampled_from([(), (3,), (4,)]),
)
@settings(max_examples=300)
def test_whole_pixel_warps_are_exact(height, width, canvas, left, top, border, turn, channels):
    size = height * width * math.prod(channels)
    image = (np.arange(size, dtype=np.int64) * 37 % 251).astype(np.uint8)
    image = image.reshape(height, width, *channels)
    # One of the eight ways to lay the image down, then anywhere on the canvas.
    expected = np.rot90(image[::-1] if turn >= 4 else image, turn % 4)
    matrix = scaling(1, -1) if turn >= 4 else np.eye(3)
    matrix = (
        np.linalg.matrix_power(np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), turn % 4) @ matrix
    )
    corners = moved(matrix, np.array([[0, 0], [width, height]]))
    matrix = translation(*(np.array([left, top]) - corners.min(axis=0))) @ matrix
    rows, columns = np.arange(canvas[0]) - top, np.arange(canvas[1]) - left
    laid = expected[
        np.ix_(
            place(rows, expected.shape[0], "edge" if border == "constant" else border),
            place(columns, expected.shape[1], "edge" if border == "constant" else border),
        )
    ].copy()
    if border == "constant":
        fill = {(): 76, (3,): (255, 0, 0), (4,): (255, 0, 0, 0)}[channels]
        laid[(rows < 0) | (rows >= expected.shape[0])] = fill
        laid[:, (columns < 0) | (columns >= expected.shape[1])] = fill
    warp = Warp.of(matrix, canvas, View(border, (255, 0, 0)))
    assert warp.moves_pixels_only()
    np.testing.assert_array_equal(warp.apply_image(image), laid)


NUMPY_PAD = {"reflect": "reflect", "edge": "edge", "wrap": "wrap", "constant": "constant"}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("by", [(2, 3, 1, 4), (0, 0, 5, 0), (40, 33, 60, 71)], ids=str)
def test_padding_is_that_of_numpy(border, by, photos):
    image = photos[0][30:47, 20:49]
    above, below, before, after = by
    size = (image.shape[0] + above + below, image.shape[1] + before + after)
    warp = Warp.of(translation(before, above), size, View(border, (0, 0, 0)))
    expected = np.pad(image, ((above, below), (before, after), (0, 0)), NUMPY_PAD[border])
    np.testing.assert_array_equal(warp.apply_image(image), expected)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("by", [(1000, 0), (-1000, 313), (100_000, -70_000)], ids=str)
def test_translation_far_beyond_the_canvas(border, by, photos):
    image = photos[0]
    height, width = image.shape[:2]
    result = Warp.of(translation(*by), (height, width), View(border, MAGENTA)).apply_image(image)
    rows = place(np.arange(height) - by[1], height, border)
    columns = place(np.arange(width) - by[0], width, border)
    expected = np.full_like(image, MAGENTA) if border == "constant" else image[rows][:, columns]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("times", [1.3, 1.7, 1.99, 2.0, 2.6, 3.9, 7.3, 20])
def test_resize_to_a_smaller_size_averages(times, photos):
    for image in (photos[1], photos[2][..., 0]):
        height, width = image.shape[:2]
        size = (round(height / times), round(width / times))
        matrix = scaling(size[1] / width, size[0] / height)
        result = Warp.of(matrix, size, View()).apply_image(image)
        assert psnr(result, area_averaged(image, matrix, size, parts=16)) > 38


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64, 4), (48, 64), (47, 63, 3), (2, 2, 3)])
@pytest.mark.parametrize("shrunk", [(1, 2), (2, 1), (2, 2), (1, 3)])
def test_blocks_are_averaged_as_cv2_does_it_to_the_last_bit(shape, shrunk):
    image = generator(1).integers(0, 256, shape, dtype=np.uint8)
    size = tuple(max(1, round(side / times)) for side, times in zip(shape, shrunk, strict=False))
    found = averaged(image, scaling(1 / shrunk[1], 1 / shrunk[0]), View())
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("times", [2.3, 2.9, 4.0, 6.5, 11])
@pytest.mark.parametrize("degrees", [0, 12, 45, 90])
@pytest.mark.parametrize("tilt", [0.0, 0.0005], ids=["flat", "perspective"])
def test_shrinking_of_any_kind_does_not_alias(times, degrees, tilt):
    # Of noise, an average leaves 1/times; sampling of single pixels would keep it all.
    image = generator(0).integers(0, 256, (220, 220), dtype=np.uint8)
    matrix = scaling(1 / times, 1 / times) @ about(turned(degrees), 110, 110)
    matrix = np.array([[1, 0, 0], [0, 1, 0], [tilt, tilt, 1]]) @ matrix
    size = (round(220 / times), round(220 / times))
    inner = tuple(slice(side // 4, -side // 4) for side in size)
    result = Warp.of(matrix, size, View("edge")).apply_image(image)[inner]
    mean = area_averaged(image, matrix, size)[inner]
    assert result.std() < 1.25 * mean.std() < warped(image, matrix, size)[inner].std()
    assert result.mean() == pytest.approx(mean.mean(), abs=4)


def test_shrinking_to_one_pixel_is_the_mean(photos):
    image = photos[0]
    matrix = scaling(1 / image.shape[1], 1 / image.shape[0])
    result = Warp.of(matrix, (1, 1), View()).apply_image(image)
    assert np.abs(result[0, 0] - image.mean(axis=(0, 1))).max() < 1.5


def test_enlarging_tiny_images_repeats_their_edge():
    image = np.array([[10, 250]], np.uint8)
    result = Warp.of(scaling(8, 8), (8, 16), View()).apply_image(image)
    assert (result[:, :4] == 10).all()
    assert (result[:, 12:] == 250).all()


@pytest.mark.parametrize("size", [(3, 40_000), (40_000, 3)], ids=str)
def test_very_long_images_can_be_warped(size):
    image = np.tile(smooth_image(3, 100)[0, :, 0], 400)
    image = image[np.newaxis].repeat(3, 0) if size[0] == 3 else image[:, np.newaxis].repeat(3, 1)
    matrix = translation(0.25, 0.25)
    result = Warp.of(matrix, size, View("edge")).apply_image(np.ascontiguousarray(image))
    assert np.abs(result - warped(image, matrix, size)).max() < 1.5
