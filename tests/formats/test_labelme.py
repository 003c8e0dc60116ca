"""LabelMe: every shape, what surrounds it, and files that nobody should write."""

import base64
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import encode, encode_mask
from variegate.formats import Item, detect, writer_from_json, writer_to_json
from variegate.formats.labelme.format import LabelMeWriter
from variegate.formats.labelme.shapes import circle, read_shape, write_shapes
from variegate.formats.writer import DatasetInfo
from variegate.storage import open_storage

IMAGE = encode(np.full((40, 60, 3), 90, np.uint8), format="png")


def shape(label, kind, *points, **more):
    fields = {"group_id": None, "description": "", "shape_type": kind, "flags": {}}
    return {"label": label, "points": [list(point) for point in points], **fields, **more}


def document(*shapes, **more):
    fields = {"version": "5.4.1", "flags": {"day": True}, "shapes": list(shapes)}
    fields |= {"imagePath": "7.png", "imageData": None, "imageHeight": 40, "imageWidth": 60}
    return json.dumps({**fields, **more}, indent=1)


@pytest.fixture
def make(tmp_path):
    def make_set(files):
        for key, data in files.items():
            place = tmp_path / "set" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path / "set")

    return make_set


@pytest.fixture
def read(make):
    """Read a set of one image with this file beside it; return the image's source."""

    def read_set(text, **more):
        usual = {"8.png": IMAGE, "8.json": document(shape("x", "point", (1, 1)))}
        storage = make({"7.png": IMAGE, "7.json": text, **usual, **more})
        return next(s for s in images(storage) if s.key == "7.png")

    return read_set


def images(storage):
    dataset_format = detect(storage)
    assert dataset_format.name == "labelme"
    return [s for s in dataset_format.sources(storage) if s.annotation is not None or s.unusable]


def write_again(storage, target):
    dataset_format = detect(storage)
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(dataset_format.writer()))))
    assert writer == dataset_format.writer()
    out = open_storage(target, create=True)
    for one in images(storage):
        out.write(one.key, storage.read(one.key))
        item = Item(
            key=one.key, split=one.split, label=None, size=(40, 60), annotation=one.annotation
        )
        for key, data in writer.sidecars(item):
            out.write(key, data)
    return out


PIECE = np.array([[1, 0], [1, 1], [0, 1]], np.uint8)
MASK = base64.b64encode(encode_mask(PIECE * np.uint8(255))).decode()
SHAPES = [
    shape("a", "polygon", (1.5, 2), (20, 3), (7, 30.123456789), description="an edge"),
    shape("b", "rectangle", (10.25, 5), (30, 30), flags={"hard": True}),
    shape("c", "circle", (20.1, 20.3), (25.7, 21)),
    shape("p", "point", (3, 4)),
    shape("l", "line", (3, 4), (50, 6)),
    shape("s", "linestrip", (3, 4), (5, 6), (9, 9.5)),
    shape("n", "points", (3, 4), (5, 6)),
    shape("d", "polygon", (1, 1), (5, 1), (3, 7), group_id=4),
    shape("d", "polygon", (11, 1), (15, 1), (13, 7), group_id=4),
    shape("m", "mask", (2, 3), (3, 5), mask=MASK),
]


def test_every_shape_is_read(read):
    source = read(document(*SHAPES, imageData="AAAA", weather="rain"))
    assert (source.problems, source.unusable) == ((), None)
    assert source.annotation.size == (40, 60)
    assert source.annotation.extra == {
        "version": "5.4.1",
        "flags": {"day": True},
        "weather": "rain",
    }
    polygon, box, ring, point, line, strip, points, pieces, mask = source.annotation.objects
    assert polygon.polygons == (((1.5, 2), (20, 3), (7, 30.123456789)),)
    assert polygon.extra == {"group_id": None, "description": "an edge", "flags": {}}
    assert (box.box, box.extra["flags"]) == ((10.25, 5, 30, 30), {"hard": True})
    radius = math.hypot(5.6, 0.7)
    assert len(ring.polygons[0]) == 64
    for x, y in ring.polygons[0]:
        assert math.hypot(x - 20.1, y - 20.3) == pytest.approx(radius)
    assert point.keypoints == ((3, 4, 2),)
    assert line.keypoints == ((3, 4, 2), (50, 6, 2))
    assert strip.keypoints == ((3, 4, 2), (5, 6, 2), (9, 9.5, 2))
    assert points.keypoints == ((3, 4, 2), (5, 6, 2))
    assert pieces.polygons == (((1, 1), (5, 1), (3, 7)), ((11, 1), (15, 1), (13, 7)))
    whole = np.zeros((40, 60), np.uint8)
    whole[3:6, 2:4] = PIECE
    assert np.array_equal(rle.decode(mask.rle), whole)


