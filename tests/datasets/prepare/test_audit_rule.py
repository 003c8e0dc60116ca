"""What an audit found is a rule for splits and leaks, and a quick look reads it, too."""

import csv
import json
import shutil
import zipfile

import cv2
import pytest

import variegate
from variegate import Options
from variegate.datasets.prepare.audit import GROUPS, audit
from variegate.datasets.prepare.guard import quick_leaks
from variegate.datasets.prepare.leaks import LeakOptions, leaks
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.datasets.prepare.split import SplitChoice, split
from variegate.errors import InputError
from variegate.formats import detect
from variegate.storage import open_storage

# What all of them look at is made once, not once a worker.
pytestmark = pytest.mark.xdist_group("audit_rule")

ALONE = Options(workers=0)


@pytest.fixture(scope="module")
def parts(data_dir, tmp_path_factory):
    """Components of two classes, many of them photographed twice; one is there as a copy, too."""
    folder = tmp_path_factory.mktemp("parts") / "heap"
    with zipfile.ZipFile(next(data_dir.glob("electronic_components/*.zip"))) as file:
        names = sorted(file.namelist())
        resistors = [one for one in names if one.startswith("resistor.")][::2]
        for name in [*resistors, *[one for one in names if one.startswith("led.")][:8]]:
            place = folder / name.partition(".")[0] / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read(name))
    first = min(folder.glob("resistor/*.png"))
    cv2.imwrite(str(first.with_name("copy.jpg")), cv2.imread(str(first)))
    audit(folder, folder.with_name("audited"), options=ALONE)
    return folder


def _again(audited):
    lines = map(json.loads, (audited / GROUPS).read_text().splitlines())
    return [
        {one["representative"], *(member["key"] for member in one["members"])}
        for one in lines
        if one["group"] == "again"
    ]


def test_re_shots_stay_together_in_a_split_and_are_torn_apart_without(parts, tmp_path):
    audited = parts.with_name("audited")
    groups = _again(audited)
    assert len(groups) >= 5
    torn = {}
    for name, rules in (("with", (str(audited),)), ("without", ())):
        table = tmp_path / f"{name}.csv"
        report, _ = split(parts, csv=table, choice=SplitChoice(parts="60/40", group=rules))
        assert sum(report.images.values()) == len(list(parts.glob("*/*")))
        with table.open() as file:
            where = {row["file"]: row["split"] for row in csv.DictReader(file)}
        torn[name] = sum(len({where[key] for key in group}) > 1 for group in groups)
        found = leaks(parts, options=LeakOptions(group=[str(audited)], splits=table, workers=1))
        by_audit = found.grades[-1]
        assert (by_audit.count > 0) == (name == "without")
    assert torn["with"] == 0 < torn["without"]


def test_a_clean_dataset_and_its_split_are_followed_back_to_the_heap(parts, tmp_path):
    clean, audited = tmp_path / "clean", tmp_path / "clean.audit"
    account = prepare_dataset(parts, clean, options=ALONE)
    assert account.duplicates == 1
    choice = SplitChoice(parts="60/40", group=(str(audited),))
    split(clean, tmp_path / "out", choice=choice, options=ALONE)
    found = leaks(tmp_path / "out", options=LeakOptions(group=[str(audited)], workers=1))
    assert found.leaks == 0
    assert not any("was it audited" in note for note in found.notes)
    split(clean, tmp_path / "apart", choice=SplitChoice(parts="60/40"), options=ALONE)
    found = leaks(tmp_path / "apart", options=LeakOptions(group=[str(audited)], workers=1))
    assert found.grades[-1].count > 0
    assert "photographed again" in found.grades[-1].rule


def test_a_folder_of_another_audit_is_told(parts, data_dir, tmp_path):
    table = tmp_path / "split.csv"
    split(data_dir / "sign_digits", csv=table, choice=SplitChoice(parts="50/50"))
    found = leaks(
        data_dir / "sign_digits",
        options=LeakOptions(group=[str(parts.with_name("audited"))], splits=table, workers=1),
    )
    assert any("was it audited" in note for note in found.notes)


def _parted(folder, data_dir):
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[:40:8]
    for number, path in enumerate(paths):
        place = folder / ("train" if number % 2 else "val") / "a" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return paths


def test_the_quick_look_reads_an_audit_beside_the_dataset(data_dir, tmp_path):
    place = tmp_path / "set"
    paths = _parted(place, data_dir)
    photo = cv2.flip(cv2.imread(str(paths[0])), 1)
    cv2.imwrite(str(place / "train" / "a" / "mirrored.jpg"), photo)
    storage = open_storage(place)
    assert not quick_leaks(detect(storage).sources(storage), storage).found
    audit(place, tmp_path / "set.audit", options=ALONE)
    found = quick_leaks(detect(storage).sources(storage), storage)
    assert (found.copies, found.same, found.again) == (1, 0, 0)
    assert "mirrored.jpg (train)" in found.words()
    recipe = variegate.Recipe.from_data({"variants": {"flip": {}}})
    with pytest.raises(InputError, match=r"1 group of copies \(by its audit\) stands in two"):
        variegate.augment(place, tmp_path / "out", recipe=recipe, options=ALONE)


def test_damaged_groups_are_named(parts, tmp_path):
    shutil.copytree(parts.with_name("audited"), tmp_path / "audited")
    (tmp_path / "audited" / GROUPS).write_text("{}\n")
    with pytest.raises(InputError, match=r"groups\.jsonl: damaged"):
        split(parts, csv=tmp_path / "a.csv", choice=SplitChoice(group=(str(tmp_path / "audited"),)))
