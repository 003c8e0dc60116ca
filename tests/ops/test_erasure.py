"""Random erasing hides what it says, of any shape, and labels know of it."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.sample import Sample
from variegate.ops.erasure import Erasure
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (200, 300)
SHAPES = ("rectangle", "ellipse", "polygon")


def hidden(op, size=SIZE):
    return ~op.visible(size)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("area", [0.01, 0.1, 0.3])
def test_the_area_is_what_was_asked_for_and_lies_within_the_image(shape, area):
    for key in range(5):
        region = hidden(Erasure("constant", (0, 0, 0), key, area, 1.3, shape=shape))
        assert np.count_nonzero(region) / region.size == pytest.approx(area, rel=0.07)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0])
def test_the_aspect_ratio_is_that_of_pixels_as_far_as_there_is_room(ratio):
    x1, y1, x2, y2 = labelled.bounds(
        hidden(Erasure("mean", (0, 0, 0), 4, 0.05, ratio)).astype(int), 0
    )
    assert (x2 - x1) / (y2 - y1) == pytest.approx(ratio, rel=0.05)
    wide = hidden(Erasure("mean", (0, 0, 0), 4, 0.5, 20.0))
    assert np.count_nonzero(wide) / wide.size == pytest.approx(0.5, rel=0.02)
    assert wide.any(axis=0).all()


def test_ellipses_and_polygons_are_what_they_are_called():
    op = Erasure("constant", (0, 0, 0), 2, 0.1, 1.5, shape="ellipse")
    region = hidden(op)
    truth = labelled.drawn_ellipse(labelled.bounds(region.astype(int), 0), SIZE) > 127
    assert labelled.iou(region, truth) > 0.97
    shapes = [
        hidden(Erasure("constant", (0, 0, 0), k, 0.1, 1.0, shape="polygon")) for k in range(4)
    ]
    filled = [
        np.count_nonzero(one) / np.prod(np.subtract(b[2:], b[:2]))
        for one in shapes
        for b in [labelled.bounds(one.astype(int), 0)]
    ]
    assert all(0.4 < share < 0.95 for share in filled)
    assert len({round(share, 3) for share in filled}) == 4


@pytest.mark.parametrize("fill", ["noise", "mean", "constant", "blur"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_only_what_is_hidden_changes(fill, channels):
    image = generator(1).integers(0, 100, (*SIZE, *channels), dtype=np.uint8)
    op = Erasure(fill, (250, 250, 250), 7, 0.2, 1.0, shape="polygon", count=2)
    changed, region = op.apply_image(image), hidden(op)
    assert (changed[~region] == image[~region]).all()
    inside = changed[region]
    if fill == "constant":
        assert (inside == 250).all()
    elif fill == "noise":
        assert abs(inside.mean() - 127.5) < 3
        assert inside.std() > 60
    elif fill == "mean":
        expected = image.reshape(-1, *channels).mean(axis=0)
        np.testing.assert_allclose(inside.mean(axis=0), expected, atol=0.51)
    else:
        assert inside.std() < 15


def test_inside_of_objects_every_object_loses_its_share():
    boxes = ((10.0, 10.0, 90.0, 60.0), (150.0, 40.0, 290.0, 190.0))
    known = Annotation(
        objects=tuple(Object(category="a", box=box, keypoints=((60.0, 30.0, 2),)) for box in boxes)
    )
    image = np.full((*SIZE, 3), 200, np.uint8)
    sample = Sample(image, targets=labelled.read(known, SIZE))
    for shape in SHAPES:
        op = Erasure("constant", (0, 0, 0), 5, 0.25, 1.0, shape=shape, inside="objects")
        done = op.apply(sample)
        np.testing.assert_allclose(done.targets.visible, 0.75, atol=0.02)
        black = done.image[..., 0] == 0
        allowed = np.zeros(SIZE, bool)
        for x1, y1, x2, y2 in boxes:
            allowed[int(y1) : int(y2), int(x1) : int(x2)] = True
        assert not (black & ~allowed).any()
        point = done.targets.keypoints.visibility[0]
        assert point == (1 if black[30, 60] else 2)


def test_inside_of_objects_an_image_without_any_stays():
    image = generator(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    op = find_transform("random_erasing")(inside="objects").draw(generator(1), SIZE)
    assert (op.apply_image(image) == image).all()
    bare = Sample(image, targets=labelled.read(Annotation(), SIZE))
    done = op.apply(bare)
    assert (done.image == image).all()


def test_what_is_hidden_grows_and_objects_under_it_are_dropped():
    kind = find_transform("random_erasing")
    before = np.zeros(SIZE, bool)
    for step in range(1, 11):
        op = kind.operation_at("random_erasing", step / 10, generator(3), SIZE)
        region = hidden(op)
        assert np.count_nonzero(before & ~region) < 0.02 * region.size
        before = region
    x1, y1, x2, y2 = (float(v) for v in labelled.bounds(before.astype(int), 0))
    known = Annotation(objects=(Object(category="a", box=(x1 + 2, y1 + 2, x2 - 2, y2 - 2)),))
    _, changed, _ = labelled.through(op, known, np.zeros((*SIZE, 3), np.uint8), min_visible=0.1)
    assert not changed.objects
