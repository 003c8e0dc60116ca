"""`--images` and `--encoding` for formats with an annotation file for each image."""

import json

import pytest

import jobs
from variegate.errors import InputError, UsageError
from variegate.formats import detect
from variegate.formats.hints import Hints
from variegate.storage import open_storage

VOC = """<annotation><size><width>40</width><height>30</height></size><object><name>cat</name>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>12</xmax><ymax>13</ymax></bndbox></object></annotation>"""
LABELME = json.dumps(
    {"shapes": [{"label": "cat", "shape_type": "rectangle", "points": [[1, 2], [11, 12]]}]}
)
FILES = {"voc": ("xml", VOC), "labelme": ("json", LABELME), "yolo": ("txt", "0 .5 .5 .2 .2")}


@pytest.fixture
def dataset(tmp_path):
    def make(name, *, folder="defects"):
        extension, text = FILES[name]
        for place in ("photos/day one", "thumbs"):
            jobs.draw_noise(tmp_path / place / "7.png", size=(30, 40))
        where = tmp_path / folder / f"7.{extension}"
        where.parent.mkdir(exist_ok=True)
        where.write_text(text)
        return open_storage(tmp_path)

    return make


@pytest.mark.parametrize("name", FILES)
def test_images_are_where_the_user_says(name, dataset):
    storage = dataset(name)
    found = detect(storage, hints=Hints.of(images="photos"))
    assert found.name == name
    sources = {one.key: one for one in found.sources(storage)}
    assert len(sources["photos/day one/7.png"].annotation.objects) == 1
    assert "outside the folders" in sources["thumbs/7.png"].skip


@pytest.mark.parametrize("name", FILES)
def test_several_folders_of_annotations_are_asked_about(name, dataset):
    dataset(name, folder="others")
    with pytest.raises(InputError, match="may be in 'defects/' or 'others/'"):
        detect(dataset(name), hints=Hints.of(images="photos"))


@pytest.mark.parametrize("name", FILES)
def test_a_folder_without_such_images_is_told(name, dataset):
    with pytest.raises(InputError, match="has the name of an image in 'phots/'"):
        detect(dataset(name), name=name, hints=Hints.of(images="phots"))


def test_a_format_that_has_no_use_for_an_encoding_refuses_it(tmp_path):
    jobs.draw_noise(tmp_path / "a.png")
    with pytest.raises(UsageError, match="--encoding: the format unlabelled of"):
        detect(open_storage(tmp_path), hints=Hints.of(encoding="gbk"))


def test_labelme_in_an_old_encoding(dataset, tmp_path):
    storage = dataset("labelme", folder="photos/day one")
    (tmp_path / "photos/day one/7.json").write_bytes(LABELME.replace("cat", "裂纹").encode("gbk"))
    assert detect(storage, hints=Hints.of(encoding="gbk")).classes == ("裂纹",)


@pytest.mark.parametrize("encoding", [None, "gbk"])
def test_label_maps_in_an_old_encoding(encoding, tmp_path):
    text = (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\n安全帽:128,0,0::\n反光衣:0,128,0::\n"
    )
    jobs.draw_noise(tmp_path / "JPEGImages/7.png", size=(30, 40))
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/7.xml").write_text(VOC.replace("cat", "安全帽"))
    (tmp_path / "labelmap.txt").write_bytes(text.encode("gbk"))
    found = detect(open_storage(tmp_path), hints=Hints.of(encoding=encoding))
    assert "反光衣" in found.classes or "反光衣" in found.writer().labelmap[1]
    assert any("in gbk" in note for note in found.notes) is (encoding is None)
    with pytest.raises(InputError, match="not in ascii"):
        detect(open_storage(tmp_path), hints=Hints.of(encoding="ascii"))


@pytest.mark.parametrize("name", FILES)
def test_one_annotation_is_never_that_of_two_images(name, tmp_path):
    extension, text = FILES[name]
    for place in ("images/a", "images/b", "labels"):
        (tmp_path / place).mkdir(parents=True)
    for key in ("a/7.png", "b/7.png", "b/8.png"):
        jobs.draw_noise(tmp_path / "images" / key, size=(30, 40))
    (tmp_path / f"labels/7.{extension}").write_text(text)
    storage = open_storage(tmp_path)
    with pytest.raises(InputError, match=r"of 'images/a/7' or of 'images/b/7'.*--images DIR"):
        detect(storage)
    found = detect(storage, hints=Hints.of(images="images/b"))
    assert [one.key for one in found.sources(storage) if one.objects] == ["images/b/7.png"]
    # One of its own, and nothing is left open.
    (tmp_path / "labels/a").mkdir()
    (tmp_path / f"labels/a/7.{extension}").write_text(text)
    found = detect(storage)
    objects = {one.key: one.objects for one in found.sources(storage) if one.skip is None}
    assert objects == {"images/a/7.png": 1, "images/b/7.png": 1, "images/b/8.png": 0}


@pytest.mark.parametrize("name", FILES)
def test_the_nearest_image_has_the_annotation(name, tmp_path):
    extension, text = FILES[name]
    for place in ("images/train", "previews/train", "labels/train"):
        (tmp_path / place).mkdir(parents=True)
        if place != "labels/train":
            jobs.draw_noise(tmp_path / place / "7.png", size=(30, 40))
    (tmp_path / f"labels/train/7.{extension}").write_text(text)
    storage = open_storage(tmp_path)
    found = detect(storage)
    assert found.images["train"] == 1
    assert any(
        "from another image, which is nearer to it; left out: 'pre" in n for n in found.notes
    )
    skips = {one.key: one.skip for one in found.sources(storage) if one.key.endswith("png")}
    assert skips["images/train/7.png"] is None
    assert "is that of another image" in skips["previews/train/7.png"]


@pytest.mark.parametrize("name", ["yolo", "labelme"])
def test_an_annotation_of_two_images_in_one_folder_is_said(name, tmp_path):
    extension, text = FILES[name]
    for image in ("7.png", "7.bmp"):
        jobs.draw_noise(tmp_path / image, size=(30, 40))
    (tmp_path / f"7.{extension}").write_text(text)
    (note,) = detect(open_storage(tmp_path)).notes
    assert "taken for several images, which differ by their extension alone: '7'" in note
