"""The built-in dataset: other tests take its annotations for the truth, so true they must be."""

import hashlib
from collections import Counter
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from variegate.datasets.samples import (
    KEYPOINTS,
    KINDS,
    DrawnImage,
    DrawnPart,
    draw_image,
    draw_images,
)
from variegate.errors import ShapeError
from variegate.seeding import generator

COUNT = 60


@pytest.fixture(scope="module")
def images() -> list[DrawnImage]:
    return [drawn for _, drawn in draw_images(COUNT)]


@pytest.fixture(scope="module")
def crowded() -> list[DrawnImage]:
    return [drawn for _, drawn in draw_images(20, seed=11, objects=5)]


def digest(items: Iterator[tuple[str, DrawnImage]]) -> list[str]:
    found = []
    for key, drawn in items:
        sha = hashlib.sha256(key.encode() + drawn.image.tobytes())
        for part in drawn.objects:
            sha.update(part.polygon.tobytes() + part.mask.tobytes())
            sha.update(repr((part.label, part.box, part.keypoints)).encode())
        found.append(sha.hexdigest())
    return found


def covered(part: DrawnPart) -> np.ndarray:
    """The outline's share of each pixel by the even-odd rule, 8 lines a row, exact along them."""
    height, width = part.mask.shape
    share = np.zeros((height, width))
    x0, y0 = part.polygon.astype(np.float64).T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    pixels = np.arange(width)
    for row in range(int(y0.min()), int(y0.max()) + 1):
        for y in row + (np.arange(8) + 0.5) / 8:
            cuts = (y0 <= y) != (y1 <= y)
            at = x0[cuts] + (y - y0[cuts]) / (y1[cuts] - y0[cuts]) * (x1[cuts] - x0[cuts])
            for left, right in np.sort(at).reshape(-1, 2):
                share[row] += np.clip(
                    np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0, 1
                )
    return share / 8


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def parts(images: list[DrawnImage]) -> list[DrawnPart]:
    return [part for drawn in images for part in drawn.objects]


def test_same_seed_same_bytes_whatever_the_count():
    assert digest(draw_images(6)) == digest(draw_images(12))[:6]
    assert digest(draw_images(3, objects=3)) == digest(draw_images(3, objects=3))


def test_another_seed_gives_other_images():
    assert not set(digest(draw_images(5, seed=1))) & set(digest(draw_images(5, seed=2)))


def test_bytes_do_not_depend_on_the_number_of_threads():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = digest(draw_images(10, objects=2))
        cv2.setNumThreads(4)
        assert digest(draw_images(10, objects=2)) == alone
    finally:
        cv2.setNumThreads(before)


def test_keys_count_up_within_each_kind():
    keys = [key for key, _ in draw_images(2 * len(KINDS), size=(48, 64))]
    assert keys[: len(KINDS)] == [f"{kind}/{kind}-0000.jpg" for kind in KINDS]
    assert keys[len(KINDS) :] == [f"{kind}/{kind}-0001.jpg" for kind in KINDS]


def test_all_kinds_appear_equally(images):
    assert Counter(drawn.label for drawn in images) == dict.fromkeys(KINDS, COUNT // len(KINDS))
    assert all(drawn.objects[0].label == drawn.label for drawn in images)


@pytest.mark.parametrize("size", [(240, 320), (32, 32), (96, 40), (65, 131), (600, 500)])
@pytest.mark.parametrize("label", KINDS)
def test_size_is_kept_and_annotations_hold_at_any_size(size, label):
    drawn = draw_image(generator(3, *size), label=label, size=size)
    assert drawn.image.shape == (*size, 3)
    assert drawn.image.dtype == np.uint8
    (part,) = drawn.objects
    assert part.mask.shape == size
    assert part.mask.dtype == bool
    assert overlap(part.mask, covered(part) >= 0.5) >= (0.97 if min(size) > 100 else 0.9)


def test_outline_covers_the_mask(images, crowded):
    for part in parts(images) + parts(crowded):
        assert part.polygon.dtype == np.float32
        assert overlap(part.mask, covered(part) >= 0.5) >= 0.97


def test_mask_area_is_the_area_of_the_outline(images):
    """Shoelace formula against pixels: a bias of a quarter pixel along the edge would show."""
    for part in parts(images):
        x, y = part.polygon.astype(np.float64).T
        area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        assert part.mask.sum() == pytest.approx(area, rel=0.03)


def test_box_is_tight_around_the_mask_and_the_outline(images, crowded):
    for part in parts(images) + parts(crowded):
        x0, y0, x1, y1 = part.box
        inside = part.mask[int(y0) : int(y1), int(x0) : int(x1)]
        assert inside.sum() == part.mask.sum()
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        outer = np.concatenate([part.polygon.min(0), part.polygon.max(0)])
        np.testing.assert_allclose(part.box, outer, atol=2.0)


def test_parts_stay_within_the_image(images, crowded):
    for part in parts(images) + parts(crowded):
        height, width = part.mask.shape
        assert (part.polygon > 0).all()
        assert (part.polygon < (width, height)).all()
        assert not part.mask[[0, -1]].any()
        assert not part.mask[:, [0, -1]].any()


def test_keypoints_lie_on_the_part(images, crowded):
    for part in parts(images) + parts(crowded):
        assert tuple(part.keypoints) == KEYPOINTS[part.label]
        distance = cv2.distanceTransform((~part.mask).astype(np.uint8), cv2.DIST_L2, 5)
        for x, y in part.keypoints.values():
            assert distance[int(y), int(x)] <= 1.5


def test_leads_end_at_opposite_ends_of_a_resistor(images):
    for part in parts(images):
        if part.label == "resistor":
            left, right, middle = (np.array(p) for p in part.keypoints.values())
            cosine = np.dot(left - middle, right - middle)
            assert cosine < -0.9 * np.linalg.norm(left - middle) * np.linalg.norm(right - middle)


def test_a_part_looks_unlike_the_bench_around_it(images):
    """Pixel by pixel against the bench's mean: a part painted elsewhere would not differ."""
    for drawn in images:
        mask = drawn.objects[0].mask
        near = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & ~mask
        bench = drawn.image[near].mean(0)
        inside = np.abs(drawn.image[mask] - bench).mean()
        assert inside > 1.25 * np.abs(drawn.image[near] - bench).mean()
        assert inside > 12


def test_edges_of_the_image_follow_the_mask(images):
    """Across the outline colours change more than they do beside it."""
    on, off = [], []
    for drawn in images:
        gray = cv2.cvtColor(drawn.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        slope = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3)))
        mask = drawn.objects[0].mask.astype(np.uint8)
        ring = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        outside = cv2.dilate(mask, np.ones((11, 11), np.uint8)) > 0
        near = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0
        on.append(slope[ring].mean())
        off.append(slope[outside & ~near].mean())
    assert np.mean(on) > 2 * np.mean(off)


def test_several_parts_lie_side_by_side(crowded):
    for drawn in crowded:
        assert len(drawn.objects) == 5
        assert np.sum([part.mask for part in drawn.objects], axis=0).max() == 1


def test_wrong_arguments_are_named():
    rng = generator(1)
    with pytest.raises(ShapeError, match="did you mean 'resistor'"):
        draw_image(rng, label="resister")
    with pytest.raises(ShapeError, match="at least 32"):
        draw_image(rng, label="led", size=(20, 64))
    with pytest.raises(ShapeError, match="objects: expected at least 1"):
        draw_image(rng, label="led", objects=0)
    with pytest.raises(ShapeError, match="objects: 400 do not fit"):
        draw_image(rng, label="led", size=(64, 64), objects=400)
