"""WebP against Pillow; blocks of video against cv2's cosine transform and whole numbers."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate.ops import compression
from variegate.ops.compression import VideoBlocks, Webp
from variegate.transforms import find_transform


def luma_of(photo):
    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("quality", [0, 20, 80])
def test_webp_is_that_of_pillow(quality, photos):
    for photo in photos:
        coded = io.BytesIO()
        Image.fromarray(photo).save(coded, "WEBP", quality=quality, method=0)
        expected = np.array(Image.open(coded).convert("RGB"))
        np.testing.assert_array_equal(Webp(quality).apply_image(photo), expected)


def test_webp_of_images_longer_than_its_files_can_be():
    long = np.tile(np.arange(256, dtype=np.uint8).repeat(80), (3, 1))
    assert long.shape[1] > 16_383
    changed = Webp(60).apply_image(long)
    assert changed.shape == long.shape
    assert np.abs(changed.astype(int) - long).mean() < 3
    np.testing.assert_array_equal(
        Webp(60).apply_image(long.T.copy()).shape, (long.shape[1], long.shape[0])
    )


def in_doubles(plane, step):
    """Blocks of 8 x 8 through cv2's orthonormal transform, one by one."""
    changed = np.zeros(plane.shape)
    for y in range(0, plane.shape[0], 8):
        for x in range(0, plane.shape[1], 8):
            levels = cv2.dct(plane[y : y + 8, x : x + 8].astype(np.float64) - 128) / step
            levels = np.sign(levels) * np.floor(np.abs(levels) + 1 / 6)
            changed[y : y + 8, x : x + 8] = cv2.idct(levels * step) + 128
    return np.clip(changed, 0, 255)


@pytest.mark.parametrize("qp", [20.0, 34.0, 45.0])
def test_blocks_are_those_of_a_cosine_transform(qp, photos):
    plane = luma_of(photos[0])[:96, :120].copy()
    changed = VideoBlocks(qp).apply_image(plane).astype(float)
    expected = in_doubles(plane, 0.625 * 2 ** (qp / 6))
    # The integer transform is near the cosine transform, not the same.
    assert np.abs(changed - expected).mean() < 0.6 * np.abs(changed - plane).mean()
    error, other = np.square(changed - plane).mean(), np.square(expected - plane).mean()
    assert error == pytest.approx(other, rel=0.1)


def test_sums_of_floats_are_those_of_whole_numbers():
    rng = np.random.Generator(np.random.Philox(5))
    extreme = 255 * rng.integers(0, 2, (128, 2200)) - 128
    whole = compression._TRANSFORM.astype(np.int64)
    once = compression._by_columns(extreme.astype(np.float32), compression._TRANSFORM)
    expected = np.einsum("ij,njw->niw", whole, extreme.reshape(16, 8, 2200)).reshape(128, 2200)
    np.testing.assert_array_equal(once.astype(np.int64), expected)
    twice = compression._by_columns(once.T.copy(), compression._TRANSFORM)
    expected = np.einsum("ij,njw->niw", whole, expected.T.reshape(275, 8, 128)).reshape(2200, 128)
    np.testing.assert_array_equal(twice.astype(np.int64), expected)
    assert np.abs(twice).max() < 2**24


def test_rows_of_the_transform_are_orthogonal():
    products = compression._TRANSFORM.astype(int) @ compression._TRANSFORM.astype(int).T
    assert (products == np.diag(np.diag(products))).all()


def test_edges_stand_at_blocks_and_color_at_macroblocks(photos):
    photo = photos[0][:112, :144]
    changed = VideoBlocks(44.0).apply_image(photo)
    steps = np.abs(np.diff(luma_of(changed).astype(int), axis=1)).mean(axis=0)
    at_edges = np.arange(1, photo.shape[1]) % 8 == 0
    assert steps[at_edges].mean() > 2 * steps[~at_edges].mean()


def test_images_that_are_no_multiple_of_blocks_are_compressed_alike(photos):
    photo = photos[0]
    cut = VideoBlocks(40.0).apply_image(photo[:83, :101])
    whole = VideoBlocks(40.0).apply_image(photo[:96, :112])
    np.testing.assert_array_equal(cut[:64, :80], whole[:64, :80])


def test_default_draws_are_seen_and_worse_with_the_step(photos):
    photo = photos[0]
    axis = find_transform("video_compression").axes[0]
    assert [axis.value(one) for one in (0, 1)] == [0, 51]
    errors = [
        np.abs(VideoBlocks(qp).apply_image(photo).astype(int) - photo).mean()
        for qp in (32.0, 38.0, 44.0, 51.0)
    ]
    assert errors == sorted(errors)
    assert errors[0] > 2
