"""Pascal VOC: what is read from real sets, and that it is written as it came."""

import json
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from variegate import Options, Recipe, augment
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import Problems, shares_problem
from variegate.codecs import decode_mask, encode, encode_mask
from variegate.formats import Item, detect, writer_from_json, writer_to_json
from variegate.formats.voc.masks import color_map
from variegate.formats.voc.objects import Reading, content, read_objects
from variegate.formats.voc.writer import VocWriter
from variegate.formats.voc.xml import parse, write
from variegate.formats.writer import DatasetInfo
from variegate.storage import open_storage

EDGES = ("xmin", "ymin", "xmax", "ymax")


def images(storage, **choice):
    dataset_format = detect(storage, **choice)
    assert dataset_format.name == "voc"
    return {
        s.key: s for s in dataset_format.sources(storage) if s.annotation is not None or s.unusable
    }


def write_again(source, target, *, rename=lambda key: key):
    """Write what is read from `source` to the folder `target`; return that as a storage."""
    dataset_format = detect(source)
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(dataset_format.writer()))))
    assert writer == dataset_format.writer()
    out = open_storage(target, create=True)
    items = []
    for one in dataset_format.sources(source):
        if one.annotation is None:
            continue
        named = {o.mask_file for o in one.annotation.objects} | {one.annotation.mask_file}
        key = rename(one.key)
        out.write(key, source.read(one.key))
        with source.open_read(one.key) as file, Image.open(file) as image:
            size = image.height, image.width
        item = Item(
            key=key,
            split=one.split,
            label=None,
            size=size,
            annotation=one.annotation,
            masks={mask: decode_mask(source.read(mask)) for mask in named if mask},
            source=one.key,
        )
        for name, data in writer.sidecars(item):
            out.write(name, data)
        items.append(item)
    writer.write_index(out, iter(items))
    return out


def boxes_by_hand(root):
    """Read the numbers of the boxes of one file as they stand there."""
    return [
        (one.findtext("name"), *(float(one.findtext(f"bndbox/{edge}")) for edge in EDGES))
        for one in root.findall("object")
    ]


def jpeg(height=20, width=30):
    return encode(np.full((height, width, 3), 90, np.uint8), format="jpeg")


@pytest.fixture
def make(tmp_path):
    """Make a set of files of text or bytes; a key extension in .jpg may be given alone."""

    def make_set(*keys, **files):
        for key in keys:
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(jpeg())
        for key, data in files.pop("files", {}).items():
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path / "set")

    return make_set


