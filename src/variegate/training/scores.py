"""What a classifier is worth on images that it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_BINS = 10
_MOST_WRONG = 10_000
_WORST = 5
_Z = 1.959963984540054


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
class HeldOutBin:
    """Answers of similar confidence.

    Attributes:
        low, high: of it.
        count: answers.
        confidence, accuracy: means; 0 of none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


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
        bins: of confidence.
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
    bins: tuple[HeldOutBin, ...]
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
    probabilities = softmax(logits)
    answered = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, answered), 1)
    each = tuple(_one_class(confusion, number, name) for number, name in enumerate(classes))
    right = answered == labels
    sure = probabilities[np.arange(len(labels)), answered]
    bins = _bins(sure, right)
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
        calibration_error=sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / len(labels),
        classes=each,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        bins=bins,
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


def softmax(logits: npt.NDArray[Any]) -> Floats:
    """Return (N, C) probabilities."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, 95%."""
    if not total:
        return 0.0, 1.0
    share, z2 = right / total, _Z * _Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = _Z * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def _one_class(confusion: Numbers, number: int, name: str) -> HeldOutClass:
    right, support = int(confusion[number, number]), int(confusion[number].sum())
    taken = int(confusion[:, number].sum())
    return HeldOutClass(
        name=name,
        precision=right / taken if taken else None,
        recall=right / support if support else None,
        recall_interval=wilson(right, support) if support else None,
        f1=2 * right / (taken + support) if taken + support else 0.0,
        support=support,
    )


def _bins(sure: Floats, right: npt.NDArray[np.bool_]) -> tuple[HeldOutBin, ...]:
    places = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    made = []
    for number in range(_BINS):
        inside = places == number
        count = int(inside.sum())
        made.append(
            HeldOutBin(
                low=number / _BINS,
                high=(number + 1) / _BINS,
                count=count,
                confidence=float(sure[inside].mean()) if count else 0.0,
                accuracy=float(right[inside].mean()) if count else 0.0,
            )
        )
    return tuple(made)
