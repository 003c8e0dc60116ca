"""YOLO: what is read from real sets and all its dialects, and that it is written as it came."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from variegate.annotations.annotation import Annotation, Object, Skeleton
from variegate.annotations.checks import Problems
from variegate.codecs import encode
from variegate.errors import OutputError
from variegate.formats import Item, detect, writer_from_json, writer_to_json
from variegate.formats.flat import NAME_RULES
from variegate.formats.scan import survey
from variegate.formats.writer import DatasetInfo
from variegate.formats.yolo.format import Yolo
from variegate.formats.yolo.lines import Grammar
from variegate.formats.yolo.numbers import edge_texts, edges, pixels, ratio, share_text
from variegate.formats.yolo.text import joined, write_line
from variegate.formats.yolo.writer import YoloWriter
from variegate.storage import open_storage

IMAGE = encode(np.full((20, 40, 3), 90, np.uint8), format="jpeg")


def images(dataset_format, storage):
    assert dataset_format.name == "yolo"
    return {
        s.key: s for s in dataset_format.sources(storage) if s.annotation is not None or s.unusable
    }


def write_again(dataset_format, source, target):
    """Write what is read from `source` to the folder `target`; return that as a storage."""
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(dataset_format.writer()))))
    assert writer == dataset_format.writer()
    out = open_storage(target, create=True)
    items = []
    for one in images(dataset_format, source).values():
        out.write(one.key, source.read(one.key))
        with source.open_read(one.key) as file, Image.open(file) as image:
            size = image.height, image.width
        items.append(
            Item(key=one.key, split=one.split, label=None, size=size, annotation=one.annotation)
        )
        for name, data in writer.sidecars(items[-1]):
            out.write(name, data)
    writer.write_index(out, iter(items))
    return out


@pytest.fixture
def make(tmp_path):
    """Make a set: keys extension in .jpg hold an image of 40 x 20, the others text."""

    def make_set(*keys, **files):
        for key, data in {**dict.fromkeys(keys, IMAGE), **files.pop("files", {})}.items():
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path / "set")

    return make_set


# ---- real sets


def recognised(storage, *, labels=None):
    seen = replace(survey(storage, NAME_RULES), labels=labels)
    return Yolo.recognise(seen, storage, chosen=True)


CASES = [
    # folder, labels, description, objects by class, files
    (
        "coco_mini",
        "object_detection",
        "YOLO boxes: 80 classes, 24 images, split (train 12, val 12)",
        {"person": 41, "knife": 6, "bottle": 5, "traffic light": 5},
        129,
    ),
    (
        "coco_mini",
        None,
        "YOLO polygons: 80 classes, 24 images, split (train 12, val 12)",
        {"person": 41, "knife": 6, "bottle": 5, "traffic light": 5},
        129,
    ),
    (
        "annotation_formats/roboflow_dataset/yolo",
        None,
        "YOLO boxes: 2 classes, 3 images, split (train 2, val 1)",
        {"label_0": 2, "label_1": 2},
        4,
    ),
    (
        "annotation_formats/roboflow_dataset/yolo_obb",
        None,
        "DOTA oriented boxes: 2 classes, 3 images, split (train 2, val 1)",
        {"label_0": 2, "label_1": 2},
        4,
    ),
    (
        "annotation_formats/yolo_dataset/labels",
        None,
        "YOLO boxes: 10 classes, 2 images, split (train 1, val 1)",
        {"label_2": 2, "label_4": 2},
        4,
    ),
    (
        "annotation_formats/yolo_dataset/annotations",
        None,
        "YOLO boxes: 10 classes, 1 image, no splits (all of it is treated as training data)",
        {"label_2": 1, "label_4": 1},
        2,
    ),
    (
        "annotation_formats/yolo_dataset/strict",
        None,
        "YOLO boxes: 10 classes, 1 image, split (train 1)",
        {"label_2": 1, "label_4": 1},
        2,
    ),
    (
        "annotation_formats/dota_dataset",
        None,
        "DOTA oriented boxes: 2 classes, 3 images, split (train 2, val 1)",
        {"label_0": 2, "label_1": 2},
        4,
    ),
]


@pytest.mark.parametrize(("folder", "labels", "description", "classes", "objects"), CASES)
def test_real_sets_are_read(data_dir, folder, labels, description, classes, objects):
    storage = open_storage(data_dir / folder)
    dataset_format = recognised(storage, labels=labels)
    assert dataset_format.description == description
    found = images(dataset_format, storage)
    assert not any(s.problems or s.unusable for s in found.values())
    counts = Counter(o.category for s in found.values() for o in s.annotation.objects)
    assert counts.total() == objects
    assert {name: counts[name] for name in classes} == classes


@pytest.mark.parametrize(("folder", "labels"), [case[:2] for case in CASES])
def test_what_is_written_is_read_as_the_same(data_dir, tmp_path, folder, labels):
    storage = open_storage(data_dir / folder)
    dataset_format = recognised(storage, labels=labels)
    out = write_again(dataset_format, storage, tmp_path)
    again = recognised(out)
    assert again.classes == dataset_format.classes
    assert again.description == dataset_format.description
    before, after = images(dataset_format, storage), images(again, out)
    assert {key: (s.split, s.annotation) for key, s in after.items()} == {
        key: (s.split, s.annotation) for key, s in before.items()
    }


@pytest.mark.parametrize(("folder", "labels", "objects"), [(*c[:2], c[4]) for c in CASES])
def test_the_same_numbers_come_out_as_went_in(data_dir, tmp_path, folder, labels, objects):
    storage = open_storage(data_dir / folder)
    out = write_again(recognised(storage, labels=labels), storage, tmp_path)
    texts = [e.key for e in out.list() if _is_labels(e.key)]
    total = 0
    for key in texts:
        lines = [
            [[word if word.startswith("label") else float(word) for word in line.split()]
             for line in place.read(key).decode().splitlines()]
            for place in (storage, out)
        ]  # fmt: skip
        assert lines[0] == lines[1]
        total += len(lines[0])
    assert total == objects


def test_boxes_are_those_that_another_reader_finds(data_dir):
    storage = open_storage(data_dir / "coco_mini")
    dataset_format = recognised(storage, labels="object_detection")
    names = yaml.safe_load((data_dir / "coco_mini/object_detection/config.yaml").read_text())
    seen = 0
    for key, source in images(dataset_format, storage).items():
        place = data_dir / "coco_mini/object_detection/labels" / key[len("images/") :]
        place = place.with_suffix(".txt")
        rows = place.read_text().splitlines() if place.exists() else []
        height, width = source.annotation.size
        with Image.open(data_dir / "coco_mini" / key) as image:
            assert (width, height) == image.size
        for row, one in zip(rows, source.annotation.objects, strict=True):
            number, x, y, w, h = map(float, row.split())
            expected = (x - w / 2) * width, (y - h / 2) * height
            expected += (x + w / 2) * width, (y + h / 2) * height
            assert one.category == names["names"][int(number)]
            assert one.box == pytest.approx(expected, abs=1e-9)
            seen += 1
    assert seen == 129


def test_an_image_without_labels_shows_nothing_and_stays_without(data_dir, tmp_path):
    storage = open_storage(data_dir / "coco_mini")
    dataset_format = recognised(storage, labels="object_detection")
    assert any(
        n.startswith("1 image has no label file, so nothing to") for n in dataset_format.notes
    )
    (bare,) = (s for s in images(dataset_format, storage).values() if not s.annotation.objects)
    assert bare.problems == ()
    write_again(dataset_format, storage, tmp_path)
    assert len(list((tmp_path / "object_detection").rglob("*.txt"))) == 23


def test_numbers_with_gaps_are_kept(data_dir, tmp_path):
    storage = open_storage(data_dir / "coco_mini")
    dataset_format = recognised(storage)
    assert dataset_format.notes[0].startswith(
        "labels are taken from 'instance_segmentation/labels/'; there are others for the same"
    )
    assert dataset_format.classes[10:13] == ("fire hydrant", "stop sign", "parking meter")
    write_again(dataset_format, storage, tmp_path)
    place = "instance_segmentation/config.yaml"
    before = yaml.safe_load((data_dir / "coco_mini" / place).read_text())
    after = yaml.safe_load((tmp_path / place).read_text())
    assert after["names"] == before["names"]
    assert after["skip_if_label_file_missing"] is True
    assert after["train"] == "../images/train2017"


def test_several_sets_of_labels_are_refused_unless_one_is_chosen(data_dir):
    storage = open_storage(data_dir / "coco_mini")
    refused = Yolo.recognise(survey(storage, NAME_RULES), storage, chosen=False)
    assert "several folders have labels for the same images" in refused.reason
    assert detect(storage, name="yolo").heading == "YOLO polygons"


def test_darknet_files_are_written_as_they_were(data_dir, tmp_path):
    folder = data_dir / "annotation_formats/yolo_dataset/strict"
    storage = open_storage(folder)
    write_again(detect(storage), storage, tmp_path)
    for name in ("train.txt", "obj.names"):
        assert (tmp_path / name).read_text().split() == (folder / name).read_text().split()
    fields = [sorted((p / "obj.data").read_text().split("\n")) for p in (folder, tmp_path)]
    assert [line for line in fields[0] if line] == [line for line in fields[1] if line]


def _is_labels(key):
    return key.endswith("/1.txt") or (key.endswith(".txt") and "label" in key)


# ---- dialects

OBB = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n"
POLYGON = "1 0.1 0.1 0.5 0.1 0.25 0.5\n"
POSE = "0 0.5 0.5 0.5 0.5 0.1 0.2 2 0.3 0.4 1 0 0 0\n"


def one_image(make, line, config="names: [cat, dog]\ntrain: images\n"):
    storage = make("images/7.jpg", files={"labels/7.txt": line, "data.yaml": config})
    dataset_format = detect(storage)
    (source,) = images(dataset_format, storage).values()
    return dataset_format, source


@pytest.mark.parametrize(
    ("line", "config", "task", "expected"),
    [
        ("1 0.5 0.5 0.5 0.5\n", "", "detect", Object(category="dog", box=(10, 5, 30, 15))),
        ("1.0 .5 5e-1 0.5 +0.5", "", "detect", Object(category="dog", box=(10, 5, 30, 15))),
        (
            POLYGON,
            "",
            "segment",
            Object(category="dog", polygons=(((4, 2), (20, 2), (10, 10)),)),
        ),
        (OBB, "", "obb", Object(category="cat", corners=((4, 2), (20, 2), (20, 10), (4, 10)))),
        (
            OBB,
            "task: segment",
            "segment",
            Object(category="cat", polygons=(((4, 2), (20, 2), (20, 10), (4, 10)),)),
        ),
        (
            POSE,
            "kpt_shape: [3, 3]\nflip_idx: [1, 0, 2]",
            "pose",
            Object(
                category="cat",
                box=(10, 5, 30, 15),
                keypoints=((4, 4, 2), (12, 8, 1), (0, 0, 0)),
            ),
        ),
        (
            POSE,
            "",
            "pose",
            Object(
                category="cat",
                box=(10, 5, 30, 15),
                keypoints=((4, 4, 2), (12, 8, 1), (0, 0, 0)),
            ),
        ),
        (
            "0 0.5 0.5 0.5 0.5 0.1 0.2 0 0\n",
            "kpt_shape: [2, 2]",
            "pose",
            Object(category="cat", box=(10, 5, 30, 15), keypoints=((4, 4, 2), (0, 0, 0))),
        ),
    ],
)
def test_dialects_are_told_apart(make, tmp_path, line, config, task, expected):
    dataset_format, source = one_image(make, line, f"names: [cat, dog]\ntrain: images\n{config}\n")
    assert dataset_format.writer().task == task
    assert source.annotation.objects == (expected,)
    assert source.annotation.size == (20, 40)
    storage = open_storage(tmp_path / "set")
    out = write_again(dataset_format, storage, tmp_path / "out")
    after = [float(word) for word in out.read("labels/7.txt").split()]
    assert after == [float(word) for word in line.split()]
    again = detect(out)
    assert again.grammar == dataset_format.grammar
    assert again.skeletons == dataset_format.skeletons


def test_boxes_among_polygons_stay_boxes(make):
    _, source = one_image(make, POLYGON + "0 0.5 0.5 0.5 0.5\n")
    assert [one.box for one in source.annotation.objects] == [None, (10, 5, 30, 15)]


def test_pairs_of_keypoints_come_from_the_configuration(make):
    config = "names: [cat]\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\n"
    dataset_format, _ = one_image(make, POSE, config)
    assert dataset_format.skeletons == {"cat": Skeleton(("0", "1", "2"), ((0, 1),))}
    config += "kpt_names:\n  0: [left, right, tail]\n"
    dataset_format, _ = one_image(make, POSE, config)
    assert dataset_format.skeletons["cat"].names == ("left", "right", "tail")


def test_dota_headers_and_difficulties_are_kept(make, tmp_path):
    text = "imagesource:GoogleEarth\ngsd:0.146\n1.5 1 9 1 9 8 1 8 small-car 1\n"
    storage = make("images/7.jpg", files={"labelTxt/7.txt": text})
    dataset_format = detect(storage)
    (source,) = images(dataset_format, storage).values()
    (one,) = source.annotation.objects
    assert (one.category, one.extra) == ("small-car", {"difficult": 1})
    assert one.corners == ((1.5, 1), (9, 1), (9, 8), (1, 8))
    out = write_again(dataset_format, storage, tmp_path / "out")
    assert out.read("labelTxt/7.txt").decode() == text


# ---- layouts and configurations


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("images/train/7.jpg", "labels/train/7.txt"),
        ("train/images/7.jpg", "train/labels/7.txt"),
        ("train/7.jpg", "train/7.txt"),
        ("set/images/train/deep/7.jpg", "set/labels/train/deep/7.txt"),
        ("train/JPEGImages/7.jpg", "train/labels/7.txt"),
        ("images/train/images/7.jpg", "images/train/labels/7.txt"),
    ],
)
def test_usual_folders_are_known(make, tmp_path, image, labels):
    storage = make(image, files={labels: "0 0.5 0.5 0.5 0.5\n", "README.txt": "hello\n"})
    dataset_format = detect(storage)
    (source,) = images(dataset_format, storage).values()
    assert (source.key, source.split) == (image, "train")
    assert source.annotation.objects == (Object(category="0", box=(10, 5, 30, 15)),)
    skips = {s.key: s.skip for s in dataset_format.sources(storage) if s.key != image}
    assert skips == {labels: "a label file", "README.txt": None}
    out = write_again(dataset_format, storage, tmp_path / "out")
    assert sorted(entry.key for entry in out.list()) == sorted([image, labels])


@pytest.mark.parametrize(
    "config",
    [
        "train: images/a\nval: images/b\n",
        "path: .\ntrain: images/a\nval: images/b\n",
        "path: /home/me/data\ntrain: images/a\nval: images/b\n",
        "path: ../datasets/mine\ntrain: ./images/a\nval: [images/b]\n",
        "train: /content/data/images/a\nval: /content/data/images/b\n",
        "train: ../images/a\nval: ../images/b\n",
        "train: train.txt\nval: [lists/val.txt]\n",
        "train: images/a\nval: lists/val.txt\n",
    ],
)
def test_splits_are_found_however_they_are_written(make, tmp_path, config):
    names = "names:\n  0: no\n  1: 1e3\n"
    storage = make(
        "images/a/1.jpg",
        "images/b/2.jpg",
        files={
            "data.yaml": config + names,
            "train.txt": "./images/a/1.jpg\n",
            "lists/val.txt": "/home/me/images/b/2.jpg\n",
            "labels/a/1.txt": "0 0.5 0.5 0.5 0.5\n",
            "labels/b/2.txt": "1 0.5 0.5 0.5 0.5\n",
        },
    )
    dataset_format = detect(storage)
    # "no" and "1e3" are names and not what YAML makes of them.
    assert (dataset_format.classes, dataset_format.notes) == (("no", "1e3"), ())
    found = images(dataset_format, storage)
    assert [s.split for s in found.values()] == ["train", "val"]
    out = write_again(dataset_format, storage, tmp_path / "out")
    data = yaml.safe_load(out.read("data.yaml"))
    assert "path" not in data
    assert data["names"] == {0: "no", 1: "1e3"}
    again = detect(out)
    assert {k: s.split for k, s in images(again, out).items()} == {
        k: s.split for k, s in found.items()
    }
    if "train.txt" in config:
        assert out.read("train.txt") == b"./images/a/1.jpg\n"
        assert out.read("lists/val.txt") == b"/home/me/images/b/2.jpg\n"


def test_roboflows_paths_are_mended_and_told(data_dir, tmp_path):
    storage = open_storage(data_dir / "annotation_formats/roboflow_dataset/yolo")
    dataset_format = detect(storage)
    assert dataset_format.notes == (
        "data.yaml: val: '../valid/images' is not there; 'val/images/' is taken",
    )
    out = write_again(dataset_format, storage, tmp_path)
    assert yaml.safe_load(out.read("data.yaml")) == {
        "train": "train/images",
        "val": "val/images",
        "nc": 2,
        "names": {0: "label_0", 1: "label_1"},
    }


def test_a_list_of_classes_gives_the_names(make):
    files = {"7.txt": "1 0.5 0.5 0.5 0.5\n", "classes.txt": "cat\ntwo words\n"}
    storage = make("7.jpg", files=files)
    dataset_format = detect(storage)
    assert dataset_format.classes == ("cat", "two words")
    (source,) = images(dataset_format, storage).values()
    assert source.annotation.objects[0].category == "two words"


# ---- numbers

SIZES = st.integers(1, 20_000)
VALUES = st.floats(0, 20_000) | st.integers(0, 5000).map(float)


@given(value=VALUES, size=SIZES)
def test_every_coordinate_has_a_text(value, size):
    assume(value == 0 or value > 1e-9)
    assert pixels(ratio(share_text(value, size)), size) == value


@given(ends=st.tuples(VALUES, VALUES).map(sorted), size=SIZES)
def test_both_ends_of_a_box_survive(ends, size):
    low, high = ends
    assume((low == 0 or low > 1e-9) and high > 1e-9)
    center, extent = edge_texts(low, high, size)
    assert edges(ratio(center), ratio(extent), size) == (low, high)


@given(center=st.integers(0, 10**6), extent=st.integers(1, 10**6), size=SIZES, digits=st.just(6))
def test_numbers_of_six_digits_come_out_as_they_went_in(center, extent, size, digits):
    texts = f"{center / 10**6:.6f}", f"{extent / 10**6:.6f}"
    again = edge_texts(*edges(ratio(texts[0]), ratio(texts[1]), size), size)
    assert tuple(map(float, again)) == tuple(map(float, texts))


@given(st.floats(0, 1), SIZES)
def test_long_numbers_mean_the_same_pixel_again(share, size):
    value = pixels(ratio(repr(share)), size) if ratio(repr(share)) else 0.0
    assume(value == 0 or value > 1e-9)
    assert pixels(ratio(share_text(value, size)), size) == value


def test_pixels_are_rounded_once():
    assert pixels(ratio("0.1"), 30) == 3.0
    # Floats would give 0.30000000000000004.
    assert pixels(ratio("0.1"), 3) == 0.3
    assert edges(ratio("0.35"), ratio("0.3"), 10) == (2.0, 5.0)


@given(
    box=st.tuples(*[st.floats(0, 900)] * 4),
    size=st.tuples(st.integers(900, 4000), st.integers(900, 4000)),
)
def test_moved_boxes_are_read_as_they_were_written(box, size):
    box = (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
    assume(all(value == 0 or value > 1e-9 for value in box))
    assume(box[2] > box[0] and box[3] > box[1])
    line = write_line(
        Object(category="a", box=box), task="detect", number=3, keypoints=None, size=size
    )
    found, _ = Grammar("detect", {3: "a"}).read(line, size, Problems("7.txt"))
    assert [one.box for _, one in found] == [box]


# ---- writing what came from elsewhere


def line_of(one, task=None, **more):
    return write_line(one, task=task, number=0, keypoints=more.get("keypoints"), size=(20, 40))


def test_objects_become_what_the_set_holds():
    polygon = Object(category="a", polygons=(((4, 2), (20, 2), (10, 10)),))
    corners = Object(category="a", corners=((4, 2), (20, 2), (20, 10), (4, 10)))
    box = Object(category="a", box=(4, 2, 20, 10))
    assert line_of(polygon) == line_of(polygon, "segment") == "0 0.1 0.1 0.5 0.1 0.25 0.5"
    assert line_of(polygon, "detect") == line_of(box) == "0 0.3 0.3 0.4 0.4"
    assert line_of(corners) == line_of(box, "obb") == "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"
    assert line_of(box, "pose", keypoints=(1, 3)) == "0 0.3 0.3 0.4 0.4 0 0 0"
    assert line_of(box, "dota") == "4 2 20 2 20 10 4 10 a"
    assert line_of(Object(category="a")) is None


def area(ring):
    return (
        abs(sum(x * v - u * y for (x, y), (u, v) in zip(ring, [*ring[1:], ring[0]], strict=True)))
        / 2
    )


def test_several_rings_become_one_of_the_same_area():
    rings = [((0, 0), (4, 0), (4, 4), (0, 4)), ((6, 0), (9, 0), (9, 3)), ((0, 9), (2, 9), (2, 12))]
    ring = joined(rings)
    assert area(ring) == sum(map(area, rings))
    assert set(ring) == {point for one in rings for point in one}


def test_a_fresh_set_is_what_ultralytics_expects(tmp_path):
    skeleton = Skeleton(("left", "right"), ((0, 1),))
    writer = YoloWriter.fresh(
        DatasetInfo(classes=("cat", "dog"), skeletons={"cat": skeleton}, splits=("train", "val"))
    )
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(writer))))
    key = writer.fresh_key("val/a/7.png", split="val", label=None, extension=".jpg")
    assert key == "images/val/a_7.jpg"
    one = Object(category="dog", box=(4, 2, 20, 10), keypoints=((4, 2, 2), (8, 4, 1)))
    item = Item(
        key=key, split="val", label=None, size=(20, 40), annotation=Annotation(objects=(one,))
    )
    ((name, text),) = writer.sidecars(item)
    assert name == "labels/val/a_7.txt"
    assert text == b"1 0.3 0.3 0.4 0.4 0.1 0.1 2 0.2 0.2 1\n"
    out = open_storage(tmp_path, create=True)
    writer.write_index(out, iter([item]))
    assert yaml.safe_load(out.read("data.yaml")) == {
        "train": "images/train",
        "val": "images/val",
        "nc": 2,
        "names": {0: "cat", 1: "dog"},
        "kpt_shape": [2, 3],
        "flip_idx": [1, 0],
    }


def test_a_class_that_the_set_has_not_is_no_line():
    with pytest.raises(OutputError, match="class 'fox': expected one of the 1 known"):
        YoloWriter(classes=("cat",)).number("fox")
