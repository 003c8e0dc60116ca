"""A heap with planted defects and planted copies: found against planted, in known numbers."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate import Options
from variegate.datasets.prepare.audit import GROUPS, IMAGES, SUMMARY, audit
from variegate.errors import OutputError, RecipeError

PHOTOS = 6


def _lines(output, name):
    return [json.loads(line) for line in (output / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heap")
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[:: 172 // PHOTOS][:PHOTOS]
    for number, path in enumerate(paths):
        shutil.copy(path, folder / f"photo{number}.jpg")
    photos = [cv2.imread(str(path)) for path in paths]
    shutil.copy(paths[0], folder / "photo0 bytes.png")
    pixels = Image.open(paths[1]).convert("RGB")
    small = cv2.resize(photos[2], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "photo2 half.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(folder / "photo3 mirrored.jpg"), cv2.flip(photos[3], 1))
    height, width = photos[4].shape[:2]
    part = photos[4][: int(height * 0.7), int(width * 0.2) : int(width * 0.9)]
    cv2.imwrite(str(folder / "photo4 part.jpg"), part)
    pixels.save(folder / "photo1 pixels.bmp")
    cv2.imwrite(str(folder / "blank.png"), np.full((300, 300), 128, np.uint8))
    cv2.imwrite(str(folder / "blank too.png"), np.full((300, 310), 128, np.uint8))
    icon = np.zeros((32, 32, 3), np.uint8)
    cv2.circle(icon, (16, 16), 12, (0, 0, 255), -1)
    cv2.imwrite(str(folder / "icon.png"), icon)
    banner = np.full((100, 600, 3), 255, np.uint8)
    cv2.putText(banner, "NO IMAGE AVAILABLE", (10, 65), 0, 1.7, (0, 0, 0), 3)
    cv2.imwrite(str(folder / "banner.png"), banner)
    (folder / "cut.jpg").write_bytes(paths[5].read_bytes()[:4_000])
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def audited(heap, tmp_path_factory):
    output = tmp_path_factory.mktemp("audited") / "out"
    return audit(heap, output, options=Options(workers=0)), output


def test_everything_is_accounted_for(heap, audited):
    found, output = audited
    files = len(list(heap.iterdir()))
    assert found.images + found.quarantined + found.skipped == files
    assert (found.quarantined, found.skipped) == (1, 1)
    assert found.reasons == {"truncated JPEG": 1}
    lines = _lines(output, IMAGES)
    assert sorted(one["key"] for one in lines) == sorted(path.name for path in heap.iterdir())
    assert json.loads((output / SUMMARY).read_text())["images"] == found.images


def test_planted_copies_are_found_by_grade(audited):
    found, output = audited
    counts = {grade: one.images for grade, one in found.duplicates.items()}
    assert counts == {"bytes": 1, "pixels": 1, "copy": 1, "edit": 2, "again": 0}
    groups = _lines(output, GROUPS)
    assert found.groups == len(groups) == 5
    pairs = {}
    for group in groups:
        (member,) = group["members"]
        pairs[frozenset((group["representative"], member["key"]))] = member
    assert pairs[frozenset(("photo0.jpg", "photo0 bytes.png"))]["grade"] == "bytes"
    assert pairs[frozenset(("photo1.jpg", "photo1 pixels.bmp"))]["grade"] == "pixels"
    half = pairs[frozenset(("photo2.jpg", "photo2 half.jpg"))]
    assert half["sentence"] == "photo2 half.jpg is photo2.jpg at half size, JPEG quality 60"
    assert pairs[frozenset(("photo3.jpg", "photo3 mirrored.jpg"))]["mirrored"]
    assert pairs[frozenset(("photo4.jpg", "photo4 part.jpg"))]["part"][1] <= 1


def test_planted_defects_are_flagged(audited):
    found, output = audited
    flags = {one["key"]: one.get("flags", []) for one in _lines(output, IMAGES)}
    assert "blank" in flags["blank.png"]
    assert "icon-like" in flags["icon.png"]
    assert {"odd aspect", "text banner"} <= set(flags["banner.png"])
    assert flags["photo0 bytes.png"] == ["wrong extension"]
    assert found.flags["blank"] == 2
    assert found.flags["wrong extension"] == 1
    for number in range(PHOTOS):
        assert not {"blank", "icon-like", "text banner"} & set(flags[f"photo{number}.jpg"])


def test_other_thresholds_measure_nothing_again(heap, audited, tmp_path):
    _, output = audited
    copied = tmp_path / "out"
    shutil.copytree(output, copied)
    manifest = (copied / "manifest.parquet").read_bytes()
    found = audit(heap, copied, thresholds={"blurred": "1000000"}, options=Options(workers=0))
    assert found.flags["blurred"] >= PHOTOS
    assert found.thresholds["blurred"] == 1_000_000
    assert (copied / "manifest.parquet").read_bytes() == manifest


def test_workers_change_nothing(heap, audited, tmp_path):
    _, output = audited
    audit(heap, tmp_path / "out", options=Options(workers=2, shard_size=3))
    for name in (IMAGES, GROUPS):
        assert (tmp_path / "out" / name).read_bytes() == (output / name).read_bytes()


def test_a_zip_file_gives_the_same_as_its_folder(heap, audited, tmp_path):
    _, output = audited
    shutil.make_archive(str(tmp_path / "heap"), "zip", heap)
    audit(tmp_path / "heap.zip", tmp_path / "out", options=Options(workers=0))
    for name in (IMAGES, GROUPS):
        assert sorted(_lines(tmp_path / "out", name), key=str) == sorted(
            _lines(output, name), key=str
        )


def test_exif_is_kept_only_on_request(data_dir, tmp_path):
    hands = data_dir / "sign_digits"
    options = Options(workers=0, limit=5)
    audit(hands, tmp_path / "without", options=options)
    assert not any(
        "camera" in one or "taken" in one for one in _lines(tmp_path / "without", IMAGES)
    )
    audit(hands, tmp_path / "with", keep_exif=True, options=options)
    assert any("taken" in one for one in _lines(tmp_path / "with", IMAGES))


def test_components_photographed_again_are_grouped_and_none_is_a_duplicate(data_dir, tmp_path):
    # Every other resistor: 25 photos of a few parts.
    import zipfile

    with zipfile.ZipFile(next((data_dir / "electronic_components").glob("*.zip"))) as file:
        names = [name for name in file.namelist() if "resistor." in name][::2]
        file.extractall(tmp_path / "heap", names)
    found = audit(tmp_path / "heap", tmp_path / "out", options=Options(workers=0))
    assert found.images == 25
    assert found.groups == 0
    again = {grade: one.images for grade, one in found.duplicates.items()}["again"]
    assert again >= 5
    for group in _lines(tmp_path / "out", GROUPS):
        assert group["group"] == "again"


def test_a_threshold_that_is_none_is_named(heap, tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'blurred'"):
        audit(heap, tmp_path / "out", thresholds={"blured": "3"})
    with pytest.raises(RecipeError, match="expected a number, got 'much'"):
        audit(heap, tmp_path / "out", thresholds={"dark": "much"})


def test_tables_are_not_written_into_an_archive(heap, tmp_path):
    with pytest.raises(OutputError, match="name a folder or a bucket"):
        audit(heap, tmp_path / "out.zip")
