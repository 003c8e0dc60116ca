"""What was drawn, in a few words: "rotate -12.3°, contrast x1.16, flip"."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from variegate.errors import RecipeError
from variegate.transforms import Transform, find_transform
from variegate.transforms.base import Draw

# Values of one transform that are shown.
_MOST = 2


def caption(drawn: Iterable[Draw]) -> str:
    """Return what was drawn for a variant; "source" where there is nothing."""
    return ", ".join(step_caption(one) for one in drawn) or "source"


def step_caption(drawn: Draw) -> str:
    """Return the transform's name and the values that matter."""
    name = drawn.transform.replace("_", " ")
    values = list(_values(drawn))[:_MOST]
    return " ".join([name, *values])


def value_text(name: str, value: float) -> str:
    """Return one parameter's value with its unit."""
    if name.endswith("degrees"):
        whole = abs(value) >= 99.5 or float(value).is_integer()
        return f"{value:.0f}°" if whole else f"{value:.1f}°"
    if name.endswith("_pixels"):
        return f"{_short(value)} px"
    if name == "factor":
        return f"x{_short(value)}"
    return _short(value)


def _values(drawn: Draw) -> Iterator[str]:
    try:
        kind: type[Transform] | None = find_transform(drawn.transform)
    except RecipeError:
        kind = None  # by a plug-in that is not installed here
    main = {axis.parameter for axis in kind.axes} if kind else set()
    shown = {name: value for name, value in drawn.parameters.items() if _telling(value)}
    # A transform's axes say which of its parameters matter; without axes, all do.
    # Amounts in pixels stand beside those that axes have.
    counts = {name: one for name, one in shown.items() if name in main or name.endswith("_pixels")}
    chosen = counts or shown
    for name, value in chosen.items():
        if _is_given(kind, name, value):
            yield _signed(kind, name, value) if isinstance(value, int | float) else _word(value)


def _telling(value: Any) -> bool:
    if isinstance(value, bool | None):
        return False
    if isinstance(value, int | float):
        return abs(value) < 1e6  # larger ones are noise keys
    if isinstance(value, list):
        return 0 < len(value) <= 3 and all(isinstance(one, int) for one in value)
    return isinstance(value, str) and len(value) <= 12


def _is_given(kind: type[Transform] | None, name: str, value: Any) -> bool:
    """Whether a value is worth its place: no zero, no word that is the transform's default."""
    if not isinstance(value, str):
        return bool(value)
    default = kind.model_fields[name].default if kind and name in kind.model_fields else None
    return name == "axis" or value not in (default, "reflect")


def _signed(kind: type[Transform] | None, name: str, value: float) -> str:
    ends = [axis.end for axis in kind.axes if axis.parameter == name] if kind else []
    two_ways = any(end > 0 for end in ends) and any(end < 0 for end in ends)
    sign = "+" if two_ways and value > 0 else ""
    return f"{sign}{value_text(name, value)}"


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(value: float) -> str:
    """Return a number with two digits that count: 0.0034, 0.12, 1.16, 30."""
    if float(value).is_integer() or abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def from_operations(operations: Iterable[Mapping[str, Any]]) -> tuple[Draw, ...]:
    """Return what was drawn from the manifest's `operations`, parsed."""
    return tuple(map(Draw.from_json, operations))
