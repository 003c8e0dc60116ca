"""Everything that was planted on two sides is found, by its grade, and nothing else."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import variegate
from variegate import Options
from variegate.datasets.prepare.leaks import LeakOptions, LeakReport
from variegate.datasets.prepare.split import SplitChoice
from variegate.errors import InputError, UsageError

NONE = {"same bytes": 0, "same pixels": 0, "same source": 0, "same original": 0}


def noise(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))


def counts(report: LeakReport) -> dict[str, int]:
    return {one.grade: one.count for one in report.grades}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Twenty images of two classes in three splits."""
    folder = tmp_path / "set"
    for number in range(20):
        split = ("train", "train", "val", "test")[number % 4]
        path = folder / split / ("cat", "dog")[number // 4 % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(path)
    return folder


def test_a_clean_set_has_none(clean, run):
    report = variegate.leaks(clean)
    assert counts(report) == NONE
    assert report.images == {"test": 5, "train": 10, "val": 5}
    assert run("leaks", clean).exit_code == 0


def test_every_planted_leak_is_found_by_its_grade(clean, tmp_path):
    planted = {
        "same bytes": {
            ("train/cat/0.png", "test/dog/copy.png"),
            ("train/cat/1.png", "val/cat/b.png"),
        },
        "same pixels": {("train/cat/0.png", "val/cat/c.bmp")},
        "same original": {
            ("train/cat/7_jpg.rf.0123456789abcdef.png", "val/cat/7_jpg.rf.fedcba9876543210.png")
        },
    }
    shutil.copy(clean / "train/cat/0.png", clean / "test/dog/copy.png")
    shutil.copy(clean / "train/cat/1.png", clean / "val/cat/b.png")
    with Image.open(clean / "train/cat/0.png") as image:
        image.save(clean / "val/cat/c.bmp")
    for number, name in enumerate(next(iter(planted["same original"]))):
        noise(50 + number).save(clean / name)
    # On one side: none of these is a leak.
    shutil.copy(clean / "train/cat/1.png", clean / "train/cat/one_side.png")
    noise(60).save(clean / "train/cat/9_jpg.rf.0123456789abcdef.png")
    noise(61).save(clean / "train/cat/9_jpg.rf.1123456789abcdef.png")
    noise(62).save(clean / "val/dog/7_jpg.rf.2123456789abcdef.png")
    report = variegate.leaks(clean, csv=tmp_path / "leaks.csv")
    assert counts(report) == NONE | {name: len(sets) for name, sets in planted.items()}
    with (tmp_path / "leaks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for grade, sets in planted.items():
        for files in sets:
            for name in files:
                assert any(row["grade"] == grade and row["file"] == name for row in rows)
    assert sum(report.images.values()) == 29


def test_the_two_senders_on_both_sides_are_found(data_dir, run):
    place = data_dir / "clothing_classes"
    with (place / "images.csv").open(newline="") as file:
        sides: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            sides.setdefault(row["sender_id"], set()).add(row["split"])
    crossing = {sender for sender, splits in sides.items() if len(splits) > 1}
    report = variegate.leaks(place, options=LeakOptions(group=("sender",)))
    (group,) = (one for one in report.grades if one.grade == "same group")
    assert group.count == 2
    assert {one.name for one in group.examples} == crossing
    assert run("leaks", place, "--group", "sender").exit_code == 1
    assert run("leaks", place).exit_code == 0


def test_a_split_by_group_leaks_no_group(data_dir, tmp_path):
    place = data_dir / "clothing_classes"
    variegate.split(place, csv=tmp_path / "s.csv", choice=SplitChoice(group=("sender",)))
    options = LeakOptions(group=("sender",), splits=tmp_path / "s.csv")
    assert variegate.leaks(place, options=options).leaks == 0


def test_variants_and_their_source_are_of_one_source(clean, tmp_path):
    recipe = variegate.Recipe.from_data({"variants": {"sample": {"steps": ["flip"], "n": 1}}})
    variegate.augment(clean, tmp_path / "more", recipe=recipe, options=Options(workers=0))
    assert variegate.leaks(tmp_path / "more").leaks == 0
    # Seen from the set that the variants were made of: train was changed, the rest copied.
    report = variegate.leaks(tmp_path / "more", against=clean)
    assert counts(report) == NONE | {"same bytes": 10, "same source": 10}


def test_partners_of_a_mixed_image_are_sources_too(clean, tmp_path):
    recipe = variegate.Recipe.from_data({"variants": "mixup"})
    variegate.augment(clean, tmp_path / "more", recipe=recipe, options=Options(workers=0))
    table = variegate.read_manifest(tmp_path / "more", where={"split": ["train"]}).to_pylist()
    rows = [row for row in table if row["output"] == "train/cat/0.png"] or table
    row = next(row for row in rows if '"partners"' in (row["operations"] or ""))
    partner = next(key for one in json.loads(row["operations"]) for key in one.get("partners", ()))
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(clean / partner, other / "x.png")
    report = variegate.leaks(tmp_path / "more", against=other)
    (derived,) = (one for one in report.grades if one.grade == "same source")
    assert derived.count == 1
    assert row["output"] in derived.examples[0].files[str(tmp_path / "more")] or (
        derived.examples[0].images[str(tmp_path / "more")] > 3
    )


def test_gray_and_color_files_of_the_same_pixels_are_the_same(clean):
    gray = noise(70).convert("L")
    gray.save(clean / "train/cat/g.png")
    gray.convert("RGB").save(clean / "val/cat/g.png")
    assert counts(variegate.leaks(clean)) == NONE | {"same pixels": 1}


def test_what_cannot_be_decoded_is_compared_by_its_bytes(clean):
    for name in ("train/cat/x.png", "val/cat/x.png"):
        (clean / name).write_bytes(b"no image")
    report = variegate.leaks(clean)
    assert counts(report) == NONE | {"same bytes": 1}
    assert sum(one.count for one in report.not_decoded.values()) == 2


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_workers_change_nothing(data_dir, workers):
    options = LeakOptions(group=("sender",), workers=workers)
    found = variegate.leaks(data_dir / "clothing_classes", options=options)
    assert found == variegate.leaks(
        data_dir / "clothing_classes", options=LeakOptions(group=("sender",))
    )


def test_where_there_is_nothing_to_compare_it_is_said(data_dir, clean, run):
    with pytest.raises(InputError, match=r"name its split\.csv with --splits"):
        variegate.leaks(data_dir / "sign_digits")
    with pytest.raises(UsageError, match="expected another dataset"):
        variegate.leaks(clean, against=clean)
    assert run("leaks", data_dir / "sign_digits").exit_code == 2


def test_json_and_text_say_the_same(data_dir, run):
    place = data_dir / "clothing_classes"
    data = json.loads(run("leaks", place, "--group", "sender", "--json").stdout)
    text = run("leaks", place, "--group", "sender").stdout
    assert data["leaks"] == 2
    assert "same group (column 'sender_id' of images.csv): 2 on two sides, of 31 images" in text
    assert "same bytes: none" in text
