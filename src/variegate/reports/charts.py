"""Charts as inline SVG: histograms and bars, with the figures on hover."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from variegate.reports.markup import Html, joined, tag

_WIDTH, _HEIGHT = 320, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 6, 16, 18
_TICKS = 5
_LEAST_BAR = 1.5


@dataclass(slots=True)
class Histogram:
    """Counts of values between edges; values beyond them count at the ends.

    Attributes:
        edges: ascending; one more than there are bins.
        counts: by bin.
        least, most: of the values, exactly.
    """

    edges: Sequence[float]
    counts: list[int] = field(default_factory=list)
    least: float = math.inf
    most: float = -math.inf

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.edges) - 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.counts[min(max(bisect_right(self.edges, value) - 1, 0), len(self.counts) - 1)] += 1

    @property
    def total(self) -> int:
        """Of values."""
        return sum(self.counts)

    def trimmed(self, least: int = 8) -> "Histogram":
        """Return it without empty bins at the ends, but with at least `least` bins."""
        used = [number for number, count in enumerate(self.counts) if count]
        if not used:
            return self
        spare = max(0, least - (used[-1] - used[0] + 1))
        first = max(0, used[0] - (spare + 1) // 2)
        last = min(len(self.counts), max(used[-1] + 1 + spare // 2, first + least))
        edges, counts = self.edges[first : last + 1], self.counts[first:last]
        return Histogram(edges, counts, self.least, self.most)

    def median(self) -> float:
        """Return the median as far as the bins tell: the middle of its bin, but for the ends."""
        sums = list(accumulate(self.counts))
        number = bisect_right(sums, (sums[-1] - 1) // 2)
        low, high = max(self.edges[number], self.least), min(self.edges[number + 1], self.most)
        return (low + high) / 2


def linear(low: float, high: float, bins: int) -> list[float]:
    """Return edges at equal distances."""
    return [low + (high - low) * number / bins for number in range(bins + 1)]


def powers(low: float, high: float, factor: float) -> list[float]:
    """Return edges at equal ratios."""
    edges = [low]
    while edges[-1] < high * 0.999:
        edges.append(edges[-1] * factor)
    return edges


def chart(
    shown: Histogram,
    name: str,
    *,
    text: Callable[[float], str] = "{:g}".format,
    marks: Mapping[str, float] | None = None,
    unit: str = "images",
) -> Html:
    """Draw a histogram with its range and median in words.

    Args:
        shown: what to draw.
        name: what the values are.
        text: writes a value.
        marks: values to mark, by name.
        unit: of the counts.
    """
    if not shown.total:
        return tag("div", tag("h3", name), tag("p", "none", class_="note"), class_="panel")
    low, high = text(shown.least), text(shown.most)
    about = f"all {low}" if low == high else f"{low} to {high}, median about {text(shown.median())}"
    return tag(
        "div",
        tag("h3", name),
        tag("div", about, class_="faint"),
        _svg(shown, f"{name}: {shown.total:,} {unit}, {about}", text, marks or {}, unit),
        _figures(shown, text, unit),
        class_="panel",
    )


def _svg(
    shown: Histogram,
    about: str,
    text: Callable[[float], str],
    marks: Mapping[str, float],
    unit: str,
) -> Html:
    bins, most = len(shown.counts), max(shown.counts)
    step, base = (_WIDTH - _LEFT - _RIGHT) / bins, _HEIGHT - _BOTTOM
    tall = base - _TOP
    parts = [
        tag("line", class_="axis", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=base, y2=base),
        tag("text", f"{most:,}", x=_LEFT, y=_TOP - 5),
        tag("line", class_="axis", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_TOP, y2=_TOP),
    ]
    for number, count in enumerate(shown.counts):
        x = _LEFT + number * step
        low, high = shown.edges[number], shown.edges[number + 1]
        title = tag("title", f"{text(low)} to {text(high)}: {count:,} {unit}")
        height = max(_LEAST_BAR, tall * count / most) if count else 0.0
        place = {"x": f"{x + 0.5:.1f}", "width": f"{max(0.5, step - 1):.1f}"}
        bar = tag(
            "rect", class_="fill-accent", y=f"{base - height:.1f}", height=f"{height:.1f}", **place
        )
        hit = tag("rect", title, class_="hit", y=_TOP, height=tall, **place)
        parts += [bar, hit] if count else [hit]
    every = max(1, -(-bins // _TICKS))
    for number in range(0, bins + 1, every):
        anchor = "start" if number == 0 else "end" if number == bins else "middle"
        at = {"x": f"{_LEFT + number * step:.1f}", "y": base + 13}
        parts.append(tag("text", text(shown.edges[number]), text_anchor=anchor, **at))
    parts += (_mark(shown, name, value, step) for name, value in marks.items())
    return tag(
        "svg",
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=about,
    )


def _figures(shown: Histogram, text: Callable[[float], str], unit: str) -> Html:
    """Return what the chart shows on hover as a table, for those who do not point."""
    rows = (
        tag(
            "tr",
            tag("th", f"{text(low)} to {text(high)}", scope="row"),
            tag("td", f"{count:,}", class_="number"),
        )
        for low, high, count in zip(shown.edges, shown.edges[1:], shown.counts, strict=False)
        if count
    )
    head = tag(
        "tr", tag("th", "from, to", scope="col"), tag("th", unit, class_="number", scope="col")
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag("details", tag("summary", "Figures"), table, class_="figures")


def _mark(shown: Histogram, name: str, value: float, step: float) -> Html:
    edges = shown.edges
    if not edges[0] <= value <= edges[-1]:
        return Html("")
    number = min(bisect_right(edges, value) - 1, len(shown.counts) - 1)
    share = (value - edges[number]) / (edges[number + 1] - edges[number])
    x = _LEFT + (number + share) * step
    left = x > _WIDTH / 2
    ends = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": _TOP - 4, "y2": _HEIGHT - _BOTTOM}
    return joined(
        (
            tag("line", class_="mark", **ends),
            tag(
                "text",
                name,
                class_="mark-name",
                x=f"{x + (-3 if left else 3):.1f}",
                y=_TOP - 5,
                text_anchor="end" if left else "start",
            ),
        )
    )


def bars(counts: Iterable[tuple[str, int]], total: int, *, color: str = "accent") -> Html:
    """Return a table of names, counts and shares with a bar for each.

    Args:
        counts: names and counts, in their order.
        total: what the shares are of.
        color: one of those of the style sheet: accent, good, warn, bad, other, quiet.
    """
    listed = list(counts)
    most = max((count for _, count in listed), default=0) or 1
    rows = []
    for name, count in listed:
        share = f"{count / total:.1%}" if total else ""
        title = tag("title", f"{name}: {count:,}, {share}")
        bar = tag(
            "rect", title, class_=f"fill-{color}", width=f"{100 * count / most:.2f}", height=1
        )
        svg = tag("svg", bar, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
        rows.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", svg, class_="bar"),
                tag("td", f"{count:,}", class_="number"),
                tag("td", share, class_="number faint"),
            )
        )
    return tag("table", tag("tbody", *rows), class_="bars")


def stacked(parts: Sequence[tuple[str, int, str]], about: str) -> Html:
    """Draw one bar of several parts: names, counts and colors as in `bars`."""
    total, x, drawn = sum(count for _, count, _ in parts) or 1, 0.0, []
    for name, count, color in parts:
        width = 100 * count / total
        title = tag("title", f"{name}: {count:,}, {count / total:.1%}")
        place = {"x": f"{x:.3f}", "width": f"{width:.3f}", "height": 1}
        drawn.append(tag("rect", title, class_=f"fill-{color}", **place))
        x += width
    return tag(
        "svg",
        *drawn,
        class_="account",
        viewBox="0 0 100 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=about,
    )
