"""Color transforms against formulas written down here in double precision, and against Pillow."""

import math

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.transforms import find_transform

#: Rec. 601.
LUMA = np.array([0.299, 0.587, 0.114])
SIZE = (1, 1)


def operation(name, **parameters):
    return find_transform(name).operation(parameters, SIZE)


def levels():
    """All grays and a spread of colors, as an image."""
    grid = np.array(np.meshgrid(*[np.arange(0, 256, 17)] * 3)).reshape(3, -1).T
    grays = np.arange(256)[:, np.newaxis].repeat(3, axis=1)
    return np.concatenate([grid, grays])[np.newaxis].astype(np.uint8)


def saturated(values):
    return np.clip(values, 0, 255)


def largest_error(result, expected):
    return np.abs(result.astype(np.float64) - saturated(expected)).max()


def linear(v):
    """sRGB to light, by the standard's two branches."""
    v = v / 255
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def stored(light):
    low = light <= 0.0031308
    return 255 * (12.92 * light if low else 1.055 * light ** (1 / 2.4) - 0.055)


def expose(image, stops):
    return np.vectorize(lambda v: stored(min(1.0, linear(v) * 2**stops)))(image.astype(float))


@pytest.mark.parametrize(
    ("name", "parameters", "formula"),
    [
        ("brightness", {"amount": 0.3}, lambda v: v + 76.5),
        ("brightness", {"amount": -1.0}, lambda v: v - 255),
        ("contrast", {"factor": 1.7}, lambda v: 127.5 + 1.7 * (v - 127.5)),
        ("contrast", {"factor": 0.0}, lambda v: 0 * v + 127.5),
        ("gamma", {"exponent": 2.2}, lambda v: 255 * (v / 255) ** 2.2),
        ("gamma", {"exponent": 0.25}, lambda v: 255 * (v / 255) ** 0.25),
        ("exposure", {"stops": 1.3}, lambda v: expose(v, 1.3)),
        ("exposure", {"stops": -3.0}, lambda v: expose(v, -3.0)),
        ("red", {"amount": 0.5}, lambda v: v + np.array([127.5, 0, 0])),
        ("green", {"amount": -0.5}, lambda v: v + np.array([0, -127.5, 0])),
        ("blue", {"amount": 0.2}, lambda v: v + np.array([0, 0, 51])),
        ("invert", {"mix": 1.0}, lambda v: 255 - v),
        ("invert", {"mix": 0.3}, lambda v: 0.7 * v + 0.3 * (255 - v)),
        ("saturation", {"factor": 2.5}, lambda v: luma(v) + 2.5 * (v - luma(v))),
        ("saturation", {"factor": 0.0}, lambda v: luma(v)),
        ("grayscale", {"mix": 1.0}, lambda v: luma(v)),
        ("grayscale", {"mix": 0.4}, lambda v: 0.6 * v + 0.4 * luma(v)),
        ("channel_shuffle", {"mix": 1.0, "order": [2, 0, 1]}, lambda v: v[..., [2, 0, 1]]),
    ],
)
def test_color_is_its_formula_within_one_level(name, parameters, formula):
    image = levels()
    result = operation(name, **parameters).apply_image(image)
    assert largest_error(result, formula(image.astype(np.float64))) <= 1


def luma(image):
    return (image @ LUMA)[..., np.newaxis]


@pytest.mark.parametrize("name", ["grayscale", "saturation"])
def test_grayscale_is_that_of_pillow(name, photos):
    parameters = {"mix": 1.0} if name == "grayscale" else {"factor": 0.0}
    for photo in photos:
        pillow = np.asarray(PIL.Image.fromarray(photo).convert("L")).astype(np.int16)
        result = operation(name, **parameters).apply_image(photo)
        assert np.abs(result - pillow[..., np.newaxis]).max() <= 1


def test_sepia_is_the_usual_matrix():
    # Computed by hand from the usual coefficients.
    image = np.array([[[100, 150, 200], [10, 20, 30], [255, 255, 255]]], np.uint8)
    result = operation("sepia", mix=1.0).apply_image(image)
    expected = [[[192.45, 171.4, 133.5], [24.98, 22.25, 17.33], [255, 255, 238.9]]]
    assert largest_error(result, np.array(expected)) <= 1
    assert largest_error(operation("sepia", mix=0.0).apply_image(image), image) == 0


def test_posterize_leaves_evenly_spread_levels_with_black_and_white():
    ramp = np.arange(256, dtype=np.uint8)[np.newaxis]
    for bits in range(1, 9):
        result = operation("posterize", bits=float(bits)).apply_image(ramp)
        found = np.unique(result)
        assert len(found) == 2**bits
        assert found[0] == 0
        assert found[-1] == 255
        assert np.ptp(np.diff(found.astype(int))) <= 1
        assert (np.diff(result.astype(int)) >= 0).all()
        # The same source levels fall together as when bits are cut off.
        cut = np.asarray(PIL.ImageOps.posterize(PIL.Image.fromarray(ramp), bits))
        assert np.array_equal(np.diff(cut) != 0, np.diff(result) != 0)


def test_solarize_inverts_what_is_at_least_as_bright_as_the_threshold():
    image = levels()
    for threshold in (0.0, 0.25, 0.5, 0.9, 1.0):
        result = operation("solarize", threshold=threshold).apply_image(image)
        pillow = PIL.ImageOps.solarize(PIL.Image.fromarray(image), threshold=256 * threshold)
        np.testing.assert_array_equal(result, np.asarray(pillow))


