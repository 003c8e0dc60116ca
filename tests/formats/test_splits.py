"""Splits under any name, hidden files, and what is asked where names leave it open."""

import json

import numpy as np
import pytest

from variegate import Hints, Options, augment, estimate, inspect
from variegate.annotations.splits import canonical_split
from variegate.codecs import encode
from variegate.errors import InputError, UsageError
from variegate.formats import detect
from variegate.formats.scan import is_hidden
from variegate.storage import open_storage

IMAGE = encode(np.full((20, 40, 3), 90, np.uint8), format="jpeg")
BOX = b"0 0.5 0.5 0.5 0.5\n"


@pytest.fixture
def make(tmp_path):
    def make_set(*keys, **files):
        for key, data in {**dict.fromkeys(keys, IMAGE), **files}.items():
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path / "set")

    return make_set


def split_of_each(storage, **choice):
    found = detect(storage, **choice)
    sources = [s for s in found.sources(storage) if s.seems_usable and "." in s.key]
    counts = {}
    for source in sources:
        counts[source.split or ""] = counts.get(source.split or "", 0) + 1
    assert counts == {split: count for split, count in found.images.items() if count}
    return {source.key: source.split for source in sources}


def in_folders(*tops, classes=("cat", "dog")):
    return [f"{top}/{name}/{top[:2]}.jpg" for top in tops for name in classes]


# ---- names


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train training_set seg_train obj_Train_data train2017 TrainImages"),
        ("train", "1-train train_v2 stage1_train trainset my.training.data"),
        ("val", "val2017 valid Validation_images obj_Validation_data dev validation-set"),
        ("test", "test_set seg_test Test(1) testing test1 TestImages"),
        (None, "train_station bullet_train test_tube contest latest device oval trainval trainA"),
        (None, "images data set seg_pred train_val"),
    ],
)
def test_names_of_splits_are_known_by_their_words(split, names):
    assert {name: canonical_split(name) for name in names.split()} == dict.fromkeys(
        names.split(), split
    )


def test_a_long_name_costs_no_more_than_its_length():
    assert canonical_split("dataset" * 20_000 + "x") is None


@pytest.mark.parametrize(
    ("folder", "classes", "splits"),
    [
        ("splits-training_set", ("cats", "dogs"), {"train": 6, "test": 6}),
        ("splits-seg_train", ("cats", "dogs"), {"train": 6, "test": 6, "": 3}),
        ("yolo-train2017-val2017", ("red",), {"train": 1, "val": 1}),
        ("cvat-subset-names", ("red",), {"train": 1, "val": 1}),
    ],
)
def test_splits_under_other_names(data_dir, folder, classes, splits):
    found = detect(open_storage(data_dir / "field_cases" / folder))
    assert found.classes == classes
    assert {split: count for split, count in found.images.items() if count} == splits


@pytest.mark.parametrize("names", [("Train Data", "VAL_1"), ("trainingset", "valid-set")])
def test_other_spellings_in_other_formats(make, names):
    first, second = names
    keys = (f"{first}/images/1.jpg", f"{second}/images/2.jpg")
    labels = {key.replace("images", "labels").replace(".jpg", ".txt"): BOX for key in keys}
    assert list(split_of_each(make(*keys, **labels)).values()) == ["train", "val"]


def test_each_class_may_have_its_splits(make):
    storage = make("cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg", "dog/val/4.jpg")
    found = detect(storage)
    assert found.classes == ("cat", "dog")
    told = {s.key: (s.split, s.label) for s in found.sources(storage)}
    assert told["cat/val/2.jpg"] == ("val", "cat")
    assert found.images == {"train": 2, "val": 2}


@pytest.mark.parametrize("above", ["", "archive/"])
def test_a_split_may_repeat_itself_inside(make, above):
    inside = ("training_set/training_set", "test_set/test_set")
    storage = make(*(f"{above}{one}/{kind}/1.jpg" for one in inside for kind in ("cat", "dog")))
    found = detect(storage)
    assert found.classes == ("cat", "dog")
    assert found.images == {"train": 2, "test": 2}
    told = {s.key: (s.split, s.label) for s in found.sources(storage)}
    assert told[f"{above}test_set/test_set/dog/1.jpg"] == ("test", "dog")


