"""Curves of what is lost as inline SVG: with a band, marks, and the figures on hover."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from variegate.reports.markup import Html, joined, tag

_WIDTH, _HEIGHT = 420, 232
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 10, 22, 46
_HITS = 50
_DOT, _DOT_MORE = 1.6, 3.0


@dataclass(frozen=True, slots=True)
class CurveNode:
    """A point of a curve.

    Attributes:
        x: where, in the units of the axis.
        y: the share there, 0 to 1.
        text: what is said of it on hover.
        low, high: its band.
        asked: how many were really asked there.
    """

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None
    asked: int = 0


@dataclass(frozen=True, slots=True)
class CurveMark:
    """A place on the axis that is marked.

    Attributes:
        x: where; None where it is beyond the end, and only its interval is drawn.
        name: written above.
        text: said of it on hover.
        low, high: its interval; `high` is None where it is open.
        color: one of those of the style sheet.
    """

    x: float | None
    name: str
    text: str
    low: float | None = None
    high: float | None = None
    color: str = "warn"


def curve_chart(
    nodes: Sequence[CurveNode],
    *,
    about: str,
    ticks: Sequence[tuple[float, str, str]],
    unit: str,
    other: Sequence[CurveNode] = (),
    marks: Sequence[CurveMark] = (),
    shaded: Sequence[tuple[float, float, str]] = (),
) -> Html:
    """Draw a curve from left to right, shares upwards.

    Args:
        nodes: ascending by x.
        about: for those who do not see it.
        ticks: places on the axis, and two lines of text below.
        unit: a third line, in the middle.
        other: a second curve to compare with, at the same places.
        marks: places with a name.
        shaded: ranges, and what is said of them on hover.
    """
    scale = _Scale(nodes[0].x, nodes[-1].x)
    parts = [
        *(_shade(scale, *one) for one in shaded),
        *_ground(scale, ticks, unit),
        _band(scale, nodes),
        *(_interval(scale, one) for one in marks),
        _line(scale, nodes),
        *([_band(scale, other, "other"), _line(scale, other, "other")] if other else []),
        *_dots(scale, nodes),
        *_hits(scale, nodes),
        *(_mark(scale, one, number) for number, one in enumerate(marks)),
    ]
    return tag(
        "svg",
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=about,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    first: float
    last: float

    def x(self, value: float) -> float:
        share = (value - self.first) / ((self.last - self.first) or 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, share: float) -> float:
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)

    def range(self, low: float, high: float) -> dict[str, str]:
        x, width = self.x(low), self.x(high) - self.x(low)
        place = {"x": f"{x:.1f}", "width": f"{max(width, 0.6):.1f}"}
        return {**place, "y": f"{_TOP}", "height": f"{_HEIGHT - _BOTTOM - _TOP}"}


def _ground(scale: _Scale, ticks: Sequence[tuple[float, str, str]], unit: str) -> list[Html]:
    ends = {"x1": _LEFT, "x2": _WIDTH - _RIGHT}
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = scale.y(share)
        parts.append(tag("line", class_="axis", y1=f"{y:.1f}", y2=f"{y:.1f}", **ends))
        at = {"x": _LEFT - 5, "y": f"{y + 3:.1f}", "text_anchor": "end"}
        parts.append(tag("text", f"{share:.0%}", **at))
    base = _HEIGHT - _BOTTOM
    for number, (value, upper, lower) in enumerate(ticks):
        last = number == len(ticks) - 1
        at = {
            "x": f"{scale.x(value):.1f}",
            "text_anchor": "end" if last else "middle" if number else "start",
        }
        parts.append(tag("text", upper, y=base + 13, **at))
        parts.append(tag("text", lower, y=base + 26, **at))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(tag("text", unit, x=f"{middle:.0f}", y=base + 40, text_anchor="middle"))
    return parts


def _band(scale: _Scale, nodes: Sequence[CurveNode], kind: str = "") -> Html:
    upper = [(one.x, one.high) for one in nodes if one.high is not None]
    lower = [(one.x, one.low) for one in reversed(nodes) if one.low is not None]
    if not upper or not lower:
        return Html("")
    points = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in (*upper, *lower))
    return tag("polygon", class_=f"band {kind}".strip(), points=points)


def _line(scale: _Scale, nodes: Sequence[CurveNode], kind: str = "") -> Html:
    points = " ".join(f"{scale.x(one.x):.1f},{scale.y(one.y):.1f}" for one in nodes)
    return tag("polyline", class_=f"curve {kind}".strip(), points=points)


def _dots(scale: _Scale, nodes: Sequence[CurveNode]) -> list[Html]:
    most = max((one.asked for one in nodes), default=0)
    return [
        tag(
            "circle",
            class_="dot",
            cx=f"{scale.x(one.x):.1f}",
            cy=f"{scale.y(one.y):.1f}",
            r=f"{_DOT + _DOT_MORE * (one.asked / most) ** 0.5:.1f}",
        )
        for one in nodes
        if one.asked
    ]


def _hits(scale: _Scale, nodes: Sequence[CurveNode]) -> list[Html]:
    """Return what is pointed at: evaluated points all, of the others as many as can be told."""
    every = max(1, len(nodes) // _HITS)
    shown = [one for number, one in enumerate(nodes) if number % every == 0 or one.asked]
    middles = [(one.x + after.x) / 2 for one, after in pairwise(shown)]
    starts, ends = [shown[0].x, *middles], [*middles, shown[-1].x]
    return [
        tag("rect", tag("title", one.text), class_="hit", **scale.range(low, high))
        for one, low, high in zip(shown, starts, ends, strict=True)
    ]


def _shade(scale: _Scale, low: float, high: float, text: str) -> Html:
    return tag("rect", tag("title", text), class_="again", **scale.range(low, high))


def _interval(scale: _Scale, mark: CurveMark) -> Html:
    if mark.low is None:
        return Html("")
    high = scale.last if mark.high is None else mark.high
    return tag("rect", class_=f"interval fill-{mark.color}", **scale.range(mark.low, high))


def _mark(scale: _Scale, mark: CurveMark, number: int) -> Html:
    if mark.x is None:
        return Html("")
    x = scale.x(mark.x)
    anchor = "end" if x > _WIDTH - 60 else "start" if x < _LEFT + 40 else "middle"
    ends = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": _TOP - 3, "y2": _HEIGHT - _BOTTOM}
    # Names of neighbours must not lie on each other.
    name = {"x": f"{x:.1f}", "y": _TOP - (6 if number % 2 == 0 else 14), "text_anchor": anchor}
    title = tag("title", mark.text)
    line = tag("line", title, class_=f"mark stroke-{mark.color}", **ends)
    return joined((line, tag("text", title, mark.name, class_=f"fill-{mark.color}", **name)))
