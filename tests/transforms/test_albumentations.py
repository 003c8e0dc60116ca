"""Transforms of Albumentations in a recipe: seeded, checked, recorded, labels moved."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("albumentations")

import variegate
from variegate.annotations import conversion as labels
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Sample
from variegate.codecs import encode
from variegate.datasets import samples
from variegate.errors import RecipeError
from variegate.ops.albumentations import Albumentations
from variegate.recipes.recipe import Recipe
from variegate.runs.manifest import rows
from variegate.storage import open_storage

RECIPE = """
seed: 4
variants:
  each:
    - albumentations.HueSaturationValue: {hue_shift_limit: [-20, 20]}
    - albumentations.Affine: {rotate: [-40, 40]}
    - albumentations.ElasticTransform
    - albumentations.RandomCrop: {height: 30, width: 40}
    - sequence: [rotate, albumentations.GaussNoise, albumentations.HorizontalFlip]
"""


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("albumentations.HorizontlFlip", "did you mean 'HorizontalFlip'"),
        ("{albumentations.Affine: {rotat: 3}}", "unknown parameter 'rotat'; did you mean 'rotate'"),
        ("{albumentations.Affine: {rotate: wide}}", "albumentations.Affine: rotate"),
        ("albumentations.Mosaic", "mosaic_metadata"),
    ],
)
def test_what_is_wrong_is_said(text, fragment):
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(f"variants: {text}")
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_seed_gives_the_same_bytes_in_any_process():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    recipe = Recipe.parse(RECIPE)
    first = [(v.index, i.tobytes()) for v, i in recipe.variants(image, key="a")]
    assert first == [(v.index, i.tobytes()) for v, i in recipe.variants(image, key="a")]
    assert first != [(v.index, i.tobytes()) for v, i in recipe.variants(image, key="b")]


def test_every_kind_of_image_stays_its_kind():
    rng = np.random.default_rng(1)
    color = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for image in (color, color[..., 0], color[..., :1], np.dstack([color, color[..., 0]])):
        for variant, made in Recipe.parse(RECIPE).variants(image, key="a"):
            assert made.shape == variant.size + image.shape[2:]
            assert made.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Affine", {"rotate": [25, 25], "scale": [0.9, 0.9]}),
        ("HorizontalFlip", {}),
        ("Perspective", {"scale": [0.1, 0.1], "keep_size": True}),
        ("RandomCrop", {"height": 90, "width": 120}),
    ],
)
def test_labels_move_with_the_pixels(name, arguments):
    """A box painted white comes out where its label says."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 50:110] = 255
    one = Object(category="a", box=(50.0, 40.0, 110.0, 80.0))
    rule = LabelRule()
    targets = labels.read(
        Annotation(objects=(one,)), (120, 160), rule=rule, skeletons={}, load_mask=lambda _: image
    )
    operation = Albumentations.of(name, arguments, 5, (120, 160))
    moved = operation.apply(Sample(image, targets=targets))
    ys, xs = np.nonzero(moved.image[..., 0] > 127)
    around = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert moved.targets is not None
    np.testing.assert_allclose(moved.targets.boxes[0], around, atol=1.5)


def test_a_mirror_image_swaps_left_and_right():
    operation = Albumentations.of("HorizontalFlip", {}, 1, (100, 100))
    one = Object(category="face", keypoints=((20.0, 30.0, 2), (70.0, 30.0, 2)))
    skeletons = {"face": variegate.annotations.annotation.Skeleton.of(("left_eye", "right_eye"))}
    targets = labels.read(
        Annotation(objects=(one,)),
        (100, 100),
        rule=LabelRule(),
        skeletons=skeletons,
        load_mask=lambda _: np.zeros((1, 1), np.uint8),
    )
    moved = operation.apply(Sample(np.zeros((100, 100, 3), np.uint8), targets=targets))
    assert moved.targets is not None
    np.testing.assert_allclose(moved.targets.keypoints.points, [[30, 30], [80, 30]], atol=1e-4)


def test_results_are_recorded_and_rebuilt(tmp_path):
    for key, drawn in samples.draw_images(2, size=(48, 64)):
        path = tmp_path / "in" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(drawn.image, format="jpeg"))
    variegate.augment(tmp_path / "in", tmp_path / "out", recipe=Recipe.parse(RECIPE))
    for row in rows(open_storage(tmp_path / "out")):
        assert row.output is not None
        there = (tmp_path / "out" / row.output).read_bytes()
        assert variegate.rebuild(tmp_path / "out", row.output, write=False) == there


def test_importing_it_asks_no_network():
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('asked the network')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from variegate.ops.albumentations import package\n"
        "print(package().__version__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "2.0.8", done.stdout + done.stderr
