"""Every transform that changes pixels and moves nothing, found through `all_transforms`."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from variegate.annotations.sample import Image
from variegate.ops import Pixels
from variegate.seeding import generator
from variegate.transforms import Axis, Transform, all_transforms

TENTHS = [step / 10 for step in range(11)]

#: Their grain is of pixels, not a fraction of the image: enlarged, only the amount is alike.
GRAINY = {
    *("gaussian_noise", "iso_noise", "pixel_dropout", "poisson_noise", "salt_pepper", "speckle"),
    "random_erasing",
}


def pixel_axes() -> list[tuple[type[Transform], Axis]]:
    found = []
    for kind in all_transforms().values():
        for axis in kind.axes:
            operation = kind.operation_at(axis.name, 0.5, generator(0), (64, 64))
            found += [(kind, axis)] if isinstance(operation, Pixels) else []
    return found


AXES = pixel_axes()
KINDS = sorted({kind for kind, _ in AXES}, key=lambda kind: kind.name)
every_axis = pytest.mark.parametrize(("kind", "axis"), AXES, ids=[axis.name for _, axis in AXES])
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


def synthetic(height: int = 120, width: int = 160) -> Image:
    """Gradients, edges, texture and saturated colors; the same on every call.

    Nothing in it repeats: a blur as long as a period would show the source again.
    """
    y, x = np.mgrid[:height, :width]
    red = 255 * x // width
    green = 128 + 100 * np.sin(x * y / 300) * (y > height / 2)
    cells = generator(0, "cells").integers(0, 256, (height // 5 + 1, width // 5 + 1))
    blue = np.kron(cells, np.ones((5, 5)))[:height, :width]
    image = np.stack([red, green, blue], axis=-1).astype(np.uint8)
    return cv2.circle(image, (width // 3, height // 3), height // 5, (250, 240, 20), -1)


@pytest.fixture(scope="session")
def images(data_dir: Path) -> list[Image]:
    """Two photos and a synthetic image, about 160 x 120."""
    found = [synthetic()]
    for name in ("000000000785", "000000006818"):
        photo = cv2.imread(str(data_dir / f"coco_mini/images/val2017/{name}.jpg"))
        small = cv2.resize(photo, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
        found.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return found


def at(kind: type[Transform], axis: str, intensity: float, image: Image, seed: int = 3) -> Pixels:
    """The operation built from its parameters at every intensity, 0 included."""
    parameters = kind.at(axis, intensity, generator(seed, axis))
    operation = kind.operation(json.loads(json.dumps(parameters)), image.shape[:2])
    assert isinstance(operation, Pixels)
    return operation


def distance(one: Image, two: Image) -> float:
    return float(np.abs(one.astype(np.int16) - two).mean())


def test_the_catalogue_is_complete():
    assert {kind.name for kind in KINDS} >= {
        *("autocontrast", "equalize", "clahe"),
        *("gaussian_blur", "motion_blur", "defocus", "zoom_blur", "glass_blur", "median_blur"),
        *("sharpen", "sharpness", "downscale", "jpeg"),
        *("gaussian_noise", "poisson_noise", "speckle", "salt_pepper", "iso_noise"),
        *("pixel_dropout", "cutout", "grid_dropout", "superpixels"),
        *("shadow", "fog", "rain", "snow", "sun_flare", "spatter"),
    }


@every_axis
def test_intensity_zero_is_the_identity(kind, axis, images):
    for image in (*images, images[0][..., 0].copy()):
        operation = at(kind, axis.name, 0.0, image)
        np.testing.assert_array_equal(operation.apply_image(image), image)


@every_axis
def test_distance_from_the_source_grows_steadily(kind, axis, images):
    for number, image in enumerate(images):
        curve = [
            distance(at(kind, axis.name, intensity, image).apply_image(image), image)
            for intensity in TENTHS
        ]
        steps = np.diff(curve)
        assert steps.min() >= 0, (number, curve)
        assert curve[1] > 0, (number, curve)
        # No plateau: hardly a step adds less than a hundredth of the whole.
        assert np.sum(steps < 0.01 * curve[-1]) <= 2, (number, curve)


@every_axis
def test_draws_do_not_depend_on_the_intensity(kind, axis):
    states = []
    for intensity in (0.0, 0.3, 1.0):
        rng = generator(1, axis.name)
        kind.at(axis.name, intensity, rng)
        states.append(rng.random())
    assert len(set(states)) == 1


@every_kind
@pytest.mark.parametrize(
    "shape",
    [
        *((1, 1), (1, 7), (9, 1), (2, 3), (5, 4), (40, 33), (300, 3), (1, 1, 1), (30, 20, 1)),
        *((1, 1, 3), (1, 40, 3), (3, 2, 3), (37, 50, 3), (1, 1, 4), (25, 30, 4)),
    ],
    ids=str,
)
def test_any_shape_is_kept_and_the_input_untouched(kind, shape):
    image = generator(0, "image").integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    image.flags.writeable = False
    for draw in range(3):
        for axis in kind.axes:
            for operation in (
                kind().draw(generator(draw, "draw"), shape[:2]),
                at(kind, axis.name, (0.1, 0.6, 1.0)[draw], image, seed=draw),
            ):
                changed = operation.apply_image(image)
                assert changed.shape == shape
                assert changed.dtype == np.uint8
                assert changed.flags.c_contiguous
                assert not np.shares_memory(changed, image)
                np.testing.assert_array_equal(image, before)
                if image.ndim == 3 and shape[2] == 4:
                    np.testing.assert_array_equal(changed[..., 3], image[..., 3])


@every_kind
def test_memory_layout_makes_no_difference(kind, images):
    image = images[1]
    operation = kind().draw(generator(4), image.shape[:2])
    expected = operation.apply_image(image)
    wide = np.zeros((image.shape[0], 2 * image.shape[1], 3), np.uint8)
    wide[:, ::2] = image
    for same in (np.asfortranarray(image), wide[:, ::2], image[::-1].copy()[::-1]):
        np.testing.assert_array_equal(operation.apply_image(same), expected)
    gray = image[..., 1]
    np.testing.assert_array_equal(
        operation.apply_image(gray), operation.apply_image(np.ascontiguousarray(gray))
    )


@every_kind
def test_operations_are_values(kind):
    one, two, other = (kind().draw(generator(seed), (600, 800)) for seed in (1, 1, 2))
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == one
    # Only where nothing is drawn are all operations equal.
    assert (one != other) == (kind().parameters(generator(1)) != kind().parameters(generator(2)))


@every_axis
def test_enlarged_image_changes_alike(kind, axis, images):
    by_nature = {"jpeg", "downscale", "ringing", "sharpness", "webp", "video_compression"}
    if kind.name in by_nature:
        pytest.skip("about pixels by their nature")
    if kind.name == "autocontrast":
        pytest.skip("one pixel decides, and enlarging makes some that are darker and brighter")
    image = cv2.resize(images[1], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    double = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    changed = at(kind, axis.name, 0.5, image).apply_image(image)
    changed_double = at(kind, axis.name, 0.5, double).apply_image(double)
    amount = distance(changed, image)
    assert distance(changed_double, double) == pytest.approx(amount, rel=0.3)
    if kind.name not in GRAINY:
        halved = cv2.resize(changed_double, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert distance(halved, changed) < 0.5 * amount


@every_axis
def test_white_stays_bright_and_black_dark(kind, axis):
    # What wraps around turns white into black. Only black and white themselves are near both.
    if kind.name in {"salt_pepper", "pixel_dropout", "cutout", "grid_dropout", "spatter", "shadow"}:
        pytest.skip("paints other colors by design")
    white = at(kind, axis.name, 1.0, np.empty((80, 80, 3))).apply_image(
        np.full((80, 80, 3), 250, np.uint8)
    )
    assert white.mean() > 100
    if kind.name not in {"fog", "rain", "snow", "sun_flare"}:
        black = at(kind, axis.name, 1.0, white).apply_image(np.full((80, 80, 3), 5, np.uint8))
        assert black.mean() < 100


OCCLUDERS = [
    kind
    for kind in KINDS
    if kind.operation_at(kind.axes[0].name, 0.5, generator(0), (64, 64)).visible((64, 64))
    is not None
]


@pytest.mark.parametrize("kind", OCCLUDERS, ids=[kind.name for kind in OCCLUDERS])
def test_what_is_visible_is_the_source_and_shrinks_with_intensity(kind, images):
    image = images[1]
    last = np.ones(image.shape[:2], np.bool_)
    for intensity in TENTHS:
        operation = at(kind, kind.axes[0].name, intensity, image)
        visible = operation.visible(image.shape[:2])
        assert visible.dtype == np.bool_
        assert not (visible & ~last).any()
        last = visible
        if kind.name not in {"spatter", "text_overlay"}:  # their edges are soft
            changed = operation.apply_image(image)
            np.testing.assert_array_equal(changed[visible], image[visible])
            assert kind.name == "random_erasing" or (changed[~visible] == 0).all()
    assert last.mean() < (0.98 if kind.name == "text_overlay" else 0.7)


def test_the_expected_transforms_hide_things():
    assert {kind.name for kind in OCCLUDERS} == {
        *("pixel_dropout", "cutout", "grid_dropout", "spatter", "random_erasing", "text_overlay"),
    }


_DIGESTS = """
import cv2, hashlib, numpy as np
from variegate.seeding import generator
from variegate.transforms import all_transforms
cv2.setNumThreads(1)
image = generator(0).integers(0, 256, (60, 83, 3), dtype=np.uint8)
image = np.ascontiguousarray(cv2.resize(image, (332, 240), interpolation=cv2.INTER_CUBIC))
for name in NAMES:
    kind = all_transforms()[name]
    for axis in kind.axes:
        for intensity in (0.05, 0.5, 1.0):
            operation = kind.operation_at(axis.name, intensity, generator(9), image.shape[:2])
            print(name, hashlib.sha256(operation.apply_image(image).tobytes()).hexdigest())
"""


def digests(**environment: str) -> str:
    code = _DIGESTS.replace("NAMES", repr([kind.name for kind in KINDS]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_same_bytes_in_other_processes_and_on_lesser_processors():
    expected = digests()
    assert len(expected.splitlines()) >= 3 * len(KINDS)
    assert digests(PYTHONHASHSEED="7") == expected
    lesser = digests(
        OPENCV_CPU_DISABLE="AVX512-SKX",
        OPENCV_IPP="avx2",
        NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR",
    )
    assert lesser == expected
