"""Every operation that moves pixels moves every kind of label with them.

What is known of an image is painted as an image of its own, by another library, and goes the way
that images go; labels have to end where the paint ends.
"""

import functools

import numpy as np
import pytest

import labelled
from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.ops.base import Geometric
from variegate.seeding import generator
from variegate.transforms import all_transforms

SIZE = (120, 160)
POLYGONS = (
    ((20.0, 15.0), (70.5, 22.0), (62.0, 60.0), (45.0, 38.0), (24.0, 70.0)),
    ((80.0, 60.0), (110.0, 58.0), (104.0, 95.0)),
)
BOX = (50.0, 30.0, 118.0, 88.0)
DOTS = ((40.3, 35.2), (80.7, 60.1), (121.0, 84.5))


def drawn_operations() -> dict[str, Geometric]:
    """Draws of every transform that moves pixels: defaults, and every axis in part and in full."""
    found = {}
    for name, kind in all_transforms().items():
        painted = {"border": "constant"} if "border" in kind.model_fields else {}
        draws = {f"{name}-{n}": kind(**painted).draw(generator(n, name), SIZE) for n in range(3)}
        if "fit" in kind.model_fields:
            draws[f"{name}-expand"] = kind(fit="expand", **painted).draw(generator(5), SIZE)
        for axis in kind.axes:
            for strength in (0.3, 0.6):
                ranges = {axis.parameter: axis.value(strength), **dict(axis.fixed), **painted}
                try:
                    one = kind(**ranges)
                except ValueError:
                    continue
                draws[f"{axis.name}-{strength}"] = one.draw(generator(6), SIZE)
        found |= {key: op for key, op in draws.items() if isinstance(op, Geometric)}
    return found


@functools.cache
def operations() -> dict[str, Geometric]:
    return drawn_operations()


each_operation = pytest.mark.parametrize("name", list(operations()))


def test_the_operations_are_all_there():
    kinds = {name.rpartition("-")[0].rstrip("+-") for name in operations()}
    geometric = ("flip", "rotate90", "transpose", "rotate", "scale", "zoom", "translate", "shear")
    fields = ("elastic", "grid_distort", "wave", "lens")
    canvases = ("resize", "center_crop", "pad", "square", "longest_side", "shortest_side")
    assert kinds >= {*geometric, *fields, *canvases, "perspective", "affine", "random_crop"}
    assert len(operations()) > 60


def folds(name: str) -> bool:
    """Whether so strong a distortion lays parts of the image over one another."""
    return name == "elastic-0.6"


@each_operation
def test_polygons_cover_what_their_paint_covers(name):
    operation = operations()[name]
    paint = labelled.drawn_polygon(POLYGONS, SIZE)
    one = Object(category="a", polygons=POLYGONS)
    image, changed, _ = labelled.through(
        operation, Annotation(objects=(one,)), paint, min_visible=0, min_side=0
    )
    found = labelled.bounds(image)
    if not changed.objects:
        assert found is None or np.count_nonzero(image > 127) < 30
        return
    again = labelled.drawn_polygon(changed.objects[0].polygons, image.shape[:2])
    scale = np.count_nonzero(image > 127) / np.count_nonzero(paint > 127)
    if scale < 0.05:
        return
    assert labelled.iou(again > 127, image > 127) > (0.8 if folds(name) else 0.93)
    points = np.concatenate([np.array(ring) for ring in changed.objects[0].polygons])
    assert points.min() >= 0
    assert (points <= (image.shape[1], image.shape[0])).all()


@each_operation
@pytest.mark.parametrize("how", ["corners", "ellipse"])
def test_boxes_enclose_what_their_paint_covers(name, how):
    operation = operations()[name]
    shape = labelled.drawn_ellipse(BOX, SIZE)
    if how == "corners":
        shape = labelled.drawn_polygon([labelled.rectangle(BOX)], SIZE)
    one = Object(category="a", box=BOX)
    image, changed, _ = labelled.through(
        operation, Annotation(objects=(one,)), shape, box=how, min_visible=0, min_side=0
    )
    found = labelled.bounds(image)
    if found is None or not changed.objects:
        assert (found is None) or min(found[2:] - found[:2]) < 2
        return
    assert changed.objects[0].box is not None
    box = np.array(changed.objects[0].box)
    if folds(name):
        assert labelled.box_iou(box, found) > 0.85
        return
    # A sharp tip that covers less than half of its pixels is not found in the image.
    np.testing.assert_allclose(box, found, atol=2.1 if "perspective" in name else 1.6)


