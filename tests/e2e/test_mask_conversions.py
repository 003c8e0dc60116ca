"""Masks of classes and of numbered objects become outlines, and masks again."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from variegate import Options, convert
from variegate.annotations import rle
from variegate.annotations.annotation import Rle
from variegate.codecs import decode_mask, encode, encode_mask
from variegate.errors import OutputError
from variegate.formats import detect
from variegate.formats.hints import Hints
from variegate.storage import open_storage

HERE = Options(workers=0)
SIZE = (24, 32)


def drawn(root, masks, names=None):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number, mask in enumerate(masks):
        image = np.full((*SIZE, 3), 90 + number, np.uint8)
        (root / f"images/{number}.png").write_bytes(encode(image, format="png"))
        (root / f"masks/{number}.png").write_bytes(encode_mask(mask))
    if names:
        (root / "classes.txt").write_text("\n".join(names))
    return root


def blank():
    return np.zeros(SIZE, np.uint8)


def classes():
    """Return two masks of classes 1 and 2: three areas and one with a hole, and none."""
    first = blank()
    first[2:8, 3:9] = 1
    first[4:6, 5:7] = 0
    first[12:20, 1:5] = 2
    first[12:20, 20:30] = 2
    return [first, blank()]


def objects(root):
    storage = open_storage(root)
    found = detect(storage)
    sources = [one for one in found.sources(storage) if one.seems_usable]
    return found, [[one.category for one in source.annotation.objects] for source in sources]


@pytest.mark.parametrize("to", ["coco", "yolo", "labelme", "object-masks"])
def test_areas_of_classes_become_objects_and_the_same_mask_again(tmp_path, to):
    root = drawn(tmp_path / "in", classes(), ["background", "cat", "dog"])
    convert(root, tmp_path / to, to=to, allow_loss=to == "object-masks", options=HERE)
    found, listed = objects(tmp_path / to)
    if to != "object-masks":
        assert listed == [["cat", "dog", "dog"], []]
        assert found.classes == ("cat", "dog")
    else:
        assert [len(one) for one in listed] == [3, 0]
        return
    convert(tmp_path / to, tmp_path / "back", to="masks", allow_loss=True, options=HERE)
    assert (tmp_path / "back/classes.txt").read_text().split() == ["background", "cat", "dog"]
    for number, mask in enumerate(classes()):
        (file,) = (tmp_path / "back/masks").rglob(f"*{number}.png")
        np.testing.assert_array_equal(decode_mask(file.read_bytes()), mask)


def test_values_without_names_are_classes_by_their_numbers(tmp_path):
    mask = classes()[0]
    mask[22:, :] = 255  # the border of objects is none
    options = Options(workers=0, hints=Hints(masks="classes"))
    convert(drawn(tmp_path / "in", [mask]), tmp_path / "out", to="coco", options=options)
    found, listed = objects(tmp_path / "out")
    assert (found.classes, listed) == (("1", "2"), [["1", "2", "2"]])


def test_polygons_in_coco_are_what_pycocotools_fills(tmp_path):
    root = drawn(tmp_path / "in", classes(), ["background", "cat", "dog"])
    convert(root, tmp_path / "out", to="coco", polygons=True, options=HERE)
    (file,) = (tmp_path / "out/annotations").glob("*.json")
    data = json.loads(file.read_text())
    assert all(isinstance(one["segmentation"], list) for one in data["annotations"])
    coco = COCO(str(file))
    filled = blank()
    for one in data["annotations"]:
        runs = coco.annToRLE(one)
        shape = rle.decode(Rle(*runs["size"], runs["counts"].decode()))
        filled[shape > 0] = one["category_id"]
    np.testing.assert_array_equal(filled, classes()[0])


def numbered():
    """Return two masks of numbered objects."""
    first, second = blank(), blank()
    for number, (y, x) in enumerate([(1, 1), (1, 12), (12, 1), (12, 12)], 1):
        # Four corners would be an oriented box in YOLO.
        first[y : y + 7, x : x + 9] = number
        first[y, x] = 0
    second[3:9, 3:9] = 1
    second[3, 3] = 0
    return [first, second, blank()]


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "labelme"])
def test_numbered_objects_become_outlines_and_are_numbered_again(tmp_path, to):
    root = drawn(tmp_path / "in", numbered(), ["background", "cell"])
    options = Options(workers=0, hints=Hints(masks="instances"))
    convert(root, tmp_path / to, to=to, options=options)
    assert objects(tmp_path / to)[1] == [["cell"] * 4, ["cell"], []]
    convert(tmp_path / to, tmp_path / "back", to="instance-masks", options=HERE)
    found, listed = objects(tmp_path / "back")
    assert (found.name, found.instances) == ("masks", True)
    assert listed == [["cell"] * 4, ["cell"], []]
    for number, mask in enumerate(numbered()):
        (file,) = (tmp_path / "back/instances").rglob(f"*{number}.png")
        np.testing.assert_array_equal(decode_mask(file.read_bytes()), mask)


def test_several_classes_have_no_place_in_numbered_masks(tmp_path):
    root = drawn(tmp_path / "in", classes(), ["background", "cat", "dog"])
    convert(root, tmp_path / "coco", to="coco", options=HERE)
    with pytest.raises(OutputError, match="classes of 3 objects: its masks number objects of one"):
        convert(tmp_path / "coco", tmp_path / "out", to="instance-masks", options=HERE)
    convert(tmp_path / "coco", tmp_path / "out", to="instance-masks", allow_loss=True, options=HERE)
    assert objects(tmp_path / "out")[1] == [["object"] * 3, []]
