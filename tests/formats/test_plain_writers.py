"""Sets of labels alone, written from sets of other formats."""

import csv
import io
import json

import pytest

from variegate.errors import OutputError
from variegate.formats import Item, detect, writer_from_json, writer_to_json
from variegate.formats.plain import ClassFoldersWriter, FlatNamesWriter, UnlabelledWriter
from variegate.formats.table.writer import CsvTableWriter
from variegate.formats.writer import DatasetInfo
from variegate.storage import open_storage

LABELS = {"a/1.x.jpg": "cat", "a/2.png": "big dog", "b/3.jpg": "cat", "b/4.jpg": "big dog"}


def converted(kind, folder, *, splits=()):
    """Write a set with labels, as `convert` does; return its layout and what is read again."""
    writer = kind.fresh(DatasetInfo(classes=("big dog", "cat"), splits=splits))
    assert writer_from_json(json.loads(json.dumps(writer_to_json(writer)))) == writer
    out = open_storage(folder, create=True)
    items = []
    for number, (key, label) in enumerate(LABELS.items()):
        split = splits[number % len(splits)] if splits else None
        new = writer.fresh_key(key, split=split, label=label, extension=key[-4:])
        out.write(new, b".")
        items.append(Item(key=new, split=split, label=label, size=(1, 1)))
    writer.write_index(out, items)
    dataset_format = detect(out)
    sources = {s.key: s for s in dataset_format.sources(out)}
    return dataset_format, items, sources


@pytest.mark.parametrize("splits", [(), ("train", "val")])
@pytest.mark.parametrize("kind", [ClassFoldersWriter, FlatNamesWriter, CsvTableWriter])
def test_labels_and_splits_are_read_again(kind, splits, tmp_path):
    dataset_format, items, sources = converted(kind, tmp_path, splits=splits)
    assert dataset_format.name == kind.name == dataset_format.writer().name
    assert dataset_format.classes == ("big dog", "cat")
    assert dataset_format.splits == splits
    for item in items:
        assert (sources[item.key].label, sources[item.key].split) == (item.label, item.split)


def test_the_keys_are_the_usual_ones():
    def key(writer, **about):
        return writer.fresh_key("x/7.v2.png", extension=".jpg", **about)

    assert key(ClassFoldersWriter(), split="val", label="cat") == "val/cat/7.v2.jpg"
    assert key(ClassFoldersWriter(), split=None, label=None) == "7.v2.jpg"
    assert key(FlatNamesWriter(), split=None, label="cat") == "cat.7.v2.jpg"
    assert key(FlatNamesWriter(), split="val", label=None) == "val/7-v2.jpg"
    assert key(UnlabelledWriter(), split="val", label="cat") == "val/7.v2.jpg"
    assert key(CsvTableWriter(), split="val", label="cat") == "images/val/7.v2.jpg"


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden", "", "a\\b", "x" * 200])
def test_labels_that_fit_no_folder_are_refused(label):
    with pytest.raises(OutputError, match="fits no folder's name; rename the class"):
        ClassFoldersWriter().fresh_key("1.jpg", split=None, label=label, extension=".jpg")


@pytest.mark.parametrize("label", ["a.b", "7", "a/b", " a", ""])
def test_labels_that_fit_no_file_name_are_refused(label):
    with pytest.raises(OutputError, match="cannot be told from the rest"):
        FlatNamesWriter().fresh_key("1.jpg", split=None, label=label, extension=".jpg")


def test_a_table_like_the_inputs_is_written(tmp_path):
    storage = open_storage(tmp_path / "in", create=True)
    table = "Split;File;class\nValidation;../pics/1.jpg;cat\ntrain;../pics/2.jpg;dog\n"
    storage.write("t/l.csv", table.encode())
    for number in "12":
        storage.write(f"pics/{number}.jpg", b".")
    writer = detect(storage).writer()
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(writer))))
    out = open_storage(tmp_path / "out", create=True)
    items = [
        Item(key="pics/1.jpg", split="val", label="cat", size=(1, 1)),
        Item(key="pics/2-v0.jpg", split="train", label="a;b", size=(1, 1)),
        Item(key="pics/3.jpg", split=None, label=None, size=(1, 1)),
    ]
    writer.write_index(out, iter(items))
    written = csv.reader(io.StringIO(out.read("t/l.csv").decode()), delimiter=";")
    assert list(written) == [
        ["File", "class", "Split"],
        ["../pics/1.jpg", "cat", "Validation"],
        ["../pics/2-v0.jpg", "a;b", "train"],
        ["../pics/3.jpg", "", ""],
    ]
