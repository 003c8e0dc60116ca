"""What becomes of labels: by rule, exactly, and never more than is there."""

import math

import numpy as np
import pytest
from PIL import Image, ImageOps

import labelled
import reference
from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object, Skeleton
from variegate.annotations.sample import Sample
from variegate.annotations.targets import in_bytes, whole
from variegate.codecs import decode, probe
from variegate.ops import Warp
from variegate.ops.copy_paste import CopyPaste
from variegate.ops.mixing import Cutmix, Mixup, Mosaic, alike, like
from variegate.ops.occlusion import Cutout, GridDropout, PixelDropout
from variegate.recipes.plan import draw_variants, execute, fuse
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (120, 160)
BOX = (50.0, 30.0, 118.0, 88.0)


def operation(name: str, **ranges):
    return find_transform(name)(**ranges).draw(generator(3, name), SIZE)


def only_object(op, one: Object, size=SIZE, **rule):
    """Return what an operation makes of one object, or None."""
    blank = np.zeros(size, np.uint8)
    _, changed, _ = labelled.through(op, Annotation(objects=(one,)), blank, **rule)
    return changed.objects[0] if changed.objects else None


# Corner points through matrices written here.


def rotation(degrees, x, y):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, s, x - c * x - s * y], [-s, c, y + s * x - c * y], [0, 0, 1]])


