"""How much of each transformation a model takes: marks on the sliders, from `tolerance.json`."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from variegate.errors import InputError

# Names under which a figure may stand. The file is written elsewhere, in versions of its own.
_AXIS = ("axis", "name")
_VALUE = ("intensity", "value", "level", "estimate")
_INTERVAL = ("interval", "ci")
_LOW, _HIGH = ("low", "lower"), ("high", "upper")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis.

    Attributes:
        intensity: from 0 to 1.
        low, high: of its interval; the intensity itself where none is known.
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


def read_marks(path: Path) -> dict[str, AxisMarks]:
    """Return the marks of each axis that has any.

    Raises:
        InputError: the file cannot be read, or no axis of it has a mark.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
    found = {
        name: AxisMarks(_mark(entry.get("onset")), _mark(entry.get("critical")))
        for name, entry in _entries(data)
    }
    marked = {name: marks for name, marks in found.items() if marks.onset or marks.critical}
    if not marked:
        raise InputError(
            f"{path}: expected axes with an onset or a critical intensity, got none; make the file "
            "with: variegate tolerance"
        )
    return marked


def _entries(data: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (name of an axis, what is said of it), of a list or of an object by names."""
    axes = data.get("axes") if isinstance(data, dict) else None
    if isinstance(axes, dict):
        axes = [{"axis": name, **entry} for name, entry in axes.items() if isinstance(entry, dict)]
    for entry in axes if isinstance(axes, list) else ():
        if isinstance(entry, dict) and isinstance(name := _first(entry, _AXIS), str):
            yield name, {**entry, **_of_thresholds(entry.get("thresholds"))}


def _of_thresholds(given: object) -> dict[str, Any]:
    """Return onset and critical of thresholds by shares of lost images: the first and the last."""
    places = {
        one["quantile"]: {
            "intensity": one["at"]["intensity"],
            "low": one["low"]["intensity"],
            "high": one["high"]["intensity"] if one.get("high") else 1.0,
        }
        for one in (given if isinstance(given, list) else ())
        if one.get("at")
    }
    shares = sorted(one["quantile"] for one in given) if isinstance(given, list) else []
    names = dict(zip(("onset", "critical"), (shares[:1] or [None]) + shares[1:][-1:], strict=False))
    return {name: places[share] for name, share in names.items() if share in places}


def _mark(given: object) -> Mark | None:
    """Read a number, or an object with a number and perhaps its interval."""
    if not isinstance(given, dict):
        value = _intensity(given)
        return None if value is None else Mark(value, value, value)
    value = _intensity(_first(given, _VALUE))
    if value is None:
        return None
    interval = _first(given, _INTERVAL)
    pair = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    low = _intensity(pair[0] if pair[0] is not None else _first(given, _LOW))
    high = _intensity(pair[1] if pair[1] is not None else _first(given, _HIGH))
    return Mark(value, value if low is None else low, value if high is None else high)


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def _intensity(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= 1 else None
