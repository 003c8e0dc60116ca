"""Borders of datasets with objects: they show no copies of objects, which would have no labels."""

import json

import cv2
import numpy as np
import pytest

import jobs
from variegate import Options, augment, rebuild
from variegate.annotations.rules import LabelRule
from variegate.codecs import decode, encode
from variegate.recipes.recipe import Recipe, presets
from variegate.runs import manifest
from variegate.runs.run import prepare
from variegate.storage import open_storage

ALONE = Options(workers=0)
TURNS = "variants: {each: {steps: [rotate, translate, {along: {axis: shear_x+}}], draws: 4}}"
# Every object that shows is labelled, however little of it.
ALL_LABELLED = LabelRule(min_visible=0.0, min_side=0.0)


def rows(output):
    return [one for one in manifest.rows(open_storage(output)) if one.output is not None]


def borders(output):
    drawn = [one for row in rows(output) for one in json.loads(row.operations)]
    return {one["border"] for one in drawn if "border" in one}


def unlabelled(image, boxes):
    """Count red patches of an image that no box touches."""
    wide = image.astype(int)
    red = (wide[..., 0] - wide[..., 1:3].max(axis=2) > 60).astype(np.uint8)
    red = cv2.morphologyEx(red, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    covered = np.zeros(red.shape, bool)
    for x1, y1, x2, y2 in boxes:
        top, left = max(0, int(y1) - 4), max(0, int(x1) - 4)
        covered[top : int(y2) + 5, left : int(x2) + 5] = True
    count, patches, stats, _ = cv2.connectedComponentsWithStats(red)
    large = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= 30]
    return sum(not covered[patches == n].any() for n in large)


def copies(output):
    """Count the unlabelled red patches of all results."""
    count = 0
    for row in rows(output):
        objects = json.loads(row.annotation).get("objects", [])
        image = decode((output / row.output).read_bytes())
        count += unlabelled(image, [one["box"] for one in objects])
    return count


def recipe_of(preset, changes=""):
    text = Recipe.load(preset).model_copy(update={"labels": ALL_LABELLED}).to_data()
    return Recipe.parse(json.dumps(text).replace('"affine": {', f'"affine": {{{changes}'))


@pytest.fixture
def near_border(data_dir):
    return data_dir / "field_cases/boxes-near-border"


@pytest.mark.parametrize("preset", presets())
def test_no_preset_shows_an_unlabelled_copy_of_an_object(near_border, tmp_path, preset):
    augment(near_border, tmp_path / "out", recipe=recipe_of(preset), seed=3, options=ALONE)
    assert copies(tmp_path / "out") == 0
    assert not borders(tmp_path / "out") & {"reflect", "wrap", "auto"}


def test_a_recipe_that_insists_shows_them_and_is_told(near_border, tmp_path):
    insisting = recipe_of("light", '"border": "reflect", ')
    summary = augment(near_border, tmp_path / "out", recipe=insisting, options=ALONE)
    assert copies(tmp_path / "out") > 0
    assert any("affine (reflect)" in note for note in summary.notes)
    assert not augment(
        near_border, tmp_path / "quiet", recipe=recipe_of("light"), options=ALONE
    ).notes


def test_objects_of_another_format_at_every_edge(tmp_path):
    """YOLO, the objects touching the edges: an edge fill would draw them out."""
    image = np.full((120, 160, 3), 90, np.uint8)
    for top, left in ((0, 60), (50, 0), (50, 140), (100, 60)):
        image[top : top + 20, left : left + 20] = (200, 10, 10)
    (tmp_path / "in/images").mkdir(parents=True)
    (tmp_path / "in/labels").mkdir()
    (tmp_path / "in/data.yaml").write_text("names: [red]\n")
    (tmp_path / "in/images/a.png").write_bytes(encode(image, format="png"))
    lines = [
        f"0 {(left + 10) / 160} {(top + 10) / 120} 0.125 0.166667"
        for top, left in ((0, 60), (50, 0), (50, 140), (100, 60))
    ]
    (tmp_path / "in/labels/a.txt").write_text("\n".join(lines))
    recipe = jobs.recipe(TURNS, labels=ALL_LABELLED)
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=ALONE)
    assert borders(tmp_path / "out") == {"constant"}
    assert copies(tmp_path / "out") == 0
    # What was recorded is enough to make them again.
    for row in rows(tmp_path / "out"):
        written = (tmp_path / "out" / row.output).read_bytes()
        assert rebuild(tmp_path / "out", row.output, write=False) == written


def test_sets_without_objects_keep_the_reflection(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 2)
    explicit = """
        variants:
          each:
            steps:
              - rotate: {border: reflect}
              - translate: {border: reflect}
              - along: {axis: shear_x+}
            draws: 4
    """
    augment(source, tmp_path / "auto", recipe=jobs.recipe(TURNS), options=ALONE)
    augment(source, tmp_path / "explicit", recipe=jobs.recipe(explicit), options=ALONE)
    assert borders(tmp_path / "auto") == {"reflect"}
    assert jobs.tree(tmp_path / "auto") == jobs.tree(tmp_path / "explicit")


def test_a_fill_of_the_users_own_is_taken_where_there_are_objects(near_border, tmp_path):
    white = "variants: {rotate: {angle_degrees: 30, fill: [255, 255, 255]}}"
    augment(near_border, tmp_path / "out", recipe=jobs.recipe(white), options=ALONE)
    image = decode((tmp_path / "out" / rows(tmp_path / "out")[0].output).read_bytes())
    assert image[0, 0].tolist() == [255, 255, 255]


def test_a_run_is_told_before_it_begins(near_border):
    wrap = jobs.recipe("variants: {rotate: {border: wrap}}")
    with prepare(near_border, wrap, ALONE) as prepared:
        assert any("rotate (wrap)" in note for note in prepared.dataset_format.notes)
