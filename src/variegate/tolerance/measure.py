"""How answers are measured: by a difference of the model's task, or by the user's own function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from variegate.errors import UsageError, VariegateError
from variegate.models.differences import DIFFERENCES, Difference, difference
from variegate.models.predictors.base import Prediction, Predictor
from variegate.models.predictors.checks import Failure
from variegate.models.predictors.function import function_identity, load_function
from variegate.tolerance.answers import TAU


@dataclass(frozen=True)
class ErrorMeasure:
    """How far an answer is from what was expected.

    Attributes:
        name: as a report calls it.
        identity: another one is another measure: its answers are never used for this one.
        compare: takes what is expected and what was predicted; returns 0 to 1.
        tau: from here on it is a failure, where nobody says otherwise.
    """

    name: str
    identity: str
    compare: Difference
    tau: float = TAU

    def __call__(self, expected: Prediction, predicted: Prediction | Failure) -> float:
        """Return an error from 0 to 1.

        Raises:
            PredictionError: both are not about the same thing; the prediction is no answer.
            UsageError: the user's function fails, or returns something else.
        """
        try:
            return self.compare(expected, predicted)
        except VariegateError:
            raise
        except Exception as error:
            kind, text = type(error).__name__, " ".join(str(error).split())
            raise UsageError(f"{self.name} failed: {kind}: {text}") from error


def measure(
    predictor: Predictor, given: str | Callable[[Any, Any], float] | None = None
) -> ErrorMeasure:
    """Return how answers of a model are measured.

    Args:
        predictor: the model.
        given: one of `differences.DIFFERENCES`, `module:function`, or a function of what is
            expected and what was predicted; None for the first one of the task. A function may have
            attributes that say more: `name`, and `tau`, from where on its error is a failure.

    Raises:
        InputError: there is no such function.
        UsageError: there is no such difference, or its `tau` is no share.
    """
    task, classes = predictor.task, predictor.classes
    if given is None or (isinstance(given, str) and ":" not in given):
        compare = difference(task, classes, given)
        name = given or next(iter(DIFFERENCES[task]))
        return ErrorMeasure(name, f"{task} {name}", compare)
    if isinstance(given, str):
        function, name = load_function(given, flag="--error"), given
    else:
        function, name = given, getattr(given, "__qualname__", type(given).__name__)
    name = str(getattr(function, "name", name))
    tau = float(getattr(function, "tau", TAU))
    if not 0 < tau <= 1:
        raise UsageError(f"{name}: expected a tau above 0, and at most 1, got {tau:g}")
    identity = function_identity(function, name, task, classes)
    return ErrorMeasure(name, identity, difference(task, classes, function), tau)
