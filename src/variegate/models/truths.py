"""What is known of an image, as the answer that a model should have given; and back.

Labels become a prediction of the same kind as the model's, so that one function compares a model
with labels and with what it said before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from variegate.annotations import conversion, rle
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.polygons import rasterised
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Size
from variegate.annotations.targets import Targets, whole
from variegate.models.card import Task
from variegate.models.placement import UNSEEN
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    SemanticMap,
)

# What many segmentation sets give to pixels of no class.
_UNLABELLED = 255
# An object of which less is in sight counts as gone, as in results of a run.
_RULE = LabelRule()
_MIN_VISIBLE = _RULE.min_visible


def truth(
    task: Task,
    classes: Sequence[str],
    size: Size,
    *,
    labels: Mapping[str, float] | None = None,
    targets: Targets | None = None,
) -> Prediction | None:
    """Return what a model should say of an image, or None where nothing is known that tells.

    Args:
        task: of the model.
        classes: of the model; what is of none of them is left out.
        size: (height, width) of the image.
        labels: classes of the image as a whole, each with its share.
        targets: of the image, moved along with it.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    if task == "classification":
        return _of_labels(labels or {}, numbers)
    if targets is None:
        return None
    if task == "semantic":
        return _of_mask(targets, numbers)
    in_sight = [
        number
        for number, one in enumerate(targets.objects)
        if targets.visible[number] >= _MIN_VISIBLE
        and (task == "keypoints" or one.category in numbers)
    ]
    found = np.array([numbers.get(targets.objects[n].category, 0) for n in in_sight], np.int64)
    if task == "boxes":
        boxes = targets.boxes[in_sight].reshape(-1, 4).astype(np.float32)
        known = np.isfinite(boxes).all(axis=1)
        return DetectedBoxes(boxes[known], found[known], np.ones(int(known.sum()), np.float32))
    if task == "instances":
        return _of_instances(targets, in_sight, found, size)
    return _of_keypoints(targets, in_sight)


def _of_labels(labels: Mapping[str, float], numbers: Mapping[str, int]) -> Classification | None:
    known = {numbers[name]: share for name, share in labels.items() if name in numbers}
    total = sum(known.values())
    if total <= 0:
        return None
    values = np.zeros(len(numbers), np.float32)
    for number, share in known.items():
        values[number] = share / total
    return Classification(values)


def _of_mask(targets: Targets, numbers: Mapping[str, int]) -> SemanticMap | None:
    layer = targets.semantic
    if layer is not None and layer.role == "classes":
        values = whole(layer.values).astype(np.int64)
        beyond = values >= max(len(numbers), 2)
        # Black and white masks of one class against the rest.
        binary = len(numbers) <= 2 and set(np.unique(values[beyond]).tolist()) <= {_UNLABELLED}
        values[beyond] = 1 if binary and (values != 1).all() else UNSEEN
        return SemanticMap(values)
    masks = [(one, targets.mask_of(n)) for n, one in enumerate(targets.objects)]
    known = [
        (numbers[one.category], m) for one, m in masks if m is not None and one.category in numbers
    ]
    if not known:
        return None
    values = np.zeros(known[0][1].shape, np.int64)
    for number, mask in known:
        values[mask] = number
    return SemanticMap(values)


def _of_instances(
    targets: Targets, in_sight: Sequence[int], found: Any, size: Size
) -> DetectedMasks:
    masks, kept = [], []
    for place, number in enumerate(in_sight):
        mask = targets.mask_of(number)
        if mask is None and (rings := targets.outlines.of_object(number)):
            mask = rasterised(list(rings), size) > 0
        if mask is not None and mask.any():
            masks.append(mask)
            kept.append(place)
    stacked = np.stack(masks) if masks else np.zeros((0, *size), bool)
    return DetectedMasks(stacked, found[kept], np.ones(len(kept), np.float32))


def _of_keypoints(targets: Targets, in_sight: Sequence[int]) -> DetectedKeypoints | None:
    known = targets.keypoints
    counts = {int(known.starts[n + 1] - known.starts[n]) for n in in_sight} - {0}
    if len(counts) != 1:
        return None
    points, scores, areas = [], [], []
    for number in in_sight:
        part = slice(int(known.starts[number]), int(known.starts[number + 1]))
        seen = known.visibility[part] > 0
        if part.stop > part.start and seen.any():
            points.append(known.points[part])
            scores.append(seen.astype(np.float32))
            box = targets.boxes[number]
            areas.append(float(np.prod(box[2:] - box[:2])))
    if not points:
        return None
    # COCO's area is that of the outline, about half the box around it.
    sizes = np.array(areas, np.float32) * np.float32(0.53)
    return DetectedKeypoints(
        np.stack(points).astype(np.float32),
        np.stack(scores),
        sizes if np.isfinite(sizes).all() else None,
    )


def targets_of(
    prediction: Prediction, classes: Sequence[str], size: Size, *, rule: LabelRule = _RULE
) -> Targets | None:
    """Return what a model said of an image as targets, so that it moves along with the image.

    Args:
        prediction: about the image; of a classification there is nothing to move.
        classes: of the model.
        size: (height, width) of the image.
        rule: how boxes are moved.
    """
    names, mask_file, masks = list(classes), None, {}
    if isinstance(prediction, Classification):
        return None
    if isinstance(prediction, SemanticMap):
        objects: list[Object] = []
        mask_file = "said"
        values = np.where(prediction.classes == UNSEEN, _UNLABELLED, prediction.classes)
        masks[mask_file] = values.astype(np.uint16)
    elif isinstance(prediction, DetectedBoxes):
        objects = [
            Object(category=_name(names, number), box=tuple(box))
            for box, number in zip(
                prediction.boxes.tolist(), prediction.classes.tolist(), strict=True
            )
        ]
    elif isinstance(prediction, DetectedMasks):
        objects = [
            Object(category=_name(names, number), rle=rle.encode(mask))
            for mask, number in zip(prediction.masks, prediction.classes.tolist(), strict=True)
        ]
    else:
        objects = [
            Object(
                category=_name(names, 0),
                keypoints=tuple((x, y, 2) for x, y in one.tolist()),
            )
            for one in prediction.points
        ]
    return conversion.read(
        Annotation(size=size, objects=tuple(objects), mask_file=mask_file),
        size,
        rule=rule,
        skeletons={},
        load_mask=masks.__getitem__,
    )


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)
