"""What a model must take: limits in a file, and whether a search shows that they are kept.

```yaml
confidence: 0.95        # of each; 0.95 where it is not given
lost: 0.05              # no more than this share of the images may be lost
clean_error: 10%        # at most this share wrong on images as they are
axes:
  rotate+: 10 degrees   # at least
  jpeg: {at_least: 40 JPEG quality, lost: 0.2}
  gaussian_blur: 0.3    # intensity, 0 to 1
```

A limit is kept where the interval of the threshold begins at it or beyond: with this confidence no
more than the share is lost there.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from variegate.errors import InputError, UsageError, did_you_mean
from variegate.models.intervals import wilson
from variegate.recipes.policies import all_axes
from variegate.recipes.yaml_text import parse_yaml
from variegate.tolerance.result import AxisTolerance, Tolerance
from variegate.tolerance.search import ONSET
from variegate.tolerance.units import in_units
from variegate.validation import Spec, sentence, shown

Outcome = Literal["kept", "broken", "not shown"]

Part = Annotated[float, Field(gt=0, lt=1)]

_QUANTITY = re.compile(r"\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(.*?)\s*")
_HALVINGS = 50
_ROUNDING = 1e-9
_MOST_BYTES = 1 << 20


class AxisLimit(Spec):
    """What a model must take of one axis."""

    at_least: float | str
    """Intensity, 0 to 1, or a number with its unit: 10 degrees."""
    lost: Part | None = None
    """No more than this share of the images may be lost there; that of the file if not given."""


class ToleranceLimits(Spec):
    """What a model must take."""

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Of each limit."""
    lost: Part = ONSET
    """No more than this share of the images may be lost."""
    clean_error: float | str | None = None
    """At most this share of the images may be wrong as they are: 0.1 or 10%."""
    axes: dict[str, float | str | AxisLimit] = Field(default_factory=dict)
    """By axis."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file.

        Raises:
            InputError: it cannot be read.
            UsageError: it is not valid, names an axis that there is none of, or a unit that is not
                that of the axis.
        """
        try:
            with Path(path).open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        if len(text) > _MOST_BYTES:
            raise InputError(f"{path}: expected a file of at most {_MOST_BYTES:,} bytes")
        try:
            return cls.parse(text.decode("utf-8"), where=str(path))
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text") from error

    @classmethod
    def parse(cls, text: str, *, where: str = "limits") -> Self:
        """Read the text of a file; see `load`."""
        data = parse_yaml(text, where=where)
        if not isinstance(data, dict):
            raise UsageError(f"{where}: expected axes with limits, got {shown(data)}")
        data = {**data, "axes": _axis_limits(data.get("axes", {}), where)}
        try:
            found = cls.model_validate(data)
        except ValidationError as error:
            raise UsageError(f"{where}: {sentence(error, cls)}") from error
        if not found.axes and found.clean_error is None:
            raise UsageError(f"{where}: names no limit; expected axes, such as rotate+: 10 degrees")
        # All of it is checked before anything is searched.
        found.wanted(where)
        found.clean_limit(where)
        return found

    def wanted(self, where: str = "limits") -> "list[WantedLimit]":
        """Return the limits of axes as intensities.

        Raises:
            UsageError: there is no such axis, or the value is none of it.
        """
        known, made = all_axes(), []
        for axis, one in self.axes.items():
            if axis not in known:
                raise UsageError(f"{where}: unknown axis {axis!r}{did_you_mean(axis, known)}")
            value = one.at_least if isinstance(one, AxisLimit) else one
            share = one.lost if isinstance(one, AxisLimit) else None
            try:
                intensity = intensity_of(axis, value)
            except ValueError as error:
                raise UsageError(f"{where}: {axis}: {error}") from error
            made.append(WantedLimit(axis, intensity, self.lost if share is None else share))
        return made

    def clean_limit(self, where: str = "limits") -> float | None:
        """Return which share of the images may be wrong as they are.

        Raises:
            UsageError: it is no share.
        """
        given = self.clean_error
        if given is None:
            return None
        text = str(given).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            raise UsageError(
                f"{where}: clean_error: expected a share, 0.1 or 10%, got {shown(given)}"
            )
        return share

    def quantiles(self) -> tuple[float, ...]:
        """Return the shares whose thresholds a search must find."""
        return tuple(sorted({one.lost for one in self.wanted()}))


@dataclass(frozen=True)
class WantedLimit:
    """A limit of an axis, as an intensity.

    Attributes:
        axis: its name.
        intensity: 0 to 1, that must be taken.
        lost: no more than this share may be lost there.
    """

    axis: str
    intensity: float
    lost: float

    @property
    def name(self) -> str:
        """What is required, in words."""
        text = in_units(self.axis, self.intensity).text
        return f"{self.axis}: at least {text}, at most {self.lost:.0%} lost"


class CheckedLimit(Spec):
    """A limit, and whether the search shows that it is kept."""

    subject: str
    """The axis, or "images as they are"."""
    required: str
    outcome: Outcome
    """"kept", "broken" (the interval ends before it), or "not shown" at this confidence."""
    found: str
    """What was found, with its interval."""

    @property
    def kept(self) -> bool:
        """Whether it passes: what is not shown does not."""
        return self.outcome == "kept"