def xml(*objects, size=(20, 30), filename="7.jpg", more=""):
    """Write a file by hand; an object is (name, xmin, ymin, xmax, ymax)."""
    text = [f"<annotation><filename>{filename}</filename>{more}"]
    if size:
        text.append(f"<size><width>{size[1]}</width><height>{size[0]}</height></size>")
    for name, *numbers in objects:
        inner = "".join(f"<{e}>{n}</{e}>" for e, n in zip(EDGES, numbers, strict=True))
        text.append(f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>")
    return "\n".join([*text, "</annotation>"])


# ---- real sets


def test_blood_cells_are_read_with_their_two_flaws(data_dir):
    storage = open_storage(data_dir / "bccd_voc")
    dataset_format = detect(storage)
    assert dataset_format.description == (
        "Pascal VOC: 3 classes, 60 images, split (train 35, val 13, test 12)"
    )
    assert (dataset_format.classes, dataset_format.notes) == (("Platelets", "RBC", "WBC"), ())
    found = images(storage)
    assert Counter(o.category for s in found.values() for o in s.annotation.objects) == {
        "RBC": 705,
        "WBC": 61,
        "Platelets": 68,
    }
    assert [problem for s in found.values() for problem in s.problems] == [
        "Annotations/BloodImage_00338.xml:163: box with no area; object left out",
        "Annotations/BloodImage_00343.xml:55: box with no area; object left out",
    ]
    first = found["JPEGImages/BloodImage_00338.jpg"].annotation
    assert first.size == (480, 640)
    assert first.objects[0] == Object(
        category="RBC",
        box=(452, 80, 555, 182),
        extra={"pose": "Unspecified", "truncated": 0, "difficult": 0},
    )
    assert first.extra == {
        "folder": "JPEGImages",
        "source": {"database": "Unknown"},
        "segmented": 0,
        "depth": 3,
        "image_sets": ["ImageSets/Main/val"],
    }


def test_boxes_are_those_that_another_parser_reads(data_dir):
    storage = open_storage(data_dir / "bccd_voc")
    for key, source in images(storage).items():
        file = data_dir / "bccd_voc" / "Annotations" / f"{key[len('JPEGImages/') : -4]}.xml"
        expected = [
            (name, x1 - 1, y1 - 1, x2, y2)
            for name, x1, y1, x2, y2 in boxes_by_hand(ET.parse(file))
            if (x1, y1) != (x2, y2)
        ]
        assert [(o.category, *o.box) for o in source.annotation.objects] == expected


def test_every_file_is_told_in_the_order_of_the_listing(data_dir):
    storage = open_storage(data_dir / "bccd_voc")
    sources = list(detect(storage).sources(storage))
    assert [s.key for s in sources] == [entry.key for entry in storage.list()]
    assert Counter(s.skip for s in sources if s.annotation is None) == {
        "a label file": 60,
        "a list of images": 3,
        None: 2,
    }


@pytest.mark.parametrize(
    ("folder", "objects"),
    [
        ("bccd_voc", 834),
        ("annotation_formats/voc_dataset/voc_dataset1", 3),
        ("annotation_formats/voc_dataset/voc_dataset3", 1),
        ("annotation_formats/roboflow_dataset/voc", 4),
    ],
)
def test_what_is_written_is_read_as_the_same(data_dir, tmp_path, folder, objects):
    storage = open_storage(data_dir / folder)
    before = images(storage)
    again = images(write_again(storage, tmp_path))
    assert sum(len(s.annotation.objects) for s in before.values()) == objects
    assert {key: (s.split, s.annotation) for key, s in again.items()} == {
        key: (s.split, s.annotation) for key, s in before.items()
    }
    assert not any(s.problems for s in again.values())


@pytest.mark.parametrize("folder", ["bccd_voc", "annotation_formats/roboflow_dataset/voc"])
def test_numbers_and_fields_are_written_as_they_were(data_dir, tmp_path, folder):
    write_again(open_storage(data_dir / folder), tmp_path)
    for place in sorted((data_dir / folder).rglob("*.xml")):
        before = ET.parse(place).getroot()
        after = ET.parse(tmp_path / place.relative_to(data_dir / folder)).getroot()
        for one in before.findall("object"):
            numbers = [one.findtext(f"bndbox/{edge}") for edge in EDGES]
            if numbers[:2] == numbers[2:]:
                before.remove(one)
        before.remove(before.find("path"))

        def flat(node):
            leaves = [(n.tag, (n.text or "").strip()) for n in node.iter() if not len(n)]
            return sorted(leaves)

        assert flat(after) == flat(before)


def test_lists_are_written_as_they_were(data_dir, tmp_path):
    folder = data_dir / "bccd_voc"
    write_again(open_storage(folder), tmp_path)
    for name in ("train", "val", "test"):
        place = f"ImageSets/Main/{name}.txt"
        before = sorted((folder / place).read_text().split())
        assert (tmp_path / place).read_text().splitlines() == before


def test_the_devkit_in_miniature(data_dir):
    storage = open_storage(data_dir / "annotation_formats/voc_dataset/voc_dataset1")
    found = images(storage)
    assert {key: s.split for key, s in found.items()} == {
        "JPEGImages/2007_000001.jpg": "train",
        "JPEGImages/2007_000002.jpg": "test",
    }
    cat, person, head = found["JPEGImages/2007_000001.jpg"].annotation.objects
    assert (cat.category, cat.box, cat.mask_file) == (
        "cat",
        (0, 1, 3, 4),
        "SegmentationObject/2007_000001.png",
    )
    assert (person.category, person.box) == ("person", (3, 4, 6, 7))
    assert person.extra["actions"]["jumping"] == 0
    assert person.extra["actions"]["walking"] == 1
    assert (head.category, head.box) == ("head", (4.5, 5, 7.5, 8))
    assert head.extra["part_of"] == person.extra["object"]
    assert found["JPEGImages/2007_000001.jpg"].annotation.mask_file == (
        "SegmentationClass/2007_000001.png"
    )
    assert found["JPEGImages/2007_000002.jpg"].annotation.objects == ()


def test_a_set_in_which_boxes_start_at_0_has_edges(data_dir):
    storage = open_storage(data_dir / "annotation_formats/roboflow_dataset/voc")
    assert "taken as edges" in detect(storage).notes[0]
    found = images(storage)
    assert found["val/val_001.jpg"].split == "val"
    assert [o.box for o in found["val/val_001.jpg"].annotation.objects] == [
        (0, 0, 1, 2),
        (0, 0, 9, 1),
    ]


# ---- parts, points, polygons, masks


def test_parts_stay_with_what_they_are_part_of(data_dir, tmp_path):
    storage = open_storage(data_dir / "annotation_formats/voc_dataset/voc_dataset1")
    write_again(storage, tmp_path)
    root = ET.parse(tmp_path / "Annotations/2007_000001.xml").getroot()
    assert [one.findtext("name") for one in root.findall("object")] == ["cat", "person"]
    part = root.findall("object")[1].find("part")
    assert part.findtext("name") == "head"
    assert [part.findtext(f"bndbox/{edge}") for edge in EDGES] == ["5.5", "6", "7.5", "8"]


def test_a_part_goes_when_its_object_has_gone():
    head = Object(category="head", box=(1, 1, 2, 3), extra={"part_of": "7:1"})
    item = Item(
        key="7.jpg", split=None, label=None, size=(9, 9), annotation=Annotation(objects=(head,))
    )
    ((_, data),) = VocWriter().sidecars(item)
    assert b"head" not in data


def test_points_and_polygons_are_moved_and_so_read_as_such(make, tmp_path):
    text = xml(("cat", 2, 3, 9, 9)).replace(
        "</object>",
        "<point><x>4</x><y>5.5</y></point><polygon><x1>1</x1><y1>2</y1><x2>8</x2><y2>2</y2>"
        "<x3>8</x3><y3>7.25</y3></polygon></object>",
    )
    storage = make("7.jpg", files={"7.xml": text})
    (source,) = images(storage).values()
    (one,) = source.annotation.objects
    assert one.keypoints == ((3.5, 5, 2),)
    assert one.polygons == (((1, 2), (8, 2), (8, 7.25)),)
    again = images(write_again(storage, tmp_path / "out"))
    assert again["7.jpg"].annotation == source.annotation


def masks_and_boxes(numbers=(1, 2, 3)):
    """Make a mask of objects in columns and an XML file of boxes around them."""
    mask = np.zeros((20, 30), np.uint8)
    objects = []
    for number in numbers:
        left = 8 * number - 6
        mask[4:9, left : left + 4] = number
        objects.append((f"kind{number % 2}", left + 1, 5, left + 4, 9))
    mask[12, :] = 255
    return mask, xml(*objects)


def devkit(make, mask, text, classes=None):
    return make(
        "JPEGImages/7.jpg",
        files={
            "Annotations/7.xml": text,
            "SegmentationObject/7.png": encode_mask(mask, color_map()),
            "SegmentationClass/7.png": encode_mask(
                mask if classes is None else classes, color_map()
            ),
        },
    )


def test_masks_keep_values_and_palette(make, tmp_path):
    mask, text = masks_and_boxes()
    storage = devkit(make, mask, text)
    (source,) = images(storage).values()
    assert [o.mask_value for o in source.annotation.objects] == [1, 2, 3]
    assert source.annotation.mask_file == "SegmentationClass/7.png"
    write_again(storage, tmp_path / "out", rename=lambda key: key)
    for name in ("SegmentationClass/7.png", "SegmentationObject/7.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert image.mode == "P"
            assert np.array_equal(np.array(image), mask)
            # The devkit's colours: 1 is dark red, 2 dark green, 255 nearly white.
            palette = image.getpalette()
            assert palette[3:9] == [128, 0, 0, 0, 128, 0]
            assert palette[765:] == [224, 224, 192]


def test_objects_have_the_number_of_their_place_in_the_file(make):
    mask, text = masks_and_boxes()
    storage = devkit(make, mask, text)
    (source,) = images(storage).values()
    first, _, third = source.annotation.objects
    item = Item(
        key="JPEGImages/7-v01.jpg",
        split=None,
        label=None,
        size=(20, 30),
        annotation=Annotation(objects=(third, first)),
        masks={"SegmentationObject/7.png": mask},
    )
    files = dict(detect(storage).writer().sidecars(item))
    written = decode_mask(files["SegmentationObject/7.png"])
    assert np.array_equal(written == 1, mask == 3)
    assert np.array_equal(written == 2, mask == 1)
    assert np.array_equal(written == 255, mask == 255)
    names = [o.findtext("name") for o in ET.fromstring(files["Annotations/7-v01.xml"])[-2:]]
    assert names == ["kind1", "kind1"]


def test_borders_around_objects_move_with_them(make, tmp_path):
    mask, text = masks_and_boxes()
    devkit(make, mask, text)
    recipe = Recipe.parse("variants: {each: [{flip: {axis: vertical}}]}")
    augment(tmp_path / "set", tmp_path / "out", recipe=recipe, options=Options(workers=0))
    for name in ("SegmentationClass", "SegmentationObject"):
        written = decode_mask((tmp_path / f"out/{name}/7-v00.png").read_bytes())
        assert np.array_equal(written, mask[::-1])


def test_a_mask_that_fits_no_object_is_told(make):
    mask, _ = masks_and_boxes()
    storage = devkit(make, mask, xml(("cat", 3, 5, 6, 9), ("dog", 1, 15, 5, 20)))
    (source,) = images(storage).values()
    assert [o.mask_value for o in source.annotation.objects] == [1, None]
    assert source.problems == (
        "SegmentationObject/7.png: 2 values of no object in Annotations/7.xml; left out",
    )


def test_masks_alone_say_what_there_is(make, tmp_path):
    mask, _ = masks_and_boxes()
    classes = np.where(mask == 255, 255, np.where(mask == 2, 15, np.where(mask, 8, 0)))
    storage = devkit(make, mask, "", classes.astype(np.uint8))
    (tmp_path / "set/Annotations/7.xml").unlink()
    (source,) = images(storage).values()
    assert [(o.category, o.mask_value) for o in source.annotation.objects] == [
        ("cat", 1),
        ("person", 2),
        ("cat", 3),
    ]
    again = images(write_again(storage, tmp_path / "out"))
    assert again["JPEGImages/7.jpg"].annotation == source.annotation


def test_masks_of_results_are_named_like_their_images():
    key = VocWriter().mask_key(
        "SegmentationObject/7.png", source="JPEGImages/7.jpg", output="JPEGImages/7-v03.jpg"
    )
    assert key == "SegmentationObject/7-v03.png"


# ---- lists


def test_lists_of_classes_are_made_anew(make, tmp_path):
    easy, hard = xml(("cat", 2, 2, 5, 5), ("dog", 2, 2, 6, 6)), xml(("cat", 2, 2, 5, 5))
    hard = hard.replace("<name>cat</name>", "<name>cat</name><difficult>1</difficult>")
    storage = make(
        *(f"JPEGImages/{n}.jpg" for n in "123"),
        files={
            "Annotations/1.xml": easy,
            "Annotations/2.xml": hard,
            "Annotations/3.xml": xml(),
            "ImageSets/Main/train.txt": "1\n2\n",
            "ImageSets/Main/val.txt": "3\n",
            "ImageSets/Main/trainval.txt": "1\n2\n3\n",
            "ImageSets/Main/cat_train.txt": "1  1\n2  1\n",
            "ImageSets/Main/dog_trainval.txt": "",
            "ImageSets/Layout/train.txt": "1 2\n",
        },
    )
    write_again(storage, tmp_path / "out")
    lists = {p.name: p.read_text() for p in (tmp_path / "out/ImageSets/Main").iterdir()}
    assert lists == {
        "train.txt": "1\n2\n",
        "val.txt": "3\n",
        "trainval.txt": "1\n2\n3\n",
        "cat_train.txt": "1  1\n2  0\n",
        "dog_trainval.txt": "1  1\n2 -1\n3 -1\n",
    }
    assert (tmp_path / "out/ImageSets/Layout/train.txt").read_text() == "1 2\n"


def test_images_in_two_splits_stay_out_of_training(make):
    storage = make(
        "JPEGImages/1.jpg",
        "JPEGImages/2.jpg",
        files={
            "Annotations/1.xml": xml(),
            "Annotations/2.xml": xml(),
            "ImageSets/Main/train.txt": "1\n2\ngone\n",
            "ImageSets/Main/val.txt": "2\n",
        },
    )
    assert {key: s.split for key, s in images(storage).items()} == {
        "JPEGImages/1.jpg": "train",
        "JPEGImages/2.jpg": "val",
    }
    assert detect(storage).notes == (
        "1 image is listed in ImageSets but missing: 'gone'",
        "1 image is listed in several splits, so kept out of training: '2'",
    )


def test_names_that_end_in_a_number_are_names(make):
    storage = make(
        "JPEGImages/cat 1.jpg",
        "JPEGImages/cat.jpg",
        files={
            "Annotations/cat 1.xml": xml(),
            "Annotations/cat.xml": xml(),
            "ImageSets/Main/train.txt": "cat 1\n",
            "ImageSets/Main/cow_val.txt": "cat -1\n",
        },
    )
    assert {key: s.split for key, s in images(storage).items()} == {
        "JPEGImages/cat 1.jpg": "train",
        "JPEGImages/cat.jpg": "val",
    }


def test_a_label_map_gives_classes_their_order(data_dir, make, tmp_path):
    text = (data_dir / "annotation_formats/voc_dataset/voc_dataset2/labelmap.txt").read_text()
    for letter in "abcd":
        source = data_dir / f"annotation_formats/voc_dataset/voc_dataset2/Annotations/{letter}.xml"
        make(f"JPEGImages/{letter}.jpg", files={f"Annotations/{letter}.xml": source.read_bytes()})
    storage = make(files={"labelmap.txt": text})
    dataset_format = detect(storage)
    assert dataset_format.classes[:4] == ("background", "aeroplane", "bicycle", "bird")
    assert "ignored" not in dataset_format.classes
    assert [s.annotation.objects[0].box for s in images(storage).values()] == [
        (0, 1, 4, 6),
        (1, 1, 7, 6),
        (2, 0, 11, 6),
        (3, 3, 8, 8),
    ]
    write_again(storage, tmp_path / "out")
    assert (tmp_path / "out/labelmap.txt").read_text() == text


# ---- coordinates, and writing from other formats

COORDINATES = st.floats(1e-6, 1e5) | st.integers(0, 5000).map(float) | st.just(0.0)


@given(
    x=st.tuples(COORDINATES, COORDINATES).map(sorted),
    y=st.tuples(COORDINATES, COORDINATES).map(sorted),
    origin=st.sampled_from([0, 1]),
)
def test_every_box_is_read_as_it_was_written(x, y, origin):
    assume(x[0] < x[1] and y[0] < y[1])
    box = (x[0], y[0], x[1], y[1])
    written = Annotation(objects=(Object(category="a", box=box),))
    data = content(written, filename="7.jpg", size=(100_000, 100_000), origin=origin)
    root = parse("\n".join(write("annotation", data)).encode())
    reading = Reading(origin, (100_000, 100_000), Problems("7.xml"))
    found = [one for *_, one in read_objects(root, reading, "7")]
    # By the letter a box of one pixel is the point that a slip of the mouse leaves, and one within
    # the first pixel is a share of the image.
    point = [float(root.find("object").find("bndbox").word(edge)) for edge in EDGES]
    lost = point[:2] == point[2:] or shares_problem(point, None)
    assert [one.box for one in found] == ([] if lost else [box])


def test_a_box_around_the_first_pixel_column_is_counted_from_one():
    column = Annotation(objects=(Object(category="pole", box=(0, 0, 1, 20)),))
    data = content(column, filename="7.jpg", size=(20, 30), origin=1)
    (bounds,) = (one["bndbox"] for one in data["object"])
    assert bounds == {"xmin": "1", "ymin": "1", "xmax": "1", "ymax": "20"}


def test_a_set_of_another_format_becomes_the_usual_folders(tmp_path):
    writer = VocWriter.fresh(DatasetInfo(classes=("a b",), splits=("train", "val")))
    keys = [
        writer.fresh_key(key, split=split, label=None, extension=".jpg")
        for key, split in (("train/images/x.png", "train"), ("val/images/y.png", "val"))
    ]
    assert keys == ["JPEGImages/x.jpg", "JPEGImages/y.jpg"]
    out = open_storage(tmp_path, create=True)
    strange = {
        "bad name": 1,
        "1st": "<&>",
        "nothing": None,
        "bell": "\x07",
        "list": [1, {"k": "v"}],
    }
    items = [
        Item(
            key=key,
            split=split,
            label=None,
            size=(20, 30),
            annotation=Annotation(
                objects=(Object(category="a b", box=(0.1, 2, 3, 4), extra=strange),)
            ),
        )
        for key, split in zip(keys, ("train", "val"), strict=True)
    ]
    for item in items:
        out.write(item.key, jpeg())
        for name, data in writer.sidecars(item):
            out.write(name, data)
    writer.write_index(out, iter(items))
    found = images(out)
    assert [s.split for s in found.values()] == ["train", "val"]
    (one,) = found[keys[0]].annotation.objects
    assert (one.category, one.box) == ("a b", (0.1, 2, 3, 4))
    assert one.extra == {
        "pose": "Unspecified",
        "truncated": 0,
        "difficult": 0,
        "bad_name": 1,
        "_1st": "<&>",
        "nothing": "null",
        "bell": "\ufffd",
        "list": [1, {"k": "v"}],
    }