def test_every_shape_is_written_as_it_was(make, tmp_path):
    before = document(*SHAPES, imageData="AAAA", weather="rain")
    storage = make({"7.png": IMAGE, "7.json": before})
    out = write_again(storage, tmp_path / "out")
    after = json.loads(out.read("7.json"))
    masks = [one.pop("mask") for one in after["shapes"] if "mask" in one]
    expected = json.loads(before)
    del expected["shapes"][-1]["mask"]
    assert after == {**expected, "imageData": None}
    assert len(masks) == 1
    assert images(out)[0].annotation == images(storage)[0].annotation


@pytest.mark.parametrize(
    ("image", "file", "path", "split"),
    [
        ("7.png", "7.json", "7.png", None),
        ("train/7.png", "train/7.json", "7.png", "train"),
        ("images/7.png", "annotations/7.json", "../images/7.png", None),
        ("img/val/7.png", "ann/val/7.json", "../../img/val/7.png", "val"),
        ("7.png", "labels/7.json", "../7.png", None),
    ],
)
def test_files_are_found_beside_and_away_from_images(make, tmp_path, image, file, path, split):
    storage = make({image: IMAGE, file: document(SHAPES[0], imagePath="gone.png")})
    (source,) = images(storage)
    assert (source.key, source.split, len(source.annotation.objects)) == (image, split, 1)
    out = write_again(storage, tmp_path / "out")
    assert json.loads(out.read(file))["imagePath"] == path


def test_classes_notes_and_other_files(make):
    storage = make(
        {
            "1.png": IMAGE,
            "2.png": IMAGE,
            "1.json": document(*SHAPES[:2], shape("a", "point", (1, 1))),
            "gone.json": document(imageData="AAAA"),
        }
    )
    dataset_format = detect(storage)
    assert dataset_format.description == (
        "LabelMe: 2 classes, 2 images, no splits (all of it is treated as training data)"
    )
    assert dataset_format.classes == ("a", "b")
    assert dataset_format.notes == (
        "1 JSON file has no image: 'gone.json'",
        "1 image has no JSON file, so nothing is known of its objects: '2'",
    )
    skips = {s.key: s.skip for s in dataset_format.sources(storage) if s.annotation is None}
    assert skips == {"1.json": "a label file", "gone.json": "a label file"}


# ---- bad input


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (shape("a", "polygon", (1, 1), (5, 5)), "polygon with 2 different points, expected 3"),
        (shape("a", "polygon", (1, 1), (5, 5), (1, 1)), "polygon with 2 different points"),
        (shape("a", "polygon", (1, 1), (5, 1), (9, 1)), "polygon with no area; object left out"),
        (shape("a", "polygon", (61, 1), (70, 1), (65, 9)), "polygon outside the image"),
        (shape("a", "rectangle", (5, 5), (5, 9)), "box with no area; object left out"),
        (shape("a", "rectangle", (65, 5), (75, 9)), "box outside the image; object left out"),
        (shape("a", "rectangle", (5, 5)), "rectangle with 1 points, expected 2"),
        (shape("a", "circle", (5, 5), (5, 5)), "polygon with 1 different points"),
        (shape("a", "polygon", (1, 1), (5, 1), (9, math.nan)), "is not a finite number"),
        (shape("a", "polygon", (1, 1), (5, 1), (9, math.inf)), "is not a finite number"),
        (shape("a", "polygon", (1, 1), (5, 1), (9, "x")), "points are not pairs of numbers"),
        (shape("a", "polygon", (1, 1), (5, 1), (9, 10**400)), "points are not pairs of numbers"),
        (shape("a", "polygon", (1, 1, 1), (5, 1)), "points are not pairs of numbers"),
        ({**shape("a", "polygon"), "points": None}, "points are not pairs of numbers"),
        (shape("a", "linestrip", (1, 1)), "linestrip with 1 points, expected 2"),
        (shape("a", "cuboid", (1, 1), (2, 2)), "shape 'cuboid' is not known"),
        (shape(None, "point", (1, 1)), "shape without a label; object left out"),
        ("text", "shape without a label; object left out"),
        (shape("a", "mask", (1, 1), (2, 2), mask="!"), "mask cannot be read"),
        (shape("a", "mask", (1, 1), (2, 2), mask="AAAA"), "mask cannot be read"),
        (shape("a", "mask", (80, 1), (82, 2), mask=MASK), "mask with no pixels in the image"),
        (shape("a", "mask", (1, 1), (2, 2)), "mask without pixels"),
        (SHAPES[0], "the same as in line 7; object left out"),
    ],
)
def test_shapes_that_cannot_be_are_left_out(read, bad, problem):
    text = document(SHAPES[0], bad)
    source = read(text)
    assert len(source.annotation.objects) == 1
    (told,) = source.problems
    # Found in the text by itself: the line where the second shape begins.
    line = [n for n, row in enumerate(text.splitlines(), 1) if row in ("  {", '  "text"')][1]
    assert told.startswith(f"7.json:{line}: ")
    assert problem in told


