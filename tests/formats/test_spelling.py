"""Annotation files whose extension is not in lower case are read like the others."""

import json

import numpy as np
import pytest

from variegate.codecs import encode
from variegate.formats import detect
from variegate.storage import open_storage

XML = (
    "<annotation><size><width>30</width><height>20</height><depth>3</depth></size><object>"
    "<name>a</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>13</xmax><ymax>14</ymax></bndbox>"
    "</object></annotation>"
)
SHAPES = json.dumps(
    {
        "shapes": [{"label": "a", "points": [[3, 4], [13, 14]], "shape_type": "rectangle"}],
        "imageWidth": 30,
        "imageHeight": 20,
    }
)
LAYOUTS = {
    "voc": ("JPEGImages/", "Annotations/", ".xml", XML),
    "yolo": ("images/", "labels/", ".txt", "0 0.5 0.5 0.2 0.2\n"),
    "labelme": ("", "", ".json", SHAPES),
}


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path):
    images, labels, extension, text = LAYOUTS[request.param]
    storage = open_storage(tmp_path / "set", create=True)
    image = encode(np.zeros((20, 30, 3), np.uint8), format="png")
    for number, spelled in enumerate((extension, extension.upper(), extension.title())):
        storage.write(f"{images}{number}.png", image)
        storage.write(f"{labels}{number}{spelled}", text.encode())
    if request.param == "yolo":
        storage.write("data.yaml", b"train: images\nnames: [a]\n")
    return request.param, storage, f"{labels}0{extension}", text


def test_each_is_read(layout):
    name, storage, _, _ = layout
    found = detect(storage)
    assert found.name == name
    objects = [len(s.annotation.objects) for s in found.sources(storage) if s.annotation]
    assert objects == [1, 1, 1]


def test_of_two_for_one_image_the_other_is_named(layout):
    _, storage, key, text = layout
    second = key.rpartition(".")[0] + key[key.rindex(".") :].upper()
    storage.write(second, text.encode())
    if len(list(storage.list())) != len({entry.key.lower() for entry in storage.list()}) + 1:
        pytest.skip("this file system holds no names that differ in case alone")
    sources = list(detect(storage).sources(storage))
    assert sum(s.annotation is not None for s in sources) == 3
    assert [s.skip for s in sources if s.key == second] == [
        "not read: another label file has this name in other case"
    ]
