"""What is made of a dataset with splits: refused where an image stands on two sides of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import variegate
from variegate import Options
from variegate.datasets.prepare import guard
from variegate.datasets.prepare.guard import quick_leaks
from variegate.errors import InputError
from variegate.formats import Source, detect
from variegate.storage import Snapshot, open_storage

_HERE = Options(workers=0)


def noise(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    for number in range(8):
        split = ("train", "train", "val", "test")[number % 4]
        path = folder / split / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(path)
    return folder


def leak_bytes(folder: Path) -> None:
    shutil.copy(folder / "train/cat/0.png", folder / "test/cat/other name.png")


def leak_export(folder: Path) -> None:
    noise(50).save(folder / "train/cat/7_jpg.rf.0123456789abcdef.png")
    noise(51).save(folder / "val/cat/7_jpg.rf.fedcba9876543210.png")


def test_a_clean_set_is_augmented_and_nothing_is_noted(clean, tmp_path):
    summary = variegate.augment(clean, tmp_path / "out", options=_HERE)
    assert not [one for one in summary.notes if "splits" in one]
    record = json.loads((tmp_path / "out/.variegate/job.json").read_text())
    assert guard.ALLOWED not in record["options"]


@pytest.mark.parametrize(
    ("leak", "names"),
    [
        (leak_bytes, ("test/cat/other name.png (test)", "train/cat/0.png (train)")),
        (leak_export, ("train/cat/7_jpg.rf.0123456789abcdef.png (train)", "(of one original)")),
    ],
)
def test_a_leak_is_refused_before_anything_is_written(clean, tmp_path, leak, names):
    leak(clean)
    with pytest.raises(InputError) as caught:
        variegate.augment(clean, tmp_path / "out", options=_HERE)
    text = str(caught.value)
    assert all(one in text for one in (*names, "--allow-leaks", "variegate leaks"))
    assert not (tmp_path / "out").exists()


def test_an_accepted_leak_is_noted_and_recorded_and_changes_no_byte(clean, tmp_path):
    leak_bytes(clean)
    out = tmp_path / "out"
    first = variegate.augment(clean, out, options=_HERE, allow_leaks=True)
    (note,) = (one for one in first.notes if "--allow-leaks" in one)
    assert "1 image stands in two splits" in note
    assert json.loads((out / ".variegate/job.json").read_text())["options"][guard.ALLOWED]
    # Corrected: the same output follows without the option.
    (clean / "test/cat/other name.png").unlink()
    follows = Options(workers=0, update=True, prune=True)
    second = variegate.augment(clean, out, options=follows)
    assert not [one for one in second.notes if "--allow-leaks" in one]
    fresh = variegate.augment(clean, tmp_path / "fresh", options=_HERE)
    assert second.digest == fresh.digest


def test_the_command_has_the_option(clean, tmp_path, run):
    leak_bytes(clean)
    refused = run("augment", clean, tmp_path / "out", "--workers", 0)
    assert refused.exit_code == 2
    told = run("augment", clean, tmp_path / "out", "--workers", 0, "--allow-leaks")
    assert told.exit_code == 0
    assert "accepted" in told.output


def test_copies_on_one_side_and_outside_all_sides_are_no_leaks(clean):
    shutil.copy(clean / "train/cat/0.png", clean / "train/cat/a.png")
    storage = open_storage(clean)
    with Snapshot(storage) as seen:
        sources = list(detect(seen).sources(seen))
    # Two exports in two classes are two originals.
    sources += [
        Source("train/a/7_jpg.rf.0123456789.png", 5, split="train", label="a"),
        Source("val/b/7_jpg.rf.1234567890.png", 6, split="val", label="b"),
    ]
    assert not quick_leaks(sources, storage).found


def test_no_more_files_are_read_than_may_be_and_the_rest_is_told(clean, tmp_path, monkeypatch):
    for number, split in enumerate(("train", "val", "train", "val")):
        (clean / split / "cat" / f"same size {number}.bmp").write_bytes(b"x" * 99 + b"%d" % number)
    leak_bytes(clean)
    monkeypatch.setattr(guard, "_MOST_READ", 3)
    storage = open_storage(clean)
    with Snapshot(storage) as seen:
        found = quick_leaks(detect(seen).sources(seen), storage)
    assert found.not_compared >= 4


@pytest.mark.parametrize("name", ["clothing_classes", "coco_mini", "sign_digits", "bccd_voc"])
def test_no_real_dataset_is_refused_falsely(data_dir, name):
    storage = open_storage(data_dir / name)
    with Snapshot(storage) as seen:
        found = quick_leaks(detect(seen).sources(seen), storage)
    assert not found.found
    assert not found.not_compared
