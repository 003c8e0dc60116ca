"""Pascal VOC as nobody should write it: broken, hostile, contradictory."""

import struct
import time
import zlib

import numpy as np
import pytest

from variegate.codecs import encode, encode_mask
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.paired import BrokenFileError
from variegate.formats.voc.xml import Node, parse, write
from variegate.storage import open_storage

IMAGE = encode(np.full((20, 30, 3), 90, np.uint8), format="jpeg")
SIZE = "<size><width>30</width><height>20</height></size>"


@pytest.fixture
def read(tmp_path):
    """Read a set of one image, 30 x 20, with this XML file; return its source."""

    def read_set(text, *, key="JPEGImages/7.jpg", image=IMAGE, **others):
        files = {key: image, "Annotations/7.xml": text, "Annotations/8.xml": box(3, 3, 9, 9)}
        files |= {"JPEGImages/8.jpg": IMAGE, **others}
        for name, data in files.items():
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        storage = open_storage(tmp_path)
        dataset_format = detect(storage)
        assert dataset_format.name == "voc"
        return next(s for s in dataset_format.sources(storage) if s.key == key)

    return read_set


def box(*numbers, size=SIZE, name="<name>cat</name>"):
    edges = zip(("xmin", "ymin", "xmax", "ymax"), numbers, strict=True)
    inner = "\n".join(f"<{edge}>{number}</{edge}>" for edge, number in edges)
    return (
        f"<annotation>\n{size}\n<object>{name}\n<bndbox>\n{inner}</bndbox></object>\n</annotation>"
    )


def boxes(source):
    return [one.box for one in source.annotation.objects]


@pytest.mark.parametrize(
    ("numbers", "found", "problem"),
    [
        ((-4, 5, 10, 15), [(0, 4, 10, 15)], "box partly outside the image; clipped"),
        ((5, 5, 31, 20), [(4, 4, 30, 20)], "box partly outside the image; clipped"),
        ((31, 5, 40, 15), [], "box outside the image; object left out"),
        ((5, -9, 9, -2), [], "box outside the image; object left out"),
        ((5, 5, 5, 5), [], "box with no area; object left out"),
        ((5.5, 5, 4.5, 9), [], "box with no area; object left out"),
        ((10, 5, 3, 15), [(2, 4, 10, 15)], "<xmax> below <xmin>; exchanged"),
        ((3, 15, 10, 5), [(2, 4, 10, 15)], "<ymax> below <ymin>; exchanged"),
        (("nan", 5, 9, 9), [], "a coordinate is not a finite number; object left out"),
        ((3, 5, "inf", 9), [], "a coordinate is not a finite number; object left out"),
        ((3, 5, "1e999", 9), [], "a coordinate is not a finite number; object left out"),
        ((3, "5px", 9, 9), [], "expected a number as <ymin>, found '5px'; object left out"),
        ((3, "", 9, 9), [], "expected a number as <ymin>, found ''; object left out"),
        ((3, "1_0", 9, 19), [], "expected a number as <ymin>, found '1_0'; object left out"),
        ((3, "9" * 5000, 9, 19), [], "object left out"),
    ],
)
def test_boxes_that_cannot_be_are_mended_or_left_out(read, numbers, found, problem):
    source = read(box(*numbers))
    assert boxes(source) == found
    assert source.unusable is None
    (told,) = source.problems
    assert told.startswith("Annotations/7.xml:4: ")
    assert told.endswith(problem)


def test_a_pixel_wide_box_is_a_box(read):
    source = read(box(5, 5, 5, 9))
    assert (boxes(source), source.problems) == ([(4, 4, 5, 9)], ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (box(3, 3, 9, 9, name=""), "Annotations/7.xml:3: object without a name; object left out"),
        (
            box(3, 3, 9, 9, name="<name> </name>"),
            "Annotations/7.xml:3: object without a name; object left out",
        ),
        (
            f"<annotation>{SIZE}<object>\n<name>cat</name></object></annotation>",
            "Annotations/7.xml:1: object without a <bndbox>; object left out",
        ),
        (
            box(3, 3, 9, 9).replace("<xmin>3</xmin>", ""),
            "Annotations/7.xml:4: expected a number as <xmin>, found None; object left out",
        ),
    ],
)
def test_objects_that_are_not_whole_are_left_out(read, text, problem):
    source = read(text)
    assert (source.annotation.objects, source.problems) == ((), (problem,))


