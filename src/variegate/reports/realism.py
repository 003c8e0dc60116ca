"""Realism of whole variants: how much strain a model takes, as a curve and a table."""

from variegate.reports.curves import CurveMark, CurveNode, curve_chart
from variegate.reports.markup import Html, tag
from variegate.tolerance.result import CompositeLevel, CompositeTolerance

_TICKS = (
    (0.0, "0", "as it is"),
    (1.0, "1", "onset"),
    (2.0, "2", "critical"),
    (3.0, "3", "the end"),
)


def composite_panel(found: CompositeTolerance) -> Html:
    """Return the curve of whole variants with the strains of realism."""
    nodes = [
        CurveNode(strain, min(1.0, lost), f"strain {strain:.2f}: {lost:.0%} lost")
        for strain, lost in found.curve
    ]
    marks = [
        CurveMark(one.strain, f"{one.realism:g}", _text(one), color="other")
        for one in found.levels
        if one.reached
    ]
    chart = curve_chart(
        nodes,
        about="share of variants lost by strain; " + "; ".join(map(_text, found.levels)),
        ticks=_TICKS,
        unit="strain; each axis alone has 5% and half lost at 1 and 2",
        marks=marks,
    )
    head = tag(
        "tr",
        *(
            tag("th", name, class_="number", scope="col")
            for name in ("realism", "variants lost", "strain", "interval")
        ),
    )
    rows = [_row("1", "0%", "0", "")]
    rows += [
        _row(
            f"{one.realism:g}",
            f"{one.lost:.0%}" if one.reached else f"below {one.lost:.0%}",
            f"{one.strain:.2f}",
            f"{one.low:.2f} to {one.high:.2f}",
        )
        for one in found.levels
    ]
    made = (
        f"{found.k_min} to {found.k_max} transformations a variant; {found.images:,} images, "
        f"{found.calls:,} calls."
    )
    if not found.monotone:
        made += " More strain is not always worse here: the curve is crossed here first."
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag(
        "div",
        tag(
            "div",
            tag("div", chart),
            tag("div", table, tag("p", made, class_="note")),
            class_="axis-parts",
        ),
        class_="panel",
    )


def _row(*cells: str) -> Html:
    return tag("tr", *(tag("td", one, class_="number") for one in cells))


def _text(one: CompositeLevel) -> str:
    reached = "" if one.reached else " (never that many)"
    return (
        f"realism {one.realism:g}: {one.lost:.0%} lost at strain {one.strain:.2f} "
        f"({one.low:.2f} to {one.high:.2f}){reached}"
    )
