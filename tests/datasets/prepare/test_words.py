"""Spots stay where they are on what is shown, and their words stay what they are."""

import cv2
import numpy as np
import pytest

from variegate.datasets.prepare.spots import find_spots
from variegate.datasets.prepare.words import FEATURES, SIDE, TABLES, image_words, scaled
from variegate.seeding import generator


@pytest.fixture(scope="module")
def gray(photos):
    return scaled(cv2.cvtColor(photos[0], cv2.COLOR_RGB2GRAY))


def _on_image(spots, width):
    """Return places and radii of spots in pixels of the image."""
    reduced = 2 ** np.round(np.log2(width / (spots.last[:, 0] + 1)))
    places = (spots.places + 0.5) * reduced[:, None]
    return np.column_stack([places, spots.radii * reduced])


def _share_found(expected, found):
    apart = np.linalg.norm(expected[:, None, :2] - found[None, :, :2], axis=2)
    alike = np.abs(np.log2(expected[:, None, 2] / found[None, :, 2])) < 0.3
    return ((apart < 0.5 * expected[:, None, 2]) & alike).any(axis=1).mean()


def test_a_disk_is_a_spot_at_its_middle_and_of_its_size():
    image = np.full((160, SIDE), 60, np.uint8)
    cv2.circle(image, (100, 70), 9, 200, -1, cv2.LINE_AA)
    x, y, radius = _on_image(find_spots(image, 8), SIDE)[0]
    assert (x, y) == pytest.approx((100.5, 70.5), abs=1)
    # Of the difference of two blurs that answers most: its radius over the root of 2, about.
    assert radius == pytest.approx(9 / 2**0.5, rel=0.35)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_spots_turn_with_the_image(gray, turns):
    height, width = gray.shape
    spots = _on_image(find_spots(gray, FEATURES), width)
    turned = np.ascontiguousarray(np.rot90(gray, turns))
    expected = spots.copy()
    sizes = (width, height)
    for _ in range(turns):
        expected[:, :2] = np.column_stack([expected[:, 1], sizes[0] - expected[:, 0]])
        sizes = sizes[::-1]
    assert _share_found(expected, _on_image(find_spots(turned, FEATURES), turned.shape[1])) > 0.7


@pytest.mark.parametrize("way", ["mirrored", "turned", "brightened", "noisy"])
def test_words_stay_when_the_image_is(gray, way):
    noise = generator(0, "noise").normal(0, 4, gray.shape)
    other = {
        "mirrored": cv2.flip(gray, 1),
        "turned": cv2.rotate(gray, cv2.ROTATE_90_CLOCKWISE),
        "brightened": np.clip(gray * 0.8 + 30, 0, 255).astype(np.uint8),
        "noisy": np.clip(gray + noise, 0, 255).astype(np.uint8),
    }[way]
    own, theirs = image_words(gray), image_words(np.ascontiguousarray(other))
    common = sum(len(np.intersect1d(own[:, n], theirs[:, n])) for n in range(TABLES))
    assert common >= 0.2 * own.size


def test_words_are_the_same_whatever_was_in_memory(photos):
    images = [cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) for photo in photos[:3]]
    first = [image_words(one) for one in images]
    for filler in (np.nan, np.inf, 7.0):
        held = [np.full(size, filler, np.float32) for size in range(1_000, 150_000, 1_500)]
        del held
        for one, words in zip(images, first, strict=True):
            np.testing.assert_array_equal(image_words(one), words)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3_000), (3_000, 2), (5, 7), (192, 192)])
def test_where_there_is_nothing_to_see_there_are_no_words(shape):
    assert image_words(np.full(shape, 128, np.uint8)).shape == (0, TABLES)
    few = image_words(generator(1, "odd", *shape).integers(0, 256, shape, np.uint8))
    assert few.dtype == np.uint32
    assert len(few) <= FEATURES
