"""The look of another image: its slow waves, its histogram; what is shown stays."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.sample import Sample
from variegate.ops.adaptation import FourierAdaptation, HistogramMatch
from variegate.seeding import generator

SIZE = (60, 80)


def textured(seed, low=60, high=190):
    """Return a smooth image with some grain, away from black and white."""
    rng = generator(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    waves = np.sin(x / 9 + seed) + np.cos(y / 7 - seed) + rng.normal(0, 0.2, SIZE)
    plane = low + (high - low) * (waves - waves.min()) / np.ptp(waves)
    return np.dstack([plane, plane[::-1], plane[:, ::-1]]).astype(np.uint8)


def adapted(op, image, other):
    return op.combine(Sample(image), (Sample(other),)).image


@pytest.mark.parametrize("beta", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_slow_waves_have_the_strength_of_the_other_image_and_the_own_phase(beta, share):
    image, other = textured(1), textured(2, 80, 160)
    done = adapted(FourierAdaptation(("b",), share, beta), image, other)
    reach = int(beta * min(SIZE))
    ways = [np.fft.fft2(one[..., 0].astype(float)) for one in (image, other, done)]
    expected = ways[0].copy()
    for u in range(-reach, reach + 1):
        for v in range(-reach, reach + 1):
            own, wanted = abs(ways[0][u, v]), abs(ways[1][u, v])
            expected[u, v] *= (1 - share) + share * wanted / own
    change = np.fft.ifft2(expected).real
    clipped = np.clip(change, 0, 255)
    assert np.abs(done[..., 0] - clipped).max() <= 0.51


def test_an_image_of_one_color_takes_the_mean_alone():
    plain = np.full((*SIZE, 3), (10, 200, 90), np.uint8)
    done = adapted(FourierAdaptation(("b",), 1.0, 0.1), plain, textured(3))
    assert (done == done[0, 0]).all()
    np.testing.assert_allclose(done[0, 0], textured(3).mean(axis=(0, 1)), atol=0.6)


def test_a_matched_histogram_is_that_of_the_other_image():
    image, other = textured(1), textured(5, 20, 250)
    done = adapted(HistogramMatch(("b",), 1.0), image, other)
    for channel in range(3):
        found, wanted = (np.sort(one[..., channel].ravel()) for one in (done, other))
        assert np.abs(found.astype(int) - wanted).mean() < 2
        # No two levels change their order.
        order = [done[..., channel][image[..., channel] == level] for level in range(256)]
        means = [one.mean() for one in order if one.size]
        assert (np.diff(means) >= 0).all()
    half = adapted(HistogramMatch(("b",), 0.5), image, other)
    assert np.abs(half - (image.astype(float) + done) / 2).max() <= 0.5


def test_an_image_is_like_itself():
    image = textured(4)
    for op in (HistogramMatch(("b",), 1.0), FourierAdaptation(("b",), 1.0, 0.1)):
        np.testing.assert_array_equal(adapted(op, image, image), image)


@pytest.mark.parametrize("mine", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("other", [(), (1,), (3,), (4,)])
def test_images_of_every_kind_and_size_are_adapted_and_alpha_and_labels_stay(mine, other):
    image = generator(1).integers(0, 256, (*SIZE, *mine), dtype=np.uint8)
    partner = generator(2).integers(0, 256, (33, 21, *other), dtype=np.uint8)
    known = Annotation(objects=(Object(category="a", box=(1.0, 2.0, 30.0, 40.0)),))
    sample = Sample(image, {"a": 1.0}, labelled.read(known, SIZE))
    for op in (HistogramMatch(("b",), 0.7), FourierAdaptation(("b",), 0.7, 0.1)):
        done = op.combine(sample, (Sample(partner, {"b": 1.0}),))
        assert done.image.shape == image.shape
        assert done.targets is sample.targets
        assert done.labels == {"a": 1.0}
        if mine == (4,):
            assert (done.image[..., 3] == image[..., 3]).all()
