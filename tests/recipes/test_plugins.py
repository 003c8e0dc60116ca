"""Transforms of the user's own, in a file: found, recorded, refused, and the same everywhere."""

import json
import sys

import pytest

from jobs import draw_set, tree
from variegate import Options, augment, rebuild, verify
from variegate.errors import InputError, OutputError, RecipeError
from variegate.recipes.plugins import Plugin, load_plugin, load_plugins
from variegate.recipes.recipe import Recipe
from variegate.transforms.base import TRANSFORMS

STRIPES = '''
from typing import Annotated, ClassVar

import numpy as np

from variegate.ops.color import Lut
from variegate.transforms import Parameters, Transform


class Posterlike(Transform):
    """Keep the highest bits, counted from a random level."""

    name: ClassVar[str] = "posterlike"

    bits: int = 3

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"bits": self.bits, "level": int(rng.integers(0, 16))}

    @classmethod
    def operation(cls, parameters, size):
        step = 256 >> parameters["bits"]
        table = np.arange(256) // step * step + parameters["level"]
        return Lut.of(table)
'''

RECIPE = "{seed: 3, variants: {subsets: [posterlike, {brightness: {amount: 0.1}}]}}"


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
def plugin(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(STRIPES)
    return path


@pytest.fixture
def photos_folder(tmp_path):
    return draw_set(tmp_path / "photos", 6)


def test_workers_in_other_processes_load_it_and_the_record_names_it(
    plugin, photos_folder, tmp_path
):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    options = Options(plugins=(plugin,), workers=2, shard_size=2)
    summary = augment(
        photos_folder, tmp_path / "out", recipe=tmp_path / "recipe.yaml", options=options
    )
    assert summary.counts.augmented == 6
    assert summary.counts.outputs == 6 * 4
    alone = Options(plugins=(plugin,), workers=0)
    augment(photos_folder, tmp_path / "alone", recipe=tmp_path / "recipe.yaml", options=alone)
    assert tree(tmp_path / "alone") == tree(tmp_path / "out")
    record = json.loads((tmp_path / "out/.variegate/job.json").read_text())
    assert record["plugins"] == {"mine.py": Plugin.read(plugin).sha256}


def test_rebuild_wants_the_same_file(plugin, photos_folder, tmp_path):
    load_plugins([plugin])
    out = tmp_path / "out"
    options = Options(plugins=(plugin,), workers=0)
    augment(photos_folder, out, recipe=Recipe.parse(RECIPE), options=options)
    image = next(path for path in sorted(out.rglob("*-v01.jpg")))
    key, data = str(image.relative_to(out)), image.read_bytes()
    image.unlink()
    with pytest.raises(InputError, match=r"transforms of mine\.py; name the file"):
        rebuild(out, key)
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(STRIPES + "\n# changed\n")
    with pytest.raises(InputError, match="another plugin"):
        rebuild(out, key, plugins=[other])
    assert rebuild(out, key, plugins=[plugin]) == data
    assert verify(out).ok


def test_another_version_of_it_is_another_job(plugin, photos_folder, tmp_path):
    load_plugins([plugin])
    made = Recipe.parse(RECIPE)
    augment(photos_folder, tmp_path / "out", recipe=made, options=Options(plugins=(plugin,)))
    plugin.write_text(STRIPES.replace('"level": int', '"level": 1 + int'))
    with pytest.raises(OutputError, match=r"the plugins\.mine\.py"):
        augment(photos_folder, tmp_path / "out", recipe=made, options=Options(plugins=(plugin,)))


def test_an_edit_that_is_taken_back_is_taken_back(plugin):
    load_plugins([plugin])
    first = TRANSFORMS["posterlike"]
    plugin.write_text(STRIPES.replace('"level": int', '"level": 1 + int'))
    load_plugins([plugin])
    assert TRANSFORMS["posterlike"] is not first
    plugin.write_text(STRIPES)
    load_plugins([plugin])
    assert TRANSFORMS["posterlike"] is first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "mine.py: brings no transform; define a subclass"),
        ("import nothing_like_it", "mine.py: line 1: ModuleNotFoundError: No module named"),
        ("a = 1\nb = a / 0\n", "mine.py: line 2: ZeroDivisionError"),
        ("def (:", "mine.py: line 1: not valid Python"),
        (STRIPES.replace('"posterlike"', '"rotate"'), "mine.py: its transform 'rotate' has a name"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    before = dict(TRANSFORMS)
    with pytest.raises(RecipeError, match="^" + message):
        load_plugins([path])
    assert before == TRANSFORMS


def test_missing_file(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.py: cannot be read as a plugin"):
        load_plugins([tmp_path / "none.py"])


def test_worker_without_the_file_says_so():
    with pytest.raises(RecipeError, match=r"no plugin with the digest 1234567890ab\.\.\."):
        load_plugin(Plugin("mine.py", "1234567890ab" + "0" * 52))
