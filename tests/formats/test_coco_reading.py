"""COCO as it is found in the wild; expected values were written out by hand from the files."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from pycocotools.coco import COCO
from rewriting import images

from variegate.annotations import rle
from variegate.annotations.annotation import Rle, Skeleton
from variegate.annotations.boxes import area_of, sides_of
from variegate.codecs import decode_mask
from variegate.errors import InputError
from variegate.formats import detect
from variegate.storage import open_storage

JPEG = b"\xff\xd8\xff\xe0"
EDGES = [(1, 2), (3, 4)]


@pytest.fixture
def make(tmp_path):
    def make_set(files, *keys):
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(JPEG)
        for key, content in files.items():
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / key).write_text(text)
        return open_storage(tmp_path)

    return make_set


def coco(*names, boxes=((1, 1, 2, 2),), category="cat"):
    """Return a file that lists images with the same boxes."""
    return {
        "images": [
            {"id": n, "file_name": name, "width": 10, "height": 10} for n, name in enumerate(names)
        ],
        "annotations": [
            {"id": 100 * n + m, "image_id": n, "category_id": 1, "bbox": list(box)}
            for n, _ in enumerate(names)
            for m, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": category}],
    }


def read(storage, **choice):
    dataset_format = detect(storage, **choice)
    assert dataset_format.name == "coco"
    return dataset_format, images(dataset_format, storage)


def splits(found):
    return {key: source.split for key, source in found.items()}


@pytest.mark.parametrize(
    ("folder", "objects", "captions", "labels"),
    [
        ("coco", ([1, 2], [0]), ["hello"], {"b": 1}),
        ("coco_captions", None, ["hello"], {}),
        ("coco_image_info", None, [], {}),
        ("coco_instances", None, [], {}),
        ("coco_labels", None, [], {"b": 1}),
        ("coco_panoptic", None, [], {}),
        ("coco_person_keypoints", None, [], {}),
        ("coco_stuff", None, [], {}),
    ],
)
def test_every_kind_of_file_is_found(data_dir, folder, objects, captions, labels):
    storage = open_storage(data_dir / "annotation_formats/coco_dataset" / folder)
    dataset_format, found = read(storage)
    assert splits(found) == {"images/train/a.jpg": "train", "images/val/b.jpg": "val"}
    assert dataset_format.notes == ()
    first = found["images/train/a.jpg"].annotation
    assert first.size == (5, 10)
    assert first.extra.get("captions", []) == captions
    assert first.labels == labels
    assert not any(source.problems or source.unusable for source in found.values())


@pytest.mark.parametrize(
    ("folder", "train", "val"),
    [
        ("coco_roboflow", "train/a.jpg", "val/b.jpg"),
        ("mmdet_coco", "train/a.jpg", "val/b.jpg"),
        ("coco_instances", "images/train/a.jpg", "images/val/b.jpg"),
    ],
)
def test_boxes_outlines_and_masks(data_dir, folder, train, val):
    storage = open_storage(data_dir / "annotation_formats/coco_dataset" / folder)
    dataset_format, found = read(storage)
    assert dataset_format.classes == ("a", "b", "c")
    assert dataset_format.images == {"train": 1, "val": 1}
    assert splits(found) == {train: "train", val: "val"}
    (only,) = found[train].annotation.objects
    assert (only.category, only.box, only.polygons) == ("b", (2, 2, 5, 3), None)
    outlined, crowd = found[val].annotation.objects
    assert outlined.category == "a"
    assert outlined.box == (0, 0, 1, 2)
    assert outlined.polygons == (((0, 0), (1, 0), (1, 2), (0, 2)),)
    assert outlined.extra["attributes"] == {"x": 1, "y": "hello"}
    assert crowd.category == "b"
    assert crowd.extra["iscrowd"] == 1
    # Counts [0, 20, 30] over 10 rows: the first two of five columns.
    np.testing.assert_array_equal(rle.decode(crowd.rle), [[1, 1, 0, 0, 0]] * 10)


def test_files_about_the_same_images_are_one_set(data_dir):
    storage = open_storage(data_dir / "annotation_formats/coco_dataset/coco")
    _, found = read(storage)
    annotation = found["images/val/b.jpg"].annotation
    assert annotation.labels == {"a": 1, "b": 1}
    assert annotation.extra["captions"] == ["world", "text"]
    # Instances, keypoints and stuff have the crowd under one id; the panoptic file has two more.
    assert [(one.category, one.mask_value) for one in annotation.objects] == [
        ("a", None),
        ("b", None),
        ("a", 7),
        ("b", 20),
    ]
    outlined, crowd, *segments = annotation.objects
    assert outlined.polygons
    assert outlined.keypoints == ((1, 2, 2), (3, 4, 2), (2, 3, 2))
    assert crowd.rle
    assert {one.mask_file for one in segments} == {"annotations/panoptic_val/b.png"}


def test_files_that_are_no_images_say_so(data_dir):
    storage = open_storage(data_dir / "annotation_formats/coco_dataset/coco_panoptic")
    sources = list(detect(storage).sources(storage))
    assert {source.key: source.skip for source in sources} == {
        "annotations/panoptic_train.json": "a label file",
        "annotations/panoptic_train/a.png": "a mask",
        "annotations/panoptic_val.json": "a label file",
        "annotations/panoptic_val/b.png": "a mask",
        "images/train/a.jpg": None,
        "images/val/b.jpg": None,
    }
    assert [source.key for source in sources] == [entry.key for entry in storage.list()]


def test_keypoints_are_at_the_centres_of_their_pixels(data_dir):
    storage = open_storage(data_dir / "coco_mini/keypoints")
    dataset_format, found = read(storage)
    (source,) = found.values()
    (person,) = source.annotation.objects
    assert source.key == "images/000000000785.jpg"
    assert person.keypoints[0] == (367, 81, 2)
    assert person.keypoints[16] == (396, 341, 2)
    assert len(person.keypoints) == 17
    skeleton = dataset_format.skeletons["person"]
    assert skeleton.names[5:7] == ("left_shoulder", "right_shoulder")
    assert skeleton.pairs == tuple((n, n + 1) for n in range(1, 17, 2))
    assert (skeleton.edges[0], skeleton.edges[-1]) == ((15, 13), (4, 6))
    assert len(skeleton.edges) == 19


def test_the_whole_mini_set_is_read_from_its_root(data_dir):
    storage = open_storage(data_dir / "coco_mini")
    dataset_format, found = read(storage)
    assert dataset_format.images == {"train": 12, "val": 12, "": 1}
    assert len(dataset_format.classes) == 133
    left_out, unsplit = dataset_format.notes
    assert left_out == "24 images are not listed in any COCO file and left out"
    assert unsplit.startswith("1 image is in no split, beside others that are in one")
    objects = found["images/train2017/000000000030.jpg"].annotation.objects
    assert [(one.category, one.mask_value) for one in objects] == [
        ("potted plant", 7045770),
        ("vase", 11777973),
        ("flower", 4677959),
        ("grass-merged", 5998442),
        ("wall-other-merged", 12566459),
    ]
    assert objects[0].box == (205, 31, 460, 355)
    mask = decode_mask(storage.read(objects[0].mask_file))
    assert (mask == 7045770).sum() == 31764


@pytest.mark.parametrize("folder", ["roboflow_dataset/coco", "kaggle_dataset/relaxed_coco"])
def test_roboflow_and_one_file_among_the_images(data_dir, folder):
    storage = open_storage(data_dir / "annotation_formats" / folder)
    _, found = read(storage)
    name = "train/train_001.jpg" if "roboflow" in folder else "train_001.jpg"
    assert [one.box for one in found[name].annotation.objects] == [(2, 1, 5, 2)]
    expected = {"train", "val"} if "roboflow" in folder else {None}
    assert set(splits(found).values()) == expected


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
@pytest.mark.parametrize("folder", ["coco_instances", "coco_person_keypoints", "coco_stuff"])
def test_pycocotools_reads_the_same(data_dir, folder):
    root = data_dir / "annotation_formats/coco_dataset" / folder
    _, found = read(open_storage(root))
    seen = 0
    for file in sorted((root / "annotations").glob("*.json")):
        theirs = COCO(file)
        for image in theirs.loadImgs(theirs.getImgIds()):
            (source,) = (s for key, s in found.items() if key.endswith("/" + image["file_name"]))
            annotations = theirs.loadAnns(theirs.getAnnIds(imgIds=image["id"]))
            objects = source.annotation.objects
            assert len(objects) == len(annotations)
            for one, annotation in zip(objects, annotations, strict=True):
                assert one.category == theirs.loadCats(annotation["category_id"])[0]["name"]
                assert sides_of(one.box) == annotation["bbox"]
                if one.rle:
                    mask = theirs.annToMask(annotation)
                    np.testing.assert_array_equal(rle.decode(one.rle), mask)
                    assert area_of(one) == mask.sum()
                seen += 1
    assert seen == {"coco_stuff": 2}.get(folder, 3)


FORMATS_OF_EVENTS = {
    "images/train2017": ("annotations/instances_train2017.json", "images/train2017/1.jpg", "train"),
    "beside": ("annotations/instances_val2017.json", "val2017/1.jpg", "val"),
    "roboflow": ("valid/_annotations.coco.json", "valid/1.jpg", "val"),
    "root": ("coco.json", "1.jpg", None),
    "folder": ("annotations.json", "photos/1.jpg", None),
    "deep": ("set/labels/all.json", "set/data/test/1.jpg", "test"),
}


@pytest.mark.parametrize("name", FORMATS_OF_EVENTS)
def test_layouts_in_the_wild(make, name):
    file, image, split = FORMATS_OF_EVENTS[name]
    _, found = read(make({file: coco("1.jpg")}, image))
    assert splits(found) == {image: split}


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("train/1.jpg", "images/train/1.jpg"),
        ("./1.jpg", "images/train/1.jpg"),
        ("train\\1.jpg", "images/train/1.jpg"),
        ("../images/train/1.jpg", "images/train/1.jpg"),
        ("été [1] ~.jpg", "images/été [1] ~.jpg"),
    ],
)
def test_file_names_with_folders(make, name, image):
    _, found = read(make({"annotations/all.json": coco(name)}, image))
    assert list(found) == [image]


def test_an_image_is_never_taken_from_another_split(make):
    files = {
        "annotations/train.json": coco("1.jpg", "2.jpg"),
        "annotations/val.json": coco("1.jpg"),
    }
    dataset_format, found = read(make(files, "train/1.jpg", "val/1.jpg", "val/2.jpg"))
    assert splits(found) == {"train/1.jpg": "train", "val/1.jpg": "val"}
    assert dataset_format.notes == (
        "1 image is listed in annotations/train.json but missing: '2.jpg'",
        "1 image is not listed in any COCO file and left out",
    )


def test_images_of_two_splits_are_unusable(make):
    files = {"train.json": coco("1.jpg", "2.jpg"), "val.json": coco("2.jpg")}
    _, found = read(make(files, "images/1.jpg", "images/2.jpg"))
    assert found["images/1.jpg"].unusable is None
    assert found["images/2.jpg"].unusable == "listed in several splits: train, val"


def test_zip_files_are_read(make, tmp_path):
    make({"annotations/train.json": coco("1.jpg")}, "train/1.jpg")
    path = tmp_path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in ("annotations/train.json", "train/1.jpg"):
            archive.write(tmp_path / file, file)
    _, found = read(open_storage(path))
    assert [one.box for one in found["train/1.jpg"].annotation.objects] == [(1, 1, 3, 3)]


def test_sections_may_come_in_any_order(make):
    content = coco("1.jpg", "2.jpg")
    turned = {name: content[name] for name in reversed(content)}
    _, found = read(make({"a.json": turned}, "1.jpg", "2.jpg"))
    assert [s.annotation.objects[0].category for s in found.values()] == ["cat", "cat"]


def test_same_names_of_categories_keep_their_ids_apart(make):
    content = coco("1.jpg", boxes=[(1, 1, 2, 2), (4, 4, 2, 2)])
    content["categories"].append({"id": 9, "name": "cat"})
    content["annotations"][1]["category_id"] = 9
    dataset_format, found = read(make({"a.json": content}, "1.jpg"))
    assert dataset_format.classes == ("cat",)
    first, second = found["1.jpg"].annotation.objects
    assert "category_id" not in first.extra["coco"][0]
    assert second.extra["coco"][0]["category_id"] == 9


def test_the_order_of_classes_is_the_files(make):
    content = coco("1.jpg")
    names = ["zebra", "ant", "cat"]
    content["categories"] = [{"id": 7 - n, "name": name} for n, name in enumerate(names)]
    content["annotations"] = []
    dataset_format, _ = read(make({"a.json": content}, "1.jpg"))
    assert dataset_format.classes == ("zebra", "ant", "cat")


def test_skeletons_count_from_one_and_bad_edges_are_left_out(make):
    content = coco("1.jpg")
    points = ["nose", "left_eye", "right_eye"]
    edges = [[1, 2], [3, 1], [0, 1], [3, 4], "x", [1]]
    content["categories"][0] |= {"keypoints": points, "skeleton": edges}
    dataset_format, _ = read(make({"a.json": content}, "1.jpg"))
    assert dataset_format.skeletons["cat"] == Skeleton(tuple(points), ((1, 2),), ((0, 1), (2, 0)))


OTHERS = {
    "a list": [{"image_id": 1}],
    "one of LabelMe": {"version": "5", "shapes": [], "imagePath": "1.jpg"},
    "one of Segment Anything": {"image": {"file_name": "1.jpg"}, "annotations": [{"id": 1}]},
    "no JSON": "{nothing",
    "images of another kind": {"images": ["1.jpg"]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_json_files_are_not_taken(make, name):
    storage = make({"x.json": OTHERS[name]}, "1.jpg", "2.jpg")
    assert detect(storage).name != "coco"
    with pytest.raises(InputError, match=r"no \.json file is a COCO file"):
        detect(storage, name="coco")


def test_files_without_their_images_are_named(make, data_dir):
    storage = make({"a.json": coco("3.jpg")}, "1.jpg")
    with pytest.raises(InputError, match=r"none of the images that 'a\.json' lists is there"):
        detect(storage, name="coco")
    with pytest.raises(InputError, match=r"none of the images .* or choose another format"):
        detect(storage)
    assert detect(storage, name="unlabelled").name == "unlabelled"


def test_a_set_of_only_hidden_json_files_is_none(make):
    storage = make({".cache/a.json": coco("1.jpg")}, "1.jpg")
    assert detect(storage).name == "unlabelled"


def test_the_file_is_read_once(make, monkeypatch):
    storage = make({"annotations/train.json": coco("1.jpg", "2.jpg")}, "train/1.jpg", "train/2.jpg")
    large = " " * (5 << 20)
    path = "annotations/train.json"
    storage.write(path, storage.read(path).rstrip(b"}") + large.encode() + b"}")
    counted = []
    original = type(storage).open_read

    def counting(self, key):
        file = original(self, key)
        read = file.read

        class Counting:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def read(self, size=-1):
                data = read(size)
                if key == path:
                    counted.append(len(data))
                return data

        return Counting()

    monkeypatch.setattr(type(storage), "open_read", counting)
    dataset_format = detect(storage)
    assert len(images(dataset_format, storage)) == 2
    # Once, and the look at the beginning that tells what it is.
    assert sum(counted) <= storage.size(path) + (4 << 20)


def test_rle_of_text_and_of_numbers_are_the_same_mask(make):
    mask = np.zeros((10, 10), np.uint8)
    mask[2:5, 3:7] = 1
    made = rle.encode(mask)
    content = coco("1.jpg", boxes=[(3, 2, 4, 3)] * 2)
    numbers = rle.runs(made).tolist()
    for annotation, counts in zip(content["annotations"], (made.counts, numbers), strict=True):
        annotation["segmentation"] = {"size": [10, 10], "counts": counts}
    _, found = read(make({"a.json": content}, "1.jpg"))
    assert [one.rle for one in found["1.jpg"].annotation.objects] == [Rle(10, 10, made.counts)] * 2


def test_copies_of_the_data_are_untouched(data_dir, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(data_dir / "annotation_formats/coco_dataset/coco", folder)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    storage = open_storage(folder)
    images(detect(storage), storage)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
