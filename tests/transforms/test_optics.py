"""Aberration and ringing, against where points lie and what waves are left."""

import numpy as np
import pytest

from variegate.ops.aberration import ChromaticAberration
from variegate.ops.overshoot import Ringing, _cut
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (201, 301)
MIDDLE = np.array([150.0, 100.0])


def dot(x, y):
    """A soft white dot."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    spot = 220 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
    return np.repeat(np.rint(spot).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def centroid(plane):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    weights = plane.astype(float)
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize("larger", ["red", "blue"])
def test_red_and_blue_are_scaled_about_the_centre_against_green(larger):
    place = np.array([260.0, 30.0])
    made = find_transform("chromatic_aberration").operation(
        {"shift": 0.02, "fringe": 0.0, "larger": larger}, SIZE
    )
    changed = made.apply_image(dot(*place))
    factors = (1.02, 1.0, 1 / 1.02)
    for channel, factor in enumerate(factors if larger == "red" else factors[::-1]):
        expected = MIDDLE + factor * (place - MIDDLE)
        assert np.abs(centroid(changed[..., channel]) - expected).max() < 0.15


def test_aberration_leaves_the_centre_and_both_directions_are_drawn():
    image = dot(150, 100)
    changed = ChromaticAberration(0.03, 0.0).apply_image(image)
    assert np.abs(changed[98:103, 148:153].astype(int) - image[98:103, 148:153]).max() <= 6
    draws = [
        find_transform("chromatic_aberration")().parameters(generator(seed)) for seed in range(20)
    ]
    assert {draw["larger"] for draw in draws} == {"red", "blue"}


def test_aberration_of_gray_is_that_of_gray_colors():
    gray = generator(1).integers(0, 256, (60, 80), dtype=np.uint8)
    made = ChromaticAberration(0.03, 0.4)
    colored = made.apply_image(np.repeat(gray[..., np.newaxis], 3, axis=2)).astype(float)
    luminance = colored @ np.array([0.299, 0.587, 0.114])
    assert np.abs(made.apply_image(gray) - luminance).max() <= 1


def test_fringe_is_purple_beside_what_is_bright_and_nowhere_else():
    image = np.full((*SIZE, 3), 60, np.uint8)
    image[60:140, 100:200] = 255
    changed = ChromaticAberration(0.0, 1.0).apply_image(image).astype(int)
    red, green, blue = changed[100, 99]
    assert blue > red > 70
    assert green < 60
    np.testing.assert_array_equal(changed[61:139, 101:199], 255)
    np.testing.assert_array_equal(changed[:40], 60)
    dull = np.minimum(image, 180)
    np.testing.assert_array_equal(ChromaticAberration(0.0, 1.0).apply_image(dull), dull)


def test_ringing_overshoots_on_both_sides_of_an_edge():
    image = np.full((60, 120), 60, np.uint8)
    image[:, 60:] = 190
    changed = Ringing(1.0, 6.0).apply_image(image).astype(int)
    # Gibbs: 9% of the step, whatever the wavelength; the end of the kernel adds a little.
    assert 0.06 * 130 < changed.max() - 190 < 0.16 * 130
    assert 0.06 * 130 < 60 - changed.min() < 0.16 * 130
    # It rings: behind the overshoot there is an undershoot.
    assert changed[30, 60:].min() < 190


@pytest.mark.parametrize("wavelength", [4.0, 7.0])
def test_ringing_cuts_off_what_is_finer_and_leaves_the_rest(wavelength):
    x = np.arange(240)

    def left(length):
        wave = np.rint(128 + 100 * np.cos(2 * np.pi * x / length)).astype(np.uint8)
        image = np.tile(wave, (40, 1))
        return Ringing(1.0, wavelength).apply_image(image)[:, 40:-40].std() / image[:, 40:-40].std()

    assert left(0.7 * wavelength) < 0.15
    assert left(1.5 * wavelength) == pytest.approx(1, abs=0.15)


def test_ringing_leaves_a_flat_image():
    flat = np.full((50, 60, 3), 77, np.uint8)
    for wavelength in (2.5, 8.0, 13.0, 60.0):
        np.testing.assert_array_equal(Ringing(1.0, wavelength).apply_image(flat), flat)


def test_long_ringing_at_a_reduced_scale_is_the_one_at_full_scale(photos):
    photo = photos[0]
    for wavelength in (10.0, 14.0):
        reduced = Ringing(1.0, wavelength).apply_image(photo).astype(float)
        full = _cut(photo, wavelength, wavelength).astype(float)
        assert np.abs(reduced - full).mean() < 0.25 * np.abs(full - photo).mean()
