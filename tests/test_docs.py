"""The documentation follows the code."""

import runpy
from pathlib import Path

import pytest

from variegate.formats import FORMATS
from variegate.recipes.recipe import presets
from variegate.transforms import all_transforms

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["transforms.md", "presets.md", "commands.md"])
def test_generated_pages_are_current(name):
    page = runpy.run_path(str(DOCS / "generate.py"))["PAGES"][name]
    assert (DOCS / name).read_text(encoding="utf-8") == page(), "run: python docs/generate.py"


def test_every_transform_preset_and_layout_is_explained():
    transforms = (DOCS / "transforms.md").read_text(encoding="utf-8")
    assert [name for name in all_transforms() if f"`{name}`" not in transforms] == []
    shown = (DOCS / "presets.md").read_text(encoding="utf-8")
    for name in presets():
        assert f"## `{name}`" in shown
        assert (DOCS / "images" / "presets" / f"{name}.jpg").stat().st_size > 10_000
    pages = [(DOCS / page).read_text(encoding="utf-8") for page in ("inputs.md", "labels.md")]
    explained = "".join(pages)
    assert [kind.name for kind in FORMATS if f"`{kind.name}`" not in explained] == []
