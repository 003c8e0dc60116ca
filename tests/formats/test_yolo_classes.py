"""Which names YOLO's classes have: several lists, contradictions, and very many."""

import time

import numpy as np
import pytest

from variegate import Hints, Options, augment
from variegate.codecs import encode
from variegate.errors import InputError
from variegate.formats import detect
from variegate.storage import open_storage

IMAGE = encode(np.full((20, 40, 3), 90, np.uint8), format="jpeg")
BOX = "0 0.5 0.5 0.5 0.5\n"


@pytest.fixture
def make(tmp_path):
    def make_set(files):
        for key, data in files.items():
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path / "set")

    return make_set


def two(first=BOX, second=BOX, **more):
    files = {"a/1.jpg": IMAGE, "a/1.txt": first, "b/2.jpg": IMAGE, "b/2.txt": second}
    return {**files, **more}


def categories(found, storage):
    sources = found.sources(storage)
    return [[o.category for o in s.annotation.objects] for s in sources if s.annotation]


def test_each_folder_is_read_by_its_own_list(data_dir, tmp_path):
    source = data_dir / "field_cases/two-classes-txt"
    storage = open_storage(source)
    found = detect(storage)
    assert found.classes == ("red", "green")
    assert categories(found, storage) == [["red", "green"], ["red", "green"]]
    assert "each counts for its own folder" in found.notes[0]

    augment(source, tmp_path / "out", recipe="chain", options=Options(workers=0))
    lists = {path.read_text() for path in (tmp_path / "out").rglob("classes.txt")}
    assert lists == {"red\ngreen\n"}
    copied = (tmp_path / "out/val/val1.txt").read_text()
    assert [line.split()[:2] for line in copied.splitlines()] == [["0", "0.2"], ["1", "0.625"]]
    again = open_storage(tmp_path / "out")
    assert {tuple(one) for one in categories(detect(again), again)} == {("red", "green")}


def test_lists_of_different_lengths_are_merged_by_name(make):
    storage = make(two(**{"a/classes.txt": "cat\ndog\n", "b/obj.names": "dog\n"}))
    found = detect(storage)
    assert found.classes == ("cat", "dog")
    assert categories(found, storage) == [["cat"], ["dog"]]


def test_a_list_nearby_goes_before_one_far_away(make):
    lists = {"a/classes.txt": "cat\n", "b/classes.txt": "cat\n", "predefined_classes.txt": "x\ny\n"}
    found = detect(make(two(**lists)))
    assert (found.classes, found.notes) == (("cat",), ())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"classes.txt": "dog\ncat\n", "data.yaml": "names: [cat, dog]"}, "class 0 is 'dog', but"),
        ({"a/classes.txt": "cat", "a/obj.names": "dog", "b/classes.txt": "x"}, "stand in one fold"),
        ({"a/classes.txt": "cat", "c/classes.txt": "dog"}, "'b/' holds labels and no list"),
    ],
)
def test_a_contradiction_is_refused_until_the_user_says_the_names(make, files, message):
    storage = make(two(**files))
    with pytest.raises(InputError, match=rf"{message}.*--classes FILE"):
        detect(storage)
    found = detect(storage, hints=Hints(classes=("bird", "fish")))
    assert (found.classes, categories(found, storage)) == (("bird", "fish"), [["bird"], ["bird"]])


def test_a_subset_of_any_name_is_read(make):
    config = "classes = 1\nTraining_Set = data/t.txt\nValidation = data/v.txt\nbackup = b/\n"
    lists = {"t.txt": "data/a/1.jpg\n", "v.txt": "data/b/2.jpg\n", "obj.data": config}
    found = detect(make(two(**lists, **{"obj.names": "cat\n"})))
    assert found.images == {"train": 1, "val": 1}


# ---- very many


def one(config):
    return {"images/7.jpg": IMAGE, "labels/7.txt": "3 0.5 0.5 0.5 0.5\n", "data.yaml": config}


@pytest.mark.parametrize("count", ["1000000000", "-4", "many", "9" * 100])
def test_a_number_of_classes_that_cannot_be_is_told(make, count):
    found = detect(make(one(f"nc: {count}\n")))
    assert found.classes == ("3",)
    assert found.notes[0].startswith("data.yaml: nc: expected a number of at most 100,000 classes")
    assert len(found.notes[0]) < 200


def test_forty_thousand_numbered_classes(make):
    begun = time.process_time()
    found = detect(make(one("nc: 40000\n")))
    # 16 s when every number was compared with all others.
    assert time.process_time() - begun < 4
    assert (len(found.classes), found.classes[-1]) == (40_000, "39999")


def test_a_hundred_thousand_names_are_read_and_written(make, tmp_path):
    names = "".join(f"- c{n}\n" for n in range(100_000))
    begun = time.process_time()
    found = detect(make(one(f"names:\n{names}")))
    assert time.process_time() - begun < 20
    assert len(found.classes) == 100_000
    assert found.writer().number("c99999") == 99_999


def test_more_names_are_refused(make):
    names = "".join("- x\n" for _ in range(100_001))
    with pytest.raises(InputError, match="more than 100,000 classes"):
        detect(make(one(f"names:\n{names}")))


def test_deep_nesting_is_no_yaml(make):
    with pytest.raises(InputError, match="not valid YAML"):
        detect(make(one("names: " + "[" * 100_000)))
