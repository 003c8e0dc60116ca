"""A split keeps groups whole and shares out classes; what it writes is read again as it was."""

import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import variegate
from variegate import Options
from variegate.datasets.prepare.split import SplitChoice
from variegate.errors import InputError, UsageError
from variegate.formats import detect
from variegate.storage import open_storage

HERE = Options(workers=0)


def image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value % 256, np.uint8)).save(path)


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def made(source: Path, folder: Path, name: str = "split.csv", **choice) -> list[dict[str, str]]:
    variegate.split(source, csv=folder / name, choice=SplitChoice(**choice))
    return listed(folder / name)


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """300 images of two classes and of 60 patients, whom a table names."""
    folder = tmp_path / "scans"
    rows = []
    for number in range(300):
        patient = number % 60
        name = f"{'ill' if patient % 3 else 'well'}/{number:03}.png"
        image(folder / name, number)
        rows.append((name, f"p{patient}"))
    text = "".join(f"{name},{patient}\n" for name, patient in rows)
    (folder / "people.csv").write_text(f"path,patient_id\n{text}")
    return folder


def test_senders_stay_whole_and_classes_near_their_share(data_dir, tmp_path):
    place = data_dir / "clothing_classes"
    rows = made(place, tmp_path, group=("sender",))
    with (place / "images.csv").open(encoding="utf-8") as file:
        people = {row["path"]: row["sender_id"] for row in csv.DictReader(file)}
    assert {row["file"] for row in rows} == people.keys()
    parts = defaultdict(set)
    for row in rows:
        assert row["group"] == people[row["file"]]
        parts[row["group"]].add(row["split"])
    assert all(len(one) == 1 for one in parts.values())
    assert Counter(row["split"] for row in rows)["train"] == pytest.approx(0.7 * 172, abs=4)


@pytest.mark.parametrize(
    "rule", ["patient", "people.csv:patient_id", r"(?P<group>\d)\.png", "folder:1"]
)
def test_no_group_is_in_two_parts(patients, tmp_path, rule):
    rows = made(patients, tmp_path, group=(rule,), parts="50/50")
    parts = defaultdict(set)
    for row in rows:
        parts[row["group"]].add(row["split"])
    assert len(parts) == {"folder:1": 2, r"(?P<group>\d)\.png": 10}.get(rule, 60)
    assert all(len(one) == 1 for one in parts.values())


def test_groups_of_two_rules_that_share_an_image_are_one(tmp_path):
    # Chained: 0 and 1 by their folder, 1 and 2 by their number.
    for name in ("a/x1", "a/y2", "b/z2", "c/w3", "d/v4"):
        image(tmp_path / "in" / f"{name}.png")
    found, _ = variegate.split(
        tmp_path / "in", choice=SplitChoice(parts="50/50", group=("folder", r"(\d)\.png"))
    )
    assert (found.groups, found.largest) == (3, 3)


def test_exports_of_one_original_stay_together_without_being_asked(tmp_path):
    for number in range(12):
        for copy in range(3):
            digest = f"{number:04x}{copy:04x}" * 4
            image(tmp_path / "in" / f"{number}_jpg.rf.{digest}.jpg", number)
    rows = made(tmp_path / "in", tmp_path, parts="50/50")
    parts = defaultdict(set)
    for row in rows:
        parts[row["file"].partition(".")[0]].add(row["split"])
    assert [len(one) for one in parts.values()] == [1] * 12


def test_objects_are_shared_out_not_only_images(data_dir):
    found, _ = variegate.split(data_dir / "bccd_voc", choice=SplitChoice())
    assert found.images["train"] == pytest.approx(42, abs=1)
    for one in found.classes:
        total = sum(one.objects.values())
        assert one.objects["train"] / total == pytest.approx(0.7, abs=0.05)


def test_nothing_moves_after_more_images(patients, tmp_path):
    before = {row["file"]: row["split"] for row in made(patients, tmp_path, group=("patient",))}
    lines = (patients / "people.csv").read_text()
    for number in range(300, 330):
        name = f"ill/{number}.png"
        image(patients / name, number)
        # Ten new images are of somebody who is there, the others of new ones.
        lines += f"{name},p{number - 299 if number < 310 else number}\n"
    (patients / "people.csv").write_text(lines)
    found, _ = variegate.split(
        patients,
        csv=tmp_path / "new.csv",
        choice=SplitChoice(group=("patient",), keep=tmp_path / "split.csv", seed=9),
    )
    after = listed(tmp_path / "new.csv")
    assert len(after) == 330
    assert {row["file"]: row["split"] for row in after if row["file"] in before} == before
    parts = defaultdict(set)
    for row in after:
        parts[row["group"]].add(row["split"])
    assert all(len(one) == 1 for one in parts.values())
    assert found.kept == 310
    assert found.images["train"] == pytest.approx(231, abs=3)


def test_a_group_whose_images_are_gone_is_remembered(patients, tmp_path):
    before = {r["group"]: r["split"] for r in made(patients, tmp_path, group=("patient",))}
    someone = next(name for name, split in before.items() if split == "test")
    lines = (patients / "people.csv").read_text().splitlines()
    for line in lines[1:]:
        name, _, patient = line.partition(",")
        if patient == someone:
            (patients / name).rename(patients / name.replace(".png", "-again.png"))
    text = "\n".join(
        one.replace(".png", "-again.png") if one.endswith(f",{someone}") else one for one in lines
    )
    (patients / "people.csv").write_text(text)
    after = made(patients, tmp_path, "new.csv", group=("patient",), keep=tmp_path / "split.csv")
    assert {row["split"] for row in after if row["group"] == someone} == {"test"}


