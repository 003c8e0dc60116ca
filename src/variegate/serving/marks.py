"""How much of each transformation a model takes: marks on the sliders, from `tolerance.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from variegate.errors import InputError
from variegate.models.predictors.base import Predictor
from variegate.tolerance.result import ThresholdResult, Tolerance


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis.

    Attributes:
        intensity: from 0 to 1.
        low, high: of its interval; 1 where that is open.
    """

    intensity: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AxisMarks:
    """What is known of an axis.

    Attributes:
        onset: where errors begin.
        critical: where half of the answers are wrong.
    """

    onset: Mark | None = None
    critical: Mark | None = None

    def to_json(self) -> dict[str, Any]:
        """Return {"onset": {"intensity", "low", "high"} or None, "critical": ...}."""
        return asdict(self)


def read_marks(path: Path, model: Predictor) -> Mapping[str, AxisMarks]:
    """Return the marks of each axis that has any.

    Raises:
        InputError: the file cannot be read, or no axis of it has a mark.
        UsageError: it is of another model, or of another version of an axis.
    """
    found = {
        one.axis: AxisMarks(_mark(one.thresholds[0]), _mark(one.thresholds[-1]))
        for one in Tolerance.load(path, model=model).axes
        if one.thresholds
    }
    marked = {name: marks for name, marks in found.items() if marks.onset or marks.critical}
    if not marked:
        raise InputError(
            f"{path}: no axis has an onset or a critical intensity: the model takes all of each"
        )
    return marked


def _mark(found: ThresholdResult) -> Mark | None:
    if found.at is None:
        return None
    high = 1.0 if found.high is None else found.high.intensity
    return Mark(found.at.intensity, found.low.intensity, high)
