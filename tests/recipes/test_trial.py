"""Every step of a recipe is tried on small blank images, and refused if it returns none."""

import sys
import time

import numpy as np
import pytest

import jobs
from variegate import Options, augment, estimate
from variegate.cli import app
from variegate.errors import RecipeError, StepError
from variegate.recipes.plugins import load_plugins
from variegate.recipes.recipe import Recipe, presets
from variegate.recipes.trial import try_recipe
from variegate.transforms.base import TRANSFORMS

PLUGIN = '''
from typing import ClassVar

import cv2
import numpy as np

from variegate.ops import Operation
from variegate.transforms import Transform


class {kind}Operation(Operation):
    def _act(self, image):
        {body}


class {kind}(Transform):
    """Do what it should not."""

    name: ClassVar[str] = "{name}"

    @classmethod
    def operation(cls, parameters, size):
        return {kind}Operation()
'''
CROP = """if min(image.shape[:2]) < 40:
            raise ValueError("40 x 40 pixels from a smaller image")
        return image"""
BODIES = {
    "scaled": ("return image.astype(np.float32) / 255", "float32"),
    "precise": ("return image.astype(np.float64)", "float64"),
    "wide": ("return image.astype(np.int64)", "int64"),
    "gray": ("return image if image.ndim == 2 else image[..., 0]", r"\(32, 32\)"),
    "opaque": ("return np.dstack([image, image[..., 0]]) if image.ndim > 2 else image", "32, 4"),
    "nothing": ("return None", "NoneType"),
    "listed": ("return image.tolist()", "list"),
    # Only gray images become something else.
    "colored": ("return np.dstack([image] * 3) if image.ndim == 2 else image", "a gray image"),
    # Too large for the first blank image.
    "late": ("assert min(image.shape[:2]) > 99; return image.astype(np.float32)", "float32"),
}


@pytest.fixture(autouse=True)
def _only_here():
    """No other test shall find these transforms."""
    before = dict(TRANSFORMS)
    yield
    TRANSFORMS.clear()
    TRANSFORMS.update(before)
    for name in [name for name in sys.modules if name.startswith("variegate_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def write_plugin(tmp_path):
    def written(name, body):
        path = tmp_path / f"{name}.py"
        path.write_text(PLUGIN.format(kind=name.title(), name=name, body=body))
        return path

    return written


@pytest.mark.parametrize("name", BODIES)
def test_a_plugin_that_returns_no_image_of_the_same_kind_is_refused(write_plugin, name):
    body, words = BODIES[name]
    load_plugins([write_plugin(name, body)])
    recipe = Recipe.parse(f"variants: {{each: [source, {{sequence: [flip, {name}]}}]}}")
    with pytest.raises(RecipeError, match=rf"^step {name}: it returns .*{words}") as caught:
        try_recipe(recipe)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Normalize", "ToFloat"])
def test_steps_of_albumentations_that_return_floats_are_refused_everywhere(tmp_path, name):
    pytest.importorskip("albumentations")
    source = jobs.draw_set(tmp_path / "in", 2)
    text = f"variants: {{sample: {{n: 3, steps: [flip, albumentations.{name}]}}}}"
    (tmp_path / "recipe.yaml").write_text(text)
    options = Options(workers=0)
    for attempt in (
        lambda: augment(source, tmp_path / "out", recipe=Recipe.parse(text), options=options),
        lambda: estimate(source, recipe=Recipe.parse(text), options=options),
    ):
        with pytest.raises(RecipeError, match=f"step albumentations.{name}: it returns float32"):
            attempt()
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_in_one_sentence(tmp_path, write_plugin, capsys):
    source = jobs.draw_set(tmp_path / "in", 2)
    plugin = write_plugin("scaled", BODIES["scaled"][0])
    (tmp_path / "recipe.yaml").write_text("variants: scaled")
    for command in (("augment", source, tmp_path / "out"), ("plan", source)):
        options = ("--recipe", tmp_path / "recipe.yaml", "--plugin", plugin)
        with pytest.raises(SystemExit) as ended:
            app([str(word) for word in (*command, *options)])
        assert ended.value.code == 2
        assert "step scaled: it returns float32 values" in capsys.readouterr().err


def test_rgba_is_tried_only_where_it_may_come(write_plugin):
    body = "return image[..., :3] if image.shape[2:] == (4,) else image"
    load_plugins([write_plugin("flat", body)])
    with pytest.raises(RecipeError, match="an RGBA image"):
        try_recipe(Recipe.parse("variants: flat"))
    try_recipe(Recipe.parse("{variants: flat, output: {format: jpeg}}"))
    try_recipe(Recipe.parse("{variants: flat, output: {alpha: white}}"))


def test_steps_that_need_larger_images_and_those_of_several_pass(write_plugin):
    load_plugins([write_plugin("crop", CROP)])
    steps = (
        "[crop, mixup, cutmix, mosaic, copy_paste, {resize: {size: 65000}}, {pad: {size: 9000}}]"
    )
    begun = time.monotonic()
    try_recipe(Recipe.parse(f"variants: {{each: {steps}}}"))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("preset", presets())
def test_presets_pass(preset):
    try_recipe(Recipe.load(preset))


def test_what_a_trial_does_not_meet_is_refused_when_it_comes(write_plugin):
    body = "return image if image.mean() == 128 else image.astype(np.float32)"
    load_plugins([write_plugin("sly", body)])
    recipe = Recipe.parse("variants: {sequence: [flip, {brightness: {amount: 0.1}}, sly, invert]}")
    try_recipe(recipe)
    with pytest.raises(StepError, match=r"^step sly: it returns float32"):
        list(recipe.variants(np.zeros((20, 30, 3), np.uint8), key="a.png"))


def test_a_step_that_raises_is_named(write_plugin):
    load_plugins([write_plugin("crop", CROP), write_plugin("torn", "return image[9999, 9999]")])
    small = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(StepError, match=r"^step crop: 40 x 40 pixels from a smaller image$"):
        list(Recipe.parse("variants: {each: [flip, crop]}").variants(small, key="a.png"))
    with pytest.raises(StepError, match=r"^step torn: IndexError: index 9999"):
        list(Recipe.parse("variants: torn").variants(small, key="a.png"))


def test_a_crop_of_albumentations_that_is_larger_than_the_image_is_named():
    pytest.importorskip("albumentations")
    recipe = Recipe.parse("variants: {albumentations.RandomCrop: {height: 64, width: 64}}")
    try_recipe(recipe)
    with pytest.raises(StepError, match=r"^step albumentations\.RandomCrop: .*[Cc]rop size"):
        list(recipe.variants(np.zeros((20, 30, 3), np.uint8), key="a.png"))
