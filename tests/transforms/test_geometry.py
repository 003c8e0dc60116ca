"""Geometric transforms against matrices and windows written down here, from the catalogue."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import bilinear, centres, moved, warped
from variegate.ops import Field, View, Warp
from variegate.ops.matrices import scaling
from variegate.seeding import generator
from variegate.transforms import all_transforms, find_transform

BORDERS = ("reflect", "edge", "constant", "wrap")
MAGENTA = (255, 0, 255)
SIZES = [(90, 160), (160, 90), (101, 101), (1, 7), (64, 5)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def operation(name, source, /, **parameters):
    """The operation on an image of (height, width) `source`."""
    return find_transform(name).operation({"border": "reflect", **parameters}, source)


def turns(sides):
    """How sharply each side turns into the next; above 0 clockwise on a screen."""
    following = np.roll(sides, -1, axis=0)
    return sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]


def corners(size):
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def spun(degrees, size):
    """Counterclockwise as seen on a screen, where y points down, about the middle."""
    angle = -math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = size[1] / 2, size[0] / 2
    return np.array(
        [[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]]
    )


def test_rotate_turns_counterclockwise():
    image = np.zeros((100, 100), np.uint8)
    image[48:52, 90:94] = 255  # three o'clock
    turned = operation("rotate", (100, 100), angle_degrees=90.0, fit="keep").apply_image(image)
    assert turned[6:10, 48:52].all()  # noon
    quarter = find_transform("rotate90").operation({"k": 1}, (100, 100))
    np.testing.assert_array_equal(quarter.apply_image(image), np.rot90(image))


@pytest.mark.parametrize("border", BORDERS)
def test_every_geometric_transform_is_its_matrix(border, photos):
    image = photos[2]
    height, width = size = image.shape[:2]
    x, y = width / 2, height / 2
    tan = math.tan(math.radians(20))
    shear = np.array([[1, tan, -tan * y], [0, 1, 0], [0, 0, 1]])
    twice = np.array([[1.5, 0, -0.5 * x], [0, 0.75, 0.25 * y], [0, 0, 1]])
    shift = np.array([[1, 0, 0.13 * width], [0, 1, -0.21 * height], [0, 0, 1]])
    even = np.array([[1.2, 0, -0.2 * x], [0, 1.2, -0.2 * y], [0, 0, 1]])
    view = {"border": border, "fill": list(MAGENTA)}
    expected = [
        (spun(25, size), operation("rotate", size, angle_degrees=25.0, fit="keep", **view)),
        (twice, operation("scale", size, x=1.5, y=0.75, **view)),
        (shift, operation("translate", size, x=0.13, y=-0.21, **view)),
        (shear, operation("shear", size, x_degrees=20.0, y_degrees=0.0, **view)),
        (
            shift @ even @ spun(25, size) @ shear,
            operation(
                "affine",
                size,
                angle_degrees=25.0,
                factor=1.2,
                x=0.13,
                y=-0.21,
                x_degrees=20.0,
                y_degrees=0.0,
                **view,
            ),
        ),
    ]
    for matrix, warp in expected:
        ideal = warped(image, matrix, size, border, MAGENTA)
        assert np.abs(warp.apply_image(image) - ideal).max() < 0.51


def test_perspective_takes_corners_where_they_were_drawn(photos):
    image = photos[2]
    size = image.shape[:2]
    shifts = [[-0.5, 0.25], [1.0, 0.5], [-0.2, -1.0], [0.7, 0.1]]
    warp = operation("perspective", size, amount=0.2, corners=shifts)
    wanted = corners(size) + 0.2 * np.array(shifts) * (size[1], size[0])
    assert np.abs(moved(warp.array, corners(size)) - wanted).max() < 1e-6
    ideal = warped(image, warp.array, size, "reflect")
    assert np.abs(warp.apply_image(image) - ideal).max() < 0.51


def test_perspective_never_folds_the_image():
    kind = find_transform("perspective")
    for seed in range(300):
        warp = kind(amount=(0.45, 0.45)).draw(generator(seed), (90, 160))
        grid = centres((90, 160))[::10, ::10]
        depth = grid @ warp.array[2, :2] + warp.array[2, 2]
        assert depth.min() > 0
        quad = moved(warp.array, corners((90, 160)))
        assert turns(np.roll(quad, -1, axis=0) - quad).min() > 0


@given(
    degrees=st.floats(-360, 360),
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
)
@settings(max_examples=200)
def test_rotate_inside_shows_no_border_and_zooms_no_more_than_that_needs(degrees, height, width):
    size = (height, width)
    warp = operation("rotate", size, angle_degrees=degrees, fit="inside")
    seen = moved(np.linalg.inv(warp.array), corners(size))
    limit = np.array([width, height])
    assert warp.size == size
    assert (seen > -1e-6 * limit).all()
    assert (seen < (1 + 1e-6) * limit).all()
    # Tight: seen from the middle, one corner touches the source's edge.
    reach = np.abs(seen - limit / 2) / (limit / 2)
    assert reach.max() == pytest.approx(1, abs=1e-6)
    assert warp.view.border is None


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (50, 50), (20, 90)], ids=str)
def test_rotate_inside_over_magenta_is_not_magenta(size):
    image = np.zeros((*size, 3), np.uint8)
    view = View("constant", MAGENTA, "nearest")
    smaller = scaling(0.9, 0.9).array
    smaller[:2, 2] = 0.05 * size[1], 0.05 * size[0]
    for degrees in range(-180, 181, 7):
        warp = operation("rotate", size, angle_degrees=float(degrees), fit="inside")
        assert not Warp(warp.matrix, size, view).apply_image(image).any()
        assert Warp.of(smaller @ warp.array, size, view).apply_image(image).any()


@each_size
@pytest.mark.parametrize("degrees", [0.0, 1.0, 30.0, 45.0, 90.0, -90.0, 133.0, 180.0, 270.0, 359.0])
def test_rotate_expand_holds_everything_and_hardly_more(size, degrees):
    warp = operation("rotate", size, angle_degrees=degrees, fit="expand", border="constant")
    spread = moved(warp.array, corners(size))
    canvas = np.array([warp.size[1], warp.size[0]])
    assert spread.min() > -1e-5
    assert (spread < canvas + 1e-5).all()
    assert (np.ptp(spread, axis=0) > canvas - 1 - 1e-5).all()
    if degrees % 90 == 0:
        image = generator(0).integers(0, 256, size, dtype=np.uint8)
        turns = round(degrees / 90) % 4
        np.testing.assert_array_equal(warp.apply_image(image), np.rot90(image, turns))


@each_size
def test_flips_turns_and_transposition_are_exact(size):
    image = generator(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    flip, quarter = find_transform("flip"), find_transform("rotate90")
    for axis, expected in {
        "horizontal": image[:, ::-1],
        "vertical": image[::-1],
        "both": image[::-1, ::-1],
    }.items():
        result = flip.operation({"axis": axis}, size).apply_image(image)
        np.testing.assert_array_equal(result, expected)
    for k in range(4):
        result = quarter.operation({"k": k}, size).apply_image(image)
        np.testing.assert_array_equal(result, np.rot90(image, k))
    result = find_transform("transpose").operation({}, size).apply_image(image)
    np.testing.assert_array_equal(result, image.swapaxes(0, 1))


@each_size
def test_translation_by_whole_pixels_is_exact(size):
    height, width = size
    image = generator(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    for x, y in ((3, -2), (width, 0), (-width, height), (0, 1)):
        if abs(x) > width or abs(y) > height:
            continue
        result = operation("translate", size, x=x / width, y=y / height, border="wrap")
        np.testing.assert_array_equal(result.apply_image(image), np.roll(image, (y, x), (0, 1)))


@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    name=st.sampled_from(["zoom", "random_crop"]),
    strength=st.floats(0.01, 1),
)
@settings(max_examples=200)
def test_windows_stay_inside_the_image(seed, size, name, strength):
    kind = find_transform(name)
    drawn = kind().draw(generator(seed), size)
    for warp in (drawn, kind.operation_at(kind.axes[0].name, strength, generator(seed), size)):
        window = moved(np.linalg.inv(warp.array), corners(warp.size))
        assert window.min() > -1e-6
        assert (window < np.array([size[1], size[0]]) + 1e-6).all()
        assert warp.view.border is None


def test_random_crop_keeps_the_area_and_shape_that_were_drawn():
    for seed in range(50):
        kind = find_transform("random_crop")(
            area=(0.3, 0.5), aspect_ratio=(0.7, 1.5), size=(40, 50)
        )
        drawn = kind.drawn(generator(seed)).parameters
        warp = kind.operation(drawn, (300, 400))
        assert warp.size == (40, 50)
        left, top, right, down = moved(np.linalg.inv(warp.array), corners((40, 50)))[[0, 2]].ravel()
        width, height = right - left, down - top
        assert width * height == pytest.approx(drawn["area"] * 300 * 400)
        assert width / height == pytest.approx(drawn["aspect_ratio"] * 400 / 300)


def test_scale_is_drawn_on_a_log_scale():
    kind = find_transform("scale")(factor=(0.25, 4))
    logs = [math.log(kind.parameters(generator(seed))["x"]) for seed in range(400)]
    assert np.mean(np.array(logs) < 0) == pytest.approx(0.5, abs=0.08)
    assert min(logs) < -1.2 < 1.2 < max(logs)
    both = find_transform("scale")(independent=True).parameters(generator(0))
    assert both["x"] != both["y"]


@pytest.mark.parametrize("size", [(90, 160), (300, 200), (31, 31), (7, 50)], ids=str)
def test_canvas_steps_end_on_their_size(size):
    long, short = max(size), min(size)
    scaled = {
        "longest_side": tuple(round(side * 64 / long) for side in size),
        "shortest_side": tuple(round(side * 64 / short) for side in size),
        "resize": (64, 80),
    }
    for name, expected in scaled.items():
        wanted = [64, 80] if name == "resize" else 64
        assert operation(name, size, size=wanted).size == tuple(max(1, side) for side in expected)
    assert operation("center_crop", size, size=[20, 40]).size == (20, 40)
    assert operation("pad", size, size=[100, 100]).size == (max(100, size[0]), max(100, size[1]))
    assert operation("square", size, by="pad").size == (long, long)
    assert operation("square", size, by="crop").size == (short, short)
    assert operation("square", size, by="crop", size=50).size == (50, 50)


def test_center_crop_and_pad_move_whole_pixels_and_stay_centred():
    image = generator(0).integers(0, 256, (31, 50, 3), dtype=np.uint8)
    for size in ((20, 20), (31, 41), (30, 49)):
        crop = operation("center_crop", (31, 50), size=list(size)).apply_image(image)
        places = [
            (top, left)
            for top in ((31 - size[0]) // 2, (32 - size[0]) // 2)
            for left in ((50 - size[1]) // 2, (51 - size[1]) // 2)
        ]
        assert any(
            np.array_equal(crop, image[top : top + size[0], left : left + size[1]])
            for top, left in places
        )
    view = {"border": "constant", "fill": list(MAGENTA)}
    padded = operation("pad", (31, 50), size=[40, 70], **view).apply_image(image)
    inside = (padded != MAGENTA).any(axis=-1)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (len(rows), len(columns)) == (31, 50)
    assert abs(rows[0] - (39 - rows[-1])) <= 1
    assert abs(columns[0] - (69 - columns[-1])) <= 1
    np.testing.assert_array_equal(padded[inside].reshape(image.shape), image)


FIELDS = [kind for kind in all_transforms().values() if kind.__module__.endswith(".fields")]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kind", FIELDS, ids=[kind.name for kind in FIELDS])
def test_fields_sample_like_plain_bilinear(kind, border, photos):
    image = photos[2]
    for seed in range(3):
        field = kind(border=border, fill=MAGENTA).draw(generator(seed), image.shape[:2])
        assert isinstance(field, Field)
        ideal = bilinear(image, field.source_points().astype(np.float64), border, MAGENTA)
        assert np.abs(field.apply_image(image) - ideal).max() < 0.51


def test_wave_is_a_sine_across_its_direction():
    size = (80, 120)
    parameters = {"amplitude": 0.05, "wavelength": 0.5, "phase_degrees": 30.0, "border": "edge"}
    field = find_transform("wave").operation({**parameters, "direction_degrees": 0.0}, size)
    offsets = field.source_points() - centres(size)
    x = np.arange(120) + 0.5
    expected = 4 * np.sin(2 * np.pi * x / 40 + math.radians(30))
    assert np.abs(offsets[..., 0]).max() < 1e-4
    assert np.abs(offsets[..., 1] - expected).max() < 1e-3


@pytest.mark.parametrize("coefficient", [-0.5, -0.2, 0.3, 0.5])
def test_lens_keeps_the_middle_and_moves_corners_by_its_coefficient(coefficient):
    size = (81, 121)
    field = find_transform("lens").operation({"coefficient": coefficient, "border": "edge"}, size)
    middle = np.array([60.5, 40.5])
    out, source = centres(size) - middle, field.source_points() - middle
    assert np.abs(source[40, 60]).max() < 1e-5
    corner = np.linalg.norm(source[0, 0]) / np.linalg.norm(out[0, 0])
    assert corner == pytest.approx(1 + coefficient, abs=0.03)
    # Along the diagonal, further out always looks further out: nothing is folded over.
    diagonal = np.linalg.norm(source, axis=-1)[np.arange(41), np.arange(41) * 3 // 2]
    assert (np.diff(diagonal) <= 0).all()
    assert np.abs(out[..., 0] * source[..., 1] - out[..., 1] * source[..., 0]).max() < 0.01


@pytest.mark.parametrize("name", ["elastic", "grid_distort"])
def test_displacements_reach_about_as_far_as_they_say(name):
    kind = find_transform(name)
    size = (200, 300)
    amount, reach = (0.05, 0.05 * 200) if name == "elastic" else (0.3, 0.3 * 300 / 5)
    farthest = []
    for seed in range(10):
        parameters = kind(**{kind.axes[0].parameter: amount}).parameters(generator(seed))
        field = kind.operation(parameters, size)
        farthest.append(np.abs(field.source_points() - centres(size)).max())
    assert 0.8 * reach < np.mean(farthest) < 1.35 * reach


def test_fine_elastic_of_a_long_thin_image_stays_small():
    kind = find_transform("elastic")
    parameters = kind(smoothness=0.006).parameters(generator(0))
    field = kind.operation(parameters, (1, 20_000))
    assert len(field.parts[0].values) < 10_000_000


@pytest.mark.parametrize("name", ["elastic", "wave", "lens", "grid_distort"])
def test_shrinking_after_a_field_does_not_alias(name):
    image = generator(0).integers(0, 256, (240, 320), dtype=np.uint8)
    field = find_transform(name)().draw(generator(1), image.shape)
    small = operation("resize", image.shape, size=[40, 53])
    joined = field.then(small)
    two_steps = small.apply_image(field.apply_image(image))
    assert joined.apply_image(image).std() < 1.5 * two_steps.std()