@each_operation
def test_keypoints_lie_where_their_dots_are_found(name):
    operation = operations()[name]
    dots = [labelled.drawn_ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), SIZE) for x, y in DOTS]
    one = Object(category="a", keypoints=tuple((x, y, 2) for x, y in DOTS))
    image, changed, _ = labelled.through(operation, Annotation(objects=(one,)), np.dstack(dots))
    keypoints = changed.objects[0].keypoints if changed.objects else ((0.0, 0.0, 0),) * 3
    height, width = image.shape[:2]
    for channel, (x, y, seen) in enumerate(keypoints):
        weights = image[..., channel].astype(float)
        if not seen:
            assert weights.sum() < 0.75 * np.sum(dots[channel], dtype=float) * scale_of(operation)
            continue
        if min(x, y, width - x, height - y) < 8:
            continue
        rows, columns = np.mgrid[:height, :width] + 0.5
        centre = np.sum(weights * columns) / weights.sum(), np.sum(weights * rows) / weights.sum()
        np.testing.assert_allclose((x, y), centre, atol=1.5 if folds(name) else 0.6)


def scale_of(operation: Geometric) -> float:
    height, width = operation.output_size(SIZE)
    return max(1.0, height * width / (SIZE[0] * SIZE[1])) * 4


@each_operation
def test_masks_of_every_kind_lie_where_their_paint_lies(name):
    operation = operations()[name]
    paint = labelled.drawn_polygon(POLYGONS, SIZE)
    shape = paint > 127
    files = {
        "alone.png": shape.astype(np.uint8) * 255,
        "shared.png": np.where(shape, 700, 0).astype(np.uint16),
    }
    objects = (
        Object(category="rle", rle=rle.encode(shape)),
        Object(category="alone", mask_file="alone.png"),
        Object(category="shared", mask_file="shared.png", mask_value=700),
    )
    image, changed, made = labelled.through(
        operation, Annotation(objects=objects), paint, masks=files, min_visible=0, min_side=0
    )
    covered = np.count_nonzero(image > 127)
    if covered < 300:
        return
    by_category = {one.category: one for one in changed.objects}
    assert set(by_category) == {"rle", "alone", "shared"}
    found = {
        "rle": rle.decode(by_category["rle"].rle) > 0,
        "alone": made["out-alone.png"] == 255,
        "shared": made["out-shared.png"] == 700,
    }
    for mask in found.values():
        assert labelled.iou(mask, image > 127) > 0.93


@each_operation
@pytest.mark.parametrize("values", [(3, 200), (700, 40_000), (70_000, 255 * 65_536 + 9)])
def test_semantic_masks_keep_their_values_and_lie_where_their_paint_lies(name, values):
    operation = operations()[name]
    paints = [labelled.drawn_polygon([ring], SIZE) for ring in POLYGONS]
    kind = np.uint8 if max(values) < 256 else np.uint16 if max(values) < 65_536 else np.uint32
    mask = np.zeros(SIZE, kind)
    for paint, value in zip(paints, values, strict=True):
        mask[paint > 127] = value
    image, changed, made = labelled.through(
        operation,
        Annotation(mask_file="classes.png"),
        np.dstack([*paints, paints[0]]),
        masks={"classes.png": mask},
    )
    assert changed.mask_file == "out-classes.png"
    classes = made["out-classes.png"]
    assert classes.dtype == kind
    assert classes.shape == image.shape[:2]
    assert set(np.unique(classes)) <= {0, *values}
    for channel, value in enumerate(values):
        covered = image[..., channel] > 127
        if np.count_nonzero(covered) > 400:
            assert labelled.iou(classes == value, covered) > 0.9


@each_operation
def test_soft_masks_are_moved_like_images(name):
    operation = operations()[name]
    soft = labelled.drawn_ellipse(BOX, SIZE)
    image, _, made = labelled.through(
        operation, Annotation(mask_file="m.png", soft=True), soft, masks={"m.png": soft}
    )
    np.testing.assert_array_equal(made["out-m.png"], image)
    wide = soft.astype(np.uint16) * 257
    _, _, made = labelled.through(
        operation, Annotation(mask_file="m.png", soft=True), soft, masks={"m.png": wide}
    )
    assert made["out-m.png"].dtype == np.uint16
    assert np.abs(made["out-m.png"] / 257 - image).max() < 2.5
