"""Tolerance of a function, on images in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from variegate.annotations.sample import Image, Sample, check_image
from variegate.errors import UsageError, did_you_mean
from variegate.models.card import Task
from variegate.models.predictors.answers import AnswerReader
from variegate.models.predictors.base import (
    Classification,
    Floats,
    PredictionError,
    Predictor,
)
from variegate.models.predictors.function import FunctionPredictor, function_identity
from variegate.models.probabilities import softmax
from variegate.models.truths import targets_of
from variegate.tolerance.cells import Sources
from variegate.tolerance.expectation import (
    Expectation,
    expected_class,
    expected_targets,
    highest_class,
)
from variegate.tolerance.log import AnswerLog
from variegate.tolerance.measure import measure
from variegate.tolerance.question import Examiner
from variegate.tolerance.result import Tolerance
from variegate.tolerance.run import SearchOptions, SearchProgress, Subjects, search_tolerance

# As much as half precision sums a thousand classes.
_SUM_SLACK = 0.02


def plain_function(
    predict: Callable[[list[Image]], Any],
    classes: Sequence[str] = (),
    *,
    task: Task = "classification",
    identity: str | None = None,
) -> FunctionPredictor:
    """Return a function of a list of images as a predictor.

    Args:
        predict: is given images as they are; returns (N,) classes, by name or number, or (N, C)
            numbers, the greatest of which is the class; or, for another task, answers as in
            `docs/models.md`.
        classes: their names.
        task: of the function.
        identity: by which answers in a log are told from those of other models; what is known of
            the function where there is none.
    """
    if task != "classification":
        asked = predict
    else:

        def asked(images: list[Image]) -> Any:
            return _classified(predict(images), len(images), tuple(classes))

    name = getattr(predict, "__name__", "function")
    made = FunctionPredictor(asked, task=task, classes=classes, takes="unchanged", name=name)
    if identity is not None:
        made.identity = identity
    else:
        made.identity = function_identity(predict, name, task, classes)
    return made


def _classified(answer: Any, count: int, classes: tuple[str, ...]) -> Any:
    """Return classes, or any numbers of classes, as answers that a predictor reads."""
    try:
        array = np.asarray(answer)
    except ValueError:
        return answer
    if array.ndim == 0 or array.ndim > 2 or array.dtype == object:
        return answer
    if len(array) != count:
        raise PredictionError(
            f"expected {count:,} predictions, one for each image, got {len(array):,}"
        )
    if array.ndim == 2:
        return [Classification(_shares(row)) for row in np.asarray(array, np.float32)]
    return [Classification(_sure(_number(one, classes), len(classes))) for one in array.tolist()]


def _number(answer: Any, classes: tuple[str, ...]) -> int:
    """Return the number of a class."""
    if isinstance(answer, str) and not classes:
        raise UsageError("the function answers names of classes: give all of them with classes")
    if isinstance(answer, str) and answer in classes:
        return classes.index(answer)
    if isinstance(answer, str) or int(answer) != answer or (classes and answer >= len(classes)):
        raise PredictionError(
            f"the function answers {answer!r}, which is none of its {len(classes)} classes"
            f"{did_you_mean(str(answer), classes)}"
        )
    return int(answer)


def _shares(row: Floats) -> Floats:
    """Return numbers as probabilities, if they are not yet."""
    return row if abs(row.sum() - 1) < _SUM_SLACK and row.min() >= 0 else softmax(row)


def _sure(number: int, count: int) -> Floats:
    values = np.zeros(max(number + 1, count), np.float32)
    values[number] = 1.0
    return values


def search_arrays(
    predict: Callable[[list[Any]], Any] | Predictor,
    images: Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    task: Task = "classification",
    classes: Sequence[str] | None = None,
    error: str | Callable[[Any, Any], float] | None = None,
    options: SearchOptions | None = None,
    log: str | Path | None = None,
    identity: str | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
    **chosen: Any,
) -> Tolerance:
    """Search the tolerance of a function or predictor on images in memory.

    Args:
        predict: a function that is given a list of images and returns (N,) classes or (N, C)
            numbers, or for another task answers as in `docs/models.md`; or a predictor.
        images: (H, W), (H, W, 3) RGB or (H, W, 4), uint8, of any sizes.
        labels: class of each, by name or number; for another task what should be answered, in the
            same form; None to compare with what the model says to the image as it is.
        task: of a function.
        classes: names, in the order of the numbers; those of the predictor, or of the labels,
            where none are given.
        error: how answers are measured: a name, or a function of what is expected and predicted;
            see `measure.measure`. The first one of the task where none is given.
        options: what is searched; or its fields by their names.
        log: file of answers, so that a search that was killed continues.
        identity: of the function, which a log needs: change it when the function changes.
        on_progress: told after every batch.

    Raises:
        UsageError: images, labels and answers do not fit together, or too few are right.
    """
    if options is not None and chosen:
        raise UsageError(f"give {', '.join(chosen)} in options")
    samples = [Sample(check_image(one)) for one in images]
    if labels is not None and len(labels) != len(samples):
        raise UsageError(f"expected a label for each of {len(samples)} images, got {len(labels)}")
    named = _classes(predict, labels, classes)
    if isinstance(predict, Predictor):
        predictor = predict
    else:
        if log is not None and identity is None:
            raise UsageError(
                "a log needs an identity of the function, since its answers are used again: give "
                'for example identity="resnet, 12 May", and another when it changes'
            )
        predictor = plain_function(predict, named, task=task, identity=identity)
    subjects, samples = _subjects(predictor, samples, labels, named)
    with AnswerLog(None if log is None else Path(log)) as answers:
        measured = measure(predictor, error)
        examiner = Examiner(predictor, measured, Sources.of(samples), answers)
        wanted = options or SearchOptions(**chosen)
        return search_tolerance(examiner, subjects, wanted, on_progress=on_progress)


def _subjects(
    predictor: Predictor,
    samples: list[Sample],
    labels: Sequence[Any] | None,
    classes: Sequence[str],
) -> tuple[Subjects, list[Sample]]:
    """Return what is expected of each image, and the images with what moves along."""
    keys = [f"image {number}" for number in range(len(samples))]
    objects, nothing = predictor.task != "classification", [""] * len(keys)
    if labels is None:
        return Subjects(keys, None, nothing, objects), samples
    if not objects:
        expected = [_expected(one, classes) for one in labels]
        return Subjects(keys, expected, [str(one) for one in labels]), samples
    reader = AnswerReader(predictor.task, tuple(classes))
    said = [reader.one(one, s.size) for one, s in zip(labels, samples, strict=True)]
    names = tuple(classes) or tuple(map(str, range(max(map(highest_class, said), default=-1) + 1)))
    targets = [targets_of(one, names, s.size) for one, s in zip(said, samples, strict=True)]
    expected = [expected_targets(predictor.task, names, one) for one in targets if one is not None]
    moved = [replace(s, targets=one) for s, one in zip(samples, targets, strict=True)]
    return Subjects(keys, expected, nothing, objects), moved


def _classes(
    predict: object, labels: Sequence[Any] | None, classes: Sequence[str] | None
) -> tuple[str, ...]:
    if classes is not None:
        return tuple(classes)
    if isinstance(predict, Predictor) and predict.classes:
        return predict.classes
    return tuple(sorted({one for one in labels or () if isinstance(one, str)}))


def _expected(label: Any, classes: Sequence[str]) -> Expectation:
    """Return the expectation of a label.

    Raises:
        UsageError: it is none of the model's classes.
    """
    if isinstance(label, str):
        if label not in classes:
            raise UsageError(
                f"label {label!r} is none of the model's {len(classes)} classes"
                f"{did_you_mean(label, classes)}"
            )
        return expected_class(list(classes).index(label), len(classes))
    return expected_class(int(label), len(classes))
