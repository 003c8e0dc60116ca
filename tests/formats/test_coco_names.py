"""COCO files whose names and ids are not quite those of the images: matched, or refused."""

import json

import pytest
from PIL import Image
from rewriting import images

from variegate import Options, Recipe, augment
from variegate.errors import InputError
from variegate.formats import Hints, detect
from variegate.storage import open_storage

BOX, OTHER = (20, 30, 60, 50), (100, 30, 140, 50)


def content(*names, ids=None):
    """Return a COCO file of these images, each with a box."""
    ids = ids or range(1, len(names) + 1)
    boxes = [[20 + 80 * (n % 2), 30, 40, 20] for n in range(len(names))]
    return {
        "images": [
            {"id": i, "file_name": name, "width": 200, "height": 120}
            for i, name in zip(ids, names, strict=True)
        ],
        "annotations": [
            {"id": n, "image_id": i, "category_id": 1, "bbox": box}
            for n, (i, box) in enumerate(zip(ids, boxes, strict=True))
        ],
        "categories": [{"id": 1, "name": "red"}],
    }


@pytest.fixture
def make(tmp_path):
    def make_set(files, *keys):
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (200, 120)).save(tmp_path / key)
        for key, data in files.items():
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_text(json.dumps(data))
        return open_storage(tmp_path)

    return make_set


def boxes(storage, **given):
    found = images(detect(storage, **given), storage)
    return {key: [one.box for one in source.annotation.objects] for key, source in found.items()}


@pytest.mark.parametrize(
    "name",
    [
        "C:\\Users\\me\\proj\\images\\1.jpg",
        "/home/x/images/1.jpg",
        "D:/images/1.jpg",
        "\\\\server\\share\\images\\1.jpg",
        "https://example.com/proj/images/1.jpg?token=a%2Fb",
        "s3://bucket/images/1.jpg",
        "../../elsewhere/images/1.jpg",
    ],
)
def test_a_path_of_another_computer_is_matched_by_its_end(make, name):
    storage = make({"annotations/all.json": content(name)}, "images/1.jpg", "thumbnails/1.jpg")
    assert boxes(storage) == {"images/1.jpg": [BOX]}
    note = "1 name in annotations/all.json leads out of the dataset; matched by its end: "
    assert f"{note}{name!r} is 'images/1.jpg'" in detect(storage).notes


def test_a_path_whose_end_is_that_of_two_images_is_asked_for(make):
    storage = make({"all.json": content("/home/x/1.jpg")}, "a/1.jpg", "b/1.jpg")
    with pytest.raises(InputError, match=r"any of 'a/1\.jpg', 'b/1\.jpg'; .*--images DIR"):
        detect(storage)
    assert boxes(storage, hints=Hints(images="b")) == {"b/1.jpg": [BOX]}


def test_a_path_never_means_an_image_of_another_split(make):
    storage = make(
        {"all.json": content("/x/train/1.jpg", "/x/val/2.jpg")}, "val/1.jpg", "val/2.jpg"
    )
    assert boxes(storage) == {"val/2.jpg": [OTHER]}
    assert any("1 file lies outside the dataset" in note for note in detect(storage).notes)


def test_annotations_whose_images_are_not_there_are_never_left_behind(make, tmp_path):
    storage = make({"all.json": content("C:\\x\\7.jpg")}, "images/1.jpg")
    with pytest.raises(InputError, match=r"none of the images .* --images DIR, or choose another"):
        detect(storage)
    with pytest.raises(InputError, match="none of the images"):
        augment(tmp_path, tmp_path.with_suffix(".out"), options=Options(workers=0))
    assert detect(storage, name="unlabelled").name == "unlabelled"


def test_the_folder_of_the_images_may_be_said(make):
    files = {"labels/all.json": content("1.jpg")}
    storage = make(files, "raw/1.jpg", "small/1.jpg")
    with pytest.raises(InputError, match=r"any of 'raw/1\.jpg', 'small/1\.jpg'"):
        detect(storage)
    assert boxes(storage, hints=Hints(images="small/")) == {"small/1.jpg": [BOX]}
    with pytest.raises(InputError, match="none of the images"):
        detect(storage, hints=Hints(images="nowhere"), name="coco")


def test_two_files_of_the_same_names_belong_to_the_folders_called_like_them(make):
    files = {"labels/task1.json": content("1.jpg"), "labels/task2.json": content("2.jpg", "1.jpg")}
    storage = make(files, "task1/1.jpg", "task2/1.jpg", "task2/2.jpg")
    assert boxes(storage) == {"task1/1.jpg": [BOX], "task2/1.jpg": [OTHER], "task2/2.jpg": [BOX]}


def test_two_images_of_one_name_are_refused_with_both_places(make):
    storage = make({"all.json": content("1.jpg", "1.jpg")}, "task1/1.jpg", "task2/1.jpg")
    with pytest.raises(InputError, match=r"'task1/1\.jpg', 'task2/1\.jpg'"):
        detect(storage)
    # Where one folder is more likely than the other, too.
    files = {"all.json": content("1.jpg", "1.jpg", "2.jpg")}
    storage = make(files, "task1/1.jpg", "task1/2.jpg", "task2/1.jpg")
    with pytest.raises(InputError, match=r"images\[0\] and images\[1\] are both called '1\.jpg'"):
        detect(storage)