MATRICES = {
    "flip": ({"axis": "horizontal"}, [[-1, 0, 160], [0, 1, 0], [0, 0, 1]]),
    "rotate90": ({"k": 1}, [[0, 1, 0], [-1, 0, 160], [0, 0, 1]]),
    "transpose": ({}, [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    "rotate": ({"angle_degrees": 25}, rotation(25, 80, 60)),
    "scale": ({"factor": 0.7}, [[0.7, 0, 24], [0, 0.7, 18], [0, 0, 1]]),
    "translate": ({"x": 0.1, "y": -0.05}, [[1, 0, 16], [0, 1, -6], [0, 0, 1]]),
    "shear": ({"x_degrees": 45}, [[1, 1, -60], [0, 1, 0], [0, 0, 1]]),
    "resize": ({"size": [60, 320]}, [[2, 0, 0], [0, 0.5, 0], [0, 0, 1]]),
    "pad": ({"size": [200, 200]}, [[1, 0, 20], [0, 1, 40], [0, 0, 1]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_corners_go_where_a_matrix_written_here_takes_them(name):
    ranges, matrix = MATRICES[name]
    op = operation(name, **ranges)
    corners = tuple(labelled.rectangle(BOX))
    oriented = ((60.0, 20.0), (100.0, 40.0), (90.0, 60.0), (50.0, 40.0))
    expected = reference.moved(matrix, np.array(corners))
    one = only_object(op, Object(category="a", box=BOX))
    np.testing.assert_allclose(one.box, [*expected.min(axis=0), *expected.max(axis=0)], atol=1e-9)
    one = only_object(op, Object(category="a", polygons=(corners,)))
    np.testing.assert_allclose(one.polygons[0], expected, atol=1e-9)
    one = only_object(op, Object(category="a", corners=oriented))
    np.testing.assert_allclose(one.corners, reference.moved(matrix, np.array(oriented)), atol=1e-9)
    one = only_object(op, Object(category="a", keypoints=((70.0, 55.0, 1),)))
    expected = reference.moved(matrix, np.array([[70.0, 55.0]]))[0]
    np.testing.assert_allclose(one.keypoints[0], [*expected, 1], atol=1e-9)


def test_perspective_takes_the_corners_where_it_says():
    kind = find_transform("perspective")
    corners = [[0.5, 0.2], [-0.4, 0.6], [-0.3, -0.5], [0.7, -0.1]]
    op = kind.operation({"amount": 0.2, "corners": corners, "border": "constant"}, SIZE)
    whole = Object(
        category="a", polygons=(((0.0, 0.0), (160.0, 0.0), (160.0, 120.0), (0.0, 120.0)),)
    )
    expected = np.array([[0, 0], [160, 0], [160, 120], [0, 120]]) + 0.2 * np.array(corners) * (
        160,
        120,
    )
    np.testing.assert_allclose(only_object(op, whole).polygons[0], expected, atol=1e-6)


# Chains.


CHAINS = (
    "[{rotate: {angle_degrees: 20}}, flip, {shear: {x_degrees: 15}}]",
    "[{zoom: {factor: 3}}, {perspective: {amount: 0.2}}]",
    "[rotate90, {translate: {x: 0.3, y: 0.1}}, {scale: {factor: 0.6}}]",
    "[{elastic: {amplitude: 0.03}}, flip, {perspective: {amount: 0.1}}]",
    "[{random_crop: {area: 0.3}}, {perspective: {amount: 0.3}}, {wave: {}}]",
    "[{translate: {x: 0.9}}, {perspective: {amount: 0.4}}]",
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", CHAINS)
def test_labels_of_joined_chains_cover_what_their_paint_covers(text, seed):
    rings = (
        ((20.0, 15.0), (75.0, 22.0), (62.0, 60.0), (24.0, 70.0)),
        ((90.0, 40.0), (150.0, 110.0), (85.0, 100.0)),
    )
    paint = labelled.drawn_polygon(rings, SIZE)
    painted = text.replace("}}", ", border: constant}}").replace("{, ", "{")
    policy = Recipe.parse(f"variants: {{sequence: {painted}}}").policy
    (variant,) = draw_variants(policy, seed=seed, key="a", size=SIZE)
    one = Annotation(objects=(Object(category="a", polygons=rings),))
    sample = Sample(paint, targets=labelled.read(one, SIZE))
    for op in variant.operations:
        sample = op.apply(sample)
    changed, _ = labelled.write(one, sample.targets, sample.size, min_visible=0, min_side=0)
    found = sample.image > 127
    if not changed.objects:
        assert np.count_nonzero(found) < 30
    elif np.count_nonzero(found) > 200:
        again = labelled.drawn_polygon(changed.objects[0].polygons, sample.size)
        assert labelled.iou(again > 127, found) > 0.92


def test_variants_that_share_steps_have_the_labels_of_those_made_alone():
    recipe = Recipe.parse(
        "variants: {subsets: [{rotate: {angle_degrees: [10, 30]}}, gaussian_noise, flip, elastic]}"
    )
    image = generator(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    one = Annotation(objects=(Object(category="a", box=BOX),))
    planned = recipe.plan(key="a", size=SIZE)

    def load(_):
        return Sample(image, targets=labelled.read(one, SIZE))

    together = {v.index: s for v, s in execute(planned, load, size=SIZE, reducible=False)}
    for variant in planned:
        ((_, alone),) = execute([variant], load, size=SIZE, reducible=False)
        shared = together[variant.index]
        np.testing.assert_array_equal(alone.image, shared.image)
        np.testing.assert_array_equal(alone.targets.boxes, shared.targets.boxes)
        np.testing.assert_array_equal(alone.targets.visible, shared.targets.visible)


def test_two_rotations_with_noise_between_do_not_let_a_box_grow():
    there, back = (operation("rotate", angle_degrees=angle) for angle in (30, -30))
    noise = operation("gaussian_noise")
    chain = fuse([there, noise, back])
    assert len(chain) == 3
    box = (60.0, 45.0, 100.0, 75.0)
    one = Annotation(objects=(Object(category="a", box=box),))
    sample = Sample(np.zeros((*SIZE, 3), np.uint8), targets=labelled.read(one, SIZE))
    for op in chain:
        sample = op.apply(sample)
    changed, _ = labelled.write(one, sample.targets, SIZE)
    np.testing.assert_allclose(changed.objects[0].box, box, atol=1e-9)


def test_an_ellipse_is_tighter_than_corners_and_still_covered():
    for degrees in range(5, 90, 10):
        op = operation("rotate", angle_degrees=degrees, border="constant")
        box = (55.0, 40.0, 105.0, 80.0)
        corners = only_object(op, Object(category="a", box=box), box="corners").box
        ellipse = only_object(op, Object(category="a", box=box), box="ellipse").box
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        half = np.array([math.hypot(25 * c, 20 * s), math.hypot(25 * s, 20 * c)])
        np.testing.assert_allclose(ellipse[:2], (80, 60) - half, atol=0.04)
        np.testing.assert_allclose(ellipse[2:], half + np.array([80.0, 60.0]), atol=0.04)
        assert corners[0] < ellipse[0] < ellipse[2] < corners[2]
        assert corners[1] < ellipse[1] < ellipse[3] < corners[3]


def test_nothing_changes_a_number_that_need_not_change():
    box = (10.1, 20.30000000000001, 77.7, 100.00000000000001)
    one = Object(
        category="a",
        box=box,
        polygons=(((1 / 3, 0.1), (70.123456789, 9.87654321), (33.3, 66.6)),),
        keypoints=((12.3, 45.6, 2), (7.7, 8.8, 0)),
        extra={"iscrowd": 0},
    )
    corners = Object(category="b", corners=((1 / 3, 2 / 3), (50.1, 3.2), (49.9, 20.7), (0.2, 18.0)))
    for op in (operation("invert"), operation("gaussian_blur")):
        for rule in ("corners", "ellipse"):
            assert only_object(op, one, box=rule) == one
            assert only_object(op, corners, box=rule) == corners


def test_boxes_come_from_the_polygon_or_the_mask_where_there_is_one():
    loose = (0.0, 0.0, 160.0, 120.0)
    ring = ((60.0, 40.0), (90.0, 40.0), (75.0, 70.0))
    op = operation("translate", x=0.1, y=0)
    assert only_object(op, Object(category="a", box=loose, polygons=(ring,))).box == (
        76,
        40,
        106,
        70,
    )
    mask = labelled.drawn_polygon([ring], SIZE) > 127
    expected = labelled.bounds(mask.astype(np.uint8), 0) + np.array([16, 0, 16, 0])
    with_mask = Object(category="a", box=loose, rle=rle.encode(mask))
    np.testing.assert_array_equal(only_object(op, with_mask).box, expected)


@pytest.mark.parametrize(
    ("name", "ranges", "box"),
    [
        ("flip", {}, (60, 20, 110, 70)),
        ("flip", {"axis": "both"}, (60, 50, 110, 100)),
        ("rotate90", {"k": 1}, (20, 60, 70, 110)),
        ("transpose", {}, (20, 50, 70, 100)),
    ],
)
def test_flips_and_quarter_turns_keep_the_annotated_box(name, ranges, box):
    # It is looser than the outline, and stays so.
    loose, ring = (50.0, 20.0, 100.0, 70.0), ((60.0, 40.0), (90.0, 40.0), (75.0, 60.0))
    op = operation(name, **ranges)
    assert only_object(op, Object(category="a", box=loose, polygons=(ring,))).box == box
    mask = rle.encode(labelled.drawn_polygon([ring], SIZE) > 127)
    assert only_object(op, Object(category="a", box=loose, rle=mask)).box == box


def test_a_flip_after_a_turn_takes_the_box_from_the_outline():
    ring = ((60.0, 40.0), (90.0, 40.0), (75.0, 60.0))
    one = Object(category="a", box=(50.0, 20.0, 100.0, 70.0), polygons=(ring,))
    blank = Sample(
        np.zeros(SIZE, np.uint8), targets=labelled.read(Annotation(objects=(one,)), SIZE)
    )
    moved = operation("flip").apply(operation("translate", x=0.1, y=0).apply(blank))
    assert moved.targets.boxes.tolist() == [[160 - 106, 40, 160 - 76, 60]]


def test_a_mirror_image_swaps_left_and_right_and_half_a_turn_does_not():
    skeletons = {"face": Skeleton.of(("left_eye", "right_eye", "nose"))}
    one = Object(category="face", keypoints=((40.0, 30.0, 2), (70.0, 31.0, 1), (55.0, 50.0, 2)))
    blank = np.zeros(SIZE, np.uint8)

    def keypoints(op):
        _, changed, _ = labelled.through(op, Annotation(objects=(one,)), blank, skeletons=skeletons)
        return changed.objects[0].keypoints

    assert keypoints(operation("flip")) == ((90, 31, 1), (120, 30, 2), (105, 50, 2))
    assert keypoints(operation("flip", axis="both")) == ((120, 90, 2), (90, 89, 1), (105, 70, 2))
    assert keypoints(operation("transpose"))[0][:2] == (31, 70)
    # Zoomed far in, so that what lies at the source's corner is behind the viewer.
    kind = find_transform("perspective")
    parameters = {"corners": [[1, 1], [-1, 1], [-1, -1], [1, -1]], "border": "constant"}
    strong = kind.operation({"amount": 0.3, **parameters}, SIZE)
    assert not strong.mirrored
    assert operation("flip").then(strong).mirrored


# What leaves the image.


def test_what_lies_behind_the_viewer_is_not_seen():
    """A road that runs from here to beyond the horizon; its end must not come back into sight."""
    matrix = [[1, 0, 0], [0, 1, 0], [0, 0.01, -0.2]]
    op = Warp.of(matrix, (400, 400))
    road = Object(
        category="road", polygons=(((50.0, -100.0), (60.0, -100.0), (60.0, 119.0), (50.0, 119.0)),)
    )
    one = only_object(op, road, min_visible=0)
    # Seen is what has a depth above 0: y > 20, and y / (0.01 y - 0.2) within the canvas.
    points = np.array(one.polygons[0])
    assert points[:, 1].min() >= 119 / (1.19 - 0.2) - 1e-6
    behind = Object(category="x", keypoints=((55.0, 10.0, 2), (55.0, 100.0, 2)))
    seen = [v for _, _, v in only_object(op, behind).keypoints]
    assert seen == [0, 2]


@pytest.mark.parametrize("shift", [0.2, 0.4, 0.6, 0.75, 0.8, 0.99])
@pytest.mark.parametrize("min_visible", [0.0, 0.1, 0.5, 1.0])
def test_objects_are_dropped_by_the_visible_share_exactly(shift, min_visible):
    op = operation("translate", x=shift, y=0.0, border="constant")
    x1, y1, x2, y2 = BOX
    moved = [x1 + shift * 160, x2 + shift * 160]
    share = max(0.0, min(160, moved[1]) - moved[0]) / (x2 - x1)
    kept = share >= min_visible - 1e-12 and max(0.0, min(160, moved[1]) - moved[0]) >= 2
    ring = tuple(labelled.rectangle(BOX))
    mask = labelled.drawn_polygon([ring], SIZE) > 127
    for one in (
        Object(category="a", box=BOX),
        Object(category="a", polygons=(ring,)),
        Object(category="a", corners=ring),
    ):
        found = only_object(op, one, min_visible=min_visible, min_side=2)
        assert (found is not None) == kept
        if found is not None and found.box is not None:
            np.testing.assert_allclose(found.box, [moved[0], y1, min(160, moved[1]), y2])
    found = only_object(op, Object(category="a", rle=rle.encode(mask)), min_visible=min_visible)
    assert kept == (found is not None) or abs(share - min_visible) < 0.03


def test_min_side_is_exact():
    for side, kept in ((2.0, True), (1.999, False)):
        one = Object(category="a", box=(10.0, 10.0, 10.0 + side, 50.0))
        assert (only_object(operation("flip"), one, min_side=2.0) is not None) == kept
        # Where nothing moves, nothing is dropped.
        assert only_object(operation("gaussian_blur"), one, min_side=2.0) == one


def test_all_in_sight_means_all_in_sight():
    whole = Object(category="a", box=(0.0, 0.0, 160.0, 120.0))
    for name in ("resize", "flip", "rotate90"):
        ranges = {"size": [77, 131]} if name == "resize" else {}
        assert only_object(operation(name, **ranges), whole, min_visible=1.0) is not None


@pytest.mark.parametrize(
    "occluder",
    [
        Cutout("constant", (0, 0, 0), 1, 40.0, ((60.0, 50.0), (110.0, 70.0))),
        GridDropout("constant", (0, 0, 0), 1, 0.6, 17.0, (3.0, 5.0)),
        PixelDropout("constant", (0, 0, 0), 1, 0.4),
    ],
)
def test_occluders_hide_the_share_that_they_really_cover(occluder):
    ring = ((60.0, 40.0), (110.0, 45.0), (95.0, 90.0), (70.0, 100.0))
    paint = labelled.drawn_polygon([ring], SIZE)
    mask = paint > 127
    covered = occluder.apply_image(np.where(mask, 255, 0).astype(np.uint8)) > 0
    share = np.count_nonzero(covered) / np.count_nonzero(mask)
    objects = (
        Object(category="polygon", polygons=(ring,)),
        Object(category="mask", rle=rle.encode(mask)),
    )
    targets = labelled.read(Annotation(objects=objects), SIZE)
    seen = occluder.apply(Sample(paint, targets=targets)).targets.visible
    np.testing.assert_allclose(seen, share, atol=0.01)
    assert seen[1] == share
    point = (65.0, 55.0)
    keypoint = Object(category="a", keypoints=((*point, 2),))
    hidden = occluder.apply_image(np.full(SIZE, 255, np.uint8))[55, 65] == 0
    assert only_object(occluder, keypoint).keypoints == ((*point, 1 if hidden else 2),)


def test_thousands_of_points_pass_through_a_field():
    rng = generator(5)
    starts = rng.uniform(0, 100, (3000, 2))
    objects = tuple(
        Object(category="a", box=(x, y, x + 15.0, y + 15.0)) for x, y in starts.tolist()
    )
    op = operation("elastic", amplitude=0.03)
    _, changed, _ = labelled.through(
        op, Annotation(objects=objects), np.zeros(SIZE, np.uint8), box="ellipse"
    )
    assert len(changed.objects) > 2900


# Annotations made on another copy.


@pytest.mark.parametrize("factor", [0.5, 2, 3.2])
def test_an_annotation_of_a_larger_or_smaller_copy_is_scaled(factor):
    size = (round(120 * factor), round(160 * factor))
    ring = tuple((x * factor, y * factor) for x, y in labelled.rectangle(BOX))
    mask = labelled.drawn_polygon([ring], size) > 127
    one = Object(
        category="a",
        box=tuple(v * factor for v in BOX),
        polygons=(ring,),
        rle=rle.encode(mask),
        keypoints=((70.0 * factor, 60.0 * factor, 2),),
    )
    annotation = Annotation(size=size, objects=(one,), mask_file="m.png")
    targets = labelled.read(annotation, SIZE, masks={"m.png": mask.astype(np.uint8)})
    np.testing.assert_allclose(targets.boxes[0], BOX)
    np.testing.assert_allclose(targets.keypoints.points, [[70, 60]])
    truth = labelled.drawn_polygon([labelled.rectangle(BOX)], SIZE) > 127
    assert labelled.iou(targets.mask_of(0), truth) > 0.94
    assert labelled.iou(targets.semantic.values > 0, truth) > 0.94
    with pytest.raises(Exception, match="its annotation is for an image of"):
        labelled.read(Annotation(size=(120, 120)), SIZE)


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_of_images_that_exif_turns(data_dir, kind, orientation):
    """The same object is marked in the upright image and in the pixels as they are stored."""
    path = data_dir / f"exif_orientation/{kind}_{orientation}.jpg"
    data = path.read_bytes()
    header, upright = probe(data), decode(data)
    assert header.orientation == orientation
    with Image.open(path) as image:
        stored = image.size[::-1]
        dot = Image.new("L", image.size, 0)
        dot.paste(255, (40, 70, 140, 110))
        dot.getexif()[274] = orientation
        turned = np.array(ImageOps.exif_transpose(dot))
    size = upright.shape[:2]
    assert turned.shape == size
    box = tuple(labelled.bounds(turned).tolist())
    upright_annotation = Annotation(size=size, objects=(Object(category="a", box=box),))
    targets = labelled.read(upright_annotation, size, orientation=orientation)
    np.testing.assert_array_equal(targets.boxes[0], box)
    if orientation >= 5:
        marked = Object(
            category="a",
            box=(40.0, 70.0, 140.0, 110.0),
            polygons=(((40.0, 70.0), (140.0, 70.0), (140.0, 110.0), (40.0, 110.0)),),
            rle=rle.encode(np.array(dot)),
            keypoints=((40.0, 70.0, 2),),
        )
        annotation = Annotation(size=stored, objects=(marked,))
        targets = labelled.read(annotation, size, orientation=orientation)
        np.testing.assert_array_equal(targets.boxes[0], box)
        np.testing.assert_array_equal(targets.outlines.bounds(1)[0], box)
        np.testing.assert_array_equal(targets.mask_of(0), turned > 0)
        corners = {(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])}
        assert tuple(targets.keypoints.points[0]) in corners


# Several images in one.


def painted(value: int, ring, size=SIZE, *, key="a.png", category="a", channels=(3,), **more):
    """Return a flat image with one object, known by polygon, mask file and semantic mask."""
    mask = labelled.drawn_polygon([ring], size) > 127
    image = np.full((*size, *channels), value, np.uint8)
    one = Object(category=category, polygons=(tuple(ring),), mask_file="m.png", **more)
    files = {"m.png": mask.astype(np.uint8) * (more.get("mask_value") or 255)}
    files["s.png"] = np.where(mask, value, 1).astype(np.uint8)
    annotation = Annotation(objects=(one,), mask_file="s.png", labels={category: 1.0})
    targets = labelled.read(annotation, size, masks=files, key=key)
    return annotation, Sample(image, {category: 1.0}, targets)


LEFT = ((10.0, 20.0), (60.0, 20.0), (60.0, 100.0), (10.0, 100.0))
RIGHT = ((100.0, 30.0), (150.0, 30.0), (150.0, 90.0), (100.0, 90.0))


def shares_sum_to_one(sample: Sample) -> bool:
    return math.isclose(sum(sample.labels.values()), 1.0)


def test_mixup_has_the_labels_of_both_by_share():
    annotation, one = painted(100, LEFT)
    _, two = painted(200, RIGHT, key="b.png", category="b")
    mixed = Mixup(("b.png",), 0.3).combine(one, (two,))
    assert mixed.labels == {"a": 0.7, "b": 0.3}
    np.testing.assert_allclose(mixed.image, 130, atol=1)
    changed, masks = labelled.write(annotation, mixed.targets, mixed.size)
    assert [one.category for one in changed.objects] == ["a", "b"]
    assert len({one.mask_file for one in changed.objects}) == 2
    for thing, ring in zip(changed.objects, (LEFT, RIGHT), strict=True):
        truth = labelled.drawn_polygon([ring], SIZE) > 127
        assert labelled.iou(masks[thing.mask_file] > 0, truth) > 0.99


@pytest.mark.parametrize("name", ["mixup", "copy_paste", "cutmix"])
def test_objects_without_a_box_stay_when_others_are_mixed_in(name):
    ring = ((10.0, 10.0), (60.0, 10.0), (60.0, 60.0))
    one = Object(category="mine", polygons=(ring,))
    other = Object(category="theirs", polygons=(((100.0, 80.0), (150.0, 80.0), (150.0, 110.0)),))
    samples = [
        Sample(
            np.full((*SIZE, 3), level, np.uint8),
            targets=labelled.read(Annotation(objects=(known,)), SIZE),
        )
        for level, known in ((90, one), (160, other))
    ]
    parameters = {"share": 0.4, "fraction": 1.0, "chosen": "1" * 64}
    fields = find_transform(name).model_validate({}).parameters(generator(1))
    drawn = {**fields, **{key: parameters[key] for key in fields if key in parameters}}
    drawn["partners"] = ["b"]
    if name == "cutmix":
        drawn = {**drawn, "share": 0.05, "y": 0.0, "x": 1.0}
    op = find_transform(name).operation(drawn, SIZE)
    mixed = op.combine(samples[0], (samples[1],))
    written, _ = labelled.write(Annotation(objects=(one,)), mixed.targets, SIZE)
    assert "mine" in [kept.category for kept in written.objects]
    (kept,) = [kept for kept in written.objects if kept.category == "mine"]
    assert kept.polygons == (ring,)


def test_cutmix_pastes_pixels_labels_and_classes_alike():
    annotation, one = painted(100, LEFT)
    _, two = painted(200, RIGHT, key="b.png", category="b")
    # It covers the left half of the left object, and shows the right half of the right one.
    for region in ((0, 0, 120, 35), (0, 125, 120, 160), (25, 5, 115, 58)):
        mixed = Cutmix(("b.png",), region).combine(one, (two,))
        top, left, bottom, right = region
        pasted = np.zeros(SIZE, bool)
        pasted[top:bottom, left:right] = True
        assert (mixed.image[..., 0] == np.where(pasted, 200, 100)).all()
        assert math.isclose(mixed.labels["b"], np.count_nonzero(pasted) / pasted.size)
        assert shares_sum_to_one(mixed)
        expected = np.where(pasted, two.targets.semantic.values, one.targets.semantic.values)
        np.testing.assert_array_equal(mixed.targets.semantic.values, expected)
        truth = [
            (labelled.drawn_polygon([LEFT], SIZE) > 127) & ~pasted,
            (labelled.drawn_polygon([RIGHT], SIZE) > 127) & pasted,
        ]
        areas = [np.count_nonzero(labelled.drawn_polygon([r], SIZE) > 127) for r in (LEFT, RIGHT)]
        for number, mask in enumerate(truth):
            np.testing.assert_array_equal(mixed.targets.mask_of(number), mask)
            seen = mixed.targets.visible[number]
            assert math.isclose(seen, np.count_nonzero(mask) / areas[number], abs_tol=0.01)
        changed, _ = labelled.write(annotation, mixed.targets, SIZE, min_visible=0.1)
        kept = {thing.category for thing in changed.objects}
        large = [np.count_nonzero(m) / a >= 0.1 for m, a in zip(truth, areas, strict=True)]
        assert kept == {c for c, one in zip("ab", large, strict=True) if one}


def test_keypoints_beside_a_pasted_piece_stay_visible():
    one = Annotation(
        objects=(Object(category="a", keypoints=((150.0, 100.0, 2), (20.0, 20.0, 2))),)
    )
    sample = Sample(np.zeros(SIZE, np.uint8), targets=labelled.read(one, SIZE))
    mixed = Cutmix(("b",), (0, 0, 60, 80)).combine(sample, (sample,))
    visibility = mixed.targets.keypoints.visibility.tolist()
    assert visibility == [2, 1, 0, 2]


def test_mosaic_shows_each_image_in_its_corner_labels_included():
    whole = [(0.0, 0.0), (160.0, 0.0), (160.0, 120.0), (0.0, 120.0)]
    annotation, one = painted(40, whole)
    others = [
        painted(value, whole, key=f"{value}.png", category=str(value))[1]
        for value in (80, 120, 160)
    ]
    mosaic = Mosaic(("80.png", "120.png", "160.png"), (50, 70)).combine(one, tuple(others))
    assert shares_sum_to_one(mosaic)
    assert math.isclose(mosaic.labels["80"], 50 * 90 / (120 * 160))
    # Images of one value: the semantic mask has the value of the pixels.
    np.testing.assert_array_equal(mosaic.targets.semantic.values, mosaic.image[..., 0])
    changed, masks = labelled.write(annotation, mosaic.targets, SIZE)
    assert [thing.category for thing in changed.objects] == ["a", "80", "120", "160"]
    for thing, value in zip(changed.objects, (40, 80, 120, 160), strict=True):
        expected = mosaic.image[..., 0] == value
        np.testing.assert_array_equal(masks[thing.mask_file] > 0, expected)
        np.testing.assert_array_equal(labelled.drawn_polygon(thing.polygons, SIZE) > 127, expected)


@pytest.mark.parametrize("value", [None, 7])
def test_an_image_that_stands_twice_in_a_mosaic_keeps_both_masks(value):
    ring = [(20.0, 20.0), (140.0, 20.0), (140.0, 100.0), (20.0, 100.0)]
    more = {} if value is None else {"mask_value": value}
    annotation, one = painted(40, ring, **more)
    _, two = painted(80, ring, key="b.png", **more)
    mosaic = Mosaic(("b.png",) * 3, (60, 80)).combine(one, (two, two, two))
    changed, masks = labelled.write(annotation, mosaic.targets, SIZE)
    assert len(changed.objects) == 4
    places = {(thing.mask_file, thing.mask_value) for thing in changed.objects}
    assert len(places) == 4
    assert len(masks) == (5 if value is None else 2)
    for thing in changed.objects:
        values = masks[thing.mask_file]
        mask = values > 0 if value is None else values == thing.mask_value
        truth = labelled.drawn_polygon(thing.polygons, SIZE) > 127
        assert labelled.iou(mask, truth) > 0.95


def test_objects_are_pasted_with_their_pixels_masks_and_classes():
    annotation, one = painted(100, LEFT)
    _, two = painted(200, RIGHT, key="b.png", category="b")
    pasted = CopyPaste(("b.png",), (True,)).combine(one, (two,))
    shape = labelled.drawn_polygon([RIGHT], SIZE) > 127
    np.testing.assert_array_equal(pasted.image[..., 0] == 200, shape)
    np.testing.assert_array_equal(pasted.targets.semantic.values == 200, shape)
    changed, masks = labelled.write(annotation, pasted.targets, SIZE)
    assert [thing.category for thing in changed.objects] == ["a", "b"]
    np.testing.assert_array_equal(masks[changed.objects[1].mask_file] > 0, shape)
    nothing = CopyPaste(("b.png",), (False,)).combine(one, (two,))
    changed, _ = labelled.write(annotation, nothing.targets, SIZE, min_visible=0)
    assert [thing.category for thing in changed.objects] == ["a"]
    # Wholly covered: the pasted object alone is left.
    _, below = painted(100, ((110.0, 40.0), (140.0, 40.0), (140.0, 80.0)))
    covered = CopyPaste(("b.png",), (True,)).combine(below, (two,))
    changed, _ = labelled.write(annotation, covered.targets, SIZE)
    assert [thing.category for thing in changed.objects] == ["b"]


def test_masks_of_classes_of_any_depth_meet():
    for one in (np.uint8, np.uint16, np.uint32):
        for two in (np.uint8, np.uint16, np.uint32):
            values = np.array([[3, np.iinfo(two).max // 2]], two)
            first, second = alike(in_bytes(np.zeros((1, 2), one)), in_bytes(values))
            assert first.shape == second.shape
            np.testing.assert_array_equal(whole(second), values)


@pytest.mark.parametrize("mine", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("other", [(), (1,), (3,), (4,)])
def test_images_of_every_kind_are_mixed(mine, other):
    annotation, one = painted(100, LEFT, channels=mine)
    _, two = painted(200, RIGHT, (90, 70), key="b.png", channels=other)
    for op in (
        Mixup(("b.png",), 0.4),
        Cutmix(("b.png",), (10, 20, 90, 100)),
        Mosaic(("b.png",) * 3, (50, 60)),
        CopyPaste(("b.png",), (True,)),
    ):
        made = op.combine(one, (two,) * len(op.partners))
        assert made.image.shape == one.image.shape
        assert made.image.dtype == np.uint8
        labelled.write(annotation, made.targets, made.size)


def test_what_is_transparent_is_white_in_a_image_without_alpha():
    clear = np.dstack([np.full((4, 5, 3), 17, np.uint8), np.zeros((4, 5), np.uint8)])
    assert (like(clear, np.zeros((1, 1, 3), np.uint8)) == 255).all()
    assert (like(clear, np.zeros((1, 1), np.uint8)) == 255).all()


def test_a_node_for_every_mixture_is_planned_with_partners_of_the_pool_only():
    pool = [f"{n}.png" for n in range(6)]
    for name in ("mixup", "cutmix", "mosaic", "copy_paste"):
        for seed in range(5):
            (variant,) = draw_variants(
                Recipe.parse(f"variants: {name}").policy,
                seed=seed,
                key="0.png",
                size=SIZE,
                pool=pool,
            )
            assert variant.parents
            assert set(variant.parents) <= set(pool) - {"0.png"}
