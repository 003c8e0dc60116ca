"""Two operations joined do what they do one after the other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import moved, smooth_image
from variegate.ops import ColorMatrix, Field, Identity, Lut, View, Warp
from variegate.ops.matrices import about, scaling, translation
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (90, 120)
seeds = st.integers(0, 10_000)


def table(seed, rows):
    return Lut.of(generator(seed).integers(0, 256, (rows, 256) if rows > 1 else 256))


@given(first=seeds, second=seeds, rows=st.tuples(*[st.sampled_from([1, 3])] * 2))
@settings(max_examples=60)
def test_joined_tables_are_exact(first, second, rows):
    one, two = table(first, rows[0]), table(second, rows[1])
    image = generator(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    for pixels in (image[..., :3], image):
        expected = two.apply_image(one.apply_image(pixels))
        np.testing.assert_array_equal(one.then(two).apply_image(pixels), expected)
    if rows == (1, 1):
        expected = two.apply_image(one.apply_image(image[..., 0]))
        np.testing.assert_array_equal(one.then(two).apply_image(image[..., 0]), expected)


@given(first=seeds, second=seeds, third=seeds)
@settings(max_examples=60)
def test_joined_matrices_are_clipped_once(first, second, third):
    def matrix(seed):
        rng = generator(seed)
        return ColorMatrix.of(np.eye(3) + rng.normal(0, 0.4, (3, 3)), rng.uniform(-40, 40, 3))

    one, two, three = matrix(first), matrix(second), matrix(third)
    colors = generator(0).integers(0, 256, (1, 500, 3)).astype(np.float64)
    exact = colors
    for each in (one, two, three):
        exact = exact @ each.array[:, :3].T + each.array[:, 3]
    joined = one.then(two).then(three)
    result = joined.apply_image(colors.astype(np.uint8)).astype(np.float64)
    # cv2 holds weights in steps of 1/1024.
    assert np.abs(result - np.clip(exact, 0, 255)).max() <= 1
    np.testing.assert_allclose(joined.array, one.then(two.then(three)).array, atol=1e-9)


def warp(seed, size=SIZE, border="reflect"):
    rng = generator(seed)
    angle, zoom = rng.uniform(-0.6, 0.6), rng.uniform(0.8, 1.3)
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    matrix = about(np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]), 60, 45)
    matrix = translation(*rng.uniform(-8, 8, 2)) @ matrix
    matrix = np.array([[1, 0, 0], [0, 1, 0], [*rng.uniform(-4e-4, 4e-4, 2), 1]]) @ matrix
    return Warp.of(matrix, size, View(border))


@given(first=seeds, second=seeds, third=seeds)
@settings(max_examples=100)
def test_joined_warps_move_points_one_after_the_other(first, second, third):
    one, two, three = warp(first), warp(second, (70, 130)), warp(third, (50, 60))
    joined = one.then(two).then(three)
    other = one.then(two.then(three))
    np.testing.assert_allclose(joined.matrix, other.matrix, rtol=1e-9, atol=1e-9)
    assert joined.size == other.size == (50, 60)
    points = generator(0).uniform(0, 100, (50, 2))
    steps = moved(three.array, moved(two.array, moved(one.array, points)))
    np.testing.assert_allclose(moved(joined.array, points), steps, atol=1e-6)


def geometric(seed):
    if seed % 2:
        return warp(seed)
    kind = find_transform(("wave", "elastic", "lens", "grid_distort")[seed // 2 % 4])
    return kind().draw(generator(seed), SIZE)


def source_points(operation):
    """The source point of each output pixel's centre, and whether all of the chain saw pixels."""
    return (operation if isinstance(operation, Field) else Field((operation,))).source_points()


@given(chosen=st.lists(seeds, min_size=2, max_size=4))
@settings(max_examples=60)
def test_joined_chain_looks_like_its_steps(chosen):
    steps = [geometric(seed) for seed in chosen]
    joined = steps[0]
    for step in steps[1:]:
        joined = joined.then(step)
    assert isinstance(joined, Field if any(isinstance(s, Field) for s in steps) else Warp)
    image = smooth_image(*SIZE, waves=1)
    stepwise, inside = image, np.ones(SIZE, bool)
    for step in steps:
        stepwise = step.apply_image(stepwise)
        inside = seen_through(step, inside)
    error = np.abs(joined.apply_image(image).astype(int) - stepwise)[inside]
    assert inside.mean() > 0.02
    assert error.max() <= 2 + len(steps)


