"""Annotation files that state another size than their image has: said, and decided by evidence."""

import json

import numpy as np
import pytest

from variegate import Options, Recipe, augment, convert
from variegate.codecs import encode
from variegate.errors import InputError
from variegate.formats import detect
from variegate.storage import open_storage

# Width and height.
REAL = (200, 120)


def blank(size=REAL):
    return encode(np.full((size[1], size[0], 3), 90, np.uint8), format="png")


def coco(images):
    entries = [(number, stated, box) for number, (stated, *all_) in images for box in all_]
    return {
        "set.json": json.dumps(
            {
                "images": [
                    {"id": n, "file_name": f"{n}.png", "width": stated[0], "height": stated[1]}
                    for n, (stated, *_) in images
                ],
                "annotations": [
                    {
                        "id": i,
                        "image_id": n,
                        "category_id": 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                    }
                    for i, (n, _, (x1, y1, x2, y2)) in enumerate(entries)
                ],
                "categories": [{"id": 1, "name": "red"}],
            }
        )
    }


def voc(images):
    files = {}
    for n, (stated, *boxes) in images:
        objects = "".join(
            "<object><name>red</name><bndbox>"
            f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
            "</bndbox></object>"
            for x1, y1, x2, y2 in boxes
        )
        size = f"<size><width>{stated[0]}</width><height>{stated[1]}</height></size>"
        files[f"{n}.xml"] = f"<annotation>{size}{objects}</annotation>"
    return files


def labelme(images):
    files = {}
    for n, (stated, *boxes) in images:
        shapes = [
            {"label": "red", "shape_type": "rectangle", "points": [[x1, y1], [x2, y2]]}
            for x1, y1, x2, y2 in boxes
        ]
        content = {"shapes": shapes, "imageHeight": stated[1], "imageWidth": stated[0]}
        files[f"{n}.json"] = json.dumps(content)
    return files


