"""The page of a comparison: which of two models takes more, axis by axis."""

from collections.abc import Iterator
from pathlib import Path

from variegate.errors import OutputError
from variegate.reports.axis_panels import TICKS, number_of, panel_id
from variegate.reports.curves import CurveNode, curve_chart
from variegate.reports.markup import Html, joined, tag
from variegate.reports.page import Section, page
from variegate.tolerance.comparison import AxisDelta, FingerprintDelta, ThresholdDelta
from variegate.tolerance.result import AxisTolerance, CurvePoint, Tolerance
from variegate.tolerance.units import in_units

_ORDER = {"worse": 0, "mixed": 1, "better": 2, "undecided": 3}
_COLORS = {"worse": "bad", "mixed": "warn", "better": "good", "undecided": "quiet"}


def write_fingerprint_page(
    found: FingerprintDelta, first: Tolerance, second: Tolerance, path: str | Path
) -> None:
    """Write the page of a comparison.

    Args:
        found: of these two.
        first, second: what was compared, for their curves.
        path: of the page.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(fingerprint_page(found, first, second))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def fingerprint_page(found: FingerprintDelta, first: Tolerance, second: Tolerance) -> Iterator[str]:
    """Yield the page in pieces."""
    listed = by_verdict(found)
    intro = (
        f"Change of the intensity at which a share of the images is lost, {found.second} less "
        f"{found.first}: to the right it takes more. Lines are intervals; with "
        f"{1 - found.alpha:.0%} confidence all {found.compared} of them are right together."
    )
    sections = [
        Section("verdict", "Verdict", _verdict(found)),
        Section("changes", "Changes", _changes(found, listed), intro),
        Section("curves", "Curves", _curves(found, listed, first, second)),
    ]
    title = f"{found.second} against {found.first}"
    footer = "Made by variegate compare. All figures are in its --json."
    yield from page(title, "How much of each transformation both take", sections, footer=footer)


def by_verdict(found: FingerprintDelta) -> list[AxisDelta]:
    """Return the axes, what got worse first."""
    return sorted(found.axes, key=lambda one: _ORDER[one.verdict])


def change_text(one: ThresholdDelta) -> str:
    """Return a change with its interval, points of intensity."""
    low = "..." if one.low is None else f"{100 * one.low:+.0f}"
    high = "..." if one.high is None else f"{100 * one.high:+.0f}"
    middle = f"{100 * one.change:+.0f} " if one.change is not None else ""
    if one.low is None and one.high is None:
        return f"{middle}(open)"
    return f"{middle}({low} to {high})"


def values_text(axis: str, one: ThresholdDelta) -> str:
    """Return a threshold of both in units."""
    texts = [None if at is None else in_units(axis, at).text for at in (one.first, one.second)]
    if texts[0] is None or texts[1] is None:
        known = ["never" if text is None else text for text in texts]
        return "never, both" if texts == [None, None] else " to ".join(known)
    return f"{number_of(texts[0])} to {texts[1]}"


def _verdict(found: FingerprintDelta) -> Iterator[Html]:
    rows = []
    for verdict in _ORDER:
        names = found.of(verdict)
        if not names and verdict == "mixed":
            continue
        swatch = tag("span", class_=f"swatch fill-{_COLORS[verdict]}")
        told = verdict if verdict in ("undecided", "mixed") else f"surely {verdict}"
        links = joined(
            joined((", " if n else "", tag("a", name, href=f"#{panel_id(name)}")))
            for n, name in enumerate(names)
        )
        rows.append(
            tag(
                "tr",
                tag("th", swatch, told, scope="row"),
                tag("td", f"{len(names):,}", class_="number"),
                tag("td", links),
            )
        )
    clean = Html("")
    if found.clean is not None:
        one = found.clean
        clean = tag(
            "p",
            f"Images as they are: {one.first:.1%} wrong, now {one.second:.1%}; a change of "
            f"{100 * one.change:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f}): "
            f"{one.verdict}.",
        )
    table = tag("table", tag("tbody", *rows), class_="facts")
    yield tag("div", table, clean, class_="panel")
    if found.notes:
        yield tag("ul", *(tag("li", one) for one in found.notes), class_="block note")


def _changes(found: FingerprintDelta, listed: list[AxisDelta]) -> Iterator[Html]:
    for quantile in (one.quantile for one in found.axes[0].thresholds):
        rows = []
        for axis in listed:
            one = next(each for each in axis.thresholds if each.quantile == quantile)
            rows.append(
                tag(
                    "tr",
                    tag("th", tag("a", axis.axis, href=f"#{panel_id(axis.axis)}"), scope="row"),
                    tag("td", _bar(axis.axis, one), class_="bar"),
                    tag("td", change_text(one)),
                    tag("td", values_text(axis.axis, one)),
                    tag("td", one.verdict),
                )
            )
        head = tag(
            "tr",
            *(
                tag("th", name, scope="col")
                for name in ("axis", "worse / better", "points", "from, to", "verdict")
            ),
        )
        table = tag("table", tag("thead", head), tag("tbody", *rows), class_="bars ranked")
        name = f"{quantile:.0%} lost"
        wide = tag("div", table, class_="wide", tabindex=0, role="region", aria_label=name)
        yield tag("div", tag("h3", name), wide, class_="panel block")


def _bar(axis: str, one: ThresholdDelta) -> Html:
    """Draw a change between -1 on the left and 1 on the right."""
    low = -1.0 if one.low is None else max(-1.0, one.low)
    high = 1.0 if one.high is None else min(1.0, one.high)
    title = tag("title", f"{axis}: {values_text(axis, one)}; {change_text(one)}, {one.verdict}")
    color = f"fill-{_COLORS[one.verdict]}"
    place = {"x": f"{50 + 50 * low:.2f}", "width": f"{max(0.6, 50 * (high - low)):.2f}"}
    parts = [tag("rect", title, class_=color, y=0.3, height=0.4, **place)]
    if one.change is not None:
        parts.append(
            tag("rect", class_="fill-text", x=f"{49.6 + 50 * one.change:.2f}", width=0.8, height=1)
        )
    parts.append(tag("rect", class_="fill-text", x=49.9, width=0.2, height=1))
    return tag("svg", *parts, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")


def _curves(
    found: FingerprintDelta, listed: list[AxisDelta], first: Tolerance, second: Tolerance
) -> Iterator[Html]:
    legend = (
        tag("span", class_="swatch fill-accent"),
        f"{found.first}, line; ",
        tag("span", class_="swatch fill-other"),
        f"{found.second}, dashed",
    )
    yield tag("p", *legend, class_="note")
    panels = (_panel(one, first.axis(one.axis), second.axis(one.axis), found) for one in listed)
    yield tag("div", *panels, class_="panels")


def _panel(
    one: AxisDelta, first: AxisTolerance, second: AxisTolerance, found: FingerprintDelta
) -> Html:
    names = (found.first, found.second)
    nodes = [
        CurveNode(a.intensity, a.lost, _told(one.axis, (a, b), names), a.low, a.high)
        for a, b in zip(first.curve, second.curve, strict=True)
    ]
    other = [CurveNode(b.intensity, b.lost, "", b.low, b.high) for b in second.curve]
    ticks = [(at, f"{at:g}", number_of(in_units(one.axis, at).text)) for at in TICKS]
    verdict = tag("span", one.verdict, class_=f"verdict fill-{_COLORS[one.verdict]}")
    return tag(
        "div",
        tag("div", tag("h3", one.axis), verdict, class_="title"),
        curve_chart(
            nodes,
            about=f"{one.axis}: share lost by intensity, of {names[0]} and {names[1]}",
            ticks=ticks,
            unit=f"intensity, {in_units(one.axis, 1.0).unit}",
            other=other,
        ),
        class_="panel axis-panel",
        id=panel_id(one.axis),
    )


def _told(axis: str, points: tuple[CurvePoint, CurvePoint], names: tuple[str, str]) -> str:
    shares = ", ".join(
        f"{name} {point.lost:.0%} ({point.low:.0%} to {point.high:.0%})"
        for name, point in zip(names, points, strict=True)
    )
    at = points[0].intensity
    return f"{in_units(axis, at).text}, intensity {at:.2f}: lost of {shares}"