def test_a_split_that_repeats_itself_may_come_without_labels(make):
    keys = ("train/train/cat/1.jpg", "train/train/dog/2.jpg", "test/test/3.jpg")
    storage = make(*keys)
    found = detect(storage)
    assert found.classes == ("cat", "dog")
    told = {s.key: (s.split, s.label) for s in found.sources(storage)}
    assert told["test/test/3.jpg"] == ("test", None)


def test_images_to_be_tested_on_may_come_without_labels(make):
    storage = make("train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg")
    found = detect(storage)
    assert (found.classes, found.images["test"]) == (("cat", "dog"), 1)
    assert found.notes == ("1 image stands in no class folder and without a label",)


def test_images_without_labels_may_be_given_to_a_split(data_dir):
    storage = open_storage(data_dir / "field_cases/splits-seg_train")
    found = detect(storage, hints=Hints(splits={"seg_pred": "test"}))
    assert (found.classes, found.images) == (("cats", "dogs"), {"train": 6, "test": 9})


# ---- questions


@pytest.mark.parametrize(
    ("tops", "words"),
    [
        (("Train_A", "Test_A"), "look like splits.*--split test=Test_A --split train=Train_A"),
        (("trainval", "test"), "'trainval' look like splits.*--split test=trainval"),
        (("traindata", "evaldata"), "'evaldata' look like splits.*--split test=evaldata"),
        (("fold1", "fold2"), "hold the same folders, 'cat', 'dog'.*--split train=fold1"),
    ],
)
def test_what_may_be_a_split_is_a_question_and_never_a_class(make, tops, words):
    with pytest.raises(InputError, match=words):
        detect(make(*in_folders(*tops)))


def test_the_answers(make):
    storage = make(*in_folders("fold1", "fold2"))
    said = Hints(splits={"fold1": "train", "fold2": "val"})
    found = detect(storage, hints=said)
    assert found.classes == ("cat", "dog")
    assert set(split_of_each(storage, hints=said).values()) == {"train", "val"}
    assert detect(storage, name="classes").classes == ("fold1", "fold2")


def test_labels_beside_splits_of_unknown_names_ask_too(make):
    keys = ("images/x_train_hr/1.jpg", "images/x_test_hr/2.jpg")
    labels = {key.replace("images", "labels").replace(".jpg", ".txt"): BOX for key in keys}
    storage = make(*keys, **labels)
    with pytest.raises(InputError, match="look like splits"):
        detect(storage)
    hints = Hints(splits={"x_train_hr": "train", "images/x_test_hr": "test"})
    assert list(split_of_each(storage, hints=hints).values()) == ["test", "train"]


def test_images_in_no_split_beside_others_are_said(make):
    keys = ["train/images/1.jpg", "extra/images/2.jpg"]
    labels = {key.replace("images", "labels").replace("jpg", "txt"): BOX for key in keys}
    found = detect(make(*keys, **labels, **{"classes.txt": b"red\n"}))
    assert (found.name, found.images) == ("yolo", {"train": 1, "": 1})
    (note,) = found.notes
    assert note.startswith("1 image is in no split, beside others that are in one")


def test_a_train_station_among_many_classes_is_a_class(make):
    storage = make("train_station/1.jpg", "test_tube/1.jpg", "a/1.jpg", "b/1.jpg", "c/1.jpg")
    assert len(detect(storage).classes) == 5


def test_a_split_that_is_not_there_is_refused(make):
    with pytest.raises(InputError, match=r"--split train=nowhere: no images of it; there are 'a"):
        detect(make("a/1.jpg", "b/2.jpg"), hints=Hints(splits={"nowhere": "train"}))


def test_a_hint_without_use_is_refused(make):
    with pytest.raises(UsageError, match="--columns: the format classes"):
        detect(make("a/1.jpg", "b/2.jpg"), hints=Hints(columns={"file": "id"}))


# ---- what the user says, in every format with folders