def csv_boxes(images):
    rows = [
        f"{n}.png,{stated[0]},{stated[1]},red,{x1},{y1},{x2},{y2}"
        for n, (stated, *boxes) in images
        for x1, y1, x2, y2 in boxes
    ]
    return {"boxes.csv": "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows])}


FORMATS = {"coco": coco, "voc": voc, "labelme": labelme, "csv-boxes": csv_boxes}
BOX = (20, 30, 60, 50)


@pytest.fixture(params=FORMATS)
def read(request, tmp_path):
    """Write a set: of each image the size that is stated, and boxes; read it again."""

    def read_set(*images):
        files = FORMATS[request.param](list(enumerate(images)))
        for n in range(len(images)):
            (tmp_path / f"{n}.png").write_bytes(blank())
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        storage = open_storage(tmp_path)
        dataset_format = detect(storage)
        assert dataset_format.name == request.param
        return [one for one in dataset_format.sources(storage) if one.annotation or one.unusable]

    return read_set


def boxes(source):
    return [one.box for one in source.annotation.objects]


def said(source):
    return [problem.partition(": a size of ")[2] for problem in source.problems]


@pytest.mark.parametrize("stated", [(400, 240), (120, 200), (640, 640), (190, 114)])
def test_coordinates_that_fit_the_image_are_those_of_the_image(read, stated):
    (source,) = read((stated, BOX))
    assert source.annotation.size == (120, 200)
    assert boxes(source) == [BOX]
    size = f"{stated[0]} x {stated[1]}"
    assert said(source) == [
        f"{size} is stated, the image has 200 x 120; coordinates taken as they are"
    ]
    assert source.unusable is None


def test_coordinates_beyond_the_stated_size_are_kept(read):
    (source,) = read(((100, 60), (120, 70, 180, 110), BOX))
    assert boxes(source) == [(120, 70, 180, 110), BOX]
    assert "taken as they are" in source.problems[0]


def test_coordinates_beyond_the_image_are_those_of_a_copy(read):
    (source,) = read(((400, 240), (240, 140, 360, 220)))
    assert source.annotation.size == (240, 400)
    assert said(source) == [
        "400 x 240 is stated, the image has 200 x 120; coordinates scaled to it"
    ]


def test_where_an_image_does_not_tell_most_others_do(read):
    beyond = ((400, 240), (240, 140, 360, 220))
    sources = read(beyond, ((400, 240), BOX), beyond)
    assert [one.annotation.size for one in sources] == [(240, 400)] * 3
    beyond = ((100, 60), (120, 70, 180, 110))
    sources = read(beyond, ((100, 60), BOX), beyond)
    assert [one.annotation.size for one in sources] == [(120, 200)] * 3
    assert all("taken as they are" in one.problems[0] for one in sources)


def test_one_box_over_the_edge_does_not_scale_a_set(read):
    inside = [(10 * n, 5 * n, 10 * n + 30, 5 * n + 40) for n in range(15)]
    sources = read(((400, 240), (150, 50, 230, 90)), *(((400, 240), box) for box in inside))
    assert {one.annotation.size for one in sources} == {(120, 200)}


def test_many_boxes_in_the_corner_are_those_of_a_smaller_copy(read):
    corner = [(5 * n, 3 * n, 5 * n + 20, 3 * n + 20) for n in range(12)]
    sources = read(*(((100, 60), box) for box in corner))
    assert {one.annotation.size for one in sources} == {(60, 100)}
    assert all("coordinates scaled to it" in one.problems[0] for one in sources)


def test_coordinates_of_another_image_are_not_used(read):
    (source,) = read(((120, 200), (20, 130, 60, 190)))
    assert source.unusable.endswith(
        "its annotation is for an image of 120 x 200, it has 200 x 120, and coordinates lie "
        "outside of it"
    )


def test_a_right_size_is_not_spoken_of(read):
    (source,) = read((REAL, BOX))
    assert (source.problems, source.annotation.size) == ((), (120, 200))


def test_masks_of_the_stated_size_tell_of_a_copy(tmp_path):
    content = json.loads(coco([(0, ((400, 240), BOX))])["set.json"])
    content["annotations"][0]["segmentation"] = {"size": [240, 400], "counts": [5000, 90, 90_910]}
    (tmp_path / "set.json").write_text(json.dumps(content))
    (tmp_path / "0.png").write_bytes(blank())
    storage = open_storage(tmp_path)
    (source,) = (one for one in detect(storage).sources(storage) if one.annotation)
    assert source.annotation.size == (240, 400)
    assert source.annotation.objects[0].rle is not None


FIELD_CASES = ("wrong-size-scales-silently", "inspect-blind-to-size")


@pytest.mark.parametrize("name", FIELD_CASES)
def test_no_output_is_lost_to_a_wrong_size(name, data_dir, tmp_path):
    place, options = data_dir / "field_cases" / name, Options(workers=0)
    recipe = Recipe.from_data({"variants": {"each": ["flip", "source"]}})
    summary = augment(place, tmp_path / "out", recipe=recipe, options=options)
    assert summary.counts.quarantined == 0
    assert summary.counts.outputs == 2 * summary.counts.augmented > 0
    assert summary.problems == summary.counts.augmented
    written = json.loads((tmp_path / "out/annotations.json").read_text())
    assert {(one["width"], one["height"]) for one in written["images"]} == {REAL}
    # The red rectangle, left to right and as it was.
    assert {tuple(one["bbox"]) for one in written["annotations"]} == {
        (140, 30, 40, 20),
        (20, 30, 40, 20),
    }
    convert(place, tmp_path / "yolo", to="yolo", allow_loss=True, options=options)
    (first, *_) = sorted((tmp_path / "yolo").rglob("a.txt"))
    numbers = [float(word) for word in first.read_text().split()]
    assert numbers == pytest.approx([0, 0.2, 1 / 3, 0.2, 1 / 6])


@pytest.mark.parametrize("name", FIELD_CASES)
def test_strict_stops_at_a_wrong_size(name, data_dir, tmp_path):
    with pytest.raises(InputError, match="is stated, the image has 200 x 120"):
        augment(
            data_dir / "field_cases" / name,
            tmp_path / "out",
            options=Options(workers=0, strict=True),
        )
