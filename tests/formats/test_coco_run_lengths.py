"""Run lengths against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as reference

from variegate.annotations import rle
from variegate.annotations.annotation import Rle
from variegate.errors import DecodeError, ShapeError

masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 1)
)


def theirs(mask):
    return reference.encode(np.asfortranarray(mask))


@given(masks)
def test_masks_are_written_as_pycocotools_writes_them(mask):
    expected = theirs(mask)
    made = rle.encode(mask)
    assert made == Rle(mask.shape[0], mask.shape[1], expected["counts"].decode())
    assert rle.area(made) == reference.area(expected)


@given(masks)
def test_masks_come_back(mask):
    decoded = rle.decode(rle.encode(mask))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, mask)


@given(masks)
def test_bounds_hold_just_the_foreground(mask):
    ys, xs = np.nonzero(mask)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None
    assert rle.bounds(rle.encode(mask)) == expected


@given(st.lists(st.integers(0, 1 << 40), max_size=40))
def test_any_run_lengths_survive_compression(lengths):
    total = sum(lengths)
    assert rle.runs(rle.from_runs(1, total, lengths)).tolist() == lengths


def test_large_masks_agree_with_pycocotools():
    rng = np.random.default_rng(3)
    mask = np.zeros((700, 900), np.uint8)
    for _ in range(40):
        y, x, h, w = rng.integers(1, 300, 4)
        mask[y : y + h, 2 * x : 2 * x + w] ^= 1
    assert rle.encode(mask).counts == theirs(mask)["counts"].decode()
    np.testing.assert_array_equal(rle.decode(rle.encode(mask)), mask)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ("", "cover 0 pixels, expected 6"),
        ("7", "cover 7 pixels"),
        ("6!", "not written in COCO's characters"),
        ("6\x7f", "not written in COCO's characters"),
        ("6é", "not written in COCO's characters"),
        ("6P", "cut off"),
        ("P" * 20 + "0", "too large"),
        ("N8", "below zero"),
    ],
)
def test_text_that_is_no_mask_is_refused(counts, reason):
    with pytest.raises(DecodeError, match=reason):
        rle.decode(Rle(2, 3, counts))


def test_a_mask_without_two_axes_is_refused():
    with pytest.raises(ShapeError):
        rle.encode(np.zeros((2, 2, 1), np.uint8))
