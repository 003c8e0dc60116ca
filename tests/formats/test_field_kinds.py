"""Datasets that would be taken for something else without a word."""

import json
import os

import pytest
import yaml

import jobs
from variegate import Options, augment
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.hints import Hints
from variegate.formats.notes import stops_strict
from variegate.storage import open_storage

VOC = """<annotation><size><width>40</width><height>30</height></size><object><name>安全帽</name>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>12</xmax><ymax>13</ymax></bndbox></object></annotation>"""


@pytest.fixture
def draw(tmp_path):
    def make(*names):
        for name in names:
            jobs.draw_noise(tmp_path / name, size=(30, 40))
        return tmp_path

    return make


def categories(root, **hints):
    storage = open_storage(root)
    found = detect(storage, hints=Hints.of(**hints))
    return {
        source.key: [one.category for one in source.annotation.objects]
        for source in found.sources(storage)
        if source.annotation is not None
    }


def test_several_descriptions_of_classes_each_count_for_their_folder(draw, tmp_path):
    root = draw("in/a/images/1.png", "in/b/images/2.png") / "in"
    for site, names in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
        (root / site / "labels").mkdir()
        (root / site / f"labels/{1 if site == 'a' else 2}.txt").write_text("0 .5 .5 .2 .2\n")
        (root / site / "data.yaml").write_text(yaml.safe_dump({"names": names}))
    assert categories(root) == {"a/images/1.png": ["cat"], "b/images/2.png": ["dog"]}
    augment(root, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0))
    written = categories(tmp_path / "out")
    assert {key[0]: one for key, one in written.items()} == {"a": ["cat"], "b": ["dog"]}


def test_a_second_description_with_the_same_classes_changes_nothing(draw):
    root = draw("images/1.png")
    (root / "labels").mkdir()
    (root / "labels/1.txt").write_text("1 .5 .5 .2 .2\n")
    for name in ("data.yaml", "other.yaml"):
        (root / name).write_text("names: [cat, dog]\n")
    assert detect(open_storage(root)).notes == ()


@pytest.mark.parametrize("encoding", ["gbk", "gb2312", "utf-8", "utf-16"])
def test_xml_in_the_encoding_that_it_declares(encoding, draw):
    root = draw("1.png")
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{VOC}'
    (root / "1.xml").write_bytes(text.encode(encoding))
    assert categories(root) == {"1.png": ["安全帽"]}


@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="utf-8"?>'])
def test_xml_in_an_encoding_that_it_does_not_declare_is_asked_about(head, draw):
    root = draw("1.png")
    (root / "1.xml").write_bytes(f"{head}{VOC}".encode("gbk"))
    with pytest.raises(InputError, match=r"1\.xml: not in UTF-8; say its encoding"):
        detect(open_storage(root))
    assert categories(root, encoding="gbk") == {"1.png": ["安全帽"]}


def test_labelme_in_another_encoding_is_never_taken_for_no_labels(draw):
    root = draw("1.png")
    shape = {"label": "Bär", "shape_type": "rectangle", "points": [[1, 2], [9, 9]]}
    text = json.dumps({"shapes": [shape]}, ensure_ascii=False)
    (root / "1.json").write_bytes(text.encode("cp1252"))
    with pytest.raises(InputError, match=r"1\.json: not in UTF-8; say its encoding"):
        detect(open_storage(root))
    assert categories(root, encoding="cp1252") == {"1.png": ["Bär"]}


def test_fields_of_labelme_that_nobody_can_move_are_told(draw):
    root = draw("1.png")
    shape = {"label": "a", "shape_type": "rectangle", "points": [[1, 2], [9, 9]], "center": [5, 5]}
    shape["attributes"] = {"axis": [1, 2, 9, 9], "night": True}
    (root / "1.json").write_text(json.dumps({"shapes": [shape]}))
    first, second = detect(open_storage(root)).notes
    assert first.startswith("field 'attributes.axis' of shapes (1 times) is a list of numbers")
    assert second.startswith("field 'center' of shapes (1 times) is a list of numbers")


@pytest.mark.parametrize(
    ("column", "told"), [("cx", True), ("x_center", True), ("left", True), ("score", False)]
)
def test_columns_of_boxes_that_may_be_places_are_told(column, told, draw):
    root = draw("1.png")
    (root / "b.csv").write_text(
        f"filename,xmin,ymin,xmax,ymax,class,{column}\n1.png,1,2,9,9,cat,0.5\n"
    )
    notes = detect(open_storage(root)).notes
    assert any("may be places in the image" in note for note in notes) is told


def test_a_name_that_several_folders_have_is_told(draw):
    root = draw("x/1.png", "x/2.png", "y/1.png")
    (root / "b.csv").write_text(
        "filename,xmin,ymin,xmax,ymax,class\n1.png,1,2,9,9,cat\n2.png,1,2,9,9,cat\n"
    )
    said = "'1.png' is taken for 'x/1.png', not for 'y/1.png'; --images DIR"
    assert any(said in note for note in detect(open_storage(root)).notes)
    assert categories(root, images="y").keys() == {"y/1.png"}


def test_masks_of_the_same_names_are_no_other_images(draw):
    root = draw("images/1.png", "images/2.png", "masks/1.png", "labels/2.png")
    (root / "b.csv").write_text(
        "filename,xmin,ymin,xmax,ymax,class\n1.png,1,2,9,9,cat\n2.png,1,2,9,9,cat\n"
    )
    notes = detect(open_storage(root)).notes
    assert not any("may mean several images" in note for note in notes)


