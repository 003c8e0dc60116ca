"""Classes come out as they are asked for, and a balanced output is one like any other."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import variegate
from variegate import Options, Recipe
from variegate.datasets.prepare.split import SplitChoice
from variegate.errors import OutputError, RecipeError, UsageError
from variegate.formats import detect
from variegate.storage import open_storage

COUNTS = {"cat": 11, "dog": 4, "emu": 1}
RECIPE = Recipe.from_data(
    {"variants": {"sample": {"n": 12, "steps": ["flip", "rotate", "brightness"], "k_max": 2}}}
)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Classes of 11, 4 and 1 images, noise."""
    folder = tmp_path / "in"
    rng = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def made(source: Path, output: Path, balance: str, workers: int = 0, **more):
    options = Options(workers=workers, balance=balance)
    return variegate.augment(source, output, **{"recipe": RECIPE, "options": options, **more})


def by_class(output: Path) -> dict[str, int]:
    return dict(Counter(path.parent.name for path in output.glob("*/*.png")))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ("even", {"cat": 12, "dog": 12, "emu": 12}),
        ("12", {"cat": 12, "dog": 12, "emu": 12}),
        ("5", {"cat": 5, "dog": 5, "emu": 5}),
        ("cap:20", {"cat": 20, "dog": 20, "emu": 12}),
        ("cap:3", {"cat": 3, "dog": 3, "emu": 3}),
    ],
)
def test_classes_come_out_exactly(animals, tmp_path, balance, expected):
    summary = made(animals, tmp_path / "out", balance)
    assert by_class(tmp_path / "out") == expected
    assert summary.counts.outputs == sum(expected.values())
    assert summary.counts.sources == sum(COUNTS.values())
    assert variegate.verify(tmp_path / "out").ok


def test_sources_of_a_class_get_nearly_the_same_number(animals, tmp_path):
    made(animals, tmp_path / "out", "cap:20")
    table = variegate.read_manifest(tmp_path / "out").to_pylist()
    numbers = Counter(row["key"] for row in table if row["label"] == "cat")
    assert sorted(numbers.values()) == [1] * 2 + [2] * 9


def test_the_variants_are_those_of_an_unbalanced_run_and_drawn_from_all(animals, tmp_path):
    made(animals, tmp_path / "out", "cap:22")
    variegate.augment(animals, tmp_path / "all", recipe=RECIPE, options=Options(workers=0))
    chosen = set()
    for path in (tmp_path / "out").glob("*/*.png"):
        name = path.relative_to(tmp_path / "out")
        assert path.read_bytes() == (tmp_path / "all" / name).read_bytes()
        chosen.add(path.stem.rpartition("-v")[2])
    assert len(chosen) > 8


def test_workers_and_shards_change_nothing(animals, tmp_path):
    one = made(animals, tmp_path / "one", "even")
    two = made(
        animals, tmp_path / "two", "even", options=Options(workers=2, balance="even", shard_size=2)
    )
    assert one.digest == two.digest


def test_it_is_part_of_the_identity(animals, tmp_path):
    first = made(animals, tmp_path / "out", "even")
    assert made(animals, tmp_path / "out", "even").digest == first.digest
    with pytest.raises(OutputError, match="the options"):
        made(animals, tmp_path / "out", "5")


def test_a_file_of_it_is_made_again(animals, tmp_path):
    made(animals, tmp_path / "out", "cap:20")
    for path in sorted((tmp_path / "out").glob("*/*.png"))[::5]:
        data = path.read_bytes()
        path.unlink()
        variegate.rebuild(tmp_path / "out", path.relative_to(tmp_path / "out").as_posix())
        assert path.read_bytes() == data


def test_a_killed_run_is_resumed_to_the_same_bytes(animals, tmp_path):
    whole = made(animals, tmp_path / "whole", "even")
    program = (
        "import os, sys, variegate; from pathlib import Path\n"
        "def stop(progress):\n"
        "    if progress.counts.outputs > 12: os._exit(9)\n"
        "variegate.augment(sys.argv[1], sys.argv[2], recipe=variegate.Recipe.from_data("
        "__import__('json').loads(sys.argv[3])), options=variegate.Options(workers=0, "
        "shard_size=3, balance='even'), on_progress=stop)\n"
    )
    arguments = [str(animals), str(tmp_path / "out"), json.dumps(RECIPE.to_data())]
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=False)
    assert done.returncode == 9
    summary = made(animals, tmp_path / "out", "even")
    assert summary.continued
    assert summary.digest == whole.digest


def test_several_classes_an_image_come_near_and_the_rest_is_told(data_dir, tmp_path):
    recipe = Recipe.from_data({"variants": {"sample": {"n": 8, "steps": ["flip", "brightness"]}}})
    output = tmp_path / "out"
    summary = made(data_dir / "bccd_voc", output, "100", recipe=recipe)
    told = next(note for note in summary.notes if "no exact balance" in note)
    counts = Counter[str]()
    table = variegate.read_manifest(output, where={"status": ["output"]}).to_pylist()
    for row in table:
        counts.update({one["category"] for one in json.loads(row["annotation"])["objects"]})
    for name in ("RBC", "WBC", "Platelets"):
        assert counts[name] == pytest.approx(100, rel=0.15)
    images = Counter[str]()
    for source in detect(open_storage(data_dir / "bccd_voc")).sources(
        open_storage(data_dir / "bccd_voc")
    ):
        if source.split == "train" and source.annotation:
            images.update({one.category for one in source.annotation.objects})
    # What is asked for can be missed; what is told is what came out, clipped objects aside.
    assert "of 100" in told
    weights = next(note for note in summary.notes if "class weights" in note)
    total = sum(images.values())
    assert f"RBC {total / (3 * images['RBC']):.3f}" in weights


def test_only_training_images_count(animals, tmp_path):
    parts = tmp_path / "parts"
    variegate.split(
        animals, parts, choice=SplitChoice(parts="50/50", seed=1), options=Options(workers=0)
    )
    before = Counter(path.parent.name for path in parts.glob("train/*/*.png"))
    made(parts, tmp_path / "out", "6")
    after = Counter(path.parent.name for path in (tmp_path / "out").glob("train/*/*.png"))
    assert after == dict.fromkeys(before, 6)
    assert len(list((tmp_path / "out").glob("val/*/*.png"))) == 16 - before.total()


@pytest.mark.parametrize(
    ("balance", "error", "words"),
    [
        ("odd", RecipeError, "expected even, a number"),
        ("0", RecipeError, "expected even, a number"),
        ("cap:x", RecipeError, "expected even, a number"),
        ("13", UsageError, "class 'emu' has 1 image and the recipe 12 variants of each"),
    ],
)
def test_what_cannot_be_done_is_said(animals, tmp_path, balance, error, words):
    with pytest.raises(error, match=words):
        made(animals, tmp_path / "out", balance)


def test_it_needs_classes_and_a_new_output(data_dir, animals, tmp_path):
    with pytest.raises(UsageError, match="have no classes"):
        made(data_dir / "messy_images", tmp_path / "out", "even")
    with pytest.raises(RecipeError, match="--balance and --update"):
        made(animals, tmp_path / "out", "", options=Options(balance="even", update=True))
