"""Ready noise must pass for fresh noise."""

import math

import numpy as np
import pytest

from variegate.ops import noise
from variegate.ops.grain import NORMALS, TABLE_LENGTH, even_bytes, even_words, normal_bytes

SHAPE = (512, 512, 3)
#: Four standard errors of a mean, or a correlation, over one channel.
CLOSE = 4 / 512


@pytest.fixture(scope="module")
def normals():
    return NORMALS[normal_bytes(1, SHAPE)]


def correlation(one, two):
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])


@pytest.mark.parametrize("key", range(5))
def test_moments_are_those_of_a_standard_normal(key):
    drawn = NORMALS[normal_bytes(key, SHAPE)]
    assert abs(drawn.mean()) < CLOSE
    assert drawn.std() == pytest.approx(1, abs=CLOSE)
    assert abs((drawn**3).mean()) < 4 * CLOSE
    assert (drawn**4).mean() == pytest.approx(3, abs=10 * CLOSE)


def test_distribution_is_normal(normals):
    ordered = np.sort(normals.ravel())
    for bound in (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0):
        # Half a step of 1/28: the bytes are rounded.
        share = np.searchsorted(ordered, bound + 0.5 / 28) / ordered.size
        expected = 0.5 * (1 + math.erf((bound + 0.5 / 28) / math.sqrt(2)))
        assert share == pytest.approx(expected, abs=CLOSE / 2)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 16, 32])
def test_neighbors_are_independent(normals, lag):
    for channel in range(3):
        plane = normals[..., channel]
        assert abs(correlation(plane[:, lag:], plane[:, :-lag])) < CLOSE
        assert abs(correlation(plane[lag:], plane[:-lag])) < CLOSE
        assert abs(correlation(plane[lag:, lag:], plane[:-lag, :-lag])) < CLOSE


def test_channels_and_keys_are_independent(normals):
    other = NORMALS[normal_bytes(2, SHAPE)]
    named = NORMALS[normal_bytes(1, SHAPE, "luminance")]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert abs(correlation(normals[..., one], normals[..., two])) < CLOSE
    for channel in range(3):
        assert abs(correlation(normals[..., channel], other[..., channel])) < CLOSE
        assert abs(correlation(normals[..., channel], named[..., channel])) < CLOSE


def test_large_images_do_not_repeat_visibly():
    # Larger than the table: a repeated table would show as a peak of its spectrum.
    drawn = NORMALS[normal_bytes(3, (2100, 2100))].astype(np.float32)
    spectrum = np.abs(np.fft.rfft2(drawn)) ** 2
    autocorrelation = np.fft.irfft2(spectrum)
    peaks = np.sort(np.abs(autocorrelation).ravel())
    assert drawn.size > TABLE_LENGTH
    # The spans that come back are a few per cent of the image.
    assert peaks[-2] / peaks[-1] < 0.04


def test_same_key_same_bytes_and_no_other():
    assert (normal_bytes(4, (50, 60)) == normal_bytes(4, (50, 60))).all()
    assert (normal_bytes(4, (50, 60)) != normal_bytes(5, (50, 60))).any()
    assert (even_bytes(4, (50, 60)) != even_bytes(4, (50, 60), "fill")).any()


def test_even_numbers_are_even():
    counts = np.bincount(even_bytes(1, SHAPE).ravel(), minlength=256)
    # Chi squared with 255 degrees of freedom: 350 is beyond 1 in 10,000.
    expected = counts.sum() / 256
    assert ((counts - expected) ** 2 / expected).sum() < 350
    words = even_words(1, (512, 512))
    assert words.dtype == np.uint16
    assert words.mean() == pytest.approx(2**15, rel=0.005)
    counts = np.bincount(words.ravel() >> 8, minlength=256)
    assert ((counts - 1024) ** 2 / 1024).sum() < 350


def gray(level):
    return np.full((600, 600), level, np.uint8)


@pytest.mark.parametrize("sigma", [0.6, 2.0, 10.0, 30.0])
def test_gaussian_noise_has_the_sigma_asked_for(sigma):
    noisy = noise.GaussianNoise(sigma, True, 1).apply_image(gray(128)).astype(float)
    assert noisy.mean() == pytest.approx(128, abs=0.01 * sigma + 0.02)
    # Rounding adds a twelfth of a level to the variance.
    assert noisy.var() == pytest.approx(sigma**2 + 1 / 12, rel=0.03)


