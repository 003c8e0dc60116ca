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
from variegate.reports import preview
from variegate.runs import manifest
from variegate.runs.run import prepare
from variegate.storage import open_storage

ALONE = Options(workers=0)
TURNS = "variants: {each: {steps: [rotate, translate, {along: {axis: shear_x+}}], draws: 4}}"
# Every object that shows is labelled, however little of it.
# What goes channel by channel makes gray things red.
BY_CHANNEL = {"red", "autocontrast", "chain_mix", "equalize", "invert", "posterize", "solarize"}
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
    count, seen = 0, 0
    for row in rows(output):
        if {one["transform"] for one in json.loads(row.operations)} & BY_CHANNEL:
            continue
        seen += 1
        objects = json.loads(row.annotation).get("objects", [])
        image = decode((output / row.output).read_bytes())
        count += unlabelled(image, [one["box"] for one in objects])
    assert seen
    return count


def recipe_of(preset, changes=""):
    data = Recipe.load(preset).model_copy(update={"labels": ALL_LABELLED}).to_data()
    # The mean color of an image of red objects is reddish.
    text = json.dumps(data).replace('"fill": "mean"', '"fill": "constant"')
    return Recipe.parse(text.replace('"affine": {', f'"affine": {{{changes}'))


@pytest.fixture
def near_border(data_dir):
    return data_dir / "field_cases/boxes-near-border"


@pytest.mark.parametrize("preset", presets())
def test_no_preset_shows_an_unlabelled_copy_of_an_object(near_border, tmp_path, preset):
    augment(near_border, tmp_path / "out", recipe=recipe_of(preset), seed=3, options=ALONE)
    assert copies(tmp_path / "out") == 0
    assert not borders(tmp_path / "out") & {"reflect", "wrap", "auto"}


@pytest.fixture(scope="module")
def painted(data_dir, tmp_path_factory):
    """Photos of coco_mini at a quarter, gray but for their objects, whose boxes are red."""
    folder, known = tmp_path_factory.mktemp("painted"), data_dir / "coco_mini"
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(f"names: {[str(number) for number in range(80)]}\n")
    for name in ("000000000885", "000000001993", "000000007281", "000000008762"):
        photo = decode((known / f"images/val2017/{name}.jpg").read_bytes())
        image = np.array(cv2.resize(photo, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
        image[:] = image.mean(axis=2, keepdims=True)
        rows = (known / f"object_detection/labels/val2017/{name}.txt").read_text()
        size = np.array(image.shape[1::-1])
        for row in rows.splitlines():
            middle, sides = np.array(row.split()[1:], float).reshape(2, 2) * size
            (x1, y1), (x2, y2) = np.round([middle - sides / 2, middle + sides / 2]).astype(int)
            image[y1:y2, x1:x2] = (200, 10, 10)
        (folder / f"images/{name}.png").write_bytes(encode(image, format="png"))
        (folder / f"labels/{name}.txt").write_text(rows)
    return folder


@pytest.mark.parametrize("preset", presets())
def test_no_preset_shows_an_unlabelled_copy_in_photos(painted, tmp_path, preset):
    augment(painted, tmp_path / "out", recipe=recipe_of(preset), seed=3, options=ALONE)
    assert copies(tmp_path / "out") == 0
    assert not borders(tmp_path / "out") & {"reflect", "wrap", "auto"}


def test_reflections_of_photos_would_be_counted(painted, tmp_path):
    text = TURNS.replace("rotate, translate", "{translate: {x: 0.4, y: 0.3, border: reflect}}")
    insisting = jobs.recipe(text, labels=ALL_LABELLED)
    augment(painted, tmp_path / "out", recipe=insisting, options=ALONE)
    assert copies(tmp_path / "out") > 0


@pytest.mark.parametrize(
    "name",
    [
        "nuclei_instances",
        "coco_mini/keypoints",
        "annotation_formats/coco_dataset",
        "field_cases/keypoints-l-r",
    ],
)
def test_masks_polygons_and_keypoints_are_objects(data_dir, tmp_path, name):
    options = Options(workers=0, limit=1)
    augment(data_dir / name, tmp_path / "out", recipe=jobs.recipe(TURNS), options=options)
    assert borders(tmp_path / "out") == {"constant"}


def test_objects_that_cannot_be_used_are_objects(tmp_path):
    image = np.full((60, 80, 3), 90, np.uint8)
    (tmp_path / "in/images").mkdir(parents=True)
    (tmp_path / "in/labels").mkdir()
    (tmp_path / "in/data.yaml").write_text("names: [red]\n")
    (tmp_path / "in/images/a.png").write_bytes(encode(image, format="png"))
    (tmp_path / "in/labels/a.txt").write_text("0 0.5 0.5 0 0\n")
    augment(tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(TURNS), options=ALONE)
    assert borders(tmp_path / "out") == {"constant"}


def test_previews_show_the_border_of_the_run(near_border):
    explicit = TURNS.replace("rotate, translate", "{rotate: {BORDER}}, {translate: {BORDER}}")
    explicit = explicit.replace(", {along: {axis: shear_x+}}", "")
    gray = explicit.replace("BORDER", "border: constant, fill: [114, 114, 114]")
    mirrored, auto = (explicit.replace("BORDER", f"border: {b}") for b in ("reflect", "auto"))
    shown = [
        preview(near_border, recipe=jobs.recipe(text), images=2, variants=4, options=ALONE)
        for text in (auto, gray, mirrored)
    ]
    assert np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])


def test_training_items_have_the_border_of_the_run(near_border, tmp_path):
    torch = pytest.importorskip("variegate.datasets.torch")
    augment(near_border, tmp_path / "out", recipe=recipe_of("light"), options=ALONE)
    found = torch.dataset(near_border, recipe=recipe_of("light"))
    keys = {found.name(index): index for index in range(len(found))}
    for row in rows(tmp_path / "out"):
        image, _ = found[keys[row.key, row.variant]]
        written = decode((tmp_path / "out" / row.output).read_bytes())
        assert np.array_equal(np.round(255 * image.numpy()).transpose(1, 2, 0), written)


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
