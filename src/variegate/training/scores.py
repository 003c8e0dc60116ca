"""What a classifier is worth on images that it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.models.intervals import wilson
from variegate.models.metrics import Calibration, CalibrationBin, ClassScore, Confusion
from variegate.models.probabilities import softmax

Numbers = npt.NDArray[np.int64]

_BINS = 10
_MOST_WRONG = 10_000
_WORST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutClass:
    """A class.

    Attributes:
        name: of it.
        precision: of the images that are taken for it, the share that is of it; None of none.
        recall: of its images, the share that is taken for it; None of none.
        recall_interval: Wilson's, 95%.
        f1: harmonic mean of both.
        support: images of it.
    """

    name: str
    precision: float | None
    recall: float | None
    recall_interval: tuple[float, float] | None
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAnswer:
    """An image that is taken for another class.

    Attributes:
        key: of the image.
        label: its class.
        answer: the one that it is taken for.
        probability: of that.
    """

    key: str
    label: str
    answer: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutScores:
    """The figures.

    Attributes:
        images: how many were asked about.
        accuracy: share that is right.
        interval: Wilson's, 95%.
        loss: mean cross entropy.
        macro_f1: mean over the classes that have images.
        calibration_error: expected; mean distance of confidence and accuracy.
        classes: one by one.
        confusion: [label][answer], counts.
        bins: of confidence, those that hold answers.
        wrong: images, by class, the surest first.
        wrong_count: how many in all.
        worst: names of the classes of the lowest recall.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    macro_f1: float
    calibration_error: float
    classes: tuple[HeldOutClass, ...]
    confusion: tuple[tuple[int, ...], ...]
    bins: tuple[CalibrationBin, ...]
    wrong: tuple[WrongAnswer, ...] = field(default=(), repr=False)
    wrong_count: int = 0
    worst: tuple[str, ...] = ()


def held_out_scores(
    logits: npt.NDArray[Any], labels: Numbers, *, classes: Sequence[str], keys: Sequence[str]
) -> HeldOutScores:
    """Return the figures of (N, C) logits.

    Args:
        logits: answers.
        labels: (N,), numbers of the right classes.
        classes: names.
        keys: of the images.
    """
    probabilities = softmax(logits.astype(np.float64))
    answered = probabilities.argmax(axis=1)
    right = answered == labels
    sure = probabilities[np.arange(len(labels)), answered]
    confusion, calibration = Confusion(len(classes)), Calibration(_BINS)
    for label, answer, confidence in zip(
        labels.tolist(), answered.tolist(), sure.tolist(), strict=True
    ):
        confusion.add(label, answer)
        calibration.add(confidence, right=label == answer)
    each = tuple(map(_held_out, classes, confusion.scores()))
    wrong = sorted((int(labels[n]), -float(sure[n]), n) for n in np.flatnonzero(~right).tolist())
    own = probabilities[np.arange(len(labels)), labels]
    seen = [one for one in each if one.support]
    worst = sorted(seen, key=lambda one: (one.recall or 0.0, one.name))
    return HeldOutScores(
        images=len(labels),
        accuracy=float(right.mean()),
        interval=wilson(int(right.sum()), len(labels)),
        loss=float(-np.log(np.maximum(own, 1e-12)).mean()),
        macro_f1=float(np.mean([one.f1 for one in seen])),
        calibration_error=calibration.expected_error or 0.0,
        classes=each,
        confusion=tuple(tuple(map(int, row)) for row in confusion.counts),
        bins=tuple(calibration.bins()),
        wrong=tuple(
            WrongAnswer(
                key=keys[n],
                label=classes[label],
                answer=classes[int(answered[n])],
                probability=float(sure[n]),
            )
            for label, _, n in wrong[:_MOST_WRONG]
        ),
        wrong_count=len(wrong),
        worst=tuple(one.name for one in worst[:_WORST] if (one.recall or 0.0) < 1),
    )


def _held_out(name: str, counted: ClassScore) -> HeldOutClass:
    return HeldOutClass(
        name=name,
        precision=counted.precision,
        recall=counted.recall,
        recall_interval=counted.interval if counted.support else None,
        f1=counted.f1 or 0.0,
        support=counted.support,
    )
