"""A confusion as a heat map, and a calibration as a curve, with the figures on hover."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from variegate.reports.charts import bars
from variegate.reports.markup import Html, tag

# Larger ones are shown as a list of what is confused most.
_MOST_CLASSES = 40
_CELL = 30
# Of a letter of a name, and of what a slanted name needs on its right.
_LETTER, _SLANT = 6.2, 0.64
_SIDE, _MARGIN = 260, 30
_LONGEST_NAME = 18


def confusion_panels(
    names: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]
) -> Iterator[Html]:
    """Yield the heat map, if the classes are not too many, and what is confused most."""
    if len(names) <= _MOST_CLASSES:
        yield tag("div", heat_map(names, columns, counts), class_="panel")
    if pairs := confused_most(names, columns, counts):
        total = sum(sum(row) for row in counts)
        yield tag(
            "div",
            tag("h3", "Confused most"),
            bars(pairs, total, color="bad"),
            class_="panel block",
        )


def calibration_panels(bins: Sequence[Mapping[str, Any]], error: float | None) -> Iterator[Html]:
    """Yield the curve of a calibration beside its figures; bins as in `calibration_curve`."""
    titles = ("confidence", "answers", "mean", "right")
    head = tag("tr", *(tag("th", name, class_="number", scope="col") for name in titles))
    rows = [
        tag(
            "tr",
            tag("td", f"{b['low']:.0%} to {b['high']:.0%}", class_="number"),
            tag("td", f"{b['count']:,}", class_="number"),
            tag("td", f"{b['confidence']:.1%}", class_="number"),
            tag("td", f"{b['accuracy']:.1%}", class_="number"),
        )
        for b in bins
    ]
    told = f"expected calibration error {error:.3f}" if error is not None else ""
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    yield tag(
        "div",
        tag("div", tag("h3", "Right by confidence"), calibration_curve(bins), class_="panel"),
        tag("div", tag("h3", told), table, class_="panel"),
        class_="panels",
    )


def heat_map(names: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """Draw a confusion: a row for each class, its shares in color, its counts in the cells.

    Args:
        names: of the rows.
        columns: of the columns.
        counts: by row and column.
    """
    longest = _LETTER * max(len(_short(one)) for one in (*names, *columns)) + 16
    right = _SLANT * _LETTER * max(len(_short(one)) for one in columns)
    width = longest + _CELL * len(columns) + right
    height = longest + _CELL * len(names) + 4
    parts: list[Html] = []
    for number, name in enumerate(columns):
        x = longest + _CELL * (number + 0.5)
        place = f"rotate(-50 {x:.0f} {longest - 6:.0f})"
        parts.append(
            tag("text", _short(name), x=f"{x:.0f}", y=f"{longest - 6:.0f}", transform=place)
        )
    for row, name in enumerate(names):
        total = sum(counts[row])
        y = longest + _CELL * row
        parts.append(
            tag(
                "text",
                _short(name),
                x=f"{longest - 8:.0f}",
                y=f"{y + _CELL * 0.63:.0f}",
                text_anchor="end",
            )
        )
        for column, other in enumerate(columns):
            count = counts[row][column]
            parts += _cell(name, other, count, total, (longest + _CELL * column, y))
    about = f"confusion of {len(names)} classes; the figures are in the table below"
    drawn = tag(
        "svg",
        *parts,
        class_="chart matrix",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_label=about,
    )
    return tag("div", drawn, class_="wide", tabindex=0, role="region", aria_label="Confusion")


def _cell(
    name: str, other: str, count: int, total: int, place: tuple[float, float]
) -> Iterator[Html]:
    share = count / total if total else 0.0
    x, y = place
    told = tag("title", f"{name}, taken for {other}: {count:,} of {total:,} ({share:.1%})")
    yield tag(
        "rect",
        told,
        x=f"{x + 1:.0f}",
        y=f"{y + 1:.0f}",
        width=_CELL - 2,
        height=_CELL - 2,
        rx=3,
        class_=f"fill-{'good' if name == other else 'bad'} cell",
        # What is rare among many must still be seen.
        fill_opacity=f"{0.15 + 0.85 * share:.2f}" if count else "0.04",
    )
    if count:
        yield tag(
            "text",
            _count_text(count),
            x=f"{x + _CELL / 2:.0f}",
            y=f"{y + _CELL * 0.63:.0f}",
            text_anchor="middle",
            class_="on-dark" if share > 0.55 else "on-light",
        )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\u2026"


def _count_text(count: int) -> str:
    return f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"


def confused_most(
    names: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]], most: int = 20
) -> list[tuple[str, int]]:
    """Return what is confused most: "a, taken for b" and how many times."""
    found = [
        (f"{name}, taken for {other}", counts[row][column])
        for row, name in enumerate(names)
        for column, other in enumerate(columns)
        if name != other and counts[row][column]
    ]
    return sorted(found, key=lambda one: -one[1])[:most]


def calibration_curve(bins: Sequence[Mapping[str, Any]]) -> Html:
    """Draw how often a model is right when it is how sure; on the diagonal it is as sure as right.

    Args:
        bins: with "low", "high", "count", "confidence" and "accuracy" each.
    """
    most = max(one["count"] for one in bins)
    parts = [
        tag("line", class_="axis", x1=_MARGIN, x2=_MARGIN, y1=_y(0), y2=_y(1)),
        tag("line", class_="axis", x1=_MARGIN, x2=_x(1), y1=_y(0), y2=_y(0)),
        tag("line", class_="mark", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1)),
    ]
    for value in (0, 0.5, 1):
        parts.append(tag("text", f"{value:.0%}", x=_x(value), y=_SIDE - 12, text_anchor="middle"))
        parts.append(
            tag("text", f"{value:.0%}", x=_MARGIN - 4, y=f"{_y(value) + 3:.0f}", text_anchor="end")
        )
    parts.append(tag("text", "how sure", x=_x(0.5), y=_SIDE - 1, text_anchor="middle"))
    points = " ".join(f"{_x(one['confidence']):.1f},{_y(one['accuracy']):.1f}" for one in bins)
    parts.append(tag("polyline", class_="curve", points=points))
    for one in bins:
        told = (
            f"{one['count']:,} answers, sure by {one['confidence']:.0%} on average, "
            f"right {one['accuracy']:.0%}"
        )
        parts.append(
            tag(
                "circle",
                tag("title", told),
                class_="fill-accent",
                cx=f"{_x(one['confidence']):.1f}",
                cy=f"{_y(one['accuracy']):.1f}",
                r=f"{3 + 5 * (one['count'] / most) ** 0.5:.1f}",
            )
        )
    about = f"calibration: how often the model is right in {len(bins)} bands of confidence"
    return tag(
        "svg",
        *parts,
        class_="chart",
        viewBox=f"0 0 {_SIDE} {_SIDE}",
        role="img",
        aria_label=about,
    )


def _x(value: float) -> float:
    return _MARGIN + value * (_SIDE - _MARGIN - 12)


def _y(value: float) -> float:
    return 10 + (1 - value) * (_SIDE - 40)
