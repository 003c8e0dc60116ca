"""The safe crop cuts nothing, and is as tight as what it must show allows."""

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
    top, left, bottom, right = SafeCrop(0.01, 1.0, (0.5, 0.5)).window(SIZE, one.targets)
    # They are 65 wide of 160 and 50 high of 120, which asks for a little more.
    assert (top, bottom) == (40, 90)
    assert left <= 30
    assert right >= 95
    assert abs((right - left) - 50 * 160 / 120) < 2


def test_place_moves_the_window_as_far_as_the_objects_allow():
    _, one = sample(*boxed((70.0, 50.0, 90.0, 70.0)))
    for place, expected in ((0.0, 10), (1.0, 70)):
        window = SafeCrop(0.25, 1.0, (place, 0.5)).window(SIZE, one.targets)
        assert window == (30, expected, 90, expected + 80)


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
        safe, plain = (
            find_transform(name)(area=(0.3, 1.0)).draw(generator(seed), SIZE)
            for name in ("safe_crop", "random_crop")
        )
        # Whole pixels, so half a pixel more to each side.
        ends = plain.array[:2, :2] @ np.array(safe.window(SIZE))[[1, 0, 3, 2]].reshape(2, 2).T
        ends = ends.T + plain.array[:2, 2]
        zoom = plain.array[0, 0], plain.array[1, 1]
        assert (np.abs(ends - [[0, 0], [160, 120]]) <= np.array(zoom) + 1e-6).all()
        assert safe.apply(Sample(noise)).image.tobytes() == safe.apply_image(noise).tobytes()


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
    top, left, bottom, right = SafeCrop(0.1, 1.0, (0.5, 0.5)).window(SIZE, gone)
    assert (bottom - top) * (right - left) == pytest.approx(0.1 * 120 * 160, rel=0.06)


def test_the_canvas_may_have_a_size_of_its_own():
    op = find_transform("safe_crop")(size=(64, 48)).draw(generator(2), SIZE)
    assert op.output_size(SIZE) == (64, 48)
    _, one = sample(*boxed(*BOXES))
    assert op.apply(one).size == (64, 48)
