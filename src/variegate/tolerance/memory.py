"""Tolerance of a function, on images in memory."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from variegate.annotations.sample import Image, Sample, check_image
from variegate.errors import UsageError, did_you_mean
from variegate.models.predictors.base import (
    Classification,
    Prediction,
    PredictionError,
    Predictor,
)
from variegate.tolerance.cells import Sources
from variegate.tolerance.log import AnswerLog
from variegate.tolerance.question import (
    ClassDifference,
    ErrorFunction,
    Examiner,
    Expectation,
    expected_class,
)
from variegate.tolerance.result import Tolerance
from variegate.tolerance.run import SearchOptions, SearchProgress, Subjects, search_tolerance


class PlainFunction(Predictor):
    """A function of a list of images that returns classes, or a number for each class."""

    def __init__(
        self, predict: Callable[[list[Image]], Any], classes: Sequence[str], identity: str
    ) -> None:
        """Take the function.

        Args:
            predict: returns (N,) classes, by name or number, or (N, C) numbers, the greatest of
                which is the class.
            classes: their names.
            identity: by which answers in a log are told from those of other models.
        """
        self.classes, self.identity, self._predict = tuple(classes), identity, predict

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        try:
            answer = np.asarray(self._predict(list(images)))
        except Exception as error:
            reason = " ".join(str(error).split())
            raise PredictionError(
                f"the function failed: {type(error).__name__}: {reason}"
            ) from error
        if answer.ndim == 0 or answer.ndim > 2:
            raise UsageError(
                f"the function answered an array of shape {answer.shape}; expected (N,) classes or "
                "(N, C) numbers"
            )
        if answer.ndim == 2:
            return [Classification(np.asarray(row, np.float32)) for row in answer]
        return [self._certain(one) for one in answer.tolist()]

    def _certain(self, answer: object) -> Classification:
        """Return a class as a prediction; one of another name than all classes is the last."""
        index = self.classes.index(answer) if answer in self.classes else len(self.classes)
        if isinstance(answer, int):
            index = answer
        sure = np.zeros(max(index, len(self.classes)) + 1, np.float32)
        sure[index] = 1.0
        return Classification(sure)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "name": getattr(self._predict, "__name__", "function")}


def search_arrays(
    predict: Callable[[list[Any]], Any] | Predictor,
    images: Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    classes: Sequence[str] | None = None,
    error: ErrorFunction | None = None,
    options: SearchOptions | None = None,
    log: str | Path | None = None,
    identity: str | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
    **chosen: Any,
) -> Tolerance:
    """Search the tolerance of a function or predictor on images in memory.

    Args:
        predict: a function that is given a list of images and returns (N,) classes or (N, C)
            numbers; or a predictor.
        images: (H, W), (H, W, 3) RGB or (H, W, 4), uint8, of any sizes.
        labels: class of each, by name or number; None to compare with what the model says to the
            image as it is.
        classes: names, in the order of the numbers; those of the predictor, or of the labels,
            where none are given.
        error: how answers are measured; whether the class is right where none is given.
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
        predictor = PlainFunction(predict, named, identity or _guessed_identity(predict))
    keys = [f"image {number}" for number in range(len(samples))]
    expected = None if labels is None else [_expected(one, named) for one in labels]
    names = ["" if labels is None else str(one) for one in labels or keys]
    with AnswerLog(None if log is None else Path(log)) as answers:
        examiner = Examiner(predictor, error or ClassDifference(), Sources.of(samples), answers)
        subjects = Subjects(keys, expected, names)
        wanted = options or SearchOptions(**chosen)
        return search_tolerance(examiner, subjects, wanted, on_progress=on_progress)


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
        return expected_class(list(classes).index(label))
    return expected_class(int(label))


def _guessed_identity(predict: Callable[..., Any]) -> str:
    """Return a digest of what is known of a function: nothing is kept by it beyond the search."""
    code = getattr(predict, "__code__", None)
    known = repr((getattr(predict, "__qualname__", type(predict).__name__), code and code.co_code))
    return hashlib.sha256(known.encode()).hexdigest()
