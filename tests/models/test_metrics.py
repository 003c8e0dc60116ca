"""Metrics against other programs and against figures by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from variegate.models.intervals import PairedBootstrap, mcnemar, wilson
from variegate.models.metrics import (
    Calibration,
    ClassificationScores,
    Confusion,
    DetectionScores,
)
from variegate.models.overlap import box_iou, keypoint_similarity
from variegate.models.predictors.base import Classification, SemanticMap
from variegate.seeding import generator


def scene(number, classes=3):
    """Return expected and found boxes of an image: near ones, misses, extras, other classes."""
    rng = generator(5, "scene", number)
    count = int(rng.integers(0, 7))
    low = rng.uniform(0, 150, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(25, 120, (count, 2))], axis=1)
    labels = rng.integers(0, classes, count)
    kept = rng.random(count) < 0.8
    near = boxes[kept] + rng.normal(0, 4, (int(kept.sum()), 4))
    extra_low = rng.uniform(0, 150, (int(rng.integers(0, 4)), 2))
    extra = np.concatenate([extra_low, extra_low + 30], axis=1)
    found = np.concatenate([near, extra])
    numbers = np.concatenate([labels[kept], rng.integers(0, classes, len(extra))])
    numbers = np.where(rng.random(len(numbers)) < 0.9, numbers, (numbers + 1) % classes)
    scores = rng.permutation(np.linspace(0.1, 0.9, max(1, len(found))))[: len(found)]
    return boxes, labels, found, numbers, scores.astype(np.float32)


def coco_says(scenes, classes):
    """Return pycocotools' average precisions: (thresholds, classes)."""
    images = [{"id": n + 1, "width": 300, "height": 300} for n in range(len(scenes))]
    labels, results = [], []
    for n, (boxes, numbers, found, others, scores) in enumerate(scenes, 1):
        for box, number in zip(boxes, numbers, strict=True):
            side = (box[2:] - box[:2]).tolist()
            labels.append(
                {"id": len(labels) + 1, "image_id": n, "category_id": int(number) + 1}
                | {"bbox": [*box[:2].tolist(), *side], "area": side[0] * side[1], "iscrowd": 0}
            )
        for box, number, score in zip(found, others, scores, strict=True):
            side = (box[2:] - box[:2]).tolist()
            results.append(
                {"image_id": n, "category_id": int(number) + 1, "score": float(score)}
                | {"bbox": [*box[:2].tolist(), *side]}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": labels}
        truth.dataset["categories"] = [{"id": n + 1, "name": str(n)} for n in range(classes)]
        truth.createIndex()
        oracle = COCOeval(truth, truth.loadRes(results), "bbox")
        oracle.evaluate()
        oracle.accumulate()
    # thresholds, recalls, classes, all sizes, 100 objects
    precision = oracle.eval["precision"][:, :, :, 0, -1]
    return np.where(precision < 0, np.nan, precision).mean(axis=1)


def test_average_precision_is_that_of_pycocotools():
    scenes = [scene(number) for number in range(60)]
    scores = DetectionScores(3)
    for boxes, numbers, found, others, sure in scenes:
        scores.add(numbers, others, sure, box_iou(boxes, found))
    expected = coco_says(scenes, 3)
    assert np.stack(scores.by_class(), axis=1) == pytest.approx(expected, abs=1e-6)
    assert scores.mean() == pytest.approx(expected.mean(), abs=1e-6)
    assert scores.mean(0.5) == pytest.approx(expected[0].mean(), abs=1e-6)
    assert 0.2 < scores.mean() < 0.9, "the scenes must tell something"


def test_classes_without_objects_have_no_precision():
    scores = DetectionScores(2)
    scores.add(np.array([0]), np.array([1]), np.array([0.9]), np.ones((1, 1)))
    assert scores.by_class()[1] is None
    assert scores.by_class()[0].tolist() == [0.0] * 10


def test_keypoint_similarity_is_that_of_pycocotools():
    rng = generator(3, "points")
    points = rng.uniform(20, 180, (4, 17, 2))
    visible = (rng.random((4, 17)) < 0.7) * 2
    visible[:, 0] = 2
    found = points + rng.normal(0, 6, points.shape)
    areas = rng.uniform(2_000, 9_000, 4)
    annotations = [
        {"id": n + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": float(areas[n])}
        | {"bbox": [0, 0, 200, 200], "num_keypoints": int((visible[n] > 0).sum())}
        | {"keypoints": np.dstack([points[n : n + 1], visible[n : n + 1]]).ravel().tolist()}
        for n in range(4)
    ]
    results = [
        {"image_id": 1, "category_id": 1, "score": 0.9 - n / 10}
        | {"keypoints": np.dstack([found[n : n + 1], np.ones((1, 17))]).ravel().tolist()}
        for n in range(4)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": 1, "width": 200, "height": 200}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person"}],
        }
        truth.createIndex()
        oracle = COCOeval(truth, truth.loadRes(results), "keypoints")
        oracle.evaluate()
    # pycocotools: found by expected.
    expected = oracle.ious[1, 1].T
    assert keypoint_similarity(points, visible, found, areas) == pytest.approx(expected, abs=1e-6)