def _axis_limits(axes: object, where: str) -> object:
    """Return limits of axes with those that are more than a value read.

    Raises:
        UsageError: one is neither a value nor a limit.
    """
    if not isinstance(axes, dict):
        return axes
    made: dict[object, object] = {}
    for axis, one in axes.items():
        made[axis] = one
        if isinstance(one, dict):
            try:
                made[axis] = AxisLimit.model_validate(one)
            except ValidationError as error:
                raise UsageError(f"{where}: {axis}: {sentence(error, AxisLimit)}") from error
        elif isinstance(one, bool) or not isinstance(one, int | float | str):
            raise UsageError(
                f"{where}: {axis}: expected an intensity, 0 to 1, or a number and its unit, got "
                f"{shown(one)}"
            )
    return made


def check_limits(found: Tolerance, limits: ToleranceLimits) -> list[CheckedLimit]:
    """Return for each limit whether it is kept.

    Raises:
        UsageError: the search did not look for that; the message says how to.
    """
    if found.alpha > 1 - limits.confidence + _ROUNDING:
        raise UsageError(
            f"the intervals of this search have {1 - found.alpha:.3g} confidence, and "
            f"{limits.confidence:g} is required; search again with these limits"
        )
    return [*_clean(found, limits), *(_checked(found, one) for one in limits.wanted())]


def intensity_of(axis: str, value: float | str) -> float:
    """Return an intensity of an axis that is given as such, or in its units.

    Args:
        axis: its name.
        value: 0 to 1; or a number and the unit, or how it begins: "10 degrees", "2 px".

    Raises:
        ValueError: it is none of this axis; the message says what is.
    """
    end = in_units(axis, 1.0)
    if not isinstance(value, str):
        if 0 <= value <= 1:
            return float(value)
        raise ValueError(
            f"{value:g} is no intensity, 0 to 1; with a unit write for example "
            f"'{value:g} {end.unit}'"
        )
    match = _QUANTITY.fullmatch(value)
    number, unit = (float(match[1]), match[2]) if match else (math.nan, "")
    if match and unit in ("", "intensity"):
        return intensity_of(axis, number)
    if not match or not _is_unit(unit, end.unit):
        raise ValueError(
            f"expected an intensity, 0 to 1, or a number and the unit {end.unit!r} (its end is "
            f"{end.text}), got {shown(value)}"
        )
    signed = in_units(axis, 0.5).value
    # "10 degrees" of an axis that goes to the left are -10.
    candidates = (number, -number) if signed < 0 < number else (number,)
    for one in candidates:
        if (place := _inverse(axis, one)) is not None:
            return place
    start = in_units(axis, 0.0).text
    raise ValueError(f"{value} is not on this axis, which goes from {start} to {end.text}")


def _is_unit(given: str, unit: str) -> bool:
    """Whether a unit is meant: all of it, its first words, or one of its words (dB, quality)."""
    words, known = given.lower().split(), unit.lower().split()
    singular = [one.removesuffix("s") for one in known]
    plain = [one.removesuffix("s") for one in words]
    return plain == singular[: len(plain)] or (len(plain) == 1 and plain[0] in singular)


def _inverse(axis: str, value: float) -> float | None:
    """Return the intensity at which an axis has a value, by bisection; None beyond its ends."""
    first, last = in_units(axis, 0.0).value, in_units(axis, 1.0).value
    upwards = last > first
    low, high = (first, last) if upwards else (last, first)
    slack = 1e-6 * max(1.0, abs(last))
    if not low - slack <= value <= high + slack:
        return None
    least, most = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        if (in_units(axis, middle).value < value) == upwards:
            least = middle
        else:
            most = middle
    return most


def _clean(found: Tolerance, limits: ToleranceLimits) -> Iterator[CheckedLimit]:
    limit = limits.clean_limit()
    if limit is None:
        return
    if found.mode == "prediction preserved":
        raise UsageError("clean_error needs labels: without them nothing is known to be wrong")
    clean = found.clean
    low, high = wilson(clean.wrong, clean.images, limits.confidence)
    outcome: Outcome = "kept" if high <= limit else "broken" if low > limit else "not shown"
    yield CheckedLimit(
        subject="images as they are",
        required=f"images as they are: at most {limit:.3g} wrong",
        outcome=outcome,
        found=f"{clean.wrong:,} of {clean.images:,} wrong, {low:.1%} to {high:.1%}",
    )


def _checked(found: Tolerance, wanted: WantedLimit) -> CheckedLimit:
    one = found.axis(wanted.axis)
    if one.unchanged:
        told = "it changes nothing on these images"
        outcome: Outcome = "kept"
    else:
        outcome, told = _judged(one, wanted)
    return CheckedLimit(subject=wanted.axis, required=wanted.name, outcome=outcome, found=told)


def _judged(one: AxisTolerance, wanted: WantedLimit) -> tuple[Outcome, str]:
    threshold = next(
        (each for each in one.thresholds if abs(each.quantile - wanted.lost) < _ROUNDING), None
    )
    if threshold is None:
        known = ", ".join(f"{each.quantile:g}" for each in one.thresholds)
        raise UsageError(
            f"{one.axis}: the search looked for the shares {known}, not for {wanted.lost:g}; "
            "search again with these limits"
        )
    low, high = threshold.low, threshold.high
    at = "never" if threshold.at is None else f"from {threshold.at.text} on"
    end = "beyond the axis" if high is None else high.text
    told = f"{wanted.lost:.0%} lost {at}; interval {low.text} to {end}"
    if low.intensity >= wanted.intensity - _ROUNDING:
        return "kept", told
    if high is not None and high.intensity < wanted.intensity - _ROUNDING:
        return "broken", told
    return "not shown", f"{told}; {one.more}" if one.more else told