def test_objects_of_two_images_never_come_to_one_file(make):
    storage = make({"all.json": content("1.jpg", "1.jpg")}, "images/1.jpg")
    (source,) = images(detect(storage), storage).values()
    assert source.unusable == (
        "all.json: images[1] (id 2): '1.jpg' is the image of id 1, too, and both have annotations"
    )
    # Of an image that is only listed twice nothing is in doubt.
    twice = content("1.jpg", "1.jpg")
    del twice["annotations"][1]
    storage = make({"all.json": twice}, "images/1.jpg")
    (source,) = images(detect(storage), storage).values()
    assert (source.unusable, len(source.problems)) == (None, 1)


@pytest.mark.parametrize(
    ("own", "other"), [(1, "1"), ("1", 1), (785, "000000000785"), (1, 1.0), ("img", " img ")]
)
def test_ids_of_images_are_matched_however_they_are_written(make, own, other):
    data = content("1.jpg", "2.jpg", ids=[own, 9])
    data["annotations"][0]["image_id"] = other
    storage = make({"all.json": data}, "1.jpg", "2.jpg")
    assert boxes(storage) == {"1.jpg": [BOX], "2.jpg": [OTHER]}
    notes = detect(storage).notes
    if own == other:
        assert notes == ()
    else:
        assert len(notes) == 1
        assert f"{other!r} is taken as {own!r}" in notes[0]


def test_ids_that_may_be_those_of_two_images_are_not_matched(make):
    data = content("1.jpg", "2.jpg", ids=[1, "1"])
    data["annotations"][0]["image_id"] = "01"
    storage = make({"all.json": data}, "1.jpg", "2.jpg")
    assert boxes(storage) == {"1.jpg": [], "2.jpg": [OTHER]}
    sources = list(detect(storage).sources(storage))
    assert any("1 object left out" in one for source in sources for one in source.problems)


def test_ids_of_categories_are_matched_likewise(make, tmp_path):
    data = content("1.jpg", "2.jpg")
    data["annotations"][0]["category_id"] = "1"
    storage = make({"all.json": data}, "1.jpg", "2.jpg")
    assert boxes(storage) == {"1.jpg": [BOX], "2.jpg": [OTHER]}
    assert any("'1' is taken as 1" in note for note in detect(storage).notes)
    out = tmp_path.with_suffix(".out")
    recipe = Recipe.from_data({"variants": "flip"})
    augment(tmp_path, out, recipe=recipe, options=Options(workers=0))
    written = json.loads((out / "all.json").read_text())
    assert [one["category_id"] for one in written["annotations"]] == [1, 1]


SQUARE = [20, 30, 60, 30, 60, 50, 20, 50]
PAIRS = [[20, 30], [60, 30], [60, 50], [20, 50]]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (SQUARE, "one list of numbers; taken as one polygon"),
        (PAIRS, "a list of points; taken as one polygon"),
        ([PAIRS], "lists of points; taken as polygons"),
        ([SQUARE], None),
    ],
)
def test_polygons_of_other_tools_are_polygons(make, raw, words):
    data = content("1.jpg")
    data["annotations"][0]["segmentation"] = raw
    storage = make({"all.json": data}, "1.jpg")
    (source,) = images(detect(storage), storage).values()
    assert source.annotation.objects[0].polygons == (tuple(map(tuple, PAIRS)),)
    expected = (
        [] if words is None else [f"all.json: annotations[0] (id 0): segmentation is {words}"]
    )
    assert list(source.problems) == expected


@pytest.mark.parametrize("name", ["coco-absolute-names", "image-id-as-text", "flat-segmentation"])
def test_field_cases_keep_every_object(name, data_dir, tmp_path):
    recipe = Recipe.from_data({"variants": "flip"})
    summary = augment(
        data_dir / "field_cases" / name, tmp_path, recipe=recipe, options=Options(workers=0)
    )
    assert len(summary.notes) + summary.problems == 1
    (file,) = (one for one in tmp_path.rglob("*.json") if ".variegate" not in one.parts)
    found = json.loads(file.read_text())["annotations"]
    assert len(found) == summary.counts.outputs > 0
    # The red rectangle, left to right.
    assert all(one["bbox"] == [140, 30, 40, 20] for one in found)


def test_the_field_case_of_one_name_is_refused(data_dir):
    storage = open_storage(data_dir / "field_cases/same-file-name-joined")
    with pytest.raises(InputError, match=r"'task1/1\.jpg', 'task2/1\.jpg'"):
        detect(storage)


def about_versions(storage):
    return [note for note in detect(storage).notes if "version of the other" in note]


def test_two_versions_of_one_file_are_said(make):
    old, new = content("1.jpg"), content("1.jpg")
    new["annotations"][0]["bbox"][0] += 2
    storage = make({"old.json": old, "new.json": new}, "1.jpg")
    (note,) = about_versions(storage)
    assert note.startswith("'new.json' and 'old.json' name other objects of one class in '1.jpg'")


@pytest.mark.parametrize("change", ["none", "more", "class", "image"])
def test_files_that_complete_each_other_are_no_versions(make, change):
    one, two = content("1.jpg"), content("1.jpg")
    if change == "more":
        extra = {"id": 9, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}
        two["annotations"].append(extra)
    elif change == "class":
        two["categories"][0]["name"], two["annotations"][0]["bbox"] = "sky", [0, 0, 200, 20]
    elif change == "image":
        two = content("2.jpg")
        two["annotations"][0]["bbox"] = [1, 2, 3, 4]
    storage = make({"one.json": one, "two.json": two}, "1.jpg", "2.jpg")
    assert not about_versions(storage)
