"""Uneven light against formulas in double precision."""

import numpy as np
import pytest

from variegate.ops import light
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (300, 400)


def flat(level, channels=(3,)):
    return np.full((*SIZE, *channels), level, np.uint8)


def centres():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return x, y


def test_vignette_falls_by_the_fourth_power_of_the_cosine():
    center, strength = (0.4, 0.6), 0.75
    changed = light.Vignette(strength, center).apply_image(flat(240)).astype(float)
    x, y = centres()
    away = np.hypot(x - center[0] * SIZE[1], y - center[1] * SIZE[0])
    farthest = np.hypot(0.6 * SIZE[1], 0.6 * SIZE[0])
    # A quarter of the light is left in the corner: the cosine there is the fourth root of it.
    corner = np.arccos(0.25**0.25)
    cosine = np.cos(np.arctan(away / farthest * np.tan(corner)))
    assert np.abs(changed - 240 * np.sqrt(cosine**4)[..., np.newaxis]).max() < 2
    assert changed[180, 160] == pytest.approx([240, 240, 240], abs=1)
    assert changed[0, -1] == pytest.approx([120, 120, 120], abs=2)


@pytest.mark.parametrize("angle", [0.0, 90.0, 215.0])
def test_linear_light_comes_evenly_from_one_side(angle):
    made = light.Illumination(0.8, "darken", "linear", angle, (0.5, 0.5), 0.4)
    changed = made.apply_image(flat(200)).astype(float)[..., 0]
    x, y = centres()
    along = np.cos(np.radians(angle)) * x + np.sin(np.radians(angle)) * y
    far = np.cos(np.radians(angle)) * SIZE[1] * np.array([0, 1, 0, 1]) + np.sin(
        np.radians(angle)
    ) * SIZE[0] * np.array([0, 0, 1, 1])
    share = (along - far.min()) / np.ptp(far)
    assert np.abs(changed - 200 * (1 - 0.8 * 0.9 * share)).max() < 2


def test_gaussian_light_is_a_normal_curve_about_its_centre():
    made = light.Illumination(0.6, "brighten", "gaussian", 0.0, (0.3, 0.4), 0.25)
    changed = made.apply_image(flat(100, ())).astype(float)
    x, y = centres()
    squared = (x - 120) ** 2 + (y - 120) ** 2
    share = np.exp(-squared / (2 * (0.25 * 300) ** 2))
    assert np.abs(changed - 100 * (1 + 0.6 * share)).max() < 1.5


@pytest.mark.parametrize("effect", ["brighten", "darken"])
def test_illumination_is_one_sided(effect, photos):
    transform = find_transform("illumination")(effect=effect)
    sign = 1 if effect == "brighten" else -1
    for seed in range(6):
        for photo in photos:
            changed = transform.draw(generator(seed), photo.shape[:2]).apply_image(photo)
            change = sign * (changed.astype(int) - photo)
            assert change.min() >= 0
            assert change.max() > 20


def test_illumination_draws_both_effects_and_both_shapes():
    draws = [find_transform("illumination")().parameters(generator(seed)) for seed in range(40)]
    assert {(draw["effect"], draw["shape"]) for draw in draws} == {
        (effect, shape) for effect in ("brighten", "darken") for shape in ("linear", "gaussian")
    }


def test_plasma_brightness_has_the_deviation_it_names_and_no_color():
    changes = []
    for seed in range(30):
        made = light.PlasmaBrightness(0.5, seed).apply_image(flat(128)).astype(float)
        assert (made == made[..., :1]).all()
        changes.append(made[..., 0] - 128)
    assert np.std(changes) == pytest.approx(0.5 * 0.35 * 255, rel=0.15)
    assert abs(np.mean(changes)) < 8


def test_plasma_is_cloudy():
    made = light.PlasmaBrightness(0.5, 3).apply_image(flat(128, ())).astype(float)
    # Far parts differ much, neighbours hardly, and detail of every size is there.
    steps = [np.abs(made[:, far:] - made[:, :-far]).mean() for far in (1, 8, 64)]
    assert steps[0] < 3 < steps[1] < steps[2]


def test_plasma_shadow_only_darkens_and_leaves_places_as_they_are(photos):
    for seed, photo in enumerate(photos):
        change = light.PlasmaShadow(1.0, seed).apply_image(photo).astype(int) - photo
        assert change.max() <= 0
        assert (change == 0).mean() > 0.01
        deep = light.PlasmaShadow(1.0, seed).apply_image(np.full_like(photo, 200))
        assert deep.min() == pytest.approx(20, abs=6)


@pytest.mark.parametrize("name", ["vignette", "illumination", "plasma_brightness", "plasma_shadow"])
def test_default_draws_are_seen(name, photos):
    for seed in range(10):
        for photo in photos:
            made = find_transform(name)().draw(generator(seed, name), photo.shape[:2])
            squares = (made.apply_image(photo).astype(float) - photo) ** 2
            assert 10 * np.log10(255**2 / squares.mean()) < 36