def test_the_same_object_twice_is_one(read):
    one = box(3, 3, 9, 9)
    twice = one.replace("</annotation>", "") + one.partition(SIZE)[2]
    source = read(twice)
    assert boxes(source) == [(2, 2, 9, 9)]
    assert source.problems == ("Annotations/7.xml:10: the same as in line 3; object left out",)


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>"])
def test_a_size_that_is_missing_is_taken_from_the_image(read, size):
    source = read(box(3, 3, 40, 9, size=size))
    assert source.annotation.size is None
    assert boxes(source) == [(2, 2, 30, 9)]
    assert "clipped" in source.problems[-1]


def test_coordinates_of_a_larger_copy_stay_for_the_worker_to_scale(read):
    source = read(box(3, 3, 40, 9, size="<size><width>60</width><height>40</height></size>"))
    assert source.annotation.size == (40, 60)
    problem = "a size of 60 x 40 is stated, the image has 30 x 20; coordinates scaled to it"
    assert boxes(source) == [(2, 2, 40, 9)]
    assert source.problems == (f"Annotations/7.xml:2: {problem}",)


# ---- hostile


BOMB = """<?xml version="1.0"?>
<!DOCTYPE annotation [
<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">
<!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;"><!ENTITY h "&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;">]>
<annotation><object><name>&h;</name></object></annotation>"""
FETCH = """<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<annotation><object><name>&x;</name></object></annotation>"""
OUTSIDE = '<!DOCTYPE annotation SYSTEM "http://example.org/a.dtd">\n<annotation></annotation>'
PARAMETER = """<!DOCTYPE annotation [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>
<annotation></annotation>"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "Annotations/7.xml:2: document types and entities are refused"),
        (FETCH, "Annotations/7.xml:1: document types and entities are refused"),
        (OUTSIDE, "Annotations/7.xml:1: document types and entities are refused"),
        (PARAMETER, "Annotations/7.xml:1: document types and entities are refused"),
        (
            "<annotation>\n<a>&nbsp;</a></annotation>",
            "Annotations/7.xml:2: not well-formed XML (undefined entity)",
        ),
        ("<annotation>\n<object>\n", "Annotations/7.xml:3: not well-formed XML (no element found)"),
        ("", "Annotations/7.xml:1: not well-formed XML (no element found)"),
        ("<html></html>", "Annotations/7.xml:1: expected <annotation>, found <html>"),
        (
            "<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>",
            "Annotations/7.xml:1: more than 32 levels of elements",
        ),
        (
            '<?xml version="1.0" encoding="no-such"?><annotation/>',
            "Annotations/7.xml:1: ",
        ),
        (b"<annotation><a>\xff\xfe</a></annotation>", "Annotations/7.xml:1: not in UTF-8; say its"),
        (
            "<annotation>\n<filename>../../../etc/passwd</filename></annotation>",
            "Annotations/7.xml:2: <filename> '../../../etc/passwd' climbs out of the dataset",
        ),
        (
            "<annotation>\n<filename>..\\..\\7.jpg</filename></annotation>",
            "Annotations/7.xml:2: <filename> ",
        ),
    ],
)
def test_hostile_and_broken_files_cost_their_image(read, text, reason):
    start = time.monotonic()
    source = read(text)
    assert source.unusable.startswith(reason)
    assert time.monotonic() - start < 2


def test_paths_to_other_machines_are_not_followed(read):
    text = box(3, 3, 9, 9).replace(
        SIZE,
        SIZE + "<folder>../..</folder><path>/etc/passwd</path><filename>C:\\x\\7.jpg</filename>",
    )
    source = read(text)
    assert (boxes(source), source.unusable) == ([(2, 2, 9, 9)], None)
    assert source.annotation.extra == {"folder": "../.."}


def test_a_file_that_is_too_large_is_not_read(read, monkeypatch):
    monkeypatch.setattr("variegate.formats.voc.survey.SIZE_LIMIT", 400)
    source = read(box(3, 3, 9, 9) + " " * 400)
    assert "the limit is 400" in source.unusable


def test_text_from_elsewhere_does_not_become_markup():
    lines = "\n".join(write("annotation", {"a>b": "</annotation><x>&\"'", "@id": 'q"<'}))
    (child,) = parse(lines.encode()).children
    assert (child.tag, child.text) == ("a_b", "</annotation><x>&\"'")
    assert parse(lines.encode()).attributes == {"id": 'q"<'}


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": "01", "c": {"d": [1, 2, "x"], "e": ""}, "f": "two\nlines\rand\ttabs"},
        {"@id": "7", "a": {"@x": "y", "#text": "z"}},
        {"ü": "\U0001f600"},
    ],
)
def test_values_survive_xml(value):
    text = "\n".join(write("root", value)).encode()
    if "ü" not in value:
        assert parse(text).value() == value
    else:
        assert parse(text).value() == {"_": "\U0001f600"}


def test_what_is_not_xml_is_told_with_its_line():
    with pytest.raises(BrokenFileError) as caught:
        parse(b"<a>\n\n<b></a>")
    assert (caught.value.line, caught.value.reason) == (3, "not well-formed XML (mismatched tag)")
    assert isinstance(parse(b"<a/>"), Node)


# ---- images, masks and files that do not go together


def test_what_is_missing_is_counted(read, tmp_path):
    read(box(3, 3, 9, 9), **{"Annotations/gone.xml": "<annotation/>", "JPEGImages/9.jpg": IMAGE})
    storage = open_storage(tmp_path)
    dataset_format = detect(storage)
    assert dataset_format.notes == (
        "1 XML file has no image: 'Annotations/gone.xml'",
        "1 image has no XML file, so nothing is known of its objects: 'JPEGImages/9'",
    )
    source = next(s for s in dataset_format.sources(storage) if s.key == "JPEGImages/9.jpg")
    assert source.annotation.objects == ()


def test_a_file_about_a_image_of_another_kind_is_not_for_this_one(read):
    text = box(3, 3, 9, 9).replace(SIZE, SIZE + "<filename>7.png</filename>")
    other = {"JPEGImages/7.png": encode(np.zeros((20, 30, 3), np.uint8), format="png")}
    assert boxes(read(text, **other)) == []
    assert boxes(read(text, key="JPEGImages/7.png", image=other["JPEGImages/7.png"])) == [
        (2, 2, 9, 9)
    ]


def test_a_mask_that_cannot_be_read_is_told(read):
    mask = {"SegmentationObject/7.png": encode_mask(np.ones((20, 30), np.uint8))[:40]}
    source = read(box(3, 3, 9, 9), **mask)
    assert boxes(source) == [(2, 2, 9, 9)]
    assert source.annotation.objects[0].mask_file is None
    (problem,) = source.problems
    assert problem.startswith("SegmentationObject/7.png: ")


def test_a_mask_that_would_fill_the_memory_is_refused(read):
    def chunk(kind, body):
        data = kind + body
        return struct.pack(">I", len(body)) + data + struct.pack(">I", zlib.crc32(data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    bomb = (
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )
    source = read(box(3, 3, 9, 9), **{"SegmentationObject/7.png": bomb})
    assert "not used" in source.problems[0]


def test_an_image_that_is_broken_is_left_to_the_worker(read):
    source = read(box(3, 3, 9, 9, size=""), image=b"\xff\xd8\xff\xe0 nothing")
    assert (boxes(source), source.unusable) == ([(2, 2, 9, 9)], None)


@pytest.mark.parametrize("text", ["<annotation", "<catalog/>"])
def test_xml_files_of_other_kinds_are_not_taken_for_this_format(tmp_path, text):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(IMAGE)
        (tmp_path / f"{number}.xml").write_text(text)
    dataset_format = detect(open_storage(tmp_path))
    assert dataset_format.name != "voc"
    assert any("of another format" in note for note in dataset_format.notes)


def test_the_old_labelme_tool_is_named(data_dir):
    storage = open_storage(data_dir / "annotation_formats/labelme_dataset")
    with pytest.raises(InputError, match=r"img1\.xml is of the old LabelMe web tool, which is not"):
        detect(storage)


def test_strange_names_are_kept(tmp_path):
    name = "ünï 'q' & <b>;\n1"
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / f"JPEGImages/{name}.jpg").write_bytes(IMAGE)
    (tmp_path / f"Annotations/{name}.xml").write_text(box(5, 5, 5, 5))
    storage = open_storage(tmp_path)
    dataset_format = detect(storage)
    (source,) = (s for s in dataset_format.sources(storage) if s.annotation)
    assert source.key == f"JPEGImages/{name}.jpg"
    assert source.problems == (
        r"""Annotations/ünï 'q' & <b>;\n1.xml:4: box with no area; object left out""",
    )
