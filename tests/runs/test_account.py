"""Every image and object of the input is accounted for, as other parsers count them."""

import csv
import json
import shutil
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

import jobs
from variegate import Options, augment, read_manifest, verify
from variegate.annotations.checks import objects_left_out
from variegate.errors import InputError
from variegate.runs.rows import Row


def voc_objects(folder: Path) -> int:
    return sum(len(ET.parse(path).findall("object")) for path in folder.rglob("*.xml"))


def coco_objects(folder: Path) -> int:
    return sum(len(COCO(path).getAnnIds()) for path in sorted(folder.rglob("*.json")))


def yolo_objects(folder: Path) -> int:
    texts = (path.read_text() for path in folder.rglob("labels/**/*.txt"))
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def labelme_objects(folder: Path) -> int:
    return sum(len(json.loads(path.read_text())["shapes"]) for path in folder.rglob("*.json"))


def lines_of_numbers(folder: Path) -> int:
    """Return how many lines of text files hold a class and a box, or eight corners."""
    lines = (
        line.split() for path in folder.rglob("*.txt") for line in path.read_text().splitlines()
    )
    return sum(len(words) > 4 and words[1].replace(".", "").isdigit() for words in lines)


def segments(folder: Path) -> int:
    files = [json.loads(path.read_text()) for path in folder.rglob("panoptic*.json")]
    return sum(len(one["segments_info"]) for data in files for one in data["annotations"])


def csv_objects(folder: Path) -> int:
    texts = (path.read_text().splitlines() for path in folder.rglob("*.csv"))
    return sum(len(list(csv.DictReader(text))) for text in texts)


@pytest.mark.parametrize(
    ("place", "name", "count"),
    [
        ("bccd_voc", "voc", voc_objects),
        ("coco_mini/keypoints", "coco", coco_objects),
        ("coco_mini", "yolo:object_detection", None),
        ("coco_mini", "yolo:instance_segmentation", None),
        ("annotation_formats/roboflow_dataset/coco", "coco", coco_objects),
        ("annotation_formats/roboflow_dataset/voc", "voc", voc_objects),
        ("annotation_formats/coco_dataset/mmdet_coco", "coco", coco_objects),
        ("annotation_formats/coco_dataset/coco_instances", "coco", coco_objects),
        ("annotation_formats/coco_dataset/coco_person_keypoints", "coco", coco_objects),
        ("annotation_formats/coco_dataset/coco_roboflow", "coco", coco_objects),
        ("annotation_formats/coco_dataset/coco_stuff", "coco", coco_objects),
        ("annotation_formats/coco_dataset/coco_panoptic", "coco", segments),
        ("annotation_formats/kaggle_dataset/relaxed_coco", "coco", coco_objects),
        ("annotation_formats/kaggle_dataset/relaxed_voc1", "voc", voc_objects),
        ("annotation_formats/kaggle_dataset/relaxed_voc2", "voc", voc_objects),
        ("annotation_formats/voc_dataset/voc_dataset3", "voc", voc_objects),
        ("annotation_formats/dota_dataset", "yolo", lines_of_numbers),
        ("annotation_formats/kaggle_dataset/relaxed_yolo", "yolo", lines_of_numbers),
        ("annotation_formats/roboflow_dataset/yolo", "yolo", lines_of_numbers),
        ("annotation_formats/roboflow_dataset/yolo_obb", "yolo", lines_of_numbers),
        ("annotation_formats/yolo_dataset/annotations", "yolo", lines_of_numbers),
        ("annotation_formats/yolo_dataset/labels", "yolo", lines_of_numbers),
        ("annotation_formats/yolo_dataset/strict", "yolo", lines_of_numbers),
        ("annotation_formats/vott_csv_dataset/dataset", "csv-boxes", csv_objects),
        ("field_cases/flat-segmentation", "coco", coco_objects),
        ("field_cases/labelme-rotation", "labelme", labelme_objects),
        ("field_cases/augment-hides-faults", "yolo", yolo_objects),
    ],
)
def test_objects_add_up(place, name, count, data_dir, tmp_path):
    source = data_dir / place
    expected = count(source) if count else yolo_objects(source / name.partition(":")[2])
    summary = augment(
        source,
        tmp_path / "out",
        recipe=jobs.recipe("variants: {each: [flip, {rotate: {angle_degrees: 40}}]}"),
        options=Options(workers=0, format=name),
        # Some of these miniatures show one image in all of their splits.
        allow_leaks=True,
    )
    counts = summary.counts
    assert expected > 0
    assert counts.objects_in == expected
    rows = [Row.from_fields(row) for row in read_manifest(tmp_path / "out").to_pylist()]
    outputs = [row for row in rows if row.output is not None]
    assert sum(row.objects or 0 for row in outputs) == (
        counts.objects_written + counts.objects_hidden
    )
    assert len({row.source for row in rows}) == counts.sources
    written = sum(len(json.loads(row.annotation or "{}").get("objects", ())) for row in outputs)
    assert counts.objects_written == written
    # The other way: what other parsers find in the files that were written.
    (tmp_path / "out/.variegate").rename(tmp_path / "records")
    below = "" if count else name.partition(":")[2]
    assert (count or yolo_objects)(tmp_path / "out" / below) == written > 0


