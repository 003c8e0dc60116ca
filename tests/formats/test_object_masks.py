"""One mask file for each object, as in the Data Science Bowl's nuclei."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from rewriting import images, rewrite

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import decode_mask, encode_mask
from variegate.formats import detect
from variegate.formats.base import DatasetFormat, NotThisFormat
from variegate.formats.flat import NAME_RULES
from variegate.formats.hints import Hints
from variegate.formats.object_masks.format import ObjectMasks
from variegate.formats.object_masks.writer import ObjectMasksWriter
from variegate.formats.scan import survey
from variegate.formats.writer import DatasetInfo, Item
from variegate.storage import open_storage

# Masks in the folders of the images, counted by hand, by the first letters of their names.
NUCLEI = {
    "00071198": 27, "003cee89": 36, "01d44a26": 7, "0280fa8f": 16, "02903040": 22,
    "03b9306f": 22, "03f583ec": 17, "0b0d5771": 7, "0bf33d3d": 29, "0d3640c1": 21,
    "14004203": 25, "92f31f59": 10, "a6515d73": 15, "d256b32a": 33, "f4b7c24b": 9,
}  # fmt: skip


def read(storage, *, chosen=False):
    return ObjectMasks.recognise(survey(storage, NAME_RULES), storage, chosen=chosen)


def found(storage, **choice):
    dataset_format = read(storage, **choice)
    assert isinstance(dataset_format, DatasetFormat), dataset_format
    return dataset_format


def image(size=(3, 4)):
    data = io.BytesIO()
    Image.new("RGB", size[::-1]).save(data, "PNG")
    return data.getvalue()


def mask(number, size=(3, 4), value=255):
    values = np.zeros(size, np.uint8)
    values.flat[number % values.size] = value
    return values


@pytest.fixture
def make(tmp_path):
    def make_set(*keys, value=255):
        storage = open_storage(tmp_path / "in", create=True)
        for number, key in enumerate(keys):
            is_mask = "masks/" in key
            storage.write(key, encode_mask(mask(number, value=value)) if is_mask else image())
        return storage

    return make_set


def test_the_nuclei_are_read_and_written_alike(data_dir, tmp_path):
    storage = open_storage(data_dir / "nuclei_instances")
    dataset_format = found(storage)
    assert dataset_format.description == (
        "one mask file for each object: 1 class, 15 images, "
        "no splits (all of it is treated as training data)"
    )
    everything = list(dataset_format.sources(storage))
    assert [source.key for source in everything] == [entry.key for entry in storage.list()]
    assert sum(source.skip == "a mask" for source in everything) == 296
    sources = images(dataset_format, storage)
    counts = {key[:8]: len(source.annotation.objects) for key, source in sources.items()}
    assert counts == NUCLEI
    assert not any(source.problems or source.unusable for source in everything)

    out, items = rewrite(dataset_format, storage, tmp_path)
    again = images(found(out), out)
    assert {key[:8]: len(source.annotation.objects) for key, source in again.items()} == NUCLEI
    for item in items:
        name = item.source.partition("/")[0]
        assert item.key == f"{name}-v05/images/{name}-v05.png"
        assert again[item.key].annotation == item.annotation
        for one, other in zip(
            sources[item.source].annotation.objects, item.annotation.objects, strict=True
        ):
            assert other.mask_file == one.mask_file.replace(f"{name}/masks", f"{name}-v05/masks")
            # Written by other hands, but the same values.
            before = Image.open(io.BytesIO(storage.read(one.mask_file)))
            after = Image.open(io.BytesIO(out.read(other.mask_file)))
            assert np.array_equal(np.array(after), np.array(before))


@pytest.mark.parametrize(
    ("names", "classes", "categories"),
    [
        (("cell/1", "cell/2", "dot/1", "dot/2"), ("cell", "dot"), ["cell", "cell", "dot", "dot"]),
        (("cell_1", "cell_2", "dot 1", "dot-2"), ("cell", "dot"), ["cell", "cell", "dot", "dot"]),
        (("mask_1", "mask_2", "mask_3"), ("object",), ["object"] * 3),
        (("1", "2", "3"), ("object",), ["object"] * 3),
        (("0af3", "b374acf1b7e6", "cccc", "a1"), ("object",), ["object"] * 4),
        (("cell_1", "cell_2", "b374acf1b7e6"), ("object",), ["object"] * 3),
    ],
)
def test_classes_stand_in_folders_or_names_if_anywhere(make, names, classes, categories):
    storage = make("x/images/x.png", *sorted(f"x/masks/{name}.png" for name in names))
    dataset_format = found(storage, chosen=True)
    assert dataset_format.classes == classes
    (source,) = images(dataset_format, storage).values()
    assert sorted(one.category for one in source.annotation.objects) == categories


def test_results_get_folders_of_their_own():
    writer = ObjectMasksWriter()

    def key(source, extension=".png", own=(".png",)):
        return writer.key(source, suffix="-v05", extension=extension, own_extensions=own)

    assert key("train/7/images/7.png") == "train/7-v05/images/7-v05.png"
    assert key("7/images/photo.PNG") == "7-v05/images/photo-v05.PNG"
    assert key("7.5/images/7.png", ".jpg", (".jpg",)) == "7.5-v05/images/7.png-v05.jpg"
    name = writer.mask_key(
        "train/7/masks/cell/1.tif",
        source="train/7/images/7.png",
        output=key("train/7/images/7.png"),
    )
    assert name == "train/7-v05/masks/cell/1.png"


@pytest.mark.parametrize("value", [1, 255])
def test_the_value_of_objects_is_kept(make, tmp_path, value):
    storage = make("x/images/x.png", "x/masks/1.png", "x/masks/2.png", value=value)
    dataset_format = found(storage)
    out, items = rewrite(dataset_format, storage, tmp_path / "out")
    # Workers may hand masks over as 0 and 255.
    spread = {key: (values > 0) * np.uint8(255) for key, values in items[0].masks.items()}
    for item in (items[0], Item(**{**_fields(items[0]), "masks": spread})):
        for _, content in dataset_format.writer().sidecars(item):
            assert sorted(np.unique(decode_mask(content))) == [0, value]
    assert found(out).value == value


def _fields(item):
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_images_without_objects_stay_in_the_set(make, tmp_path):
    storage = make("x/images/x.png", "x/masks/1.png", "x/masks/2.png", "y/images/y.png")
    dataset_format = found(storage)
    sources = images(dataset_format, storage)
    assert sources["y/images/y.png"].annotation == Annotation(size=(3, 4))
    assert sources["y/images/y.png"].problems == ("y/images/y.png: no masks",)
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    assert list(images(found(out), out)) == ["x-v05/images/x-v05.png", "y-v05/images/y-v05.png"]


def test_what_is_wrong_is_named_with_its_file(make):
    keys = [f"{n}/images/{n}.png" for n in "abc"]
    keys += [f"{n}/masks/{m}.png" for n in "abcd" for m in "1234"]
    storage = make(*keys)
    storage.write("a/masks/2.png", encode_mask(mask(0, (4, 3))))
    storage.write("a/masks/3.png", b"")
    storage.write("b/images/c.png", image())
    storage.write("b/notes.txt", b"x")
    dataset_format = found(storage)
    everything = list(dataset_format.sources(storage))
    assert [source.key for source in everything] == [entry.key for entry in storage.list()]
    sources = {source.key: source for source in everything}
    assert sources["a/images/a.png"].problems == (
        "a/masks/2.png: 3 x 4 pixels, its image has 4 x 3; object left out",
        "a/masks/3.png: cannot be read: empty file (0 bytes); object left out",
    )
    assert [one.mask_file for one in sources["a/images/a.png"].annotation.objects] == [
        *("a/masks/1.png", "a/masks/4.png")
    ]
    assert sources["b/images/c.png"].unusable == ("the masks beside it belong to 'b/images/b.png'")
    assert len(sources["b/images/b.png"].annotation.objects) == 4
    assert sources["d/masks/1.png"].skip == "a mask without an image"
    assert sources["d/masks/1.png"].problems == (
        "d/masks/1.png: a mask without an image; it is left out",
    )
    assert sources["b/notes.txt"].skip is None


def test_splits_are_folders_above(make):
    storage = make(
        *("stage1_train/x/images/x.png", "stage1_train/x/masks/1.png"),
        *("stage1_train/x/masks/2.png", "stage1_test/y/images/y.png", "stage1_test/y/masks/1.png"),
    )
    dataset_format = found(storage)
    assert dataset_format.images == {"train": 1, "test": 1}
    assert {s.key: s.split for s in images(dataset_format, storage).values()} == {
        "stage1_train/x/images/x.png": "train",
        "stage1_test/y/images/y.png": "test",
    }


@pytest.mark.parametrize(
    "keys",
    [
        ("images/1.png", "images/2.png", "masks/1.png", "masks/2.png"),
        ("train/images/1.png", "train/masks/1.png", "train/masks/2.png"),
        ("a/images/1.png", "a/masks/1.png", "b/images/1.png", "b/masks/1.png"),
        ("cats/1.png", "masks/2.png"),
    ],
)
def test_other_sets_are_left_alone(make, keys):
    assert isinstance(read(make(*keys)), NotThisFormat)


@pytest.mark.parametrize("name", ["coco_mini", "bccd_voc", "annotation_formats/camvid_dataset"])
def test_real_sets_of_other_layouts_are_left_alone(data_dir, name):
    assert isinstance(read(open_storage(data_dir / name)), NotThisFormat)


def test_objects_of_other_formats_are_drawn(tmp_path):
    writer = ObjectMasksWriter.fresh(DatasetInfo(classes=("a", "b/c")))
    key = writer.fresh_key("images/7.jpg", split=None, label=None, extension=".jpg")
    assert key == "7/images/7.jpg"
    run = np.zeros((3, 4), np.uint8)
    run[1, 1:3] = 1
    shared = np.array([[0, 1, 2, 2]] * 3, np.uint8)
    objects = (
        Object(category="a", polygons=(((0.2, 0.2), (1.8, 0.2), (1.8, 2.8), (0.2, 2.8)),)),
        Object(category="b/c", rle=rle.encode(run)),
        Object(category="a", box=(0, 0, 1, 1)),
        Object(category="a", mask_file="ids/7.png", mask_value=2),
    )
    item = Item(
        key=key,
        split=None,
        label=None,
        size=(3, 4),
        annotation=Annotation(size=(3, 4), objects=objects),
        masks={"ids/7.png": shared},
    )
    written = {name: decode_mask(data) for name, data in writer.sidecars(item)}
    assert {name: (values > 0).astype(int).tolist() for name, values in written.items()} == {
        "7/masks/a/0001.png": [[1, 1, 0, 0]] * 3,
        "7/masks/b_c/0002.png": run.tolist(),
        "7/masks/a/0004.png": [[0, 0, 1, 1]] * 3,
    }


def test_smoothed_masks_are_noted_unless_the_user_says_what_they_are(tmp_path):
    storage = open_storage(tmp_path / "in", create=True)
    values = np.zeros((60, 80), np.uint8)
    values[20:40, 20:60] = 255
    smooth = encode_mask(cv2.GaussianBlur(values, (9, 9), 2))
    for case in "abc":
        storage.write(f"{case}/images/{case}.png", encode_mask(values))
        for number in (1, 2):
            storage.write(f"{case}/masks/{number}.png", smooth)
    found = detect(storage)
    assert found.name == "object-masks"
    (note,) = found.notes
    assert "--masks instances" in note
    assert not detect(storage, hints=Hints(masks="instances")).notes
