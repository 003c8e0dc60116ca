"""Images with transparency: colors that nobody sees never show."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.annotations.sample import Sample
from variegate.transforms import find_transform

GEOMETRY = (
    {"rotate": {"angle_degrees": 33}},
    {"perspective": {"amount": 0.3}},
    {"elastic": {"amplitude": 0.04}},
    {"resize": {"size": [37, 51]}},
    {"resize": {"size": [170, 190]}},
    {"rotate": {"angle_degrees": 33, "interpolation": "cubic"}},
    {"rotate": {"angle_degrees": 33, "border": "constant", "fill": [0, 255, 0]}},
)


def disc(opacity=255):
    """Return a red disc whose surroundings are transparent and, invisibly, green."""
    image = np.zeros((90, 110, 4), np.uint8)
    image[:] = (0, 255, 0, 0)
    cv2.circle(image, (55, 45), 30, (255, 0, 0, opacity), -1)
    return image


def made(image, step, seed=3):
    ((name, parameters),) = step.items()
    transform = find_transform(name)(**parameters)
    rng = np.random.default_rng(seed)
    drawn = transform.parameters(rng)
    return transform.operation(drawn, image.shape[:2]).apply(Sample(image)).image


@pytest.mark.parametrize("step", GEOMETRY, ids=str)
@pytest.mark.parametrize("opacity", [255, 120])
def test_nothing_is_seen_of_what_is_transparent(step, opacity):
    result = made(disc(opacity), step).astype(int)
    alpha = result[..., 3]
    assert (alpha > opacity - 5).sum() > 300
    # What is seen of a color is its share of alpha.
    green, red = (result[..., channel] * alpha / 255 for channel in (1, 0))
    assert green.max() <= 1
    assert np.abs(red - alpha)[alpha > 0].max() <= 1


@given(st.integers(0, 2**31), st.sampled_from(GEOMETRY[:2]))
def test_opaque_images_are_as_without_alpha(seed, step):
    colors = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    opaque = np.dstack([colors, np.full((40, 50), 255, np.uint8)])
    plain, result = made(colors, step, seed), made(opaque, step, seed)
    np.testing.assert_array_equal(result[..., :3], plain)
    assert (result[..., 3] == 255).all()
