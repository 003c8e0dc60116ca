"""What every transform promises, tried on all that `all_transforms` finds."""

import json
import subprocess
import sys
from pathlib import Path

import digests
import numpy as np
import pytest

from reference import centres, moved
from variegate.ops import ColorMatrix, Field, Operation, Warp
from variegate.ops.safe_crop import SafeCrop
from variegate.seeding import generator
from variegate.testing import TransformSuite
from variegate.testing.transforms import applied, contrast, drawn, noise, operations
from variegate.transforms import all_transforms

KINDS = list(all_transforms().values())
AXES = [(kind, axis.name) for kind in KINDS for axis in kind.axes]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
each_axis = pytest.mark.parametrize(("kind", "axis"), AXES, ids=[axis for _, axis in AXES])

#: They have no strength: either they are done or not, or they only change the canvas.
WITHOUT_AXIS = {
    *("flip", "rotate90", "transpose"),
    *("resize", "longest_side", "shortest_side", "center_crop", "pad", "square"),
    *("mosaic", "chain_mix"),
}
#: What they draw by default is their full strength, always.
FULL_STRENGTH = {"invert", "grayscale", "sepia", "autocontrast", "equalize"}


class TestTransforms(TransformSuite):
    """All of the suite, tried on all of them."""


@each_kind
def test_other_seeds_draw_other_operations(kind):
    draws_nothing = (
        kind.name in (WITHOUT_AXIS - {"rotate90", "mosaic", "chain_mix"}) | FULL_STRENGTH
    )
    # On small images the weakest blurs are all the least that can be seen.
    assert (len({drawn(kind, seed, (310, 400)) for seed in range(8)}) == 1) == draws_nothing


def test_same_bytes_in_a_fresh_process():
    program = Path(digests.__file__)
    done = subprocess.run(
        [sys.executable, program, "1"], capture_output=True, text=True, check=True
    )
    expected = digests.of_transforms(1)
    assert len(expected) >= len(KINDS) + len(AXES)
    assert json.loads(done.stdout) == expected


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
        if kind.name == "posterize":
            # Every bit doubles what the one before it did.
            curves[-1] = np.log2(1 + np.array(curves[-1])).tolist()
        steps, whole = np.diff(curves[-1]), curves[-1][-1]
        assert curves[-1][0] == 0
        assert curves[-1][1] > 0, curves[-1]
        assert steps.min() >= -0.005 * whole, curves[-1]
    mean = np.mean(curves, axis=0)
    three_on = (mean[3:] - mean[:-3]) / mean[-1]
    # Where all is black or white already, nothing can grow.
    assert (three_on > 0.03)[mean[:-3] < 0.95 * mean[-1]].all(), f"a plateau: {mean}"


@each_axis
def test_no_axis_ends_blank_or_still(kind, axis, photos):
    if kind.name == "copy_paste":
        pytest.skip("what it pastes are objects; plain images have none")
    whole, upper = [], []
    for number, photo in enumerate(photos):
        middle, end = (
            applied(kind.operation_at(axis, strength, generator(number, axis), size), photo)
            for size in [photo.shape[:2]]
            for strength in (0.5, 1.0)
        )
        assert contrast(end) > 8
        whole.append(np.abs(end.astype(np.int16) - photo).mean())
        upper.append(np.abs(end.astype(np.int16) - middle).mean())
    assert np.mean(upper) > 0.05 * np.mean(whole)


def change(operation: Operation, photo: np.ndarray) -> float:
    """How far points move, in pixels; how far hues turn; or how far values move, in levels."""
    size = photo.shape[:2]
    if isinstance(operation, SafeCrop):
        operation = operation._warp(operation.window(size), size)
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


def test_axes_have_names_of_their_own():
    names = [axis for _, axis in AXES]
    assert len(names) == len(set(names))
    assert not set(names) & WITHOUT_AXIS


@each_kind
def test_axes_are_there_where_there_is_a_strength(kind):
    assert bool(kind.axes) != (kind.name in WITHOUT_AXIS)