def test_a_box_may_be_drawn_from_any_corner_and_is_clipped(read):
    source = read(document(shape("a", "rectangle", (70, 5), (50, 1))))
    assert source.annotation.objects[0].box == (50, 1, 60, 5)
    assert source.problems == ("7.json:7: box partly outside the image; clipped",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"shapes": [\n{,', "7.json:2: broken JSON"),
        ("", "7.json:1: broken JSON"),
        ("[1]", '7.json:1: expected "shapes", a list'),
        ('{"shapes": 7}', '7.json:1: expected "shapes", a list'),
        ("[" * 100_000, "7.json:1: cannot be read"),
        (b'{"shapes": ["\xff"]}', "7.json:1: not in UTF-8; say its encoding"),
        ('{"shapes": [' + "9" * 5000 + "]}", "7.json:1: cannot be read"),
    ],
)
def test_broken_files_cost_their_image(read, text, reason):
    assert read(text).unusable.startswith(reason)


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "..\\..\\x.png"])
def test_paths_that_lead_out_are_told_and_not_followed(read, path):
    source = read(document(SHAPES[0], imagePath=path))
    assert len(source.annotation.objects) == 1
    (problem,) = source.problems
    assert problem.startswith("7.json:1: imagePath ")
    assert problem.endswith(" leads out of the dataset; not followed")


@pytest.mark.parametrize("size", [(0, 60), ("x", 60), (-4, 60), (None, 60), (True, True)])
def test_a_size_that_is_none_is_ignored(read, size):
    height, width = size
    bad = shape("a", "rectangle", (70, 5), (50, 1))
    source = read(document(bad, imageHeight=height, imageWidth=width))
    assert source.annotation.size is None
    assert source.annotation.objects[0].box == (50, 1, 60, 5)
    assert source.problems[0].startswith("7.json:1: imageHeight ")


def test_other_json_beside_images_is_not_taken_for_this_format(make):
    storage = make({f"{n}.png": IMAGE for n in "12"} | {f"{n}.json": '{"a": 1}' for n in "12"})
    assert detect(storage).name != "labelme"


# ---- writing


@given(
    center=st.tuples(st.floats(5, 900), st.floats(5, 900)),
    edge=st.tuples(st.floats(5, 900), st.floats(5, 900)),
    angle=st.floats(0, 6),
    scale=st.floats(0.5, 2),
)
def test_a_circle_that_is_turned_is_a_circle_still(center, edge, angle, scale):
    if math.dist(center, edge) < 1:
        return
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)

    def turned(point):
        return point[0] * cos - point[1] * sin, point[0] * sin + point[1] * cos

    ring = tuple(map(turned, circle(center, edge)))
    one = Object(category="a", polygons=(ring,), extra={"shape_type": "circle"})
    (written,) = write_shapes([one])
    assert written["shape_type"] == "circle"
    assert written["points"][0] == pytest.approx(turned(center), abs=1e-6)
    assert written["points"][1] == pytest.approx(turned(edge), abs=1e-6)


def test_a_circle_that_is_squeezed_is_a_polygon():
    ring = tuple((2 * x, y) for x, y in circle((5, 5), (8, 5)))
    one = Object(category="a", polygons=(ring,), extra={"shape_type": "circle"})
    (written,) = write_shapes([one])
    assert (written["shape_type"], len(written["points"])) == ("polygon", 64)