def hsv_turned(color, degrees):
    """Turn a color about the gray axis by Rodrigues' formula, then give it its luminance back."""
    axis = np.ones(3) / math.sqrt(3)
    angle = math.radians(degrees)
    turned = (
        color * math.cos(angle)
        + np.cross(axis, color) * math.sin(angle)
        + axis * (axis @ color) * (1 - math.cos(angle))
    )
    return turned + (LUMA @ color - LUMA @ turned)


@pytest.mark.parametrize("degrees", [-180, -75, 10, 60, 120, 180])
def test_hue_turns_about_the_gray_axis_and_keeps_luminance(degrees):
    image = levels()
    result = operation("hue", angle_degrees=float(degrees)).apply_image(image)
    expected = np.array([hsv_turned(color, degrees) for color in image[0].astype(np.float64)])
    assert largest_error(result[0], expected) <= 1


def test_hue_of_120_degrees_takes_red_towards_green_and_180_to_the_opposite():
    red = np.array([[[140, 100, 100]]], np.uint8)
    third = operation("hue", angle_degrees=120.0).apply_image(red)[0, 0].astype(int)
    assert third.argmax() == 1
    half = operation("hue", angle_degrees=180.0).apply_image(red)[0, 0].astype(int)
    assert half.argmin() == 0


@given(one=st.floats(-180, 180), two=st.floats(-180, 180))
@settings(max_examples=50)
def test_hue_angles_add_up(one, two):
    first, second = operation("hue", angle_degrees=one), operation("hue", angle_degrees=two)
    both = operation("hue", angle_degrees=one + two)
    np.testing.assert_allclose(first.then(second).array, both.array, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("saturation", {"factor": 0.3}),
        ("saturation", {"factor": 1.5}),
        ("hue", {"angle_degrees": 77.0}),
        ("hue", {"angle_degrees": -150.0}),
        ("grayscale", {"mix": 0.7}),
    ],
)
def test_luminance_is_kept_where_nothing_clips(name, parameters):
    image = (110 + levels() // 8).astype(np.uint8)
    result = operation(name, **parameters).apply_image(image)
    assert result.min() > 0
    assert result.max() < 255
    assert np.abs(luma(result) - luma(image)).max() <= 1


def test_temperature_is_warm_above_zero_and_cool_below():
    gray = np.full((1, 1, 3), 120, np.uint8)
    ratios, luminances = [], []
    for mired in (-100, -60, -20, 0, 30, 80, 140, 200, 300, 400):
        r, _, b = operation("temperature", mired=float(mired)).array.diagonal()
        ratios.append(r / b)
        luminances.append(luma(operation("temperature", mired=float(mired)).apply_image(gray)))
    assert (np.diff(ratios) > 0).all()
    assert ratios[3] == 1
    # 120 in all channels: about as bright as before, as the eye weighs it.
    assert np.abs(np.array(luminances)[:8] - 120).max() < 15


def test_temperature_of_a_light_bulb_is_that_of_tables():
    # sRGB of a black body of 2,856 K (illuminant A) is about (255, 180, 107) by published tables.
    mired = 1e6 / 2856 - 1e6 / 6504
    r, g, b = operation("temperature", mired=mired).array.diagonal()
    assert g / r == pytest.approx(180 / 255, abs=0.04)
    assert b / r == pytest.approx(107 / 255, abs=0.06)


COLOR_STEPS = [
    ("brightness", {"amount": 0.2}),
    ("contrast", {"factor": 1.8}),
    ("gamma", {"exponent": 0.6}),
    ("exposure", {"stops": -1.0}),
    ("red", {"amount": 0.4}),
    ("blue", {"amount": -0.4}),
    ("posterize", {"bits": 3.0}),
    ("solarize", {"threshold": 0.4}),
    ("saturation", {"factor": 2.0}),
    ("hue", {"angle_degrees": 50.0}),
    ("temperature", {"mired": 120.0}),
    ("sepia", {"mix": 0.8}),
    ("channel_shuffle", {"mix": 1.0, "order": [1, 2, 0]}),
]


@pytest.mark.parametrize(("name", "parameters"), COLOR_STEPS)
def test_gray_images_get_the_luminance_of_what_rgb_would_get(name, parameters):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    change = operation(name, **parameters)
    in_rgb = change.apply_image(np.dstack([gray] * 3))
    assert largest_error(change.apply_image(gray), luma(in_rgb)[..., 0]) <= 1


@pytest.mark.parametrize(("name", "parameters"), COLOR_STEPS)
def test_transparency_stays_and_colors_are_those_of_rgb(name, parameters):
    image = levels()
    alpha = np.arange(image.shape[1], dtype=np.uint8)[np.newaxis]
    change = operation(name, **parameters)
    result = change.apply_image(np.dstack([image, alpha]))
    np.testing.assert_array_equal(result[..., 3], alpha)
    np.testing.assert_array_equal(result[..., :3], change.apply_image(image))


@pytest.mark.parametrize("name", ["saturation", "hue", "grayscale", "channel_shuffle"])
def test_gray_colors_stay_gray(name):
    grays = np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis].repeat(3, axis=2)
    kind = find_transform(name)
    for axis in kind.axes:
        for strength in np.linspace(0, 1, 21):
            rng = np.random.default_rng(0)
            result = kind.operation_at(axis.name, float(strength), rng, SIZE).apply_image(grays)
            np.testing.assert_array_equal(result, grays)
