"""What the raw arrays of a model say, by `output.kind` of its card.

A decoder takes the arrays of one image (without the axis of the batch) and where the image lies in
what the model took; it answers in pixels of the image.

| kind | task | arrays of one image |
| --- | --- | --- |
| `logits`, `probabilities` | classification | (C,) |
| | semantic | (C, h, w), or (1, h, w) and (h, w) of a single mask |
| `fastestdet` | boxes | (5 + C, h, w): objectness, x and y in the cell, width, height, classes |
| `yolo` | boxes | (4 + C, N): centre, width, height in pixels of the input, classes |
| `yolo_end_to_end` | boxes | (N, 6): x0, y0, x1, y1, score, class |
| `torchvision` | boxes | boxes (N, 4), labels (N,), scores (N,) |
| | instances | the same, and masks (N, 1, h, w) |
| `points` | keypoints | (K, 3): x, y in pixels of the input, score |
| `movenet` | keypoints | (1, K, 3): y, x as shares of the input, score |
| `heatmaps` | keypoints | (K, h, w) |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.errors import UsageError, did_you_mean
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.overlap import suppressed
from variegate.models.placement import UNSEEN, Floats, Placement
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    PredictionError,
    SemanticMap,
)
from variegate.models.probabilities import softmax

Arrays = Sequence[npt.NDArray[Any]]
Decoder = Callable[[Arrays, Placement, ModelOutput], Prediction]

# Fewer would lose what average precision counts, more would cost time for nothing.
_LEAST_SCORE = 0.05
_MASK_SCORE = 0.5
# Of the boxes of one image, the surest: doubles are found among them.
_MOST_COMPARED = 3_000


def decoder(card: ModelCard) -> Decoder:
    """Return what reads the answers of a model.

    Raises:
        UsageError: no decoder is called so for this task.
    """
    known = DECODERS[card.task]
    if card.output.kind not in known:
        raise UsageError(
            f"output.kind: expected one of {', '.join(known)} for {card.task}, got "
            f"{card.output.kind!r}{did_you_mean(card.output.kind, known)}"
        )
    return known[card.output.kind]


def outputs_of(kind: str) -> int | None:
    """Return how many outputs of a model are needed; None for all of them."""
    return None if kind == "torchvision" else 1


def _classes(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    del placement
    values = np.asarray(arrays[0], np.float32).reshape(-1)
    return Classification(values if output.kind == "probabilities" else softmax(values))


def _semantic(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    values = np.asarray(arrays[0], np.float32)
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3:
        raise PredictionError(f"expected a map (C, h, w) of classes, got {values.shape}")
    if len(values) == 1:
        score = output.min_score if output.min_score is not None else _MASK_SCORE
        least = score if output.kind == "probabilities" else _logit(score)
        classes = (placement.grid(values[0]) >= least).astype(np.int64)
    else:
        # One after another: all of them in the size of the image could be gigabytes.
        best, classes = placement.grid(values[0]), np.zeros(placement.image, np.int64)
        for number in range(1, len(values)):
            other = placement.grid(values[number])
            better = other > best
            classes[better] = number
            best = np.where(better, other, best)
    classes[placement.unseen()] = UNSEEN
    return SemanticMap(classes)


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(clipped / (1 - clipped)))


def _fastestdet(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    """Read the raw map of FastestDet (https://github.com/dog-qiuqiu/FastestDet)."""
    values = np.asarray(arrays[0], np.float32)
    if values.ndim != 3 or len(values) < 6:
        raise PredictionError(f"expected (5 + C, h, w) of FastestDet, got {values.shape}")
    rows, columns = np.indices(values.shape[1:])
    height, width = values.shape[1:]
    x = (columns + np.tanh(values[1])) / width
    y = (rows + np.tanh(values[2])) / height
    wide, tall = (1 / (1 + np.exp(-values[number])) for number in (3, 4))
    scores = np.clip(values[0], 0, 1) ** 0.6 * np.clip(values[5:].max(axis=0), 0, 1) ** 0.4
    sides = np.array([placement.input[1], placement.input[0]] * 2)
    corners = np.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], axis=-1) * sides
    classes = values[5:].argmax(axis=0)
    return _kept(corners.reshape(-1, 4), classes.ravel(), scores.ravel(), placement, output)


