"""What every transform promises, tried on all that `all_transforms` finds."""

import inspect
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import digests
import numpy as np
import pytest
from digests import applied

from reference import centres, moved
from variegate.ops import ColorMatrix, Field, Operation, Warp
from variegate.recipes.policies import to_data
from variegate.recipes.recipe import parse_node
from variegate.seeding import generator
from variegate.transforms import Transform, all_transforms
from variegate.validation import descriptions

KINDS = list(all_transforms().values())
AXES = [(kind, axis.name) for kind in KINDS for axis in kind.axes]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
each_axis = pytest.mark.parametrize(("kind", "axis"), AXES, ids=[axis for _, axis in AXES])

#: They have no strength: either they are done or not, or they only change the canvas.
WITHOUT_AXIS = {
    *("flip", "rotate90", "transpose"),
    *("resize", "longest_side", "shortest_side", "center_crop", "pad", "square"),
    "mosaic",
}
#: What they draw by default is their full strength, always.
FULL_STRENGTH = {"invert", "grayscale", "sepia", "autocontrast", "equalize"}
CHANNELS = {"gray": (), "gray, one channel": (1,), "RGB": (3,), "RGBA": (4,)}
each_mode = pytest.mark.parametrize("channels", CHANNELS.values(), ids=CHANNELS)


def noise(size: tuple[int, int], channels: tuple[int, ...]) -> np.ndarray:
    return generator(3, "image").integers(0, 256, (*size, *channels), dtype=np.uint8)


def drawn(kind: type[Transform], seed: int, size: tuple[int, int]) -> Operation:
    return kind().draw(generator(seed, kind.name), size)


def operations(kind: type[Transform], size: tuple[int, int]) -> list[Operation]:
    """Two draws of the defaults, and every axis in the middle and at its end."""
    strengths = [(axis.name, strength) for axis in kind.axes for strength in (0.45, 1.0)]
    return [
        *(drawn(kind, seed, size) for seed in (1, 2)),
        *(kind.operation_at(axis, strength, generator(4), size) for axis, strength in strengths),
    ]


@each_kind
def test_same_seed_same_bytes_and_other_seeds_other_operations(kind):
    image = noise((31, 40), (3,))
    first, second = (drawn(kind, 1, (31, 40)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert applied(first, image).tobytes() == applied(second, image).tobytes()
    draws_nothing = kind.name in (WITHOUT_AXIS - {"rotate90", "mosaic"}) | FULL_STRENGTH
    assert (len({drawn(kind, seed, (31, 40)) for seed in range(8)}) == 1) == draws_nothing


def test_same_bytes_in_a_fresh_process():
    program = Path(digests.__file__)
    done = subprocess.run(
        [sys.executable, program, "1"], capture_output=True, text=True, check=True
    )
    expected = digests.of_transforms(1)
    assert len(expected) >= len(KINDS) + len(AXES)
    assert json.loads(done.stdout) == expected


@each_kind
def test_drawn_parameters_survive_json(kind):
    image = noise((31, 40), (3,))
    draws = [kind().parameters(generator(seed, "draw")) for seed in range(3)]
    draws += [kind.at(axis.name, 0.6, generator(1)) for axis in kind.axes]
    for parameters in draws:
        text = json.dumps(parameters, allow_nan=False)
        operation = kind.operation(parameters, (31, 40))
        again = kind.operation(json.loads(text), (31, 40))
        assert again == operation
        assert applied(again, image).tobytes() == applied(operation, image).tobytes()


@each_kind
def test_pickle_keeps_transforms_and_operations(kind):
    image = noise((31, 40), (3,))
    assert pickle.loads(pickle.dumps(kind())) == kind()
    for operation in operations(kind, (31, 40)):
        again = pickle.loads(pickle.dumps(operation))
        assert again == operation
        assert applied(again, image).tobytes() == applied(operation, image).tobytes()


@each_kind
def test_transform_survives_a_recipe(kind):
    made = [kind(), kind(p=0.25)]
    for axis in kind.axes:
        low, high = sorted((axis.value(0.2), axis.value(0.7)))
        made.append(kind.model_validate({**dict(axis.fixed), axis.parameter: (low, high)}))
    for transform in made:
        data = json.loads(json.dumps(to_data(transform)))
        assert parse_node(data, "here") == transform


@each_mode
@each_axis
def test_intensity_zero_is_the_identity(kind, axis, channels):
    size = (37, 52)
    image = noise(size, channels)
    for seed in range(3):
        short_cut = kind.operation_at(axis, 0.0, generator(seed), size)
        assert applied(short_cut, image).tobytes() == image.tobytes()
        parameters = kind.at(axis, 0.0, generator(seed))
        built = applied(kind.operation(parameters, size), image)
        assert built.shape == image.shape
        assert built.tobytes() == image.tobytes()


@each_axis
def test_change_grows_steadily_along_the_axis(kind, axis, photos):
    if kind.name == "copy_paste":
        pytest.skip("what it pastes are objects; plain images have none")
    curves = []
    for photo, seed in zip(photos, range(3), strict=True):
        draws = [
            kind.operation_at(axis, step / 10, generator(seed, axis), photo.shape[:2])
            for step in range(11)
        ]
        curves.append([change(operation, photo) for operation in draws])
        steps, whole = np.diff(curves[-1]), curves[-1][-1]
        assert curves[-1][0] == 0
        assert curves[-1][1] > 0, curves[-1]
        assert steps.min() >= -0.001 * whole, curves[-1]
    mean = np.mean(curves, axis=0)
    three_on = (mean[3:] - mean[:-3]) / mean[-1]
    # Where all is black or white already, nothing can grow.
    assert (three_on > 0.03)[mean[:-3] < 0.95 * mean[-1]].all(), f"a plateau: {mean}"


def change(operation: Operation, photo: np.ndarray) -> float:
    """How far points move, in pixels; how far hues turn; or how far values move, in levels."""
    size = photo.shape[:2]
    if isinstance(operation, Warp):
        grid = centres(size)[::8, ::8]
        return float(np.linalg.norm(moved(operation.array, grid) - grid, axis=-1).mean())
    if isinstance(operation, Field):
        return float(np.linalg.norm(operation.source_points() - centres(size), axis=-1).mean())
    changed = applied(operation, photo).astype(np.float64)
    if isinstance(operation, ColorMatrix) and np.allclose(operation.array.sum(axis=1), 1):
        # It moves colors about the gray axis: how far, seen along that axis, before clipping.
        changed = photo @ operation.array[:, :3].T
        moves = changed - photo
        return float(np.linalg.norm(moves - moves.mean(axis=-1, keepdims=True), axis=-1).mean())
    return float(np.abs(changed - photo).mean())


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 3), (19, 26)], ids=str)
@each_mode
@each_kind
def test_kind_of_image_is_kept_and_the_input_untouched(kind, channels, size):
    image = noise(size, channels)
    before = image.tobytes()
    image.setflags(write=False)
    for operation in operations(kind, size):
        result = applied(operation, image)
        assert result.dtype == np.uint8
        assert result.shape == (*operation.output_size(size), *channels)
        assert result.flags.c_contiguous
        assert image.tobytes() == before


