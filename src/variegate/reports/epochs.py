"""Lines over the epochs of a training, for pages."""

from collections.abc import Sequence

from variegate.reports.markup import Html, tag

_WIDTH, _HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 18
_TICKS = 4


def lines(
    name: str,
    series: Sequence[tuple[str, Sequence[float], str]],
    *,
    low: float | None = None,
    high: float | None = None,
    mark: int | None = None,
    text: str = "{:.2f}",
) -> Html:
    """Draw values by epoch.

    Args:
        name: what the values are.
        series: name, values and color of each line.
        low, high: of the axis; None: as the values need.
        mark: epoch to mark, from 0 on.
        text: format of a value.
    """
    values = [one for _, line, _ in series for one in line]
    bottom = min(values) if low is None else low
    top = max(values) if high is None else high
    top = top if top > bottom else bottom + 1
    count = max(len(line) for _, line, _ in series)

    def x(number: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (
            number / max(1, count - 1) if count > 1 else 0.5
        )

    def y(value: float) -> float:
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * share

    parts = []
    for number in range(_TICKS + 1):
        value = bottom + (top - bottom) * number / _TICKS
        at = f"{y(value):.1f}"
        parts.append(tag("line", class_="axis", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=at, y2=at))
        label = text.format(value)
        parts.append(tag("text", label, x=_LEFT - 4, y=f"{y(value) + 3:.1f}", text_anchor="end"))
    if mark is not None:
        at = f"{x(mark):.1f}"
        parts.append(tag("line", class_="mark", x1=at, x2=at, y1=_TOP, y2=_HEIGHT - _BOTTOM))
    for title, line, color in series:
        points = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in enumerate(line))
        style = f"fill:none;stroke:var(--{color});stroke-width:2"
        told = tag("title", title)
        parts.append(tag("polyline", told, points=points, style=style))
        dots = f"fill:var(--{color})"
        parts += (
            tag(
                "circle",
                tag("title", f"{title}, epoch {n + 1}: {text.format(value)}"),
                cx=f"{x(n):.1f}",
                cy=f"{y(value):.1f}",
                r=2.5 if count <= 40 else 1,
                style=dots,
            )
            for n, value in enumerate(line)
        )
    for number in sorted({0, (count - 1) // 2, count - 1}):
        anchor = "start" if number == 0 and count > 1 else "end" if number else "middle"
        anchor = "middle" if 0 < number < count - 1 else anchor
        parts.append(
            tag("text", str(number + 1), x=f"{x(number):.1f}", y=_HEIGHT - 4, text_anchor=anchor)
        )
    last = ", ".join(f"{title} {text.format(line[-1])}" for title, line, _ in series if line)
    drawn = tag(
        "svg",
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{name} by epoch; at the end {last}",
    )
    keys = (
        tag("span", tag("span", class_="swatch", style=f"background:var(--{color})"), f"{title}  ")
        for title, _, color in series
    )
    return tag("div", tag("h3", name), tag("div", *keys, class_="faint"), drawn, class_="panel")