def test_gray_grain_is_the_same_in_all_channels():
    image = np.full((100, 100, 3), 128, np.uint8)
    noisy = noise.GaussianNoise(20.0, False, 1).apply_image(image)
    assert (noisy[..., 0] == noisy[..., 1]).all()
    assert (noisy[..., 0] == noisy[..., 2]).all()
    speckled = noise.Speckle(0.2, False, 1).apply_image(image)
    assert (speckled[..., 0] == speckled[..., 2]).all()


@pytest.mark.parametrize("level", [0, 40, 100])
def test_speckle_grows_with_the_level(level):
    noisy = noise.Speckle(0.2, True, 1).apply_image(gray(level)).astype(float)
    assert noisy.std() == pytest.approx(0.2 * level, rel=0.02, abs=0.1)


@pytest.mark.parametrize("photons", [3.0, 12.0, 19.0, 25.0, 200.0, 1000.0])
@pytest.mark.parametrize("level", [30, 90, 130])
def test_photon_counts_have_the_mean_and_variance_of_poisson(photons, level):
    noisy = noise.PoissonNoise(photons, 1).apply_image(gray(level)).astype(float)
    fresh = np.random.Generator(np.random.Philox(1)).poisson(level / 255 * photons, (600, 600))
    expected = np.minimum(np.rint(fresh * 255 / photons), 255)
    if photons >= 20 and level * photons / 255 < 8:
        return  # a normal, cut at 0: documented
    assert noisy.mean() == pytest.approx(expected.mean(), rel=0.02, abs=0.3)
    assert noisy.std() == pytest.approx(expected.std(), rel=0.03)


def test_few_photons_are_counted_exactly():
    counts = noise.PoissonNoise(5.0, 1).apply_image(gray(102))
    found = np.bincount((counts.ravel().astype(int) + 25) // 51, minlength=6) / counts.size
    for number in range(5):
        exact = math.exp(-2) * 2**number / math.factorial(number)
        assert found[number] == pytest.approx(exact, abs=0.01)


def test_salt_and_pepper_are_as_many_as_asked_for():
    noisy = noise.SaltPepper(0.2, 1).apply_image(gray(128))
    assert (noisy == 255).mean() == pytest.approx(0.1, abs=0.003)
    assert (noisy == 0).mean() == pytest.approx(0.1, abs=0.003)


def test_iso_noise_has_the_luminance_and_color_asked_for():
    image = np.full((600, 600, 3), 100, np.uint8)
    noisy = noise.IsoNoise(20.0, 0.6, 3.0, 1).apply_image(image).astype(float)
    weight = 1 - 0.5 * 100 / 255
    plain = noise.IsoNoise(20.0, 0.0, 3.0, 1).apply_image(image).astype(float)
    assert plain.std() == pytest.approx(20 * weight, rel=0.05)
    color = (noisy - plain)[..., 0] - (noisy - plain)[..., 1]
    assert color.std() == pytest.approx(20 * weight * 0.6 * math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("shape", [(301, 333, 3), (97, 41), (5, 7, 3), (400, 331)])
@pytest.mark.parametrize("sigma", [0.07312, 0.41237, 3.31373])
def test_speckle_is_the_rounded_product(shape, sigma):
    image = np.random.Generator(np.random.PCG64(3)).integers(0, 256, shape, dtype=np.uint8)
    exact = image * (1 + sigma * NORMALS[normal_bytes(11, shape)])
    expected = np.clip(np.rint(exact), 0, 255)
    assert (noise.Speckle(sigma, True, 11).apply_image(image) == expected).mean() > 0.999


@pytest.mark.parametrize("shape", [(301, 333, 3), (97, 41), (5, 7, 3)])
def test_normal_noise_is_the_rounded_sum(shape):
    image = np.random.Generator(np.random.PCG64(3)).integers(0, 256, shape, dtype=np.uint8)
    change = np.rint(17.31 * NORMALS[normal_bytes(11, shape)])
    expected = np.clip(image + change, 0, 255)
    assert (noise.GaussianNoise(17.31, True, 11).apply_image(image) == expected).all()


@pytest.mark.parametrize("kind", [noise.GaussianNoise, noise.Speckle])
def test_grains_of_one_pixel_are_no_grains(kind):
    image = np.random.Generator(np.random.PCG64(3)).integers(0, 256, (150, 170), dtype=np.uint8)
    each = kind(0.3, True, 5).apply_image(image)
    # One channel has all its noise in common with itself.
    assert (each == kind(0.3, False, 5).apply_image(image)).all()
