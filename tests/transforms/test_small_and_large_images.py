"""The same recipe on small and on large images: the least blur, and the grain of noise."""

import cv2
import numpy as np
import pytest

from variegate.seeding import generator
from variegate.transforms import all_transforms

BLURS = ("gaussian_blur", "motion_blur", "defocus", "median_blur")
GRAINED = ("gaussian_noise", "speckle", "poisson_noise", "salt_pepper", "iso_noise")
GRAINED = (*GRAINED, "pixel_dropout", "jpeg")
KINDS = all_transforms()


@pytest.fixture(scope="module")
def photo(data_dir):
    path = data_dir / "coco_mini/images/val2017/000000007281.jpg"
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def decibels(one, other):
    return float(cv2.PSNR(one, other))


@pytest.mark.parametrize("name", BLURS)
def test_every_default_draw_blurs_a_small_image(name, photo):
    small = cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA)
    for seed in range(40):
        operation = KINDS[name]().draw(generator(seed), (96, 96))
        assert decibels(small, operation.apply_image(small)) < 45, operation


@pytest.mark.parametrize("name", BLURS)
def test_no_blur_is_none_and_a_little_is_half_a_pixel(name):
    kind = KINDS[name]
    axis = kind.axes[0]
    strengths = [axis.value(intensity) for intensity in (0, 1e-6, 0.001)]
    none, least, little = (
        kind.model_validate({axis.parameter: value}).draw(generator(1), (96, 96))
        for value in strengths
    )
    assert none.is_identity
    assert not least.is_identity
    assert least == little


@pytest.mark.parametrize("name", GRAINED)
def test_ordinary_images_have_grains_of_one_pixel(name):
    parameters = KINDS[name]().parameters(generator(1))
    before = {key: value for key, value in parameters.items() if key != "grain"}
    image = np.full((60, 70, 3), 120, np.uint8)
    for size in ((96, 96), (1080, 1920), (1499, 1499)):
        drawn, earlier = (KINDS[name].operation(one, size) for one in (parameters, before))
        assert np.array_equal(drawn.apply_image(image), earlier.apply_image(image))


@pytest.mark.parametrize("name", GRAINED)
def test_a_grain_means_the_same_at_every_size(name, photo):
    small = cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA)
    large = np.kron(small, np.ones((8, 8, 1), np.uint8))
    gray = {"color": 0} if name == "iso_noise" else {}
    kind = KINDS[name](grain=1 / 96, **gray)
    results = [kind.draw(generator(2), one.shape[:2]).apply_image(one) for one in (small, large)]
    assert np.array_equal(results[1], np.kron(results[0], np.ones((8, 8, 1), np.uint8)))


@pytest.mark.parametrize("name", GRAINED)
@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (41, 30), (41, 30, 3), (41, 30, 4)])
def test_grains_larger_than_an_image_and_cut_at_its_edge(name, shape):
    image = generator(1).integers(0, 256, shape, dtype=np.uint8)
    result = KINDS[name](grain=0.5).draw(generator(3), shape[:2]).apply_image(image)
    assert (result.shape, result.dtype) == (shape, np.uint8)


def test_more_noise_of_a_grain_is_more_of_the_same(photo):
    kind = KINDS["gaussian_noise"]
    weak, strong = (
        kind(sigma=sigma, grain=0.02).draw(generator(5), photo.shape[:2]).apply_image(photo)
        for sigma in (0.02, 0.04)
    )
    one, two = (changed.astype(np.float64) - photo for changed in (weak, strong))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.9
