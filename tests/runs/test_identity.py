"""Everything that decides bytes is in a job's identity: no field of a recipe or option slips by."""

import json
from dataclasses import fields, replace

import pytest

import jobs
from variegate import Options, Recipe, augment, read_manifest, rebuild, status, verify
from variegate.codecs import Limits
from variegate.errors import OutputError, UsageError
from variegate.formats import Hints
from variegate.recipes.plugins import Plugin
from variegate.reports import preview_output
from variegate.runs.identity import differences, digest_of, record_of
from variegate.runs.job import Job
from variegate.transforms.base import TRANSFORMS

PLUGIN = """
from variegate.ops import Warp
from variegate.transforms import Transform


class UpsideDownHere(Transform):
    name = "upside_down_here"

    def parameters(self, rng, size):
        return {}

    def operation(self, parameters, size):
        return Warp.flip(size, vertical=True)
"""

# A recipe with another value in one field; a field that decides no byte has None.
RECIPES = {
    "policy": {"variants": "grayscale"},
    "description": None,
    "seed": {"seed": 7},
    "output": {"output": {"quality": 50}},
    "labels": {"labels": {"box": "ellipse"}},
    "distinct": {"distinct": True},
    "hints": {"hints": {"encoding": "gbk"}},
    "forbid": {"forbid": {"flip": ["6"]}},
}
JOBS = {
    "recipe": {"variants": "grayscale"},
    "input": "elsewhere",
    "output": None,
    "splits": True,
    "writer": {"name": "plain", "classes": ["cat"]},
    "limits": Limits(max_pixels=5),
    "plugins": (Plugin(name="mine.py", sha256="0" * 64),),
    "kind": "convert",
    "options": {"naming": 1},
}
# Options of a run: what decides bytes, and what does not.
OPTIONS = {
    "format": {"format": "unlabelled"},
    "label_pattern": {"label_pattern": r"(?P<label>\d)\.png"},
    "hints": {"hints": Hints(depth="auto")},
    "raw_labels": {"raw_labels": True},
    "limit": {"limit": 2},
    "limits": {"limits": Limits(max_pixels=10_000)},
    "plugins": {"plugins": ("mine.py",)},
    "workers": None,
    "shard_size": None,
    "strict": None,
    "update": None,
    "prune": None,
    "balance": {"balance": "cap:1"},
    "silence_limit_s": None,
    "backend": None,
    "backend_options": None,
}


def recipe(**changes):
    return Recipe.from_data({"variants": "flip", **changes})


def record(job=None, **listing):
    made = job or Job(recipe=recipe().to_data(), input="in", output="out")
    files = {"files": 1, "names": "a", "bytes": 9, "sizes": "b", "labels": "c"} | listing
    return record_of(made, format="classes", input_files=files)


def of_events(job=None):
    made = job or Job(recipe=recipe().to_data(), input="in", output="out")
    return record_of(made, format="classes")


def test_every_field_of_a_recipe_is_looked_at():
    assert set(RECIPES) == set(Recipe.model_fields)


@pytest.mark.parametrize("name", RECIPES)
def test_another_recipe_is_another_job(name):
    changed = Job(
        recipe=recipe(**RECIPES[name] or {"description": "mine"}).to_data(),
        input="in",
        output="out",
    )
    decides = RECIPES[name] is not None
    assert bool(differences(record(), record(changed))) == decides
    assert bool(differences(of_events(), of_events(changed))) == decides
    assert (digest_of(of_events()) != digest_of(of_events(changed))) == decides


def test_every_field_of_a_job_is_looked_at():
    assert set(JOBS) == {one.name for one in fields(Job)}


@pytest.mark.parametrize("name", JOBS)
def test_another_job_is_told(name):
    job = Job(recipe=recipe().to_data(), input="in", output="out")
    changed = replace(job, **{name: "elsewhere" if JOBS[name] is None else JOBS[name]})
    # A run knows its inputs by their names and contents, wherever they are.
    expected = JOBS[name] is not None and name != "input"
    if name == "splits":
        # Which sources are augmented shows in the listing's labels and splits, too.
        expected = True
    assert bool(differences(record(job), record(changed))) == expected


@pytest.mark.parametrize("name", ["files", "names", "bytes", "sizes", "labels"])
def test_another_listing_is_told(name):
    assert differences(record(), record(**{name: 7}))


def test_every_option_is_looked_at():
    assert set(OPTIONS) == {one.name for one in fields(Options)}


@pytest.fixture
def _no_plugin_stays():
    before = dict(TRANSFORMS)
    yield
    TRANSFORMS.clear()
    TRANSFORMS.update(before)


@pytest.mark.usefixtures("_no_plugin_stays")
@pytest.mark.parametrize("name", [name for name, changes in OPTIONS.items() if changes])
def test_options_that_decide_bytes_are_refused_over_an_output(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for key in ("a/1.png", "a/2.png", "b/3.png"):
        jobs.draw_noise(tmp_path / "in" / key)
    (tmp_path / "mine.py").write_text(PLUGIN)
    augment("in", "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0))
    options = Options(workers=0, **OPTIONS[name])
    with pytest.raises(OutputError, match="holds the results of another job"):
        augment("in", "out", recipe=jobs.recipe(jobs.TWO), options=options)


def test_a_process_that_goes_to_another_folder_writes_there(tmp_path, monkeypatch):
    for name in ("one", "two"):
        jobs.draw_noise(tmp_path / name / "in/1.png")
        monkeypatch.chdir(tmp_path / name)
        augment("in", "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0))
        assert len(list((tmp_path / name / "out").glob("*.png"))) == 2


def test_another_rule_for_labels_is_refused_by_name(data_dir, tmp_path):
    text = "variants: rotate\nlabels: {{box: {}}}"
    corners, ellipse = (jobs.recipe(text.format(rule)) for rule in ("corners", "ellipse"))
    options = Options(workers=0, limit=3)
    augment(data_dir / "bccd_voc", tmp_path / "out", recipe=corners, options=options)
    before = jobs.tree(tmp_path / "out")
    with pytest.raises(OutputError, match=r"the recipe's labels .*ellipse"):
        augment(data_dir / "bccd_voc", tmp_path / "out", recipe=ellipse, options=options)
    assert jobs.tree(tmp_path / "out") == before


def test_a_record_is_what_comes_back_from_its_file():
    assert json.loads(json.dumps(record())) == record()


@pytest.mark.parametrize("record", [{"recipe": {}, "layout": "classes"}, [], "no JSON"])
def test_an_output_of_another_version_is_refused_by_every_reader(record, tmp_path):
    jobs.draw_noise(tmp_path / "in/1.png")
    options = Options(workers=0)
    augment(tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options)
    path = tmp_path / "out/.variegate/job.json"
    if isinstance(record, dict):
        record["versions"] = {"variegate": "0.1.0"}
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    said = r"damaged|written by variegate 0\.1\.0, whose outputs this version cannot read"
    before = jobs.tree(tmp_path / "out")
    for action in (
        lambda: verify(tmp_path / "out"),
        lambda: read_manifest(tmp_path / "out"),
        lambda: rebuild(tmp_path / "out", "1-v00.png"),
        lambda: status(tmp_path / "out"),
        lambda: preview_output(tmp_path / "out"),
        lambda: augment(
            tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options
        ),
    ):
        with pytest.raises(UsageError, match=said):
            action()
    assert jobs.tree(tmp_path / "out") == before
