"""Hugging Face's image folder: rows of metadata, in three kinds of files."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from rewriting import images, rewrite

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import shares_problem
from variegate.codecs import decode_mask, encode_mask
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.base import DatasetFormat, NotThisFormat
from variegate.formats.flat import NAME_RULES
from variegate.formats.imagefolder.format import ImageFolder
from variegate.formats.imagefolder.objects import ObjectColumn
from variegate.formats.imagefolder.writer import ImageFolderWriter
from variegate.formats.scan import survey
from variegate.formats.writer import DatasetInfo, Item
from variegate.storage import open_storage


def read(storage, *, chosen=False):
    return ImageFolder.recognise(survey(storage, NAME_RULES), storage, chosen=chosen)


def found(storage, **choice):
    dataset_format = read(storage, **choice)
    assert isinstance(dataset_format, DatasetFormat), dataset_format
    return dataset_format


def image(size=(30, 40)):
    data = io.BytesIO()
    Image.new("RGB", size[::-1]).save(data, "PNG")
    return data.getvalue()


def rows_of(storage, key):
    if key.endswith(".parquet"):
        return pq.read_table(io.BytesIO(storage.read(key))).to_pylist()
    text = storage.read(key).decode()
    if key.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def make(tmp_path):
    """Write {metadata key: rows or text}, and the images that the rows name."""

    def make_set(metadata, *more):
        storage = open_storage(tmp_path / "in", create=True)
        for key, rows in metadata.items():
            if isinstance(rows, str | bytes):
                storage.write(key, rows.encode() if isinstance(rows, str) else rows)
                continue
            storage.write(key, _written(key, rows))
            folder = key[: key.rfind("/") + 1]
            for row in rows:
                storage.write(folder + row["file_name"], image())
        for key in more:
            storage.write(key, image())
        return storage

    return make_set


def _written(key, rows):
    if key.endswith(".parquet"):
        data = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), data)
        return data.getvalue()
    if key.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


BOXES = [
    {
        "file_name": "1.png",
        "text": "zwei Katzen, früh",
        "width": 40,
        "height": 30,
        "objects": {
            "bbox": [[1, 2, 10, 20], [1.1, 0.2, 0.2, 0.1]],
            "categories": [3, 0],
            "area": [200, 0.02],
        },
    },
    {
        "file_name": "2.png",
        "text": "nothing",
        "objects": {"bbox": [], "categories": [], "area": []},
    },
]


def test_boxes_captions_and_other_fields_are_read(make):
    storage = make({"metadata.jsonl": BOXES})
    dataset_format = found(storage)
    assert dataset_format.description == (
        "image folder with 'metadata.jsonl': 2 classes, 2 images, "
        "no splits (all of it is treated as training data)"
    )
    assert dataset_format.classes == ("0", "3")
    one, two = images(dataset_format, storage).values()
    assert one.annotation == Annotation(
        size=(30, 40),
        objects=(
            Object(category="3", box=(1, 2, 11, 22), extra={"area": 200}),
            Object(
                category="0",
                box=(1.1, 0.2, 1.1 + 0.2, 0.2 + 0.1),
                extra={"area": 0.02, "bbox": [1.1, 0.2, 0.2, 0.1]},
            ),
        ),
        extra={"text": "zwei Katzen, früh", "width": 40, "height": 30},
    )
    assert two.annotation == Annotation(size=(30, 40), extra={"text": "nothing"})
    skips = {source.key: source.skip for source in dataset_format.sources(storage)}
    assert skips["metadata.jsonl"] == "a label file"


@pytest.mark.parametrize("extension", [".jsonl", ".parquet"])
def test_what_is_written_is_what_was_read(make, tmp_path, extension):
    key = f"metadata{extension}"
    rows = [dict(row) for row in BOXES]
    if extension == ".parquet":
        # Arrow wants one type in a column.
        boxes = [[1.0, 2.0, 10.0, 20.0], [1.1, 0.2, 0.2, 0.1]]
        rows[0]["objects"] = {**rows[0]["objects"], "bbox": boxes, "area": [200.0, 0.02]}
        rows[1] |= {"width": 40, "height": 30}
    storage = make({key: rows})
    dataset_format = found(storage)
    out, items = rewrite(dataset_format, storage, tmp_path / "same", suffix="")
    assert rows_of(out, key) == rows_of(storage, key)
    assert list(rows_of(out, key)[0]) == list(rows[0])

    out, items = rewrite(dataset_format, storage, tmp_path / "other")
    again = images(found(out), out)
    assert list(again) == ["1-v05.png", "2-v05.png"]
    for item in items:
        source = again[item.key].annotation
        for was, now in zip(item.annotation.objects, source.objects, strict=True):
            assert (now.category, now.box) == (was.category, was.box)
        assert source.extra == item.annotation.extra
    # Of moved boxes the areas are counted anew.
    assert rows_of(out, key)[0]["objects"]["area"] == pytest.approx([200, 0.02])


def test_sizes_and_areas_are_those_of_the_result(make):
    storage = make({"metadata.jsonl": BOXES})
    dataset_format = found(storage)
    source = images(dataset_format, storage)["1.png"]
    moved = (Object(category="3", box=(0, 0, 5, 7), extra={"area": 200}),)
    annotation = Annotation(size=(8, 9), objects=moved, extra=source.annotation.extra)
    item = Item(
        key="1-v0.png",
        split=None,
        label=None,
        size=(8, 9),
        annotation=annotation,
        source="1.png",
    )
    dataset_format.writer().write_index(storage, [item])
    [row] = rows_of(storage, "metadata.jsonl")
    assert row["objects"] == {"bbox": [[0, 0, 5, 7]], "categories": [3], "area": [35]}
    assert (row["width"], row["height"]) == (9, 8)


def test_whole_numbers_in_parquet_do_not_cut_fractions_off(make, tmp_path):
    rows = [
        {"file_name": "1.png", "objects": {"bbox": [[1, 2, 10, 20]], "category": ["a"]}},
    ]
    storage = make({"metadata.parquet": rows})
    dataset_format = found(storage)
    item = Item(
        key="1.png",
        split=None,
        label=None,
        size=(30, 40),
        annotation=Annotation(objects=(Object(category="a", box=(0.25, 0.5, 5.75, 7)),)),
    )
    out = open_storage(tmp_path / "out", create=True)
    dataset_format.writer().write_index(out, [item])
    assert rows_of(out, "metadata.parquet")[0]["objects"]["bbox"] == [[0.25, 0.5, 5.5, 6.5]]


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("labels", [("cat", "dog"), (0, 1)])
def test_labels_stay_words_or_numbers(make, tmp_path, extension, labels):
    rows = [{"file_name": f"{n}.png", "label": label} for n, label in enumerate(labels)]
    key = f"metadata{extension}"
    storage = make({key: rows})
    dataset_format = detect(storage)
    assert dataset_format.name == "imagefolder"
    assert dataset_format.classes == tuple(str(label) for label in labels)
    assert [s.label for s in images(dataset_format, storage).values()] == [
        str(one) for one in labels
    ]
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    expected = labels if extension != ".csv" else [str(label) for label in labels]
    assert [row["label"] for row in rows_of(out, key)] == list(expected)


def test_every_split_has_its_own_metadata(make, tmp_path):
    storage = make(
        {
            f"{split}/metadata.jsonl": [{"file_name": f"deep/{split}.png", "text": split}]
            for split in ("train", "validation", "test")
        }
    )
    dataset_format = found(storage)
    assert dataset_format.images == {"train": 1, "val": 1, "test": 1}
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    assert rows_of(out, "validation/metadata.jsonl") == [
        {"file_name": "deep/validation-v05.png", "text": "validation"}
    ]
    assert found(out).images == dataset_format.images


def test_one_metadata_file_may_stand_above_all_splits(make, tmp_path):
    rows = [{"file_name": f"{split}/1.png", "label": split} for split in ("train", "test")]
    storage = make({"metadata.jsonl": rows})
    dataset_format = found(storage)
    assert dataset_format.images == {"train": 1, "test": 1}
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    names = [row["file_name"] for row in rows_of(out, "metadata.jsonl")]
    assert names == ["test/1-v05.png", "train/1-v05.png"]


def test_masks_are_named_in_a_column(make, tmp_path):
    values = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    row = {"file_name": "images/1.png", "mask_file_name": "masks/1.png"}
    storage = make({"metadata.jsonl": [row]})
    storage.write("masks/1.png", encode_mask(values))
    dataset_format = found(storage)
    sources = {source.key: source for source in dataset_format.sources(storage)}
    assert sources["images/1.png"].annotation == Annotation(size=(30, 40), mask_file="masks/1.png")
    assert sources["masks/1.png"].skip == "a mask"
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    assert rows_of(out, "metadata.jsonl") == [
        {"file_name": "images/1-v05.png", "mask_file_name": "masks/1-v05.png"}
    ]
    assert np.array_equal(decode_mask(out.read("masks/1-v05.png")), values)

    storage.write("masks/1.png", encode_mask(values[:5]))
    source = images(found(storage), storage)["images/1.png"]
    assert source.unusable == ("its mask masks/1.png: 40 x 5 pixels, its image has 40 x 30")


LINES = """\
{"file_name": "1.png", "objects": {"bbox": [[0, 0, 5, 5]], "categories": ["a"]}}
{"file_name": "2.png", "objects": {"bbox": [[0, 0, 5, 5], [1, 1, 0, 3]], "categories": ["a", "b"]}}

