"""In which coordinates COCO's keypoints stand: those in which others take them."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from variegate import Options, Recipe, augment, convert
from variegate.codecs import encode

HERE = Options(workers=0)
HEIGHT, WIDTH = 50, 80
POINTS = [10, 20, 2, 31.5, 25, 1, 0, 0, 0, 40, 44, 2]
SKELETON = ["left_eye", "right_eye", "tail", "beak"]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "in").mkdir()
    image = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
    (tmp_path / "in/1.png").write_bytes(encode(image, format="png"))
    bird = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 10, 40, 36], "area": 1440}
    data = {
        "images": [{"id": 1, "file_name": "1.png", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{**bird, "iscrowd": 0, "keypoints": POINTS, "num_keypoints": 3}],
        "categories": [{"id": 1, "name": "bird", "keypoints": SKELETON}],
    }
    (tmp_path / "in/coco.json").write_text(json.dumps(data))
    return tmp_path / "in"


def by_pycocotools(file, keypoints=None):
    """Return the one annotation that pycocotools reads; boxes it makes of keypoints itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
        (one,) = coco.anns.values()
        if keypoints is None:
            return one
        said = {"image_id": one["image_id"], "category_id": 1, "keypoints": keypoints, "score": 1}
        (made,) = coco.loadRes([said]).anns.values()
    return made


def test_a_mirror_image_is_mirrored_as_its_boxes_are(source, tmp_path):
    recipe = Recipe.from_data({"variants": {"flip": {"axis": "horizontal"}}})
    augment(source, tmp_path / "out", recipe=recipe, options=HERE)
    after = by_pycocotools(tmp_path / "out/coco.json")
    # Left and right have changed places.
    expected = [WIDTH - 31.5, 25, 1, WIDTH - 10, 20, 2, 0, 0, 0, WIDTH - 40, 44, 2]
    assert after["keypoints"] == expected
    assert after["num_keypoints"] == 3

    def seen(flat):
        return [n for i, n in enumerate(flat) if flat[i - i % 3 + 2]]

    x, y, width, height = by_pycocotools(source / "coco.json", seen(POINTS))["bbox"]
    made = by_pycocotools(tmp_path / "out/coco.json", seen(expected))["bbox"]
    assert made == [WIDTH - x - width, y, width, height]


def test_yolo_has_them_as_shares_of_width_and_height(source, tmp_path):
    # The numbers that ultralytics' own conversion gives: x / width, y / height, visibility.
    convert(source, tmp_path / "out", to="yolo", options=HERE)
    (text,) = (path.read_text() for path in (tmp_path / "out").rglob("labels/**/1.txt"))
    numbers = [float(word) for word in text.split()[5:]]
    expected = [
        number
        for x, y, v in zip(POINTS[::3], POINTS[1::3], POINTS[2::3], strict=True)
        for number in (x / WIDTH, y / HEIGHT, v)
    ]
    assert numbers == pytest.approx(expected, abs=1e-9)


def test_what_nothing_is_done_to_keeps_its_numbers(source, tmp_path):
    augment(source, tmp_path / "out", recipe=Recipe.from_data({"variants": "source"}), options=HERE)
    assert by_pycocotools(tmp_path / "out/coco.json")["keypoints"] == POINTS
