"""Masks that were saved as JPEG: restored where that is certain, else refused."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate.codecs import decode_mask
from variegate.errors import UnsupportedError


def jpeg(mask: np.ndarray, quality: int = 75) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def drawn(*values: int) -> np.ndarray:
    """A mask with a slanted shape of each value, on 0."""
    mask = np.zeros((120, 200), np.uint8)
    for number, value in enumerate(values):
        left = 20 + 50 * number
        corners = np.array([[left, 20], [left + 40, 30], [left + 25, 100]], np.int32)
        cv2.fillPoly(mask, [corners], value)
    return mask


def test_the_masks_of_the_case_have_two_values(data_dir):
    for name in "abc":
        data = (data_dir / f"field_cases/jpeg-masks/masks/{name}.jpg").read_bytes()
        assert len(np.unique(np.asarray(Image.open(io.BytesIO(data))))) > 10
        assert np.unique(decode_mask(data)).tolist() == [0, 255]


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("values", [(255,), (128, 255), (85, 170, 255)])
def test_values_that_lie_far_apart_are_restored(values, quality):
    mask = drawn(*values)
    restored = decode_mask(jpeg(mask, quality))
    assert len(np.unique(restored)) == len(values) + 1
    assert np.mean(np.abs(restored.astype(int) - mask) > 8) < 0.03, "edges only"


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_a_small_object_beside_a_large_one_keeps_its_value(quality):
    """No block of 16 x 16 pixels lies within it."""
    mask = np.zeros((80, 100), np.uint8)
    mask[10:51, 20:61] = 128
    mask[55:70, 70:90] = 255
    assert np.unique(decode_mask(jpeg(mask, quality))).tolist() == [0, 128, 255]


def test_an_object_whose_value_cannot_be_told_is_not_lost():
    mask = np.zeros((80, 100), np.uint8)
    mask[10:51, 20:61] = 255
    mask[57:63, 73:79] = 128
    with pytest.raises(UnsupportedError, match="save masks as PNG"):
        decode_mask(jpeg(mask, 75))


def test_a_gray_mask_in_color_is_restored():
    mask = drawn(255)
    restored = decode_mask(jpeg(np.dstack([mask] * 3)))
    assert restored.shape == mask.shape
    assert np.mean(restored != mask) < 0.01


def test_an_object_without_a_flat_block_is_restored():
    mask = np.zeros((64, 64), np.uint8)
    mask[29:36, 29:36] = 255
    restored = decode_mask(jpeg(mask, 90))
    assert np.unique(restored).tolist() == [0, 255]
    assert np.mean(restored != mask) < 0.01


@pytest.mark.parametrize("values", [(1, 2, 3), (10, 20), (1, 255), (200, 230)])
def test_values_that_lie_close_together_are_refused(values):
    with pytest.raises(UnsupportedError, match="beyond repair; save masks as PNG"):
        decode_mask(jpeg(drawn(*values), 95))


def test_colors_are_refused():
    colored = np.zeros((64, 64, 3), np.uint8)
    colored[:32] = (200, 30, 60)
    with pytest.raises(UnsupportedError, match="save masks as PNG"):
        decode_mask(jpeg(colored))


def test_soft_masks_stay_as_they_are():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    assert np.abs(decode_mask(jpeg(ramp, 95), soft=True).astype(int) - ramp).max() < 8
    with pytest.raises(UnsupportedError):
        decode_mask(jpeg(ramp, 95))