def seen_through(step, inside):
    """Where the output shows source pixels of which all neighbours were pixels, not border."""
    x, y = np.moveaxis(source_points(step), -1, 0)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    height, width = inside.shape
    safe = (column >= 2) & (column < width - 2) & (row >= 2) & (row < height - 2)
    shown = np.zeros(safe.shape, bool)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            near = inside[
                np.clip(row + down, 0, height - 1), np.clip(column + across, 0, width - 1)
            ]
            shown = near & safe if (down, across) == (-1, -1) else shown & near
    return shown


VIEWS = {
    "none": View(),
    "reflect": View("reflect"),
    "edge": View("edge"),
    "black": View("constant"),
    "red": View("constant", (255, 0, 0)),
    "nearest": View("reflect", interpolation="nearest"),
    "linear": View("reflect", interpolation="linear"),
    "linear, none": View(interpolation="linear"),
    "nearest, none": View(interpolation="nearest"),
}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("none", "none", "none"),
        ("none", "red", "red"),
        ("red", "none", "red"),
        ("reflect", "reflect", "reflect"),
        ("reflect", "edge", None),
        ("reflect", "black", None),
        ("red", "red", "red"),
        ("red", "black", None),
        ("nearest", "linear", None),
        ("nearest", "none", "nearest"),
        ("none", "linear", "linear"),
        ("reflect", "linear, none", "linear"),
        ("nearest", "linear, none", None),
        ("nearest, none", "reflect", "nearest"),
    ],
)
def test_only_views_that_agree_join(first, second, expected):
    one = Warp.of(translation(1, 2), SIZE, VIEWS[first])
    two = Warp.of(scaling(2, 1), SIZE, VIEWS[second])
    wave = find_transform("wave")().draw(generator(0), SIZE).parts
    for before, after in (
        (one, two),
        (Field(wave, one.view), two),
        (one, Field(wave, two.view)),
        (Field(wave, one.view), Field(wave, two.view)),
    ):
        joined = before.then(after)
        if expected is None:
            assert joined is None
        else:
            assert joined.view == VIEWS[expected]


def test_different_kinds_do_not_join():
    color = ColorMatrix.of(np.eye(3)[[1, 0, 2]])
    lut, move = table(0, 1), Warp.of(translation(1, 0), SIZE)
    blur = find_transform("gaussian_blur")(sigma=(0.1, 0.1)).draw(generator(0), SIZE)
    for one, two in ((color, lut), (lut, color), (lut, move), (move, lut), (blur, blur)):
        assert one.then(two) is None
    for one in (color, lut, move, blur):
        assert one.then(Identity()) == one
        assert Identity().then(one) == one


def test_four_quarter_turns_are_the_source():
    image = generator(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    joined, size = None, (31, 47)
    for _ in range(4):
        turn = find_transform("rotate90").operation({"k": 1}, size)
        joined, size = joined.then(turn) if joined else turn, turn.size
    np.testing.assert_array_equal(joined.apply_image(image), image)


def test_joined_points_stay_in_sight_where_the_origin_leaves_it():
    # A strong zoom takes the source's corner behind the viewer of a following perspective.
    zoom, perspective = find_transform("zoom")(factor=(2, 3)), find_transform("perspective")
    behind = 0
    for seed in range(600):
        rng = generator(seed)
        first = zoom.draw(rng, SIZE)
        second = perspective(amount=(0.2, 0.3)).draw(rng, SIZE)
        joined = first.then(second)
        seen = moved(np.linalg.inv(first.array), generator(1).uniform(0, 90, (20, 2)))
        expected = moved(second.array, moved(first.array, seen))
        np.testing.assert_allclose(joined.move_points(seen), expected, atol=1e-6)
        assert not joined.mirrored
        flip = find_transform("flip")().draw(rng, SIZE)
        assert joined.then(flip).mirrored
        assert flip.then(joined).mirrored
        behind += joined.matrix[8] <= 0
    assert behind > 5
