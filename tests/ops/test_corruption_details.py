"""What the preset `corruptions` needs of blurs, noise, contrast and blocks; and its strengths."""

import cv2
import numpy as np
import pytest

from variegate.ops import blur, noise, resolution
from variegate.ops.adaptive import MeanContrast
from variegate.seeding import generator
from variegate.transforms import find_transform


@pytest.fixture(scope="module")
def photo(data_dir):
    path = data_dir / "coco_mini/images/val2017/000000006818.jpg"
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)


def detail(image):
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.Laplacian(gray.astype(np.float64), cv2.CV_64F).std()


def test_glass_blurs_before_and_after_the_shifts(photo):
    shifted = blur.GlassBlur(2.0, 1.9, 5).apply_image(photo)
    blurred = blur.GlassBlur(2.0, 1.9, 5, 1.2).apply_image(photo)
    assert detail(blurred) < 0.5 * detail(photo)
    assert detail(blurred) < 0.5 * detail(shifted)
    twice = blur.gaussian_blurred(
        blur.GlassBlur(2.0, 1.9, 5).apply_image(blur.gaussian_blurred(photo, 1.2)), 1.2
    )
    np.testing.assert_array_equal(blurred, twice)


def test_glass_blur_is_a_share_of_its_shifts():
    kind = find_transform("glass_blur")
    drawn = kind(amount=(0.01, 0.01), blur=(0.5, 0.5)).draw(generator(1), (300, 400))
    assert (drawn.amount, drawn.sigma) == pytest.approx((3.0, 1.5))
    # A row of a manifest that knows of no blur makes what it made.
    row = {"amount": 0.01, "noise_key": 4}
    assert kind.operation(row, (300, 400)).sigma == 0


def test_impulses_in_color_are_of_single_channels():
    gray = np.full((300, 300, 3), 128, np.uint8)
    colored = noise.SaltPepper(0.2, 3, color=True).apply_image(gray)
    changed = colored != 128
    assert changed.mean() == pytest.approx(0.2, abs=0.01)
    assert (colored == 255).mean() == pytest.approx(0.1, abs=0.01)
    # Independent: all three channels of a pixel change as rarely as chance has it.
    assert changed.all(axis=-1).mean() == pytest.approx(0.2**3, abs=0.003)
    whole = noise.SaltPepper(0.2, 3).apply_image(gray) != 128
    assert (whole.all(axis=-1) == whole.any(axis=-1)).all()
    flat = gray[..., 0]
    np.testing.assert_array_equal(
        noise.SaltPepper(0.2, 3, color=True).apply_image(flat),
        noise.SaltPepper(0.2, 3).apply_image(flat),
    )


def test_contrast_about_the_mean_keeps_the_mean(photo):
    dark = (photo // 3).astype(np.uint8)
    by_channel = MeanContrast(0.2, per_channel=True).apply_image(dark)
    means = dark.reshape(-1, 3).mean(axis=0)
    expected = np.clip(np.rint(means + 0.2 * (dark - means)), 0, 255)
    assert np.abs(by_channel - expected).max() <= 1
    np.testing.assert_allclose(by_channel.reshape(-1, 3).mean(axis=0), means, atol=0.5)
    about = MeanContrast(0.0, per_channel=False).apply_image(dark)
    luminance = cv2.cvtColor(dark, cv2.COLOR_RGB2GRAY).mean()
    assert np.unique(about).tolist() == [round(luminance)]
    assert MeanContrast(1.0, per_channel=True).is_identity


def test_contrast_is_about_gray_unless_told(photo):
    kind = find_transform("contrast")
    assert kind(factor=(0.0, 0.0)).draw(generator(1), (9, 9)).apply_image(photo).max() == 128
    told = kind(factor=(0.0, 0.0), about="channels").draw(generator(1), (9, 9))
    np.testing.assert_allclose(
        told.apply_image(photo)[0, 0], photo.reshape(-1, 3).mean(axis=0), atol=0.51
    )
    # A row of a manifest that knows of no choice makes what it made.
    assert kind.operation({"factor": 0.5}, (9, 9)) == kind(factor=(0.5, 0.5)).draw(
        generator(1), (9, 9)
    )


def test_downscale_by_blocks_leaves_flat_blocks(photo):
    blocks = resolution.Downscale(56, 56, blocks=True).apply_image(photo)
    expected = photo.reshape(56, 4, 56, 4, 3).mean(axis=(1, 3))
    assert np.abs(blocks[::4, ::4] - expected).max() <= 0.5
    assert (blocks == np.kron(blocks[::4, ::4], np.ones((4, 4, 1)))).all()
    kind = find_transform("downscale")
    assert kind(by="blocks").draw(generator(1), (80, 90)).blocks
    assert not kind().draw(generator(1), (80, 90)).blocks
