"""Labels over images: drawn where they are, in the color of their class, and nowhere else."""

import json

import cv2
import numpy as np
import pytest

from labelled import drawn_polygon
from variegate import Options, Recipe, augment
from variegate.annotations import conversion as labels
from variegate.annotations.annotation import Annotation, Object, Skeleton
from variegate.annotations.rules import LabelRule
from variegate.datasets.samples import DrawnCoco, draw_images
from variegate.reports import preview, preview_output
from variegate.reports.overlay import LabelledImage, color_at, colors_of, overlaid

SIZE = (60, 80)
SKELETONS = {"a": Skeleton(("one", "two"), edges=((0, 1),))}
BOX = (20.0, 10.0, 60.0, 40.0)
RING = ((20.0, 10.0), (60.0, 15.0), (40.0, 45.0))
ORANGE = color_at(0)


def drawn(shown=SIZE, *, masks=None, gray=90, **annotation):
    """Return a plain image with the labels of an annotation for SIZE drawn over it."""
    targets = labels.read(
        Annotation(**annotation),
        SIZE,
        rule=LabelRule(),
        skeletons=SKELETONS,
        load_mask=(masks or {}).__getitem__,
    )
    known = LabelledImage(targets, SIZE, SKELETONS)
    plain = np.full((*shown, 3), gray, np.uint8)
    return overlaid(plain, known, colors_of(known.categories()))


def changed(image, gray=90):
    return (image != gray).any(axis=2)


def near(image, color, within=40):
    return (np.abs(image.astype(int) - color).max(axis=2) <= within).any()


@pytest.mark.parametrize("times", [0.5, 1, 3])
def test_a_box_is_drawn_along_its_edges_and_nowhere_else(times):
    shown = (int(SIZE[0] * times), int(SIZE[1] * times))
    image = drawn(shown, objects=(Object(category="a", box=BOX),))
    touched = changed(image)
    x1, y1, x2, y2 = (round(v * times) for v in BOX)
    ys, xs = np.nonzero(touched)
    assert abs(xs.min() - x1) <= 3
    assert abs(xs.max() - x2) <= 3
    assert abs(ys.min() - y1) <= 3
    assert abs(ys.max() - y2) <= 3
    assert not touched[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4].any()
    assert near(image, ORANGE)


def test_a_polygon_is_filled_where_it_is():
    image = drawn(objects=(Object(category="a", polygons=(RING,)),))
    inside = drawn_polygon([RING], SIZE)
    assert changed(image)[inside == 255].all()
    around = cv2.dilate(inside, np.ones((9, 9), np.uint8))
    assert not changed(image)[around == 0].any()


def test_an_oriented_box_is_a_line():
    corners = ((40.0, 10.0), (60.0, 30.0), (40.0, 50.0), (20.0, 30.0))
    touched = changed(drawn(objects=(Object(category="a", corners=corners),)))
    assert touched[20, 50]
    assert touched[40, 30]
    assert not touched[30, 40]
    assert not touched[12, 22]


def test_masks_are_tinted_in_the_colors_of_classes_and_amounts():
    values = np.zeros(SIZE, np.uint8)
    values[10:20, 10:20], values[30:40, 30:40], values[50:55, 60:70] = 1, 2, 255
    classes = drawn(masks={"m": values}, mask_file="m")
    assert (changed(classes) == (values > 0)).all()
    colors = {tuple(classes[y, x]) for y, x in ((15, 15), (35, 35), (52, 65))}
    assert len(colors) == 3
    one = Object(category="a", mask_file="m", mask_value=1)
    other = Object(category="b", mask_file="m", mask_value=2)
    objects = drawn(masks={"m": values}, objects=(one, other))
    assert changed(objects)[15, 15]
    assert not changed(objects)[52, 65]
    assert tuple(objects[15, 15]) != tuple(objects[35, 35])
    amounts = np.tile(np.arange(80, dtype=np.uint8) * 3, (60, 1))
    soft = drawn(masks={"m": amounts}, mask_file="m", soft=True)
    away = np.abs(soft.astype(int) - 90).max(axis=2)[30]
    assert away[0] < away[40] < away[79]


def test_visible_keypoints_are_filled_and_hidden_ones_hollow():
    points = ((20.5, 20.5, 2), (60.5, 20.5, 1), (40.5, 50.5, 0))
    image = drawn((240, 320), objects=(Object(category="a", keypoints=points),))
    assert near(image[81:84, 81:84], ORANGE, 60)
    assert not near(image[82:83, 242:243], ORANGE, 60)
    assert near(image[78:88, 238:248], ORANGE, 60)
    assert near(image[80:85, 160:165], ORANGE, 60), "the skeleton's edge"
    assert not changed(image)[190:, :].any(), "a point that is not labelled"


def test_colors_are_those_of_the_classes_in_whatever_order():
    names = [f"class {number}" for number in range(60)]
    colors = colors_of(names)
    assert colors == colors_of(reversed(names))
    assert len(set(colors.values())) == len(names)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_images_of_any_shape(size):
    crowd = tuple(Object(category=f"{n % 9}", box=BOX, polygons=(RING,)) for n in range(200))
    assert drawn(size, objects=crowd).shape == (*size, 3)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A COCO set of drawn parts."""
    from variegate.codecs import encode

    folder, known = tmp_path_factory.mktemp("parts"), DrawnCoco()
    (folder / "images").mkdir()
    for key, drawn in draw_images(6, objects=2, size=(120, 160)):
        name = key.rpartition("/")[2]
        known.add(name, drawn)
        (folder / "images" / name).write_bytes(encode(drawn.image, format="png"))
    (folder / "annotations.json").write_text(json.dumps(known.to_json()))
    return folder


FLIPPED = Recipe.parse("variants: {each: [source, flip, mosaic]}")


def test_a_preview_draws_the_labels_of_sources_and_results(parts):
    with_labels = preview(parts, recipe=FLIPPED, images=2, variants=3)
    without = preview(parts, recipe=FLIPPED, images=2, variants=3, labels=False)
    assert shown_colors(with_labels) > 3 * shown_colors(without) + 50


def test_a_preview_of_results_draws_what_was_written(parts, tmp_path):
    augment(parts, tmp_path / "out", recipe=FLIPPED, options=Options(workers=0))
    with_labels = preview_output(tmp_path / "out", images=2, variants=3)
    without = preview_output(tmp_path / "out", images=2, variants=3, labels=False)
    assert shown_colors(with_labels) > 3 * shown_colors(without) + 50


def shown_colors(sheet):
    """Return how many pixels have just the color of a class."""
    return sum(int((sheet == color_at(n)).all(axis=2).sum()) for n in range(5))