def test_every_file_of_every_set_is_accounted_for(data_dir, tmp_path):
    root, tried = data_dir / "annotation_formats", 0
    for number, folder in enumerate(sorted(path for path in root.glob("*/*") if path.is_dir())):
        output = tmp_path / str(number)
        try:
            counts = augment(
                folder,
                output,
                recipe=jobs.recipe(jobs.TWO),
                options=Options(workers=0),
                allow_leaks=True,
            ).counts
        except InputError:
            continue  # no images, or a question to the user
        tried += 1
        files = sum(path.is_file() for path in folder.rglob("*"))
        total = counts.augmented + counts.copied + counts.quarantined + counts.skipped
        assert total == counts.sources == files, folder
        rows = read_manifest(output).to_pylist()
        assert len({row["source"] for row in rows}) == files, folder
        assert verify(output).ok
    assert tried > 40


def test_objects_of_quarantined_images_are_counted(data_dir, tmp_path):
    source = Path(shutil.copytree(data_dir / "bccd_voc", tmp_path / "in"))
    stem = (source / "ImageSets/Main/train.txt").read_text().split()[0]
    (broken,) = source.glob(f"JPEGImages/{stem}.*")
    broken.write_bytes(broken.read_bytes()[:2000])
    lost = voc_objects_of(source / f"Annotations/{broken.stem}.xml")
    counts = augment(
        source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0)
    ).counts
    assert (counts.quarantined, counts.objects_quarantined) == (1, lost)
    assert counts.objects_in == voc_objects(source)


def voc_objects_of(path: Path) -> int:
    return len(ET.parse(path).findall("object"))


def test_what_the_storage_refuses_is_an_input_too(tmp_path):
    jobs.draw_noise(tmp_path / "in/1.png")
    (tmp_path / "in/2.png").symlink_to(tmp_path / "nowhere.png")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(tmp_path / "in/1.png", "1.png")
        archive.write(tmp_path / "in/1.png", "../2.png")
    for name in ("in", "in.zip"):
        output = tmp_path / f"out-{name}"
        options = Options(workers=0)
        counts = augment(
            tmp_path / name, output, recipe=jobs.recipe(jobs.TWO), options=options
        ).counts
        assert (counts.augmented, counts.skipped, counts.sources) == (1, 1, 2)
        (row,) = read_manifest(output, where={"status": ["skipped"]}).to_pylist()
        assert row["key"].endswith("2.png")
        assert row["reason"]


@pytest.mark.parametrize("place", ["bccd_voc", "field_cases/augment-hides-faults"])
def test_strict_stops_before_anything_is_written(place, data_dir, tmp_path):
    options = Options(workers=0, strict=True)
    with pytest.raises(InputError, match="--strict: "):
        augment(data_dir / place, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("problem", "cost"),
    [
        ("a.txt:1: box with no area; object left out", 1),
        ("a.json: annotations[7]: 1,200 objects left out", 1200),
        ("a.txt:1: corners in the wrong order; exchanged", 0),
        ("a.json: keypoints left out", 0),
    ],
)
def test_a_problem_says_by_its_end_how_many_objects_it_costs(problem, cost):
    assert objects_left_out(problem) == cost


@pytest.mark.parametrize("distinct", [False, True])
def test_variants_that_are_the_same_are_counted_and_written_once_on_request(distinct, tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/1.png"), np.full((20, 20, 3), 90, np.uint8))
    jobs.draw_noise(tmp_path / "in/2.png")
    recipe = jobs.recipe(
        "variants: {each: [invert, {sequence: [flip, invert]}, {sequence: [invert, flip]}]}",
        distinct=distinct,
    )
    options = Options(workers=0)
    counts = augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=options).counts
    # A gray square is the same mirrored; of noise, the last two are the same.
    assert (counts.identical, counts.outputs) == (3, 3 if distinct else 6)
    rows = read_manifest(tmp_path / "out").to_pylist()
    assert [row["variant"] for row in rows if row["key"] == "1.png"] == (
        [0] if distinct else [0, 1, 2]
    )
    assert verify(tmp_path / "out").ok


def test_objects_of_images_that_are_missing_are_counted(tmp_path):
    source = tmp_path / "in"
    for number in (1, 2):
        jobs.draw_noise(source / f"{number}.png")
    box = {"category_id": 1, "bbox": [2, 3, 9, 8]}
    owners = (1, 2, 2, 3, 3, 7)  # 3 is listed but missing, 7 is not listed
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 32, "height": 24} for n in (1, 2, 3)
        ],
        "annotations": [{**box, "id": n, "image_id": one} for n, one in enumerate(owners)],
        "categories": [{"id": 1, "name": "cat"}],
    }
    for one in data["annotations"]:
        one["bbox"] = [one["id"], *box["bbox"][1:]]
    (source / "a.json").write_text(json.dumps(data))
    counts = augment(
        source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0)
    ).counts
    assert (counts.objects, counts.objects_left_out, counts.objects_in) == (3, 3, 6)
