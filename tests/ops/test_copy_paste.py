"""Objects are pasted whole, scaled and moved each by itself, with soft edges and exact labels."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.sample import Sample
from variegate.ops.copy_paste import CopyPaste
from variegate.recipes.plan import draw_variants
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (120, 160)
SQUARE = ((30.0, 40.0), (70.0, 40.0), (70.0, 80.0), (30.0, 80.0))
OTHER = ((100.0, 20.0), (130.0, 20.0), (130.0, 50.0), (100.0, 50.0))
BELOW = Annotation(objects=(Object(category="below", box=(2.0, 2.0, 9.0, 9.0)),))


def partner(*rings, level=200, size=SIZE):
    """Return an image with bright objects, known by polygon and box."""
    paint = np.max([labelled.drawn_polygon([ring], size) for ring in rings], axis=0)
    image = np.where(paint[..., np.newaxis] > 127, np.uint8(level), np.uint8(40))
    objects = tuple(
        Object(
            category=str(number),
            polygons=(ring,),
            box=(*np.min(ring, axis=0).tolist(), *np.max(ring, axis=0).tolist()),
        )
        for number, ring in enumerate(rings)
    )
    known = labelled.read(Annotation(objects=objects), size, key="b.png")
    return Sample(np.repeat(image, 3, axis=2), targets=known)


def source(size=SIZE):
    return Sample(np.full((*size, 3), 90, np.uint8), targets=labelled.read(BELOW, size))


def pasted(op, other, size=SIZE, **rule):
    done = op.combine(source(size), (other,))
    changed, _ = labelled.write(BELOW, done.targets, done.size, **rule)
    return done, {one.category: one for one in changed.objects}


@pytest.mark.parametrize("key", range(6))
def test_jittered_objects_lie_where_their_labels_say(key):
    op = CopyPaste(("b",), (True,), scale=(0.5, 2.0), shift=0.4, noise_key=key)
    done, found = pasted(op, partner(SQUARE))
    bright = labelled.bounds(done.image[..., 0], level=150)
    np.testing.assert_allclose(found["0"].box, bright, atol=1.1)
    drawn = labelled.drawn_polygon(found["0"].polygons, SIZE)
    assert labelled.iou(drawn > 127, done.image[..., 0] > 150) > 0.9


def test_sizes_and_places_differ_from_draw_to_draw_and_between_objects():
    places = set()
    for key in range(8):
        op = CopyPaste(("b",), (True,), scale=(0.5, 2.0), shift=0.4, noise_key=key)
        _, found = pasted(op, partner(SQUARE, OTHER), min_visible=0)
        widths = [found[name].box[2] - found[name].box[0] for name in "01" if name in found]
        assert all(10 < width < 100 for width in widths)
        places.add(found["1"].box if "1" in found else None)
    assert len(places) == 8


def test_objects_are_whole_wherever_they_fit():
    for key in range(20):
        op = CopyPaste(("b",), (True,), scale=(1.0, 1.3), shift=1.0, noise_key=key)
        done, found = pasted(op, partner(SQUARE))
        x1, y1, x2, y2 = found["0"].box
        assert min(x1, y1) >= 0
        assert x2 <= 160
        assert y2 <= 120
        assert min(x2 - x1, y2 - y1) > 39.9
        assert done.targets.visible[1] == pytest.approx(1)


def test_without_jitter_an_object_of_a_larger_image_lies_where_that_would_cover_this_one():
    ring = tuple((2 * x, 2 * y) for x, y in SQUARE)
    _, found = pasted(CopyPaste(("b",), (True,)), partner(ring, size=(240, 320)))
    np.testing.assert_allclose(found["0"].box, (30, 40, 70, 80), atol=1e-6)


def test_edges_are_soft_and_the_middle_is_the_object():
    hard, _ = pasted(CopyPaste(("b",), (True,)), partner(SQUARE))
    soft, _ = pasted(CopyPaste(("b",), (True,), feather=2.0), partner(SQUARE))
    assert set(np.unique(hard.image)) == {90, 200}
    row = soft.image[60, 20:80, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 35
    assert soft.image[60, 50, 0] == 200
    assert (soft.image[:, 90:] == 90).all()
    # Nothing is seen of what was darker around it.
    assert soft.image.min() >= 88


def test_the_one_on_top_hides_the_one_below_and_masks_share_a_layer():
    rings = (SQUARE, ((50.0, 40.0), (90.0, 40.0), (90.0, 80.0), (50.0, 80.0)))
    other = partner(*rings)
    done, _ = pasted(CopyPaste(("b",), (True,)), other)
    assert done.targets.visible[1] == pytest.approx(0.5)
    assert done.targets.visible[2] == 1
    shapes = [labelled.drawn_polygon([ring], SIZE) > 127 for ring in rings]
    files = {f"{n}.png": shape.astype(np.uint8) for n, shape in enumerate(shapes)}
    known = Annotation(
        objects=tuple(Object(category=name, mask_file=name) for name in files),
    )
    masked = Sample(other.image, targets=labelled.read(known, SIZE, masks=files, key="b.png"))
    done, _ = pasted(CopyPaste(("b",), (True,)), masked)
    np.testing.assert_array_equal(done.targets.mask_of(1), shapes[0] & ~shapes[1])
    np.testing.assert_array_equal(done.targets.mask_of(2), shapes[1])
    assert len(done.targets.layers) == 1


def test_keypoints_go_along():
    one = Object(category="a", polygons=(SQUARE,), keypoints=((50.0, 60.0, 2), (0.0, 0.0, 0)))
    image = partner(SQUARE).image.copy()
    image[58:62, 48:52] = 255
    other = Sample(image, targets=labelled.read(Annotation(objects=(one,)), SIZE, key="b.png"))
    op = CopyPaste(("b",), (True,), scale=(1.5, 1.5), shift=0.3, noise_key=3)
    done, found = pasted(op, other)
    (x, y, seen), nothing = found["a"].keypoints
    dot = labelled.bounds(done.image[..., 0], level=230)
    np.testing.assert_allclose((x, y), ((dot[0] + dot[2]) / 2, (dot[1] + dot[3]) / 2), atol=1)
    assert seen == 2
    assert nothing == (0, 0, 0)


def test_an_object_is_pasted_even_where_the_draw_takes_none_of_the_few_there_are():
    op = CopyPaste(("b",), (False, False, True))
    done, found = pasted(op, partner(SQUARE))
    assert "0" in found
    assert (done.image == 200).any()


def test_partners_are_those_with_objects_as_long_as_there_are_any():
    pool = [f"{n}.png" for n in range(10)]
    node = Recipe.parse("variants: copy_paste").policy
    bare = {one for one in pool if one != "4.png"}
    for seed in range(6):
        (variant,) = draw_variants(node, seed=seed, key="0.png", size=SIZE, pool=pool, bare=bare)
        assert variant.parents == ("4.png",)
        (variant,) = draw_variants(node, seed=seed, key="0.png", size=SIZE, pool=pool, bare=pool)
        assert variant.parents
    mixup = Recipe.parse("variants: mixup").policy
    chosen = {
        draw_variants(mixup, seed=seed, key="0.png", size=SIZE, pool=pool, bare=bare)[0].parents
        for seed in range(12)
    }
    assert len(chosen) > 3


def test_every_fraction_above_zero_takes_something():
    kind = find_transform("copy_paste")
    for seed in range(30):
        assert "1" in kind(fraction=0.001).parameters(generator(seed))["chosen"]
    assert "1" not in kind(fraction=0).parameters(generator(1))["chosen"]


def test_nothing_is_pasted_from_objects_without_extent():
    known = Annotation(objects=(Object(category="a"), Object(category="b", box=(5, 5, 5, 9))))
    other = Sample(partner(SQUARE).image, targets=labelled.read(known, SIZE, key="b.png"))
    done = CopyPaste(("b",), (True,)).combine(source(), (other,))
    assert (done.image == 90).all()
    assert done.targets.count == 1
