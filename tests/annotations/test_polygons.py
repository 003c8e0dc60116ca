"""Outlines that are cut, against areas that are counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.annotations.polygons import Outlines, rasterised

CANVAS = (60, 80)


def star(corners, centre, radius, seed):
    """Return a ring of (corners, 2) points around a centre, of uneven radius.

    No two neighbours are half a turn apart: the ring would cross itself.
    """
    rng = np.random.default_rng(seed)
    turns = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 0.45, corners)) / corners
    radii = radius * rng.uniform(0.3, 1, corners)
    return centre + np.stack([np.cos(turns) * radii, np.sin(turns) * radii], axis=1)


rings = st.builds(
    star,
    corners=st.integers(3, 40),
    centre=st.tuples(st.floats(-30, 110), st.floats(-30, 90)),
    radius=st.floats(5, 60),
    seed=st.integers(0, 1000),
)


def counted(shapes, beyond=200):
    """Return how many pixels some rings cover on the canvas, in an image of eight times its size.

    Args:
        beyond: pixels around the canvas, in which rings may end.
    """
    scale = 8
    size = tuple(scale * (side + 2 * beyond) for side in CANVAS)
    large = rasterised([(ring + beyond) * scale for ring in shapes], size)
    inner = large[
        scale * beyond : scale * (beyond + CANVAS[0]), scale * beyond : scale * (beyond + CANVAS[1])
    ]
    return np.count_nonzero(inner) / scale**2


@given(st.lists(rings, min_size=1, max_size=3))
def test_what_is_left_is_what_the_canvas_shows(shapes):
    outlines = Outlines.of(list(enumerate(shapes)))
    cut = outlines.clipped(CANVAS)
    assert len(cut.points) == 0 or cut.points.min() >= 0
    assert (cut.points <= (CANVAS[1], CANVAS[0])).all()
    areas = cut.areas(len(shapes))
    for number, shape in enumerate(shapes):
        # A coast of pixels that are counted or not.
        assert areas[number] == pytest.approx(counted([shape]), abs=3 + 0.01 * areas[number])


@given(rings, st.floats(-1, 1), st.floats(-1, 1), st.floats(-40, 40))
def test_points_one_by_one_are_cut_as_arrays_are(shape, a, b, c):
    few = Outlines.of([(0, shape)]).beyond_line(a, b, c)
    # The same shape with points on its edges, so many that they are cut as arrays.
    many = Outlines.of([(0, shape)]).densified(0.5).beyond_line(a, b, c)
    assert few.areas(1)[0] == pytest.approx(many.areas(1)[0], rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(few.bounds(1), many.bounds(1), atol=1e-6)


def test_rings_that_are_gone_leave_the_others_where_they_were():
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    shapes = [(0, square + 5), (0, square - 50), (1, square - 50), (3, np.add(square, [75, 5]))]
    cut = Outlines.of(shapes).clipped(CANVAS)
    assert cut.owners.tolist() == [0, 3]
    assert cut.areas(5).tolist() == [100, 0, 0, 50, 0]
    np.testing.assert_array_equal(cut.bounds(4)[3], [75, 5, 80, 15])
    assert np.isnan(cut.bounds(4)[1:3]).all()
    inside = Outlines.of(shapes[:1])
    assert inside.clipped(CANVAS) is inside
