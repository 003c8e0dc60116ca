"""Annotations move along when a heap is prepared, in whatever format they stand."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate import Options, verify
from variegate.datasets.convert import convert
from variegate.datasets.prepare.prepare import Cleaning, prepare_dataset
from variegate.errors import InputError, OutputError
from variegate.formats import detect
from variegate.runs.rebuild import rebuild
from variegate.storage import open_storage
from variegate.testing.formats import described, draw_classes, draw_objects

INLINE = Options(workers=0)


def _sources(folder):
    storage = open_storage(folder)
    return [one for one in detect(storage).sources(storage) if one.seems_usable]


def _boxes(folder):
    """Return the boxes of every image, in parts of its sides."""
    found = []
    for one in _sources(folder):
        with Image.open(folder / one.key) as image:
            sides = np.tile(image.size, 2)
        objects = one.annotation.objects if one.annotation else ()
        found.append(sorted((o.category, *np.divide(o.box, sides)) for o in objects))
    return sorted(found)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_objects(tmp_path_factory.mktemp("drawn") / "coco")


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "csv-boxes", "imagefolder"])
def test_boxes_follow_images_that_are_reduced_and_renamed(drawn, tmp_path, to):
    heap = tmp_path / "heap"
    convert(drawn, heap, to=to, allow_loss=True, options=INLINE)
    cleaning = Cleaning(names="numbered", kind="jpeg", longest_side=64)
    found = prepare_dataset(heap, tmp_path / "clean", cleaning=cleaning, options=INLINE)
    assert (found.kept, found.as_they_were) == (10, 0)
    before, after = _boxes(heap), _boxes(tmp_path / "clean")
    assert [[one[0] for one in image] for image in before] == [
        [one[0] for one in image] for image in after
    ]
    for first, second in zip(before, after, strict=True):
        # Some formats round to whole pixels: of 64 x 48.
        assert np.allclose([one[1:] for one in first], [one[1:] for one in second], atol=1.5 / 48)
    assert verify(tmp_path / "clean").ok


@pytest.mark.parametrize("to", ["labelme", "masks", "instance-masks", "object-masks", "webdataset"])
def test_masks_and_shards_keep_what_they_say(drawn, tmp_path, to):
    heap = tmp_path / "heap"
    convert(drawn, heap, to=to, allow_loss=True, options=INLINE)
    found = prepare_dataset(heap, tmp_path / "clean", options=INLINE)
    assert found.kept == 10
    known = [sorted(map(described, _sources(one))) for one in (heap, tmp_path / "clean")]
    assert known[0] == known[1]
    assert verify(tmp_path / "clean").ok


def test_boxes_are_turned_upright_with_their_image(tmp_path):
    heap = tmp_path / "heap"
    heap.mkdir()
    rng = np.random.default_rng(3)
    images, boxes = [], [(10, 20, 30, 12), (50, 5, 8, 40)]
    for number, orientation in enumerate((6, 1)):
        scene = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120))
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(scene).save(heap / f"{number}.jpg", quality=95, exif=exif)
        images.append({"id": number, "file_name": f"{number}.jpg", "width": 160, "height": 120})
    objects = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": box, "area": 1, "iscrowd": 0}
        for n, box in enumerate(boxes)
    ]
    data = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "thing"}]}
    (heap / "annotations.json").write_text(json.dumps(data))
    found = prepare_dataset(heap, tmp_path / "clean", options=INLINE)
    assert (found.kept, found.as_they_were) == (2, 1)
    turned, straight = _sources(tmp_path / "clean")
    x, y, width, height = boxes[0]
    # A quarter to the right: what was at the left is at the top, the bottom is at the left.
    assert np.allclose(turned.annotation.objects[0].box, (120 - y - height, x, 120 - y, x + width))
    x, y, width, height = boxes[1]
    assert np.allclose(straight.annotation.objects[0].box, (x, y, x + width, y + height))


def test_of_duplicates_the_annotated_one_stays(drawn, tmp_path):
    heap = tmp_path / "heap"
    shutil.copytree(drawn, heap)
    with Image.open(heap / "train" / "train-0.png") as image:
        image.save(heap / "train" / "a_smaller.png", optimize=True)
    path = heap / "train" / "_annotations.coco.json"
    data = json.loads(path.read_text())
    listed = next(one for one in data["images"] if one["file_name"] == "train-0.png")
    data["images"].append({**listed, "id": 999, "file_name": "a_smaller.png"})
    path.write_text(json.dumps(data))
    found = prepare_dataset(heap, tmp_path / "clean", options=INLINE)
    assert found.duplicates == 1
    assert (tmp_path / "clean/train/train-0.png").exists()
    assert not (tmp_path / "clean/train/a_smaller.png").exists()


def test_of_two_splits_the_test_set_stays(tmp_path):
    heap = draw_classes(tmp_path / "heap")
    shutil.move(heap / "val", heap / "test")
    (source,) = list((heap / "test").rglob("val0.png"))
    shutil.copy(source, heap / "train" / source.parent.name / "again.png")
    found = prepare_dataset(heap, tmp_path / "clean", options=INLINE)
    assert found.duplicates == 1
    assert (tmp_path / "clean" / source.relative_to(heap)).exists()
    assert not (tmp_path / "clean" / "train" / source.parent.name / "again.png").exists()


@pytest.mark.parametrize("to", ["csv", "flat", "imagefolder"])
def test_a_class_that_was_decided_is_written_where_the_format_has_it(tmp_path, to):
    heap, clean = tmp_path / "heap", tmp_path / "clean"
    convert(draw_classes(tmp_path / "drawn"), heap, to=to, options=INLINE)
    prepare_dataset(heap, clean, options=INLINE)
    table = tmp_path / "clean.audit" / "decisions.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["class"] for row in rows})
    changed = next(row for row in rows if row["class"] == classes[0])
    changed["class_decided"] = classes[1]
    with table.open("w", newline="") as file:
        out = csv.DictWriter(file, list(changed))
        out.writeheader()
        out.writerows(rows)
    before = [one.label for one in _sources(clean)]
    found = prepare_dataset(heap, clean, decisions=table, options=INLINE)
    after = [one.label for one in _sources(clean)]
    assert after.count(classes[1]) == before.count(classes[1]) + 1
    assert found.classes[classes[0]].kept == found.classes[classes[0]].found - 1
    assert verify(clean).ok
    key = _sources(clean)[0].key
    assert rebuild(clean, key, write=False) == open_storage(clean).read(key)


@pytest.mark.parametrize("packed", ["zip", "webdataset"])
def test_what_is_packed_is_not_changed_in_place(tmp_path, packed):
    heap, clean = draw_classes(tmp_path / "heap"), tmp_path / "clean"
    if packed == "webdataset":
        convert(heap, tmp_path / "shards", to=packed, options=INLINE)
        heap = tmp_path / "shards"
    else:
        clean = tmp_path / "clean.zip"
    prepare_dataset(heap, clean, options=INLINE)
    table = tmp_path / f"{clean.name}.audit" / "decisions.csv"
    table.write_text(table.read_text().replace(",keep,", ",remove,", 1))
    digest = verify(clean).digest
    with pytest.raises(OutputError, match="what is packed cannot follow"):
        prepare_dataset(heap, clean, decisions=table, options=INLINE)
    assert verify(clean).ok
    assert verify(clean).digest == digest


def test_a_class_for_images_that_have_none_is_refused_with_its_line(drawn, tmp_path):
    prepare_dataset(drawn, tmp_path / "clean", options=INLINE)
    table = tmp_path / "clean.audit" / "decisions.csv"
    lines = table.read_text().splitlines()
    category = next(o.category for one in _sources(drawn) for o in one.annotation.objects)
    lines[1] = lines[1].replace(",keep,,", f",keep,{category},")
    table.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"line 2: .*cannot give it to this image"):
        prepare_dataset(drawn, tmp_path / "clean", decisions=table, options=INLINE)