{"file_name": "3.png", "objects": {"bbox": [[0, 0, 5, 5]], "categories": ["a", "b"]}}
{"file_name": "4.png", "objects": {"bbox": [[30, 20, 50, 50], [90, 90, 5, 5]], "categories": ["a", "b"]}}
{"file_name": "5.png", "objects": {"bbox": [[0, 0, NaN, 5], "x"], "categories": ["a", "a"]}}
{"file_name": "../6.png"}
{"file_name": "/etc/passwd"}
{"file_name": "C:\\\\7.png"}
{"text": "no name"}
{"file_name": "1.png"}
{broken
[1, 2]
{"file_name": "gone.png"}
{"file_name": "8.png", "objects": "many"}
"""  # noqa: E501 - a line is a row


def test_what_is_wrong_is_named_with_file_and_line(make):
    storage = make({"metadata.jsonl": LINES}, *(f"{n}.png" for n in (1, 2, 3, 4, 5, 8, 9)))
    dataset_format = found(storage)
    sources = {source.key: source for source in dataset_format.sources(storage)}
    problems = {key: source.problems for key, source in sources.items() if source.problems}
    no_numbers = "is not four finite numbers; object left out"
    assert problems == {
        "2.png": ("metadata.jsonl:2: objects[1]: box with no area; object left out",),
        "3.png": ("metadata.jsonl:4: objects: 1 boxes, 2 under 'categories'; left out",),
        "4.png": (
            "metadata.jsonl:5: objects[0]: box partly outside the image; clipped",
            "metadata.jsonl:5: objects[1]: box outside the image; object left out",
        ),
        "5.png": (
            f"metadata.jsonl:6: objects[0]: bbox [0, 0, nan, 5] {no_numbers}",
            f"metadata.jsonl:6: objects[1]: bbox 'x' {no_numbers}",
        ),
        "8.png": ("metadata.jsonl:15: objects: expected lists under 'bbox' and others; left out",),
        "metadata.jsonl": (
            "metadata.jsonl:7: '../6.png' lies outside of the dataset; left out",
            "metadata.jsonl:8: '/etc/passwd' lies outside of the dataset; left out",
            r"metadata.jsonl:9: 'C:\\7.png' lies outside of the dataset; left out",
            "metadata.jsonl:10: no 'file_name'; left out",
            "metadata.jsonl:11: '1.png' stands in an earlier line too; left out",
            problems["metadata.jsonl"][5],
            "metadata.jsonl:13: expected an object, {...}; left out",
        ),
    }
    assert problems["metadata.jsonl"][5].startswith("metadata.jsonl:12: no JSON (")
    assert sources["4.png"].annotation.objects[0].box == (30, 20, 40, 30)
    assert dataset_format.notes[:2] == (
        "1 file is listed in the metadata but missing: 'gone.png'",
        "1 image is not listed in the metadata: '9.png'",
    )
    assert sources["9.png"].annotation is None
    assert dataset_format.images == {"": 7}


def test_boxes_are_found_however_late_they_come(make):
    empty = {"bbox": [], "categories": []}
    rows = [{"file_name": f"{n:04}.png", "objects": empty} for n in range(1_001)]
    rows.append({"file_name": "z.png", "objects": {"bbox": [[0, 0, 1, 1]], "categories": ["a"]}})
    storage = make({"metadata.jsonl": "\n".join(json.dumps(row) for row in rows)}, "z.png")
    dataset_format = found(storage, chosen=True)
    assert len(images(dataset_format, storage)["z.png"].annotation.objects) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("metadata.jsonl", '{"image": "1.png"}', "no column 'file_name'"),
        ("metadata.jsonl", '{"file_name": "x.png"}', "list 0 of 3 images"),
        ("metadata.csv", "file_name,label\n1.png,a\n", "list 1 of 3 images"),
    ],
)
def test_metadata_about_something_else_is_left(make, name, content, words):
    refusal = read(make({name: content}, "1.png", "2.png", "3.png"))
    assert isinstance(refusal, NotThisFormat)
    assert refusal.noteworthy
    assert words in refusal.reason


@pytest.mark.parametrize(
    ("name", "content"),
    [("metadata.parquet", b"no parquet"), ("metadata.csv", 'file_name\n"1.png\n')],
)
def test_broken_files_are_told(make, name, content):
    with pytest.raises(InputError, match=rf"{name}.*; (write it again|check the quotes)"):
        read(make({name: content}, "1.png"))


def test_sets_without_metadata_are_left_alone(make):
    assert isinstance(read(make({}, "train/cat/1.png", "train/dog/2.png")), NotThisFormat)
    assert isinstance(read(make({"other.jsonl": "{}"}, "1.png")), NotThisFormat)


def test_a_set_from_another_format_gets_metadata_for_each_split(tmp_path):
    writer = ImageFolderWriter.fresh(DatasetInfo(classes=("cat",), splits=("train", "val")))
    out = open_storage(tmp_path / "out", create=True)
    items = []
    for split in ("train", "val", None):
        key = writer.fresh_key("JPEGImages/7.jpg", split=split, label="cat", extension=".jpg")
        mask = writer.mask_key("Segmentation/7.bmp", source="JPEGImages/7.jpg", output=key)
        annotation = Annotation(
            objects=(Object(category="cat", box=(0, 0, 5, 5)),) if split == "train" else (),
            mask_file=mask,
            extra={"text": "a cat", "nested": {"odd": [1]}},
        )
        item = Item(
            key=key,
            split=split,
            label="cat",
            size=(30, 40),
            annotation=annotation,
            masks={mask: np.ones((30, 40), np.uint8)},
        )
        out.write(key, image())
        for sidecar in writer.sidecars(item):
            out.write(*sidecar)
        items.append(item)
    writer.write_index(out, items)
    plain = {"file_name": "7.jpg", "mask_file_name": "masks/7.png", "label": "cat", "text": "a cat"}
    assert rows_of(out, "validation/metadata.jsonl") == [plain]
    assert rows_of(out, "metadata.jsonl") == [plain]
    boxes = {"bbox": [[0, 0, 5, 5]], "categories": ["cat"]}
    assert rows_of(out, "train/metadata.jsonl") == [plain | {"objects": boxes}]
    dataset_format = found(out)
    assert dataset_format.images == {"train": 1, "val": 1, "": 1}
    sources = images(dataset_format, out)
    assert [sources[item.key].annotation.mask_file for item in items] == [
        item.annotation.mask_file for item in items
    ]


numbers = st.floats(0, 20) | st.integers(0, 20)
boxes = st.tuples(numbers, numbers, st.floats(0.001, 9) | st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=100)
@given(st.lists(boxes.map(list), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_boxes_come_back_exactly(raw, listed, numbered):
    # Within the first pixel are none but shares of the image.
    assume(not any(shares_problem(box, None) for box in raw))
    categories = [n if numbered else f"c{n}" for n in range(len(raw))]
    value = {"bbox": raw, "categories": categories, "id": list(range(len(raw)))}
    if listed:
        value = [{name: value[name][n] for name in value} for n in range(len(raw))]
    column = ObjectColumn.find({"file_name": "x", "objects": value})
    assert (column.listed, column.numbered) == (listed, numbered)
    objects, problems = column.read({"objects": value}, None)
    assert problems == []
    again = [Object.from_json(json.loads(json.dumps(one.to_json()))) for one in objects]
    assert column.write(again, moved=False) == value