def test_pieces_stay_together_and_strangers_apart():
    ring, other = ((1.0, 1.0), (5.0, 1.0), (3.0, 7.0)), ((11.0, 1.0), (15.0, 1.0), (13.0, 7.0))
    objects = [
        Object(category="a", polygons=(ring, other)),
        Object(category="a", polygons=(ring,), extra={"group_id": 4}),
        Object(category="a", polygons=(other,), extra={"group_id": 4}),
    ]
    written = list(write_shapes(objects))
    assert [one["group_id"] for one in written] == [5, 5, 4, 6]


def test_what_left_the_image_is_not_written():
    strip = ((1.0, 1.0, 2), (0.0, 0.0, 0), (5.0, 6.0, 2))
    objects = [
        Object(category="a", keypoints=strip, extra={"shape_type": "linestrip"}),
        Object(category="b", keypoints=strip[:2], extra={"shape_type": "line"}),
        Object(category="c", keypoints=strip[1:2]),
    ]
    written = list(write_shapes(objects))
    assert [(one["label"], one["points"]) for one in written] == [("a", [[1, 1], [5, 6]])]


def test_a_fresh_set_has_the_usual_fields():
    writer = LabelMeWriter.fresh(DatasetInfo(classes=("a",)))
    key = writer.fresh_key("images/7.jpg", split=None, label=None, extension=".png")
    one = Object(category="a", box=(1, 2, 3, 4))
    item = Item(
        key=key, split=None, label=None, size=(40, 60), annotation=Annotation(objects=(one,))
    )
    ((name, data),) = writer.sidecars(item)
    assert (key, name) == ("images/7.png", "images/7.json")
    assert json.loads(data) == {
        "version": "5.5.0",
        "flags": {},
        "shapes": [shape("a", "rectangle", (1, 2), (3, 4))],
        "imagePath": "7.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 60,
    }


@given(st.lists(st.floats(0, 40), min_size=6, max_size=20))
def test_points_keep_every_bit(numbers):
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    one = read_shape(json.loads(json.dumps(shape("a", "polygon", *points))), None, lambda _: None)
    if one is None:
        xs, ys = {x for x, _ in points}, {y for _, y in points}
        assert len(set(points)) < 3 or len(xs) == 1 or len(ys) == 1
        return
    (written,) = json.loads(json.dumps(list(write_shapes([one]))))
    assert written["points"] == [list(point) for point in points]


CORNERS = [(20, 10), (50, 10), (50, 30), (20, 30)]


@pytest.mark.parametrize("kind", ["rotation", "oriented_rectangle"])
def test_rotated_rectangles_are_oriented_boxes(read, kind):
    (one,) = read(document(shape("red", kind, *CORNERS, direction=0.0))).annotation.objects
    assert one.corners == tuple(CORNERS)
    (written,) = write_shapes([one])
    assert written["shape_type"] == kind
    assert (written["points"], written["direction"]) == ([list(p) for p in CORNERS], 0.0)
    # A quarter turn, counterclockwise: the first side goes up.
    turned = one.changed(corners=((10, 40), (10, 10), (30, 10), (30, 40)))
    (written,) = write_shapes([turned])
    assert written["direction"] == pytest.approx(1.5 * math.pi)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (shape("red", "rotation", *CORNERS[:3]), "rotation with 3 points, expected 4"),
        (shape("red", ["polygon"], *CORNERS), "shape_type ['polygon'] is no text"),
        (shape("red", {"a": 1}, *CORNERS), "shape_type {'a': 1} is no text"),
        (shape("red", 7, *CORNERS), "shape_type 7 is no text"),
    ],
)
def test_shapes_that_are_none_are_said(read, bad, words):
    source = read(document(bad))
    assert source.annotation.objects == ()
    (problem,) = source.problems
    assert problem.endswith(f"{words}; object left out")


def test_flags_that_are_set_are_labels_of_the_image(read):
    source = read(document(flags={"day": True, "rain": False, "odd": "yes"}))
    assert dict(source.annotation.labels) == {"day": 1}
    writer = LabelMeWriter()
    item = Item(key="7.png", split=None, label="town", size=(40, 60), annotation=source.annotation)
    ((_, text),) = writer.sidecars(item)
    assert json.loads(text)["flags"] == {"day": True, "rain": False, "odd": "yes", "town": True}


def test_the_field_case_of_a_rotation(data_dir):
    storage = open_storage(data_dir / "field_cases/labelme-rotation")
    (source,) = images(storage)
    (one,) = source.annotation.objects
    assert one.corners == ((20, 30), (60, 30), (60, 50), (20, 50))
