"""Differences with their intervals, one below another, and the pairs that they are of."""

from collections.abc import Sequence
from dataclasses import dataclass

from variegate.reports.markup import Html, tag

_WIDTH, _ROW, _TOP, _BOTTOM = 420, 46, 8, 34
_LEFT, _RIGHT = 12, 12
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_MOST_TICKS = 9
_COLORS = {"better": "good", "worse": "bad"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A row.

    Attributes:
        name: of what is compared.
        value: the difference, shares.
        interval: of it.
        outcome: "better", "worse" or anything else.
        text: said of it on hover.
        pairs: differences of single pairs.
    """

    name: str
    value: float
    interval: tuple[float, float]
    outcome: str
    text: str
    pairs: Sequence[float] = ()


def difference_plot(rows: Sequence[Difference], about: str) -> Html:
    """Draw rows on one axis, in points; left of zero is worse.

    Args:
        rows: from top to bottom.
        about: for those who do not see it.
    """
    values = [0.0, *(v for one in rows for v in (*one.interval, *one.pairs))]
    step = next(
        (one for one in _STEPS if (max(values) - min(values)) / one <= _MOST_TICKS - 2), _STEPS[-1]
    )
    first, last = int(min(values) // step), int(-(-max(values) // step))
    last = max(last, first + 1)

    def x(value: float) -> float:
        share = (value - first * step) / ((last - first) * step)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    base = _TOP + _ROW * len(rows)
    parts: list[Html] = []
    for number in range(first, last + 1):
        at = f"{x(number * step):.1f}"
        kind = "axis" if number else "zero"
        parts.append(tag("line", class_=kind, x1=at, x2=at, y1=_TOP, y2=base))
        anchor = "start" if number == first else "end" if number == last else "middle"
        words = f"{100 * number * step:+.0f}" if number else "0"
        parts.append(tag("text", words, x=at, y=base + 13, text_anchor=anchor))
    middle = f"{_WIDTH / 2:.0f}"
    parts.append(tag("text", "points against none", x=middle, y=base + 28, text_anchor="middle"))
    for number, one in enumerate(rows):
        top = _TOP + _ROW * number
        color = _COLORS.get(one.outcome, "accent")
        low, high = (x(end) for end in one.interval)
        parts.append(tag("text", one.name, class_="row-name", x=_LEFT, y=top + 12))
        bar = {"x": f"{low:.1f}", "width": f"{max(1.0, high - low):.1f}", "y": top + 22}
        parts.append(
            tag("rect", tag("title", one.text), class_=f"fill-{color}", height=6, rx=3, **bar)
        )
        parts += (
            tag("circle", class_="pair", cx=f"{x(pair):.1f}", cy=top + 38, r=2.5)
            for pair in one.pairs
        )
        told = tag("title", one.text)
        place = {"cx": f"{x(one.value):.1f}", "cy": top + 25, "r": 5.5}
        parts.append(tag("circle", told, class_=f"fill-{color} point", **place))
    return tag(
        "svg",
        *parts,
        class_="chart differences",
        viewBox=f"0 0 {_WIDTH} {base + _BOTTOM}",
        role="img",
        aria_label=about,
    )