def test_the_splits_that_are_there_are_kept(data_dir, tmp_path):
    rows = made(data_dir / "bccd_voc", tmp_path, keep="given")
    assert Counter(row["split"] for row in rows) == {"train": 35, "val": 13, "test": 12}


def test_folds_are_equal_and_one_becomes_val(patients, tmp_path):
    choice = SplitChoice(folds=5, fold=2, group=("patient",))
    output = tmp_path / "out"
    variegate.split(patients, output, csv=tmp_path / "folds.csv", choice=choice, options=HERE)
    rows = listed(tmp_path / "folds.csv")
    assert Counter(row["split"] for row in rows) == {f"fold{n}": 60 for n in range(1, 6)}
    assert detect(open_storage(output)).images == {"train": 240, "val": 60}


@pytest.mark.parametrize("name", ["bccd_voc", "nuclei_instances", "sign_digits"])
def test_the_dataset_is_organized_in_its_own_format(data_dir, tmp_path, name):
    output = tmp_path / "out"
    found, summary = variegate.split(data_dir / name, output, options=HERE)
    again = detect(open_storage(output))
    assert again.name == found.format
    assert dict(again.images) == found.images
    before, after = variegate.inspect(data_dir / name), variegate.inspect(output)
    assert after.objects == before.objects
    assert {k: v.images for k, v in after.classes.items()} == {
        k: v.images for k, v in before.classes.items()
    }
    assert variegate.verify(output).ok
    # A file that is lost is made again in the part where it was.
    lost = next(
        path for path in sorted((output).rglob("*")) if path.suffix in (".jpg", ".png", ".JPG")
    )
    data = lost.read_bytes()
    lost.unlink()
    variegate.rebuild(output, lost.relative_to(output).as_posix())
    assert lost.read_bytes() == data
    assert summary is not None


def test_augment_takes_the_result(data_dir, tmp_path):
    variegate.split(data_dir / "sign_digits", tmp_path / "parts", options=HERE)
    recipe = variegate.Recipe.from_data({"variants": {"sample": {"steps": ["flip"], "n": 2}}})
    summary = variegate.augment(tmp_path / "parts", tmp_path / "more", recipe=recipe, options=HERE)
    assert (summary.counts.augmented, summary.counts.copied) == (84, 36)


def test_names_of_any_kind_come_back(tmp_path):
    names = ("=1+2", "a,b", 'q"u', "ü", "back\\slash", "new\nline", "-5")
    for name in names:
        for number in range(3):
            image(tmp_path / "in" / name / f"{name}{number}.png", number)
    before = {r["file"]: r["split"] for r in made(tmp_path / "in", tmp_path)}
    after = made(tmp_path / "in", tmp_path, "again.csv", keep=tmp_path / "split.csv", seed=4)
    assert {r["file"]: r["split"] for r in after} == before
    assert "\n=" not in (tmp_path / "split.csv").read_text()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"group": ("folder",)}, "2 groups cannot fill 3 parts"),
        ({"parts": "70/20"}, "sum is 100 or 1"),
        ({"parts": "70/x"}, "expected shares such as"),
        ({"group": ("camera",)}, "no such column: people.csv has 'path', 'patient_id'"),
        ({"group": ("[(",)}, "not a regular expression"),
        ({"group": ("a.csv:b",)}, "there is no file 'a.csv'"),
        ({"keep": "given"}, "has no splits"),
        ({"keep": "nothing.csv"}, "there is no such file"),
        ({"folds": 5, "fold": 6}, "expected 1 to 5"),
        ({"fold": 1}, "expected with --folds"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(patients, choice, words):
    with pytest.raises(UsageError) as caught:
        variegate.split(patients, choice=SplitChoice(**choice))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_image_has_one_group(patients):
    with (patients / "people.csv").open("a") as file:
        file.write("ill/001.png,p7\n")
    with pytest.raises(InputError, match=r"people.csv:302: 'ill/001.png' has patient_id 'p7' here"):
        variegate.split(patients, choice=SplitChoice(group=("patient",)))


def test_an_old_part_must_be_among_the_new_ones(patients, tmp_path):
    made(patients, tmp_path)
    with pytest.raises(UsageError, match="has images in test, and the parts are train, val"):
        variegate.split(patients, choice=SplitChoice(parts="70/30", keep=tmp_path / "split.csv"))


def test_a_zip_file_is_split_as_its_folder(patients, tmp_path):
    shutil.make_archive(str(tmp_path / "packed"), "zip", patients)
    one = made(patients, tmp_path, group=("patient",))
    two = made(tmp_path / "packed.zip", tmp_path, "zip.csv", group=("patient",))
    assert one == two


def test_the_command_shows_how_far_off_a_class_is(patients, run):
    result = run("split", patients, "--group", r"(\d)\.png", "--dry-run", "--parts", "55/45")
    assert result.exit_code == 0, result.stderr
    assert "furthest off is" in result.stdout
    data = json.loads(run("split", patients, "--group", "patient", "--dry-run", "--json").stdout)
    assert data["groups"] == 60
    assert sum(data["images"].values()) == 300
    assert run("split", patients).exit_code == 2
