"""The safe crop cuts nothing, and is as tight as what it must show allows."""

import math

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.sample import Sample
from variegate.ops.safe_crop import SafeCrop
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (120, 160)
BOXES = ((30.0, 40.0, 60.0, 70.0), (80.0, 50.0, 95.0, 90.0))


def sample(*objects):
    known = Annotation(objects=objects)
    return known, Sample(
        np.zeros((*SIZE, 3), np.uint8), targets=labelled.read(known, SIZE, masks=MASKS)
    )


def boxed(*boxes):
    return [Object(category=str(number), box=box) for number, box in enumerate(boxes)]


MASKS = {"m.png": np.pad(np.ones((30, 25), np.uint8), ((70, 20), (100, 35)))}


@pytest.mark.parametrize("seed", range(12))
def test_every_object_stays_whole(seed):
    known, one = sample(*boxed(*BOXES))
    done = find_transform("safe_crop")().draw(generator(seed), SIZE).apply(one)
    np.testing.assert_allclose(done.targets.visible, 1, atol=1e-9)
    changed, _ = labelled.write(known, done.targets, done.size, min_visible=1)
    assert len(changed.objects) == 2
    for before, after in zip(BOXES, changed.objects, strict=True):
        x1, y1, x2, y2 = after.box
        shape = (before[2] - before[0]) / (before[3] - before[1])
        assert 0.5 < (x2 - x1) / (y2 - y1) / shape < 2
        assert min(x1, y1) >= 0
        assert x2 <= 160
        assert y2 <= 120


def test_the_smallest_window_around_all_keeps_its_shape():
    _, one = sample(*boxed(*BOXES))
    window = SafeCrop(0.01, 1.0, (0.5, 0.5)).window(SIZE, one.targets)
    # 50 high of 120 and 65 wide of 160: the height asks for 2.4 times, the width for 2.46.
    corners = window.move_points(np.array([[30.0, 40.0], [95.0, 90.0]]))
    np.testing.assert_allclose(corners[1] - corners[0], (160 / 65 * 65 * 50 / 50, 120), rtol=0.03)
    np.testing.assert_allclose(window.array[0, 0], window.array[1, 1])
    assert corners.min() >= -1e-9


def test_place_moves_the_window_as_far_as_the_objects_allow():
    _, one = sample(*boxed((70.0, 50.0, 90.0, 70.0)))
    for place, expected in ((0.0, 10.0), (1.0, 70.0)):
        window = SafeCrop(0.25, 1.0, (place, 0.5)).window(SIZE, one.targets)
        left = -window.array[0, 2] / window.array[0, 0]
        np.testing.assert_allclose(left, expected)


def test_objects_that_leave_no_room_get_the_whole_image():
    _, one = sample(*boxed((0.0, 0.0, 5.0, 5.0), (150.0, 100.0, 160.0, 120.0)))
    done = SafeCrop(0.3, 1.4, (0.2, 0.9)).apply(one)
    np.testing.assert_array_equal(done.targets.boxes, one.targets.boxes)
    noise = generator(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        SafeCrop(0.3, 1.4, (0.2, 0.9)).apply(Sample(noise, targets=one.targets)).image, noise
    )


def test_without_objects_it_is_the_random_crop():
    noise = generator(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    for seed in range(4):
        made = [
            find_transform(name)(area=(0.3, 1.0)).draw(generator(seed), SIZE).apply(Sample(noise))
            for name in ("safe_crop", "random_crop")
        ]
        np.testing.assert_array_equal(made[0].image, made[1].image)


def test_masks_polygons_and_keypoints_count_as_well():
    ring = ((5.0, 60.0), (15.0, 60.0), (10.0, 75.0))
    _, one = sample(
        Object(category="mask", mask_file="m.png"),
        Object(category="polygon", polygons=(ring,)),
        Object(category="points", keypoints=((60.0, 10.0, 2), (1.0, 1.0, 0))),
    )
    for seed in range(6):
        done = find_transform("safe_crop")(area=0.2).draw(generator(seed), SIZE).apply(one)
        assert done.targets.visible.min() > 1 - 1e-9
        assert done.targets.keypoints.visibility.tolist() == [2, 0]
        before, after = (np.count_nonzero(t.targets.mask_of(0)) for t in (one, done))
        assert after >= before


def test_objects_that_are_gone_are_no_longer_kept():
    _, one = sample(*boxed((0.0, 0.0, 5.0, 5.0), BOXES[0]))
    gone = one.targets.hidden(np.arange(120)[:, np.newaxis] + np.zeros(160) > 20)
    window = SafeCrop(0.1, 1.0, (0.5, 0.5)).window(SIZE, gone)
    zoom = window.array[0, 0]
    assert zoom == pytest.approx(math.sqrt(10))


def test_the_canvas_may_have_a_size_of_its_own():
    op = find_transform("safe_crop")(size=(64, 48)).draw(generator(2), SIZE)
    assert op.output_size(SIZE) == (64, 48)
    _, one = sample(*boxed(*BOXES))
    assert op.apply(one).size == (64, 48)
