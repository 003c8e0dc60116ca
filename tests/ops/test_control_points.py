"""Control points go where they are told, and what lies between follows."""

import cv2
import numpy as np
import pytest

from variegate.ops import Field
from variegate.ops.piecewise import PiecewiseAffine
from variegate.ops.thin_plate import thin_plate
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (480, 640)


def moves(side, reach=0.2, seed=1):
    """Return (side, side, 2) offsets in pixels."""
    unit = generator(seed).random((side, side, 2)) * 2 - 1
    return unit * reach / (side - 1) * (SIZE[1], SIZE[0])


def at(offsets, x, y):
    """Return the offset at a point, between pixels as the image is sampled."""
    centre = np.array([[[x - 0.5, y - 0.5]]], np.float32)
    return cv2.remap(offsets, centre, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0, 0]


@pytest.mark.parametrize("side", [2, 3, 4, 8])
def test_a_thin_plate_goes_through_its_control_points(side):
    wanted = moves(side)
    offsets = thin_plate(SIZE, side, wanted).offsets()
    # Between the nodes of its lattice, and at the edge half a node beyond the last, a little goes.
    close = 0.015 * side * np.abs(wanted).max()
    for row in range(side):
        for column in range(side):
            x, y = column * SIZE[1] / (side - 1), row * SIZE[0] / (side - 1)
            np.testing.assert_allclose(at(offsets, x, y), wanted[row, column], atol=close)


def test_a_thin_plate_is_the_spline_that_a_plain_solution_gives():
    side, wanted = 4, moves(4)
    ends = np.linspace(0, 1, side)
    points = np.array([(x, y) for y in ends for x in ends])
    checked = generator(2).random((50, 2)) * 0.9 + 0.05

    def terms(places):
        squares = ((places[:, np.newaxis] - points) ** 2).sum(axis=-1)
        bends = np.where(squares > 0, squares * np.log(np.where(squares > 0, squares, 1)), 0)
        return np.hstack([bends, np.ones((len(places), 1)), places])

    whole = np.zeros((19, 19))
    whole[:16], whole[16:, :16] = terms(points), terms(points)[:, 16:].T
    values = np.vstack([wanted.reshape(-1, 2), np.zeros((3, 2))])
    expected = terms(checked) @ np.linalg.solve(whole, values)
    offsets = thin_plate(SIZE, side, wanted).offsets()
    found = [at(offsets, x * SIZE[1], y * SIZE[0]) for x, y in checked]
    np.testing.assert_allclose(found, expected, atol=0.25)


def test_a_thin_plate_moved_as_a_whole_is_moved_evenly():
    even = np.full((4, 4, 2), (7.0, -3.0))
    offsets = thin_plate(SIZE, 4, even).offsets()
    np.testing.assert_allclose(offsets, np.broadcast_to([7.0, -3.0], offsets.shape), atol=1e-3)


def test_between_the_points_of_a_triangle_all_is_affine():
    nodes = (4, 6)
    values = (generator(3).random((*nodes, 2)) * 40 - 20).astype(np.float32)
    offsets = PiecewiseAffine(SIZE, nodes, values.tobytes()).offsets()
    height, width = SIZE[0] / 3, SIZE[1] / 5
    rng = generator(4)
    for _ in range(200):
        row, column = int(rng.integers(3)), int(rng.integers(5))
        lower = bool(rng.integers(2))
        corners = [(0, 1), (1, 0), (1, 1) if lower else (0, 0)]
        weights = rng.dirichlet([1, 1, 1])
        weights = 0.9 * weights + 0.1 / 3
        down, across = weights @ np.array(corners)
        x, y = (column + across) * width, (row + down) * height
        x, y = np.floor(x) + 0.5, np.floor(y) + 0.5
        across, down = x / width - column, y / height - row
        third = (1 - across) + (1 - down) if lower else across + down
        if third >= 1:
            continue
        far = (across, down) if not lower else (1 - across, 1 - down)
        base = values[row + lower, column + lower]
        side = values[row + lower, column + (not lower)] - base
        other = values[row + (not lower), column + lower] - base
        expected = base + far[0] * side + far[1] * other
        np.testing.assert_allclose(offsets[int(y), int(x)], expected, atol=1e-3)


@pytest.mark.parametrize("name", ["thin_plate", "piecewise_affine"])
@pytest.mark.parametrize("seed", range(4))
def test_points_go_where_the_pixels_go_even_at_full_strength(name, seed):
    op = find_transform(name).operation_at(name, 1.0, generator(seed), SIZE)
    assert isinstance(op, Field)
    rng = generator(seed, "points")
    places = rng.random((60, 2)) * (SIZE[1] - 160, SIZE[0] - 160) + 80
    source = op.source_points()[places[:, 1].astype(int), places[:, 0].astype(int)]
    centres = np.floor(places) + 0.5
    np.testing.assert_allclose(op.move_points(source.astype(np.float64)), centres, atol=0.1)


@pytest.mark.parametrize("name", ["thin_plate", "piecewise_affine"])
def test_no_draw_folds_the_image_over(name):
    for seed in range(20):
        op = find_transform(name).operation_at(name, 1.0, generator(seed), SIZE)
        points = op.source_points()
        along, down = np.diff(points, axis=1)[:-1], np.diff(points, axis=0)[:, :-1]
        areas = along[..., 0] * down[..., 1] - along[..., 1] * down[..., 0]
        assert areas.min() > 0