def _yolo(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    values = np.asarray(arrays[0], np.float32)
    if values.ndim != 2 or len(values) < 5:
        raise PredictionError(f"expected (4 + C, N) of YOLO, got {values.shape}")
    centre, half = values[:2].T, values[2:4].T / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    return _kept(corners, values[4:].argmax(axis=0), values[4:].max(axis=0), placement, output)


def _end_to_end(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    values = np.asarray(arrays[0], np.float32)
    if values.ndim != 2 or values.shape[1] != 6:
        raise PredictionError(f"expected (N, 6) of YOLO end to end, got {values.shape}")
    return _kept(values[:, :4], values[:, 5], values[:, 4], placement, output, overlaps=True)


def _torchvision(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    boxes, labels, scores = _detections(arrays)
    return _kept(boxes, labels, scores, placement, output, overlaps=True)


def _torchvision_masks(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    _, labels, scores = _detections(arrays)
    masks = [one for one in arrays if one.ndim == 4 or (one.ndim == 3 and one.shape[-1] > 4)]
    if not masks or len(masks[0]) != len(scores):
        raise PredictionError("expected masks (N, 1, h, w), one for each score")
    order = _order(scores, output)[: output.max_objects]
    shown = [placement.grid(np.squeeze(masks[0][n]).astype(np.float32)) >= 0.5 for n in order]
    empty = np.zeros((0, *placement.image), bool)
    return DetectedMasks(
        np.stack(shown) if shown else empty,
        labels[order].astype(np.int64),
        scores[order].astype(np.float32),
    )


def _detections(arrays: Arrays) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Find boxes, labels and scores among arrays in any order, by shape and kind."""
    boxes = [one for one in arrays if one.ndim == 2 and one.shape[1] == 4]
    flat = [one for one in arrays if one.ndim == 1]
    labels = [one for one in flat if np.issubdtype(one.dtype, np.integer)]
    scores = [one for one in flat if np.issubdtype(one.dtype, np.floating)]
    if not (len(boxes) == len(labels) == len(scores) == 1):
        shapes = ", ".join(f"{one.dtype} {one.shape}" for one in arrays)
        raise PredictionError(
            f"expected boxes (N, 4), whole labels (N,), scores (N,), got {shapes}"
        )
    if not len(boxes[0]) == len(labels[0]) == len(scores[0]):
        raise PredictionError("expected as many boxes as labels and scores")
    return boxes[0], labels[0], scores[0]


def _kept(
    boxes: npt.NDArray[Any],
    classes: npt.NDArray[Any],
    scores: npt.NDArray[Any],
    placement: Placement,
    output: ModelOutput,
    *,
    overlaps: bool = False,
) -> DetectedBoxes:
    """Return boxes that are sure enough, without doubles, in pixels of the image."""
    order = _order(scores, output)
    found, numbers = placement.boxes(boxes[order]), classes[order].astype(np.int64)
    # What lies in the padding alone has no area in the image.
    inside = ((found[:, 2:] - found[:, :2]) > 0).all(axis=1)
    found, numbers, order = found[inside], numbers[inside], order[inside]
    kept = np.arange(len(found)) if overlaps else suppressed(found, numbers, output.max_overlap)
    kept = kept[: output.max_objects]
    found, numbers, order = found[kept], numbers[kept], order[kept]
    return DetectedBoxes(found, numbers, scores[order].astype(np.float32))


def _order(scores: npt.NDArray[Any], output: ModelOutput) -> npt.NDArray[np.intp]:
    least = output.min_score if output.min_score is not None else _LEAST_SCORE
    order = np.argsort(-scores, kind="stable")
    # NaN is kept, so that it is found and said.
    order = order[~(scores[order] < least)]
    return order[:_MOST_COMPARED]


def _points(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    del output
    values = np.asarray(arrays[0], np.float32).reshape(-1, 3)
    return _one_object(values[:, :2], values[:, 2], placement)


def _movenet(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    del output
    values = np.asarray(arrays[0], np.float32).reshape(-1, 3)
    sides = np.array([placement.input[1], placement.input[0]])
    return _one_object(values[:, 1::-1] * sides, values[:, 2], placement)


def _heatmaps(arrays: Arrays, placement: Placement, output: ModelOutput) -> Prediction:
    del output
    values = np.asarray(arrays[0], np.float32)
    if values.ndim != 3:
        raise PredictionError(f"expected heat maps (K, h, w), got {values.shape}")
    count, height, width = values.shape
    best = values.reshape(count, -1).argmax(axis=1)
    rows, columns = np.divmod(best, width)
    cell = np.array([placement.input[1] / width, placement.input[0] / height])
    places = (np.stack([columns, rows], axis=1) + 0.5) * cell
    scores = values.reshape(count, -1)[np.arange(count), best]
    return _one_object(places, np.clip(scores, 0, 1), placement)


def _one_object(points: npt.NDArray[Any], scores: Floats, placement: Placement) -> Prediction:
    return DetectedKeypoints(placement.points(points)[None], np.asarray(scores, np.float32)[None])


DECODERS: Mapping[str, Mapping[str, Decoder]] = {
    "classification": {"logits": _classes, "probabilities": _classes},
    "boxes": {
        "fastestdet": _fastestdet,
        "yolo": _yolo,
        "yolo_end_to_end": _end_to_end,
        "torchvision": _torchvision,
    },
    "semantic": {"logits": _semantic, "probabilities": _semantic},
    "instances": {"torchvision": _torchvision_masks},
    "keypoints": {"points": _points, "movenet": _movenet, "heatmaps": _heatmaps},
}
