"""Operations on pixels against the same thing done another way."""

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from variegate.ops import adaptive, blur, occlusion, resolution, weather
from variegate.ops.superpixels import Superpixels
from variegate.seeding import generator


@pytest.fixture(scope="module")
def photo(data_dir):
    path = data_dir / "coco_mini/images/val2017/000000006818.jpg"
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def exact(image, kernel):
    return cv2.filter2D(image.astype(np.float64), -1, kernel, borderType=cv2.BORDER_REFLECT)


def distance(one, two):
    return float(np.abs(np.asarray(one, np.float64) - two).mean())


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.9, 6.1, 9.0, 20.0])
def test_gaussian_blur_is_the_exact_one_to_rounding(photo, sigma):
    half = int(4 * sigma) + 1
    line = cv2.getGaussianKernel(2 * half + 1, sigma)
    expected = exact(photo, line @ line.T)
    # Rounding alone is a quarter of a level.
    assert distance(blur.GaussianBlur(sigma).apply_image(photo), expected) < 0.35


@pytest.mark.parametrize("radius", [1.0, 3.5, 4.6, 7.0, 15.0])
def test_defocus_is_a_disk(photo, radius):
    side = np.arange(-int(radius) - 2, int(radius) + 3)
    fine = (np.arange(side.size * 8) + 0.5) / 8 - side.size / 2
    inside = (fine**2)[:, None] + fine**2 <= radius**2
    kernel = inside.reshape(side.size, 8, side.size, 8).mean(axis=(1, 3))
    changed = blur.Defocus(radius).apply_image(photo)
    assert distance(changed, exact(photo, kernel / kernel.sum())) < 0.12 * distance(changed, photo)


@pytest.mark.parametrize("length", [4.0, 9.0, 31.0])
@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
def test_motion_blur_spreads_a_dot_over_its_line(length, angle):
    image = np.zeros((81, 81), np.uint8)
    image[39:42, 39:42] = 255
    blurred = blur.MotionBlur(length, angle).apply_image(image).astype(float)
    assert blurred.sum() == pytest.approx(9 * 255, rel=0.06)
    y, x = np.mgrid[-40:41, -40:41]
    along = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    aside = y * np.cos(np.radians(angle)) - x * np.sin(np.radians(angle))
    # The variance of a line is its squared length / 12; of the dot, 2 / 3.
    assert (blurred * along**2).sum() / blurred.sum() == pytest.approx(
        length**2 / 12 + 2 / 3, rel=0.15, abs=0.5
    )
    assert (blurred * aside**2).sum() / blurred.sum() < 1.5


def test_zoom_blur_leaves_the_centre_and_a_flat_image(photo):
    flat = np.full((50, 60, 3), 77, np.uint8)
    np.testing.assert_array_equal(blur.ZoomBlur(0.4).apply_image(flat), flat)
    blurred = blur.ZoomBlur(0.1).apply_image(photo)
    height, width = photo.shape[:2]
    centre = np.s_[height // 2 - 10 : height // 2 + 10, width // 2 - 10 : width // 2 + 10]
    assert distance(blurred[centre], photo[centre]) < distance(blurred, photo) / 2


def test_sharpen_adds_what_the_blur_takes(photo):
    line = cv2.getGaussianKernel(13, 1.5)
    expected = np.clip(photo + 2.0 * (photo - exact(photo, line @ line.T)), 0, 255)
    # The blurred image is rounded before its difference is doubled.
    assert distance(blur.Sharpen(2.0, 1.5).apply_image(photo), expected) < 0.8


def test_median_blur_takes_single_pixels_out_and_keeps_edges():
    image = np.zeros((40, 40), np.uint8)
    image[:, 20:] = 200
    dirty = image.copy()
    dirty[5::10, 5::10] = 255
    np.testing.assert_array_equal(blur.MedianBlur(3.0).apply_image(dirty), image)


def test_downscale_keeps_what_the_smaller_image_has(photo):
    changed = resolution.Downscale(160, 107).apply_image(photo)
    expected = cv2.resize(photo, (107, 160), interpolation=cv2.INTER_AREA)
    found = cv2.resize(changed, (107, 160), interpolation=cv2.INTER_AREA)
    assert distance(found, expected) < 3


def test_equalize_and_autocontrast_are_those_of_pillow(photo):
    gray = photo[..., 1].copy()
    for mine, theirs in (
        (adaptive.Equalize(1.0), ImageOps.equalize),
        (adaptive.Autocontrast(1.0, 0.0), ImageOps.autocontrast),
    ):
        expected = np.asarray(theirs(Pillow.fromarray(gray))).astype(int)
        assert np.abs(mine.apply_image(gray).astype(int) - expected).max() <= 2


def test_clahe_changes_luminance_alone(photo):
    dull = (photo // 3 + 80).astype(np.uint8)
    changed = adaptive.Clahe(1.0, 3.0, 8).apply_image(dull).astype(int)
    inside = ((changed > 0) & (changed < 255)).all(axis=-1)
    before = dull[inside].astype(int)
    assert (changed[inside][:, 0] - changed[inside][:, 1] == before[:, 0] - before[:, 1]).all()
    assert changed.std() > dull.std()


@pytest.mark.parametrize("fill", ["constant", "mean", "noise", "blur"])
def test_cutout_shows_its_fill(photo, fill):
    cutout = occlusion.Cutout(fill, (10, 200, 30), 5, 60.0, ((100.0, 90.0),))
    hole = cutout.apply_image(photo)[60:120, 70:130]
    assert not cutout.visible(photo.shape[:2])[60:120, 70:130].any()
    if fill == "constant":
        assert (hole == (10, 200, 30)).all()
    elif fill == "mean":
        assert (hole == np.rint(photo.reshape(-1, 3).mean(axis=0))).all()
    elif fill == "noise":
        assert 60 < hole.std() < 90
    else:
        assert 0 < hole.std() < photo[60:120, 70:130].std()


def test_grid_dropout_hides_the_square_of_its_ratio():
    grid = occlusion.GridDropout("constant", (0, 0, 0), 1, 0.6, 25.0, (3.0, 8.0))
    assert 1 - grid.visible((500, 500)).mean() == pytest.approx(0.36, abs=0.02)


def test_superpixels_are_the_means_of_their_cells(photo):
    everything = Superpixels(1.0, 20.0, 3).apply_image(photo)
    colors = np.unique(everything.reshape(-1, 3), axis=0)
    cells = (photo.shape[0] // 20) * (photo.shape[1] // 20)
    assert 0.8 * cells < len(colors) <= cells
    np.testing.assert_allclose(everything.mean(axis=(0, 1)), photo.mean(axis=(0, 1)), atol=0.3)
    half = Superpixels(0.5, 20.0, 3).apply_image(photo)
    same = (half == photo).all(axis=-1) | (half == everything).all(axis=-1)
    assert same.all()


def test_clouds_are_about_standard_normal():
    for key in range(3):
        texture = weather.cloud(key, (400, 600), (400, 600), 40)
        assert abs(texture.mean()) < 0.15
        assert texture.std() == pytest.approx(1, abs=0.15)


def test_blended_is_the_mix_of_source_and_color():
    image = generator(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    share = generator(2).integers(0, 256, (64, 64), dtype=np.uint8)
    part = share[..., None] / 255
    expected = image * (1 - part) + np.array([10, 120, 240]) * part
    assert np.abs(weather.blended(image, share, (10, 120, 240)) - expected).max() <= 1.01
