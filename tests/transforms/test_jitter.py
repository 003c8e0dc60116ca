"""Color in drawn directions against formulas in double precision."""

import itertools

import numpy as np
import pytest

from variegate.ops import ColorMatrix, Lut
from variegate.ops.stains import Stains
from variegate.recipes.plan import fuse
from variegate.seeding import generator
from variegate.transforms import find_transform

LUMA = np.array([0.299, 0.587, 0.114])
SIZE = (40, 50)
STEPS = ("brightness", "contrast", "saturation")
HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])


def jitter(**parameters):
    return find_transform("color_jitter").operation(
        {
            "strength": 1.0,
            "brightness": 1.3,
            "contrast": 0.7,
            "saturation": 1.6,
            "hue_degrees": 0.0,
            "order": list(STEPS),
            **parameters,
        },
        SIZE,
    )


def pixels():
    return generator(2).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def in_turn(values, order, strength=1.0):
    """The steps one after the other, in double precision, not clipped between."""
    for step in order:
        if step == "brightness":
            values = values * 1.3**strength
        elif step == "contrast":
            values = 127.5 + 0.7**strength * (values - 127.5)
        else:
            gray = (values @ LUMA)[..., np.newaxis]
            values = gray + 1.6**strength * (values - gray)
    return np.clip(values, 0, 255)


@pytest.mark.parametrize("order", [*itertools.permutations(STEPS)])
def test_color_jitter_is_its_steps_in_their_order(order):
    image = pixels()
    for strength in (0.5, 1.0, 2.0):
        changed = jitter(order=list(order), strength=strength).apply_image(image)
        assert np.abs(changed - in_turn(image.astype(float), order, strength)).max() <= 1


def test_order_makes_a_difference_and_every_order_is_drawn():
    image = pixels()
    one = jitter(order=["brightness", "contrast"]).apply_image(image).astype(int)
    other = jitter(order=["contrast", "brightness"]).apply_image(image)
    assert np.abs(one - other).max() >= 10
    draws = [find_transform("color_jitter")().parameters(generator(seed)) for seed in range(400)]
    assert len({tuple(draw["order"]) for draw in draws}) == 24


def test_color_jitter_joins_with_colors_beside_it():
    rng = generator(1)
    drawn = find_transform("color_jitter")().draw(rng, SIZE)
    temperature = find_transform("temperature")().draw(rng, SIZE)
    joined = fuse([temperature, drawn, temperature])
    assert len(joined) == 1
    assert isinstance(joined[0], ColorMatrix)


def test_color_jitter_keeps_gray_images_gray_and_turns_no_hue_there():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    plain = jitter(order=["brightness", "contrast"]).apply_image(gray)
    turned = jitter(
        order=["hue_degrees", "brightness", "saturation", "contrast"], hue_degrees=90.0
    ).apply_image(gray)
    np.testing.assert_array_equal(turned, plain)


def tone_tables(strength, *, per_channel=False):
    kind = find_transform("tone_curve")(strength=strength, per_channel=per_channel)
    for seed in range(60):
        operation = kind.draw(generator(seed), SIZE)
        assert isinstance(operation, Lut)
        yield np.frombuffer(operation.tables, np.uint8).reshape(-1, 256).astype(int)


@pytest.mark.parametrize("strength", [0.3, 1.0, 2.0])
def test_tone_curves_are_smooth_and_never_fall(strength):
    for tables in tone_tables(strength):
        assert tables.shape == (1, 256)
        steps = np.diff(tables[0])
        assert steps.min() >= 0
        assert (tables[0, 0], tables[0, 255]) == (0, 255)
        # Slopes of three cosines lie within the exponential of three times their amounts, and
        # neighbouring ones, over 16 levels, hardly differ.
        slopes = (tables[0, 16:] - tables[0, :-16]) / 16
        assert np.abs(np.diff(slopes)).max() < 0.15 * np.exp(strength)
        assert np.abs(tables[0] - np.arange(256)).max() > 5 * strength


def test_tone_curves_bend_either_way():
    middle = [tables[0, 128] for tables in tone_tables(1.0)]
    assert min(middle) < 105
    assert max(middle) > 150


def test_tone_curves_of_channels_tint():
    tables = list(tone_tables(1.0, per_channel=True))
    assert all(one.shape == (3, 256) for one in tables)
    assert np.mean([np.ptp(one[:, 128]) for one in tables]) > 20


def stained(amounts, level=255):
    """The color of given amounts of hematoxylin and eosin, by Beer and Lambert."""
    density = sum(
        amount * stain / np.linalg.norm(stain)
        for amount, stain in zip(amounts, (HEMATOXYLIN, EOSIN), strict=True)
    )
    return (level + 1) * np.exp(-density) - 1


@pytest.mark.parametrize("factors", [(1.6, 1.0), (1.0, 0.5), (0.7, 1.4)])
def test_stains_change_by_their_factors_alone(factors):
    amounts = [(h, e) for h in (0.0, 0.3, 0.8, 1.5) for e in (0.0, 0.2, 0.9)]
    image = np.rint([[stained(one) for one in amounts]]).astype(np.uint8)
    changed = Stains(*factors).apply_image(image)
    expected = [stained((h * factors[0], e * factors[1])) for h, e in amounts]
    # Colors are given in whole levels, which a factor enlarges.
    assert np.abs(changed[0] - np.array(expected)).max() <= 2


def test_stains_leave_white_and_gray_images_as_they_are():
    white = np.full((4, 5, 3), 255, np.uint8)
    np.testing.assert_array_equal(Stains(2.0, 0.5).apply_image(white), white)
    gray = pixels()[..., 0].copy()
    np.testing.assert_array_equal(Stains(2.0, 0.5).apply_image(gray), gray)


def test_stains_join_and_let_geometry_pass():
    one, two = Stains(1.2, 0.8), Stains(1.1, 1.25)
    joined = one.then(two)
    assert joined == Stains(1.2 * 1.1, 0.8 * 1.25)
    flip = find_transform("flip")().draw(generator(1), SIZE)
    rotate = find_transform("rotate")(angle_degrees=20).draw(generator(1), SIZE)
    assert len(fuse([flip, one, rotate, two])) == 2


def test_stain_jitter_goes_as_far_as_its_strength():
    for seed in range(20):
        made = find_transform("stain_jitter")(strength=0.4).draw(generator(seed), SIZE)
        assert np.hypot(np.log(made.hematoxylin), np.log(made.eosin)) == pytest.approx(0.4)
