"""Published operations do what Pillow, with which the papers were written, does."""

import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from variegate.seeding import generator
from variegate.transforms import find_transform
from variegate.transforms.published import USUAL, WIDE, filled, published

BLACK = filled((0, 0, 0), "nearest")
FACTORS = (0.01, 0.1, 0.73, 1.0, 1.27, 1.5, 1.99)
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}


def made(image, operation, magnitude, sampling=BLACK, **unit):
    drawn = published(operation, magnitude, sampling, **unit)
    kind = find_transform(drawn.transform)
    return kind.operation(drawn.parameters, image.shape[:2]).apply_image(image)


def apart(one, two):
    return np.abs(np.asarray(one).astype(int) - np.asarray(two).astype(int))


@pytest.fixture
def images(photos):
    """Photos, noise, one of few levels, and a gray one."""
    noise = generator(1, "published").integers(0, 256, (61, 80, 3), dtype=np.uint8)
    few = (noise // 128 * 90 + 40).astype(np.uint8)
    return [*photos, noise, few, np.ascontiguousarray(noise[..., 1])]


@pytest.mark.parametrize("operation", ["brightness", "contrast", "sharpness"])
def test_enhancements_are_those_of_pillow_within_a_level(images, operation):
    for image in images:
        for factor in FACTORS:
            expected = ENHANCERS[operation](Image.fromarray(image)).enhance(factor)
            assert apart(made(image, operation, factor - 1), expected).max() <= 1, factor


def test_color_is_that_of_pillow_up_to_its_rounding_of_gray(images):
    for image in images:
        for factor in FACTORS:
            found = made(image, "color", factor - 1)
            expected = ImageEnhance.Color(Image.fromarray(image)).enhance(factor)
            # Pillow rounds gray before it is mixed, and cuts the mixture off.
            assert apart(found, expected).max() <= 2
            if image.ndim == 3:
                gray = image @ np.array([[0.299], [0.587], [0.114]])
                exact = np.clip(gray + factor * (image - gray), 0, 255)
                assert np.abs(found - exact).max() < 1


def test_contrast_is_about_the_mean_of_the_image():
    dark = np.full((10, 10), 20, np.uint8)
    dark[::2] = 40
    assert set(made(dark, "contrast", 0.99).ravel().tolist()) == {10, 50}
    assert set(made(dark, "contrast", -0.99).ravel().tolist()) == {30}


def test_sharpness_softens_below_one():
    edge = np.full((20, 20), 50, np.uint8)
    edge[:, 10:] = 200
    steps = [np.diff(made(edge, "sharpness", change)[10].astype(int)).max() for change in (-0.9, 0)]
    assert steps[0] < steps[1]
    # By hand: the smoothed edge is 50 + 150 * 3 / 13 on one side, and as much less on the other.
    soft = made(edge, "sharpness", -1.0)[10]
    assert soft[8:12].tolist() == [50, 85, 165, 200]
    assert made(edge, "sharpness", -1.0)[0].tolist() == edge[0].tolist()


@pytest.mark.parametrize("image", [np.full((2, 9), 7, np.uint8), np.ones((1, 1, 4), np.uint8)])
def test_sharpness_leaves_the_outermost_pixels_alone(image):
    assert np.array_equal(made(image, "sharpness", 0.99), image)


def test_operations_on_levels_are_those_of_pillow(images):
    for image in images:
        pillow = Image.fromarray(image)
        for bits in range(1, 9):
            expected = ImageOps.posterize(pillow, bits)
            assert apart(made(image, "posterize", bits), expected).max() == 0
        for level in (0, 8.5, 127.5, 178.5, 200, 255):
            expected = ImageOps.solarize(pillow, level)
            assert apart(made(image, "solarize", level), expected).max() == 0
        assert apart(made(image, "invert", 0), ImageOps.invert(pillow)).max() == 0
        assert apart(made(image, "equalize", 0), ImageOps.equalize(pillow)).max() == 0
        assert apart(made(image, "autocontrast", 0), ImageOps.autocontrast(pillow)).max() <= 1


def affine(image, *coefficients):
    """Pillow's: from where each point of the result comes."""
    pillow = Image.fromarray(image)
    return np.asarray(pillow.transform(pillow.size, Image.Transform.AFFINE, coefficients))


@pytest.mark.parametrize("slope", [0.09, 0.297, -0.495, 0.99, -0.99])
def test_shear_keeps_the_top_left_corner_and_shows_black_beyond(images, slope):
    for image in images:
        across, down = (1, slope, 0, 0, 1, 0), (1, 0, 0, slope, 1, 0)
        assert apart(made(image, "shear_x", slope), affine(image, *across)).max() == 0
        assert apart(made(image, "shear_y", slope), affine(image, *down)).max() == 0


@pytest.mark.parametrize("amount", [0, 1.9, -17.07, 32, -32])
def test_translation_is_by_whole_pixels(images, amount):
    # Of the wide space, 32 pixels on any image.
    for image in images:
        whole = math.trunc(amount)
        moved = made(image, "translate_x", amount, unit="pixels")
        assert apart(moved, affine(image, 1, 0, -whole, 0, 1, 0)).max() == 0
        moved = made(image, "translate_y", amount, unit="pixels")
        assert apart(moved, affine(image, 1, 0, 0, 0, 1, -whole)).max() == 0


def test_translation_by_a_fraction_of_the_side_is_cut_to_whole_pixels():
    image = generator(2, "wide").integers(1, 256, (40, 331), dtype=np.uint8)
    # 150 of 331 pixels at the end: 5 pixels a bin, of 30.
    for number in range(31):
        moved = made(image, "translate_x", USUAL["translate_x"].at(number / 30))
        assert np.flatnonzero(moved.any(axis=0))[0] == 5 * number
    moved = made(image, "translate_y", USUAL["translate_y"].at(9 / 30))
    assert np.flatnonzero(moved.any(axis=1))[0] == 5  # 0.1359 x 40 = 5.4


def test_rotation_is_counterclockwise_about_the_middle_with_black_corners(images):
    for image in images:
        for degrees in (9, -45.5, 70, 135):
            expected = Image.fromarray(image).rotate(degrees)
            # The nearest pixel may be halfway between two.
            assert (apart(made(image, "rotate", degrees), expected) > 0).mean() < 0.004
    quarter = made(images[0], "rotate", 45.0)
    assert not quarter[:9, :9].any()


def test_linear_interpolation_and_another_color_can_be_asked_for(photos):
    gray = filled((9, 120, 30), "linear")
    turned = made(photos[0], "rotate", 30.0, gray)
    assert (turned[0, 0] == (9, 120, 30)).all()
    nearest = made(photos[0], "rotate", 30.0)
    middle = (slice(60, 90), slice(80, 120))
    assert 0 < apart(turned[middle], nearest[middle]).mean() < 20


def test_magnitudes_are_those_of_the_papers():
    def ends(table):
        return {name: (one.at(0), one.at(9 / 30), one.at(1)) for name, one in table.items()}

    wide, usual = ends(WIDE), ends(USUAL)
    assert len(wide) == len(usual) == 14
    for axis in "xy":
        assert wide[f"shear_{axis}"] == pytest.approx((0, 0.297, 0.99))
        assert usual[f"shear_{axis}"] == pytest.approx((0, 0.09, 0.3))
        assert wide[f"translate_{axis}"] == pytest.approx((0, 9.6, 32))
        assert usual[f"translate_{axis}"] == pytest.approx((0, 0.13595, 0.45317), abs=1e-5)
    assert wide["rotate"] == pytest.approx((0, 40.5, 135))
    assert usual["rotate"] == pytest.approx((0, 9, 30))
    for name in ENHANCERS:
        assert wide[name] == pytest.approx((0, 0.297, 0.99))
        assert usual[name] == pytest.approx((0, 0.27, 0.9))
    assert wide["solarize"] == usual["solarize"] == pytest.approx((255, 178.5, 0))
    bits = [[table["posterize"].at(number / 30) for number in range(31)] for table in (WIDE, USUAL)]
    assert [bits[0].count(one) for one in range(8, 1, -1)] == [3, 5, 5, 5, 5, 5, 3]
    assert [bits[1].count(one) for one in range(8, 3, -1)] == [4, 8, 7, 8, 4]
    signed = {name for name, one in WIDE.items() if one.signed}
    assert signed == {name for name, one in USUAL.items() if one.signed}
    assert len(signed) == 9


def test_steps_of_recipes_can_ask_for_the_same():
    kinds = {
        "shear": {"x_degrees": 20, "about": "corner", "border": "constant"},
        "translate": {"x": 0, "y": 0, "x_pixels": [-7, 7], "whole": True},
        "posterize": {"bits": 3, "cut": True},
        "equalize": {"steps": True},
    }
    for name, fields in kinds.items():
        parameters = find_transform(name)(**fields).parameters(generator(3, name))
        operation = find_transform(name).operation(parameters, (30, 40))
        plain = {key: one for key, one in fields.items() if key not in ("about", "cut", "steps")}
        usual = find_transform(name)(**plain).parameters(generator(3, name))
        assert (find_transform(name).operation(usual, (30, 40)) == operation) == (
            name == "translate"
        )
    assert "x_pixels" not in find_transform("translate")().parameters(generator(0))
