"""What COCO files leave open is said: names for ids, other encodings, numbers that nobody moves."""

import json

import pytest
from PIL import Image
from rewriting import images

from variegate import Hints, Options, Recipe, augment
from variegate.errors import InputError
from variegate.formats import detect
from variegate.storage import open_storage

BOX = (20, 30, 60, 50)


@pytest.fixture
def make(tmp_path):
    def make_set(data, *keys, encoding="utf-8", ensure_ascii=False):
        for key in keys:
            (tmp_path / "in" / key).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (200, 120)).save(tmp_path / "in" / key)
        text = json.dumps(data, ensure_ascii=ensure_ascii, indent=1)
        (tmp_path / "in/annotations.json").write_bytes(text.encode(encoding))
        return open_storage(tmp_path / "in")

    return make_set


def content(files, image_ids, category="red", **fields):
    return {
        "images": [
            {"id": n, "file_name": name, "width": 200, "height": 120}
            for n, name in enumerate(files, 7)
        ],
        "annotations": [
            {"id": n, "image_id": one, "category_id": 1, "bbox": [20, 30, 40, 20], **fields}
            for n, one in enumerate(image_ids)
        ],
        "categories": [{"id": 1, "name": category}],
    }


def boxes(found, storage):
    return {
        key: [one.box for one in source.annotation.objects]
        for key, source in images(found, storage).items()
    }


def told(found, storage):
    said = [problem for source in found.sources(storage) for problem in source.problems]
    return [*dict.fromkeys((*found.notes, *said))]


# ---- file names for ids


@pytest.mark.parametrize("ids", [("a.png", "x/b.png"), ("a", "b"), ("x/a", "b.png")])
def test_an_image_id_may_be_the_name_of_a_file(ids, make):
    storage = make(content(["x/a.png", "x/b.png"], ids), "x/a.png", "x/b.png")
    found = detect(storage)
    assert boxes(found, storage) == {"x/a.png": [BOX], "x/b.png": [BOX]}
    (problem,) = told(found, storage)
    assert "2 annotations have file names as image_id" in problem
    assert "is taken as the image of id " in problem


def test_a_name_that_two_images_have_is_not_guessed_at(make):
    storage = make(content(["x/a.png", "y/a.png"], ["a.png", "y/a"]), "x/a.png", "y/a.png")
    found = detect(storage)
    assert boxes(found, storage) == {"x/a.png": [], "y/a.png": [BOX]}
    assert any(
        "an image that it does not list; 1 object left out" in p for p in told(found, storage)
    )


def test_an_id_goes_before_a_name(make):
    # "7" is the id of the first, and the name of the second.
    storage = make(content(["a.png", "7.png"], ["7"]), "a.png", "7.png")
    assert boxes(detect(storage), storage) == {"a.png": [BOX], "7.png": []}


def test_what_is_called_by_name_is_written_again(make, tmp_path):
    storage = make(content(["a.png"], ["a.png"]), "a.png")
    recipe = Recipe.from_data({"variants": "source"})
    summary = augment(storage.url, tmp_path / "out", recipe=recipe, options=Options(workers=0))
    assert summary.counts.objects_written == 1
    (one,) = json.loads((tmp_path / "out/annotations.json").read_text())["annotations"]
    assert one["bbox"] == [20, 30, 40, 20]


# ---- encodings


@pytest.mark.parametrize("encoding", ["gbk", "cp1251", "utf-16", "utf-8-sig"])
def test_files_in_other_encodings_are_read_as_the_user_says(encoding, make):
    word = "красный свет" if encoding == "cp1251" else "红色的信号灯"
    storage = make(content(["a.png"], [7], word), "a.png", encoding=encoding)
    said = None if encoding.startswith("utf") else encoding
    found = detect(storage, hints=Hints.of(encoding=said))
    assert found.classes == (word,)
    assert not told(found, storage)


def test_an_encoding_that_cannot_be_told_is_asked_for(make):
    storage = make(content(["a.png"], [7], "\x9d"), "a.png", encoding="latin-1")
    with pytest.raises(InputError, match=r"not in UTF-8; say in which encoding.*--encoding"):
        detect(storage)
    with pytest.raises(InputError, match=r"not in GBK; .*--encoding"):
        detect(storage, hints=Hints.of(encoding="gbk"))


def test_an_encoding_that_is_guessed_is_said(make):
    storage = make(content(["a.png"], [7], "红色的信号灯"), "a.png", encoding="gbk")
    found = detect(storage)
    assert found.classes == ("红色的信号灯",)
    assert any("in gbk; --encoding says otherwise" in one for one in told(found, storage))


# ---- numbers that nobody moves


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"attributes": {"center": [40, 40], "night": True}}, "attributes.center"),
        ({"parts": [{"name": "eye", "place": [[1, 2], [3, 4]]}]}, "parts.place"),
        ({"a": {"b": {"c": [1.5, 2]}}}, "a.b.c"),
    ],
)
def test_nested_numbers_are_told(fields, name, make):
    storage = make(content(["a.png"], [7, 7], **fields), "a.png")
    (problem,) = told(detect(storage), storage)
    assert f"field {name!r} (2 times) holds numbers" in problem
    assert problem.endswith("left out of images that are moved")


def test_a_category_may_be_called_by_its_name(make):
    data = content(["a.png"], [7, 7])
    name = data["categories"][0]["name"]
    data["annotations"][1]["category_id"] = name
    storage = make(data, "a.png")
    found = detect(storage)
    (problem,) = told(found, storage)
    assert f"category_id written in another way than the id of its category: {name!r}" in problem
    (source,) = (one for one in found.sources(storage) if one.annotation)
    assert [one.category for one in source.annotation.objects] == [name, name]


def test_numbers_of_images_are_told(make):
    data = content(["a.png"], [7])
    data["images"][0] |= {"horizon": [0, 50, 200, 60], "date_captured": "2020", "tags": ["a", "b"]}
    storage = make(data, "a.png")
    (problem,) = told(detect(storage), storage)
    assert "field 'images: horizon' (1 times) holds numbers" in problem


def test_other_fields_are_not_told(make):
    fields = {"attributes": {"occluded": False, "depth": 3, "tags": ["a"]}, "score": 0.5}
    storage = make(content(["a.png"], [7], **fields), "a.png")
    assert not told(detect(storage), storage)