@each_mode
@each_kind
def test_layout_in_memory_makes_no_difference(kind, channels):
    size = (23, 34)
    image = noise(size, channels)
    wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)
    dataset_formats = [
        wide[::2, ::3],
        np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1],
        np.asfortranarray(image),
        np.ascontiguousarray(np.swapaxes(image, 0, 1)).swapaxes(0, 1),
    ]
    for operation in operations(kind, size)[:3]:
        expected = applied(operation, image)
        for same in dataset_formats:
            result = applied(operation, same)
            assert result.flags.c_contiguous or result is same
            assert result.tobytes() == expected.tobytes()


@each_kind
def test_gray_with_and_without_a_channel_agree(kind):
    image = noise((23, 34), ())
    for operation in operations(kind, (23, 34)):
        flat = applied(operation, image)
        assert np.array_equal(applied(operation, image[..., np.newaxis])[..., 0], flat)


def test_opaque_images_stay_opaque_where_no_border_shows():
    image = np.dstack([noise((30, 41), (3,)), np.full((30, 41), 255, np.uint8)])
    for kind in KINDS:
        for operation in operations(kind, (30, 41)):
            if kind.name not in {"pad", "square", "center_crop"} and not kind.partners:
                assert (applied(operation, image)[..., 3] == 255).all(), kind.name


NOISES = [kind for kind in KINDS if kind.__module__.endswith(".noise")]


@pytest.mark.parametrize("kind", NOISES, ids=[kind.name for kind in NOISES])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "RGB"])
def test_noise_saturates_and_never_wraps(kind, channels):
    # The same noise on brighter images gives brighter results; what wraps falls by about 256.
    operation = kind.operation_at(kind.axes[0].name, 1.0, generator(8), (40, 50))
    results = np.array(
        [
            applied(operation, np.full((40, 50, *channels), level, np.uint8))
            for level in range(0, 256, 5)
        ],
        dtype=np.int16,
    )
    assert np.ptp(results) > 200
    assert np.diff(results, axis=0).min() >= -12


def test_noises_are_found():
    names = {kind.name for kind in NOISES}
    assert names == {"gaussian_noise", "poisson_noise", "speckle", "salt_pepper", "iso_noise"}


@each_kind
def test_everything_is_documented(kind):
    assert "__doc__" in vars(kind)
    assert inspect.getdoc(kind).strip().endswith(".")
    known = descriptions(kind)
    for name in kind.model_fields:
        assert known.get(name), f"{kind.name}.{name} has no docstring"


@each_kind
def test_strength_axes_are_well_formed(kind):
    assert bool(kind.axes) != (kind.name in WITHOUT_AXIS)
    for axis in kind.axes:
        assert axis.parameter in kind.model_fields
        assert {name for name, _ in axis.fixed} <= set(kind.model_fields)
        assert math.isclose(axis.value(0), axis.start)
        assert math.isclose(axis.value(1), axis.end)
        assert axis.name.rstrip("+-").startswith(kind.name)


def test_axes_have_names_of_their_own():
    names = [axis for _, axis in AXES]
    assert len(names) == len(set(names))
    assert not set(names) & WITHOUT_AXIS
