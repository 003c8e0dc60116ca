"""Annotations are in the digest of an output, in whatever file a format keeps them."""

import json
import re
import shutil

import pytest
from PIL import Image

from variegate import Options, augment, convert, rebuild, verify
from variegate.datasets.convert import targets
from variegate.storage import open_storage

ALONE = Options(workers=0)
# Formats in which a box is nothing that could be told: there, a class is another one.
WITHOUT_BOXES = {"classes", "csv", "flat"}


def base(data_dir, folder, *, moved, points=False):
    """Write a small COCO set of boxes, masks and classes; one box and one class may be others."""
    (folder / "images").mkdir(parents=True)
    source = data_dir / "coco_mini/images/val2017"
    names = sorted(path.name for path in source.glob("*.jpg"))[:3]
    images, annotations, number = [], [], 0
    for index, name in enumerate(names):
        shutil.copy(source / name, folder / "images" / name)
        image = {"id": index, "file_name": f"images/{name}", "width": 0, "height": 0}
        with Image.open(source / name) as opened:
            image["width"], image["height"] = opened.size
        images.append(image)
        for x in (20, 90):
            number += 1
            left = x + (7 if moved and number == 3 else 0)
            ring = [left, 30, left + 40, 30, left + 40, 70, left, 70]
            annotations.append(
                {
                    "id": number,
                    "image_id": index,
                    "category_id": 1,
                    "bbox": [left, 30, 40, 40],
                    "area": 1600,
                    "segmentation": [ring],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    if points:
        categories[0]["keypoints"] = ["nose"]
        for one in annotations:
            one["keypoints"] = [one["bbox"][0] + 9, 40, 2]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(data))
    return folder


def labelled(data_dir, folder, *, moved, points=False):
    """Write a table of classes, of which one may be another."""
    folder.mkdir(parents=True)
    source = data_dir / "coco_mini/images/val2017"
    names = sorted(path.name for path in source.glob("*.jpg"))[:3]
    for name in names:
        shutil.copy(source / name, folder / name)
    classes = ["cat", "dog", "dog" if moved else "cat"]
    rows = [f"{name},{label}" for name, label in zip(names, classes, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    return folder


@pytest.mark.parametrize("name", targets())
def test_other_annotations_give_another_digest(name, data_dir, tmp_path):
    if name == "unlabelled":
        pytest.skip("it holds no annotation")
    make = labelled if name in WITHOUT_BOXES else base
    digests = {}
    for moved in (False, True):
        there = tmp_path / str(moved)
        converted = convert(
            make(data_dir, there / "raw", moved=moved, points=name == "deeplabcut"),
            there / "set",
            to=name,
            allow_loss=True,
            options=ALONE,
        )
        summary = augment(there / "set", there / "out", recipe="workshop", options=ALONE)
        digests[moved] = converted.digest, summary.digest
        assert verify(there / "out").digest == summary.digest
    assert digests[False][0] != digests[True][0]
    assert digests[False][1] != digests[True][1]


@pytest.mark.parametrize("name", ["coco", "csv-boxes", "imagefolder", "csv"])
def test_one_changed_number_in_an_index_file_is_found(name, data_dir, tmp_path):
    make = labelled if name in WITHOUT_BOXES else base
    raw = make(data_dir, tmp_path / "raw", moved=False)
    convert(raw, tmp_path / "set", to=name, allow_loss=True, options=ALONE)
    augment(tmp_path / "set", tmp_path / "out", recipe="workshop", options=ALONE)
    index = json.loads((tmp_path / "out/.variegate/index.json").read_text())
    assert index
    path = tmp_path / "out" / next(iter(index))
    text = path.read_text()
    place = list(re.finditer(r"\d(?=\D*$)", text))[-1].start()
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    found = verify(tmp_path / "out")
    assert (found.changed, found.missing, found.unknown) == (1, 0, 0)
    assert [problem.key for problem in found.problems] == [next(iter(index))]


def test_the_digest_does_not_depend_on_workers(data_dir, tmp_path):
    raw = base(data_dir, tmp_path / "raw", moved=False)
    digests = {
        augment(
            raw, tmp_path / str(workers), recipe="workshop", options=Options(workers=workers)
        ).digest
        for workers in (0, 1, 2)
    }
    assert len(digests) == 1


def test_what_an_index_says_is_made_again_for_every_image(data_dir, tmp_path):
    raw = base(data_dir, tmp_path / "raw", moved=False)
    augment(raw, tmp_path / "out", recipe="workshop", options=ALONE)
    storage = open_storage(tmp_path / "out")
    key = next(entry.key for entry in storage.list() if entry.key.endswith(".jpg"))
    before = storage.read(key)
    assert rebuild(tmp_path / "out", key) == before
