"""What is expected of a model at every level: labels or its own clean answer, moved along."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Sample
from variegate.annotations.targets import Targets
from variegate.models.card import Task
from variegate.models.differences import MIN_SCORE, background_of
from variegate.models.placement import UNSEEN
from variegate.models.predictors.base import (
    Classification,
    DetectedBoxes,
    DetectedKeypoints,
    DetectedMasks,
    Prediction,
    SemanticMap,
)
from variegate.models.truths import truth

#: By their corners, boxes would grow as they are turned, and a model that finds what is in them
#: would be taken to miss it.
MOVED = LabelRule(box="ellipse")


@dataclass(frozen=True)
class Expectation:
    """What is expected of an image.

    Attributes:
        value: returns what the measure is given, for the image as it is at a level, with its
            targets moved along.
        key: by which it is told from other expectations of the same image.
    """

    value: Callable[[Sample], Prediction]
    key: str


def expected_class(index: int, count: int = 0) -> Expectation:
    """Return the expectation of a class, by its number.

    Args:
        index: of the class.
        count: of all classes, where it is known.
    """
    sure = np.zeros(max(count, index + 1), np.float32)
    sure[index] = 1.0
    answer = Classification(sure)
    return Expectation(lambda _: answer, f"class {index}")


def expected_again(said: Classification) -> Expectation:
    """Return the expectation of what was said of the image as it is."""
    return Expectation(lambda _: said, f"said {_digest(said.probabilities.tobytes())}")


def expected_targets(task: Task, classes: Sequence[str], targets: Targets) -> Expectation:
    """Return the expectation of targets that a sample brings along, moved with its image."""
    told = tuple(classes)
    key = f"{task} {_digest(repr(told).encode())} {targets_digest(targets)}"
    return Expectation(lambda sample: moved_truth(task, told, sample), key)


def moved_truth(task: Task, classes: Sequence[str], sample: Sample) -> Prediction:
    """Return what a model should say of a sample; nothing where nothing is left to be seen."""
    found = truth(task, classes, sample.size, targets=sample.targets)
    if found is not None:
        return found
    if task == "semantic":
        return SemanticMap(np.full(sample.size, background_of(tuple(classes)) or 0, np.int64))
    return DetectedKeypoints(np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32))


def tells_something(one: Prediction, classes: Sequence[str]) -> bool:
    """Whether there is anything that could be lost: an object, a class that is not background."""
    if isinstance(one, DetectedBoxes | DetectedMasks):
        return bool((one.scores >= MIN_SCORE).any())
    if isinstance(one, DetectedKeypoints):
        return len(one.points) > 0
    if isinstance(one, SemanticMap):
        return bool(set(np.unique(one.classes).tolist()) - {UNSEEN, background_of(tuple(classes))})
    return True


def surest(one: Prediction) -> Prediction:
    """Return a prediction without the objects that its model is not sure of."""
    if isinstance(one, DetectedBoxes):
        kept = one.scores >= MIN_SCORE
        return DetectedBoxes(one.boxes[kept], one.classes[kept], one.scores[kept])
    if isinstance(one, DetectedMasks):
        kept = one.scores >= MIN_SCORE
        return DetectedMasks(one.masks[kept], one.classes[kept], one.scores[kept])
    return one


def highest_class(one: Prediction) -> int:
    """Return the highest number of a class in a prediction of places; -1 where there is none."""
    return int(getattr(one, "classes", np.empty(0)).max(initial=-1))


def packed(one: Prediction) -> Callable[[], Prediction]:
    """Return a function that returns a prediction; in between, its masks take little memory."""
    kind, buffer = type(one), BytesIO()
    arrays = {name: getattr(one, name) for name in one.__slots__}
    np.savez_compressed(buffer, **{k: value for k, value in arrays.items() if value is not None})
    held = buffer.getvalue()

    def unpacked() -> Prediction:
        with np.load(BytesIO(held), allow_pickle=False) as found:
            return kind(**{name: found[name] for name in found.files})

    return unpacked


def targets_digest(targets: Targets) -> str:
    """Return a digest of all that is known of an image as targets."""
    parts: list[bytes | memoryview] = [repr(targets.objects).encode(), targets.boxes.tobytes()]
    for layer in targets.layers:
        parts += [f"{layer.role} {layer.beyond}".encode(), np.ascontiguousarray(layer.values).data]
    return _digest(*parts)


def _digest(*parts: bytes | memoryview) -> str:
    made = hashlib.blake2b(digest_size=16, person=b"expected")
    for part in parts:
        made.update(b"%d:" % len(part))
        made.update(part)
    return made.hexdigest()