VOC_BOX = (
    "<annotation><filename>1.png</filename><object><name>red</name><bndbox><xmin>{}</xmin>"
    "<ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize("extension", ["jpg", "bmp"])
def test_masks_of_voc_that_are_no_png_are_told(extension, draw):
    root = draw("JPEGImages/1.png", f"SegmentationClass/1.{extension}")
    (root / "Annotations").mkdir()
    (root / "Annotations/1.xml").write_text(VOC)
    notes = detect(open_storage(root)).notes
    assert notes == (
        f"1 mask is not PNG and not read; save masks as PNG: 'SegmentationClass/1.{extension}'",
    )


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.mat", "labels.json.gz", "labels.zip"])
def test_files_that_may_hold_the_labels_of_images_without_any_are_told(name, draw):
    root = draw("images/1.png")
    (root / name).write_bytes(b"")
    (note,) = detect(open_storage(root)).notes
    assert "may hold labels: this version does not read them" in note


@pytest.mark.parametrize(
    "name", ["labels.txt", "classes.txt", "meta/Image_Labels.txt", "obj.names", "train.txt"]
)
def test_lists_of_labels_beside_images_without_any_are_told(name, draw):
    root = draw("images/1.png", "images/2.png", "images/3.png", "images/4.png")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("cat\ndog\n")
    (note,) = detect(open_storage(root)).notes
    assert repr(name) in note
    assert "may hold labels or classes" in note


@pytest.mark.parametrize(
    ("name", "said", "strict"),
    [
        ("labels.txt", "'labels.txt': not used; the folders are the classes", False),
        ("meta/train.txt", "'meta/train.txt' may list the images of splits", True),
    ],
)
def test_lists_beside_folders_of_classes_are_told(name, said, strict, draw):
    root = draw("cat/1.png", "dog/2.png")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("cat/1\ndog/2\n")
    found = detect(open_storage(root))
    (note,) = found.notes
    assert found.classes == ("cat", "dog")
    assert said in note
    assert stops_strict(note) is strict


@pytest.mark.parametrize("name", ["notes.txt", "README.txt", "camera.yaml", "relabelled.pdf"])
def test_other_files_beside_images_are_not(name, draw):
    root = draw("images/1.png", "images/2.png", "images/3.png")
    (root / name).write_text("cat\ndog\n")
    assert detect(open_storage(root)).notes == ()


def table_notes(draw, *labels):
    root = draw(*(f"{number}.png" for number in range(len(labels))))
    lines = "".join(f'{number}.png,"{label}"\n' for number, label in enumerate(labels))
    (root / "labels.csv").write_text("file,label\n" + lines)
    found = detect(open_storage(root), name="csv")
    assert found.classes == tuple(sorted({*labels}))
    return found.notes


@pytest.mark.parametrize(
    ("labels", "joined"),
    [
        (["scab", "rust", "scab rust", "healthy"], "'scab rust'"),
        (["scab", "rust", "rust/scab", "healthy"], "'rust/scab'"),
        (["cat;dog", "cat", "emu"], "'cat;dog'"),
        (["cat|dog", "dog|emu"], "'cat|dog', 'dog|emu'"),
        (["a, b", "b, c", "d"], "'a, b', 'b, c'"),
    ],
)
def test_several_labels_in_one_cell_are_told(labels, joined, draw):
    (note,) = table_notes(draw, *labels)
    assert f"several labels in one cell, such as {joined}" in note


@pytest.mark.parametrize(
    "labels",
    [
        ["golden retriever", "retriever", "beagle"],
        ["Smith, John", "Miller, Ann"],
        ["R&B", "C++", "jazz"],
        ["traffic light", "street light", "street"],
    ],
)
def test_names_of_several_words_are_one_label(labels, draw):
    assert table_notes(draw, *labels) == ()


def test_class_folders_that_are_no_utf8_are_told(draw, tmp_path):
    root = draw("in/cat/1.png", "in/dog/2.png") / "in"
    (root / "dog").rename(os.fsdecode(os.fsencode(root) + b"/\xb9\xb7"))
    (note,) = detect(open_storage(root)).notes
    assert note.startswith("1 name of a class is no text in UTF-8")


def coco_of(box):
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "1.png", "width": 40, "height": 30}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box}],
            "categories": [{"id": 1, "name": "red"}],
        }
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", coco_of([0.2, 0.125, 0.4, 0.5])),
        ("1.xml", VOC_BOX.format(0.2, 0.125, 0.6, 0.625)),
        ("boxes.csv", "filename,class,xmin,ymin,xmax,ymax\n1.png,red,.2,.125,.6,.625\n"),
    ],
)
def test_boxes_given_as_shares_are_called_so_and_left_out(name, text, draw):
    root = draw("1.png")
    (root / name).write_text(text)
    storage = open_storage(root)
    source = next(s for s in detect(storage).sources(storage) if s.key == "1.png")
    assert source.annotation is not None
    assert not source.annotation.objects
    (problem,) = source.problems
    assert "looks like shares of the image (0 to 1), expected pixels; object left out" in problem


def test_a_box_of_one_whole_pixel_is_no_share(draw):
    root = draw("1.png")
    (root / "a.json").write_text(coco_of([0, 0, 1, 1]))
    storage = open_storage(root)
    source = next(s for s in detect(storage).sources(storage) if s.key == "1.png")
    assert not source.problems


def test_an_xml_file_that_names_another_image_is_told(draw):
    root = draw("1.png", "2.png")
    for own, other in (("1", "2"), ("2", "2")):
        text = VOC_BOX.format(1, 1, 4, 4).replace("1.png", f"{other}.png")
        (root / f"{own}.xml").write_text(text)
    storage = open_storage(root)
    told = {s.key: s.problems for s in detect(storage).sources(storage)}
    (problem,) = told["1.png"]
    assert (
        problem
        == "1.xml:1: <filename> is '2.png', another image; taken for the one it is called like"
    )
    assert not told["2.png"]
