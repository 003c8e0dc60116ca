"""`estimate` promises exactly as many files as come out, and about as many bytes."""

from pathlib import Path

import numpy as np
import pytest

import variegate
from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.runs.estimate import Span, estimate, evenly, total
from variegate.runs.run import Options


def write(folder: Path, count: int) -> None:
    for key, one in draw_images(count, size=(48, 64)):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(one.image, format="jpeg", quality=90))


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("split", [False, True])
def test_files_are_exact_and_bytes_near(limit, split, tmp_path):
    folder = tmp_path / "in"
    for part in ("train", "val") if split else ("",):
        write(folder / part, 12)
    (folder / "notes.txt").write_text("no image")
    options = Options(limit=limit, workers=0)
    planned = estimate(folder, recipe="chain", options=options)
    # The same images are in both parts.
    counts = variegate.augment(
        folder, tmp_path / "out", recipe="chain", options=options, allow_leaks=True
    ).counts
    assert planned.outputs == counts.outputs
    assert planned.augmented == counts.augmented
    assert planned.bytes.middle == pytest.approx(counts.bytes, rel=0.25)
    assert planned.bytes.low <= planned.bytes.middle <= planned.bytes.high
    assert 0 < planned.seconds.low < planned.seconds.middle < planned.seconds.high


def test_nothing_is_written(tmp_path):
    write(tmp_path / "in", 4)
    before = sorted(tmp_path.rglob("*"))
    estimate(tmp_path / "in")
    assert sorted(tmp_path.rglob("*")) == before


def test_unreadable_images_are_told(tmp_path):
    write(tmp_path / "in", 3)
    for path in (tmp_path / "in").rglob("*.jpg"):
        path.write_bytes(b"broken")
    planned = estimate(tmp_path / "in")
    assert (planned.tried, planned.unreadable) == (0, 3)


@pytest.mark.parametrize(("count", "of"), [(1, 1), (3, 10), (10, 3), (7, 64), (0, 5), (5, 0)])
def test_evenly_spread_numbers_are_different_and_inside(count, of):
    numbers = evenly(count, of)
    assert len(set(numbers)) == len(numbers) == min(count, of)
    assert all(0 <= number < of for number in numbers)
    gaps = np.diff(numbers)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_span_holds_the_true_sum_nine_times_of_ten():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        values = rng.gamma(4, 100, size=200)
        span = total(list(values[:12]), 200)
        hits += span.low <= values.sum() <= span.high
    assert hits > 255


def test_span_of_a_set_that_was_tried_in_full_is_exact():
    assert total([1.0, 2.0, 6.0], 3) == Span(low=9.0, middle=9.0, high=9.0)
