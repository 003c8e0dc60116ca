"""What was audited before is recognised by its index alone: its files are gone."""

import csv
import json
import shutil

import cv2
import pytest

from variegate import Options
from variegate.datasets.prepare.audit import IMAGES, KNOWN, audit
from variegate.datasets.prepare.index import INDEX
from variegate.datasets.prepare.leaks import leaks
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.errors import InputError, RecipeError, UsageError

_HERE = Options(workers=0)
PHOTOS = 5


@pytest.fixture(scope="module")
def index(data_dir, tmp_path_factory):
    """The index of some photos, which are deleted; and other files made of them, with strangers."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "old").mkdir()
    (folder / "new").mkdir()
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))
    chosen = paths[:: len(paths) // PHOTOS][:PHOTOS]
    for number, path in enumerate(chosen):
        shutil.copy(path, folder / "old" / f"{number}.jpg")
        shutil.copy(paths[paths.index(path) + 3], folder / "new" / f"stranger {number}.jpg")
    new = folder / "new"
    shutil.copy(chosen[0], new / "bytes.jpg")
    photos = [cv2.imread(str(path)) for path in chosen]
    (folder / "old" / "1.jpg").unlink()
    cv2.imwrite(str(folder / "old" / "1.png"), photos[1])
    cv2.imwrite(str(new / "pixels.png"), photos[1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    cv2.imwrite(str(new / "pixels of a JPEG.png"), photos[2])
    half = cv2.resize(photos[2], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(new / "copy.jpg"), half)
    cv2.imwrite(str(new / "mirrored.jpg"), cv2.flip(photos[3], 1))
    height, width = photos[4].shape[:2]
    part = photos[4][: int(height * 0.75), int(width * 0.2) : int(width * 0.95)]
    cv2.imwrite(str(new / "part.jpg"), part)
    audit(folder / "old", folder / "audited", options=_HERE)
    shutil.rmtree(folder / "old")
    return folder


@pytest.fixture(scope="module")
def known(index):
    found = audit(index / "new", index / "out", options=_HERE, against=index / "audited" / INDEX)
    lines = (index / "out" / KNOWN).read_text().splitlines()
    return found, [json.loads(line) for line in lines]


def test_every_planted_one_is_found_by_its_grade_and_no_stranger(known):
    found, lines = known
    assert {one["key"]: (one["known"], one["grade"]) for one in lines} == {
        "bytes.jpg": ("0.jpg", "bytes"),
        "pixels.png": ("1.png", "pixels"),
        # Of JPEG files no index knows all pixels.
        "pixels of a JPEG.png": ("2.jpg", "copy"),
        "copy.jpg": ("2.jpg", "copy"),
        "mirrored.jpg": ("3.jpg", "edit"),
        "part.jpg": ("4.jpg", "edit"),
    }
    assert {grade: one.images for grade, one in found.against.found.items()} == {
        "bytes": 1,
        "pixels": 1,
        "copy": 2,
        "edit": 2,
        "again": 0,
    }
    assert found.against.images == PHOTOS


def test_relations_are_told_as_from_the_files(known):
    by_key = {one["key"]: one for one in known[1]}
    assert "at half size" in by_key["copy.jpg"]["sentence"]
    assert by_key["mirrored.jpg"]["mirrored"]
    assert by_key["part.jpg"]["part"][1] <= 2


def test_an_index_takes_few_bytes_and_names_no_camera(index, data_dir, tmp_path):
    size = (index / "audited" / INDEX).stat().st_size
    assert size / PHOTOS < 12_000
    audit(data_dir / "exif_orientation", tmp_path / "out", keep_exif=True, options=_HERE)
    assert '"camera"' not in (tmp_path / "out" / INDEX).read_text()
    assert '"small"' not in (tmp_path / "out" / IMAGES).read_text()


def test_the_folder_names_its_index_and_workers_change_nothing(index, known, tmp_path):
    options = Options(workers=2, shard_size=3)
    audit(index / "new", tmp_path / "out", options=options, against=index / "audited")
    for name in (KNOWN, INDEX):
        assert (tmp_path / "out" / name).read_bytes() == (index / "out" / name).read_bytes()


def test_without_an_index_no_list_is_left(index, known, tmp_path):
    shutil.copytree(index / "out", tmp_path / "out")
    assert audit(index / "new", tmp_path / "out", options=_HERE).against is None
    assert not (tmp_path / "out" / KNOWN).exists()


def test_what_is_no_index_is_named(index, tmp_path):
    new = index / "new"
    with pytest.raises(InputError, match=r"there is no prepare\.index; variegate audit writes"):
        audit(new, tmp_path / "a", options=_HERE, against=new)
    other = tmp_path / INDEX
    text = (index / "audited" / INDEX).read_text()
    for damaged, words in (
        ("hello", "damaged"),
        (text[: len(text) // 2], "damaged"),
        ("\n".join(text.splitlines()[:-1]) + "\n", "ends early, after 4 of 5"),
        (text.replace('"variegate_index":3', '"variegate_index":9'), "another version"),
        ("[]\n", "damaged"),
    ):
        other.write_text(damaged)
        with pytest.raises(InputError, match=words):
            audit(new, tmp_path / "b", options=_HERE, against=other)
    assert not (tmp_path / "b").exists()


def test_the_command_tells_what_is_known(index, tmp_path, run):
    told = run(
        *("audit", index / "new", tmp_path / "out", "--workers", 0),
        *("--against", index / "audited"),
    )
    assert told.exit_code == 0
    assert "known already: 6 images" in told.output
    assert "Known already" in (tmp_path / "out/audit.html").read_text()


def test_prepare_leaves_out_what_an_index_knows_and_can_be_told_otherwise(index, tmp_path):
    new, clean = index / "new", tmp_path / "clean"
    account = prepare_dataset(new, clean, options=_HERE, against=index / "audited")
    kept = {path.stem for path in clean.glob("*.*g")}
    assert kept == {f"stranger {number}" for number in range(PHOTOS)}
    assert (account.inputs, account.kept) == (PHOTOS + 6, PHOTOS)
    assert account.duplicates + account.left_out == 6
    decisions = tmp_path / "clean.audit" / "decisions.csv"
    with decisions.open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert "1.png" in rows["pixels.png"]["reason"]
    assert {row["decision"] for key, row in rows.items() if key[:8] != "stranger"} == {"remove"}
    # A person wants one of them all the same.
    edited = tmp_path / "edited.csv"
    edited.write_text(
        "".join(
            line.replace(",remove,", ",keep,") if line.startswith("mirrored.jpg,") else line
            for line in decisions.read_text().splitlines(keepends=True)
        )
    )
    prepare_dataset(new, clean, options=_HERE, decisions=edited)
    assert {path.stem for path in clean.glob("*.*g")} == kept | {"mirrored"}
    with pytest.raises(RecipeError, match="--against: it proposes decisions"):
        prepare_dataset(new, clean, options=_HERE, decisions=edited, against=index / "audited")


@pytest.mark.parametrize("place", ["audited", f"audited/{INDEX}"])
def test_leaks_says_who_compares_with_an_index(index, place):
    with pytest.raises(UsageError, match=r"variegate audit .* --against .* finds what both have"):
        leaks(index / "new", against=index / place)
