"""The preset `corruptions`: as far from the clean photos as those of the library it follows."""

import cv2
import numpy as np
import pytest

from variegate.recipes.recipe import Recipe

PHOTOS = (
    *("train2017/000000000086", "train2017/000000000370", "train2017/000000000471"),
    *("val2017/000000000885", "val2017/000000006012", "val2017/000000008021"),
)
SIDE = 224

#: Mean PSNR (dB) of these photos' middles, corrupted by imagecorruptions 1.1.2 at its five
#: severities (`benchmarks/corruptions.py` measures it, on more photos, and SSIM, too).
PUBLISHED = {
    "gaussian_noise": (22.4, 19.1, 15.9, 13.2, 10.7),
    "poisson_noise": (22.0, 18.4, 15.5, 12.3, 10.5),
    "salt_pepper": (20.0, 17.0, 15.2, 12.4, 10.4),
    "defocus": (24.2, 22.9, 21.1, 20.0, 19.1),
    "glass_blur": (22.8, 23.0, 19.4, 20.0, 19.4),
    "motion_blur": (22.6, 20.2, 18.9, 17.4, 16.4),
    "zoom_blur": (19.7, 18.5, 18.0, 17.4, 16.9),
    "snow": (15.3, 11.3, 11.2, 9.6, 8.3),
    "frost": (12.1, 9.3, 11.1, 9.3, 9.5),
    "fog": (13.8, 13.2, 12.1, 12.0, 11.7),
    "brightness": (22.1, 16.3, 13.1, 11.1, 9.7),
    "contrast": (16.3, 15.0, 13.8, 12.8, 12.3),
    "elastic": (22.3, 20.9, 19.8, 18.9, 18.2),
    "downscale": (27.6, 26.7, 24.8, 23.4, 22.5),
    "jpeg": (27.9, 27.0, 26.4, 25.1, 23.8),
}
#: Decibels, where not 1.5: theirs lays one of five photographs of ice over each photo.
TOLERANCE = {"frost": 2.0}


@pytest.fixture(scope="module")
def photos(data_dir):
    return [middle(cv2.imread(f"{data_dir}/coco_mini/images/{name}.jpg")) for name in PHOTOS]


def middle(photo):
    """The largest square in the middle, RGB, brought to size."""
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    cut = photo[top : top + side, left : left + side]
    small = cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def made(photos):
    """The mean PSNR of each of the 75 variants."""
    recipe = Recipe.load("corruptions")
    variants = [
        [cv2.PSNR(photo, image) for _, image in recipe.variants(photo, key=f"{number}.png")]
        for number, photo in enumerate(photos)
    ]
    return np.mean(variants, axis=0).reshape(15, 5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_corruptions_are_as_strong_as_published(name, made):
    ours = made[list(PUBLISHED).index(name)]
    assert np.abs(ours - PUBLISHED[name]).max() < TOLERANCE.get(name, 1.5), ours


def test_the_preset_is_in_this_order():
    names = list(PUBLISHED)
    lines = [step.name for step in Recipe.load("corruptions").policy.steps]
    assert lines == [name for name in names for _ in range(5)]


@pytest.mark.parametrize("side", [96, 640])
def test_corruptions_of_gray_and_of_any_size_change_it_alike(side, photos, made):
    photo = cv2.cvtColor(photos[0], cv2.COLOR_RGB2GRAY)
    sized = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    recipe = Recipe.load("corruptions")
    variants = list(recipe.variants(sized, key="0.png"))
    assert all(image.shape == sized.shape for _, image in variants)
    psnr = np.array([cv2.PSNR(sized, image) for _, image in variants]).reshape(15, 5)
    # Severities of the weakest and the strongest keep their order, and none is without effect.
    assert (psnr < 36).all()
    assert (psnr[:, 4] < psnr[:, 0] - 0.5).all()