A, B = "north", "south"
COCO = {
    "images": [{"id": n, "file_name": f"{n}.jpg", "width": 40, "height": 20} for n in (1, 2)],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
    "categories": [{"id": 1, "name": "cat"}],
}
SHAPE = {"label": "cat", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
LABELME = {"shapes": [SHAPE], "imageHeight": 20, "imageWidth": 40}
XML = (
    "<annotation><size><width>40</width><height>20</height><depth>3</depth></size><object>"
    "<name>cat</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    "</object></annotation>"
)
ROWS = "filename,class,xmin,ymin,xmax,ymax\n1.jpg,cat,1,1,9,9\n2.jpg,cat,1,1,9,9\n"
FILES = {
    "classes": {f"{A}/cat/1.jpg": IMAGE, f"{B}/cat/2.jpg": IMAGE, f"{B}/dog/2.jpg": IMAGE},
    "flat": {f"{A}/cat_1.jpg": IMAGE, f"{B}/cat_2.jpg": IMAGE},
    "unlabelled": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE},
    "csv": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE, "l.csv": "file,label\n1,cat\n2,dog\n"},
    "csv-boxes": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE, "l.csv": ROWS},
    "coco": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE, "a.json": json.dumps(COCO)},
    "yolo": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE, f"{A}/1.txt": BOX, f"{B}/2.txt": BOX},
    "voc": {f"{A}/1.jpg": IMAGE, f"{B}/2.jpg": IMAGE, f"{A}/1.xml": XML, f"{B}/2.xml": XML},
    "labelme": {
        f"{A}/1.jpg": IMAGE,
        f"{B}/2.jpg": IMAGE,
        **dict.fromkeys((f"{A}/1.json", f"{B}/2.json"), json.dumps(LABELME)),
    },
    "masks": {f"{at}/{kind}/1.png": IMAGE for at in (A, B) for kind in ("images", "masks")},
    "imagefolder": {
        f"{A}/1.jpg": IMAGE,
        f"{B}/2.jpg": IMAGE,
        "metadata.jsonl": f'{{"file_name": "{A}/1.jpg"}}\n{{"file_name": "{B}/2.jpg"}}\n',
    },
    "object-masks": {
        f"{at}/x{n}/{place}.png": IMAGE
        for at in (A, B)
        for n in (1, 2)
        for place in ("images/1", "masks/1", "masks/2")
    },
}


@pytest.mark.parametrize("name", FILES)
def test_the_user_may_name_the_splits_of_every_format_with_folders(make, name):
    storage = make(**FILES[name])
    hints = Hints(splits={A: "train", B: "test"})
    told = split_of_each(storage, name=name, hints=hints)
    assert told
    for key, split in told.items():
        assert split == ("train" if key.startswith(A) else "test"), key


# ---- hidden files


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        ("cat/.ipynb_checkpoints/1-checkpoint.jpg", True),
        ("__macosx/cat/1.jpg", True),
        ("cat/._1.jpg", True),
        ("cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", True),
        ("$RECYCLE.BIN/1.jpg", True),
        ("cat/__pycache__/1.jpg", True),
        ("cat/_vti_cnf/1.jpg", True),
        ("cat/~$1.jpg", True),
        ("cat/1~$.jpg", False),
        ("pycache/1.jpg", False),
        ("cat/1.ipynb_checkpoints.jpg", False),
        ("lost+found.jpg", False),
        ("a__MACOSX/1.jpg", False),
    ],
)
def test_what_systems_leave_behind_is_hidden(key, hidden):
    assert is_hidden(key) is hidden


def test_hidden_folders_are_no_part_of_a_run(data_dir, tmp_path):
    source = data_dir / "field_cases/hidden-folders"
    assert dict(detect(open_storage(source)).images) == {"": 2}
    found = inspect(source)
    assert found.images == {"": 2}
    assert sum(one.count for one in found.hidden.values()) == 3
    options = Options(workers=0)
    planned = estimate(source, recipe="chain", options=options)
    summary = augment(source, tmp_path / "out", recipe="chain", options=options)
    assert (summary.counts.augmented, summary.counts.skipped) == (planned.augmented, 3) == (2, 3)
    assert summary.counts.outputs == planned.outputs
    made = {path.parent.name for path in (tmp_path / "out").rglob("*.jpg")}
    assert made == {"cat", "dog"}


@pytest.mark.parametrize("name", FILES)
def test_hidden_files_are_no_images_in_any_format(make, name):
    plain = split_of_each(make(**FILES[name]), name=name)
    files = {f"{A}/.ipynb_checkpoints/{key.rpartition('/')[2]}": IMAGE for key in plain}
    storage = make(**files)
    assert split_of_each(storage, name=name) == plain
    hidden = [s for s in detect(storage, name=name).sources(storage) if is_hidden(s.key)]
    assert hidden
    assert {source.skip for source in hidden} == {"a hidden file, or in a hidden folder"}
