"""Cells change places, and what is known of them goes along, cut where they are."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.sample import Sample
from variegate.ops.grid_shuffle import GridShuffle
from variegate.seeding import generator

SIZE = (122, 163)
RING = ((30.0, 20.0), (110.0, 30.0), (90.0, 100.0), (35.0, 80.0))


def numbered():
    """Return an image in which every pixel is different."""
    return (np.arange(SIZE[0] * SIZE[1], dtype=np.uint32) * 256).view(np.uint8).reshape(*SIZE, 4)


@pytest.mark.parametrize("cells", [2, 3, 5, 32])
def test_every_pixel_is_still_there_and_cells_are_whole(cells):
    image = numbered()
    done = GridShuffle(cells, 1.0, 4).apply_image(image).view(np.uint32)[..., 0]
    source = image.view(np.uint32)[..., 0]
    assert sorted(done.ravel().tolist()) == source.ravel().tolist()
    # Within a cell neighbours are neighbours: only borders of cells break that.
    broken = np.count_nonzero(np.diff(done.astype(np.int64), axis=1)[0] != 256)
    assert broken <= 2 * cells + 2
    moved = np.count_nonzero(done != source) / done.size
    assert moved > (0.7 if cells == 3 or cells == 5 else 0.6)


def test_more_cells_move_as_the_fraction_grows_and_the_others_stay():
    image = numbered()
    before = np.zeros(SIZE, bool)
    for step in range(1, 11):
        changed = (GridShuffle(4, step / 10, 9).apply_image(image) != image).any(axis=-1)
        assert changed[before].all()
        assert changed.sum() >= before.sum()
        before = changed
    assert GridShuffle(4, 0.0, 9).is_identity


@pytest.mark.parametrize("key", range(5))
@pytest.mark.parametrize("fraction", [0.2, 1.0])
def test_labels_of_all_kinds_lie_where_their_paint_lies(key, fraction):
    op = GridShuffle(3, fraction, key)
    paint = labelled.drawn_polygon([RING], SIZE)
    shape = paint > 127
    known = Annotation(
        objects=(
            Object(category="polygon", polygons=(RING,)),
            Object(category="mask", mask_file="m.png"),
        ),
        mask_file="classes.png",
    )
    files = {"m.png": shape.astype(np.uint8), "classes.png": np.where(shape, 7, 3).astype(np.uint8)}
    image, changed, made = labelled.through(
        op, known, np.where(shape, 255, 0).astype(np.uint8), masks=files, min_visible=0, min_side=0
    )
    truth = image > 127
    polygons = [one for one in changed.objects if one.category == "polygon"]
    drawn = np.zeros(SIZE, bool)
    for one in polygons:
        own = labelled.drawn_polygon(one.polygons, SIZE) > 127
        assert np.count_nonzero(own & drawn) < 20
        drawn |= own
    assert labelled.iou(drawn, truth) > 0.97
    masks = [made[one.mask_file] > 0 for one in changed.objects if one.category == "mask"]
    assert not np.logical_and.reduce(masks).any() or len(masks) == 1
    np.testing.assert_array_equal(np.logical_or.reduce(masks), truth)
    np.testing.assert_array_equal(made["out-classes.png"], np.where(truth, 7, 3))


def test_an_object_in_one_cell_goes_whole_and_one_in_none_stays_as_it_was():
    boxes = [
        (54.0 * x + 12, 40.0 * y + 9, 54.0 * x + 30, 40.0 * y + 25)
        for y in range(3)
        for x in range(3)
    ]
    known = Annotation(
        objects=tuple(
            Object(category=str(n), box=box, keypoints=((box[0] + 3, box[1] + 3, 2),))
            for n, box in enumerate(boxes)
        )
    )
    image = np.zeros(SIZE, np.uint8)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        image[int(y1) : int(y2), int(x1) : int(x2)] = 20 * (n + 1)
    op = GridShuffle(3, 0.5, 1)
    done, changed, _ = labelled.through(op, known, image, min_visible=0.5)
    assert len(changed.objects) == 9
    stayed = 0
    for one in changed.objects:
        place = labelled.bounds((done == 20 * (int(one.category) + 1)).astype(int), 0)
        np.testing.assert_allclose(one.box, place)
        np.testing.assert_allclose(one.keypoints[0], (place[0] + 3, place[1] + 3, 2))
        stayed += one.box == boxes[int(one.category)]
    assert stayed == 5


def test_visible_shares_of_all_pieces_sum_to_one():
    known = Annotation(objects=(Object(category="a", box=(5.0, 5.0, 150.0, 110.0)),))
    sample = Sample(np.zeros(SIZE, np.uint8), targets=labelled.read(known, SIZE))
    for key in range(4):
        done = GridShuffle(4, 0.6, key).apply(sample)
        shares = done.targets.visible[done.targets.visible > 0]
        assert shares.sum() == pytest.approx(1)
        assert len(shares) > 4


def test_images_of_a_pixel_and_lines_of_pixels():
    for size in ((1, 1), (1, 7), (3, 1), (2, 2)):
        image = generator(1).integers(0, 256, size, dtype=np.uint8)
        done = GridShuffle(4, 1.0, 2).apply_image(image)
        assert sorted(done.ravel().tolist()) == sorted(image.ravel().tolist())