def test_wilson_by_published_figures():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(1, 5) == pytest.approx(2 * 7 / 64)
    assert mcnemar(3, 3) == 1
    # Whole numbers of numpy would overflow.
    assert mcnemar(np.int64(100), np.int64(140)) == pytest.approx(0.0118, abs=2e-4)
    assert mcnemar(1_000, 1_001) == pytest.approx(1, abs=0.02)
    assert mcnemar(1_100, 900) == pytest.approx(mcnemar(1_101, 900), rel=0.2), "both sides of 2,000"


def test_bootstrap_does_not_depend_on_the_order_and_covers():
    rng = generator(1, "pairs")
    pairs = [(str(n), float(rng.random() < 0.7), float(rng.random() < 0.8)) for n in range(400)]
    results = []
    for order in (pairs, pairs[::-1]):
        one = PairedBootstrap(replicates=1_000)
        for pair in order:
            one.add(*pair)
        results.append(one.result())
    assert results[0].low == pytest.approx(results[1].low)
    deltas = np.array([b - a for _, a, b in pairs])
    half = 1.96 * deltas.std() / np.sqrt(len(deltas))
    assert results[0].difference == pytest.approx(deltas.mean())
    assert results[0].low == pytest.approx(deltas.mean() - half, abs=0.015)
    assert results[0].high == pytest.approx(deltas.mean() + half, abs=0.015)


def answer(*values):
    return Classification(np.array(values, np.float32))


def test_classification_by_hand():
    scores = ClassificationScores(3)
    for expected, found in [
        ((1, 0, 0), (0.8, 0.1, 0.1)),
        ((1, 0, 0), (0.2, 0.7, 0.1)),
        ((0, 1, 0), (0.1, 0.8, 0.1)),
        ((0, 1, 0), (0.1, 0.6, 0.3)),
    ]:
        scores.add(answer(*expected), answer(*found))
    assert scores.confusion.counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    first, second, third = scores.confusion.scores()
    assert (first.precision, first.recall, first.support) == (1, 0.5, 2)
    assert second.precision == pytest.approx(2 / 3)
    assert second.f1 == pytest.approx(0.8)
    assert (third.precision, third.recall, third.f1) == (None, None, None)
    assert scores.top5 == 4


def test_calibration_by_hand():
    one = Calibration(bins=10)
    for confidence, right in [(0.95, True), (0.95, False), (0.55, True), (0.51, True)]:
        one.add(confidence, right=right)
    # Two of 0.95, half right; two of 0.53 on average, all right.
    assert one.expected_error == pytest.approx((2 * 0.45 + 2 * 0.47) / 4)
    assert [b.count for b in one.bins()] == [2, 2]
    assert one.told
    certain = Calibration()
    certain.add(1.0, right=True)
    assert not certain.told


def test_pixels_are_counted_where_something_is_expected():
    one = Confusion(2)
    one.add_map(SemanticMap(np.array([[0, 1, 1, -1]])), SemanticMap(np.array([[0, 1, 0, 1]])))
    assert one.counts.tolist() == [[1, 0], [1, 1]]
    assert one.scores()[1].iou == 0.5
