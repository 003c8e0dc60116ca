"""One axis of a tolerance search: its curve, what is said of it, and images at its thresholds."""

from collections.abc import Iterator

from variegate.reports.curves import CurveMark, CurveNode, curve_chart
from variegate.reports.markup import Html, joined, tag
from variegate.reports.witnesses import WitnessImages
from variegate.tolerance.result import AxisTolerance, ThresholdResult, Tolerance, Witness
from variegate.tolerance.units import in_units

#: Intensities that are written below a curve.
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLORS = ("warn", "bad", "other")
_SIGNS = {"+": "-more", "-": "-less"}


def panel_id(axis: str) -> str:
    """Return the address of an axis in its page."""
    return f"axis-{axis.rstrip('+-')}{_SIGNS.get(axis[-1], '')}"


def axis_panel(found: Tolerance, one: AxisTolerance, images: WitnessImages) -> Html:
    """Return all of one axis."""
    title = tag("div", tag("h3", one.axis), *_badges(one), class_="title")
    facts = tag("ul", *(tag("li", text) for text in _facts(one, found)))
    return tag(
        "div",
        title,
        tag("div", tag("div", _chart(one)), tag("div", facts), class_="axis-parts"),
        _witnesses(one, images),
        class_="panel block axis-panel",
        id=panel_id(one.axis),
    )


def threshold_text(one: ThresholdResult) -> str:
    """Return a threshold with its interval, in units and as intensities."""
    low, high = one.low, one.high
    if one.at is None:
        return (
            f"{one.quantile:.0%} are not lost on this axis; surely not before {low.text} "
            f"(intensity {low.intensity:.2f})"
        )
    upto = f"to {number_of(high.text)}" if high is not None else "or more"
    end = f"to {high.intensity:.2f}" if high is not None else "or more"
    return (
        f"{one.quantile:.0%} are lost from {one.at.text} on ({number_of(low.text)} {upto}): "
        f"intensity {one.at.intensity:.2f} ({low.intensity:.2f} {end})"
    )


def number_of(text: str) -> str:
    """Return the number of a quantity that is written with its unit."""
    return "none" if text.startswith("no ") else text.split(" ")[0].rstrip("%")


def witnessed(one: AxisTolerance) -> list[ThresholdResult]:
    """Return the thresholds with images to show; not the same ones twice."""
    found: dict[tuple[Witness, Witness], ThresholdResult] = {}
    for each in one.thresholds:
        if each.last_success is not None and each.first_failure is not None:
            found.setdefault((each.last_success, each.first_failure), each)
    return list(found.values())


def _badges(one: AxisTolerance) -> Iterator[Html]:
    if not one.monotone:
        yield tag("span", "not monotone", class_="badge warn")
    if one.unconfirmed:
        yield tag("span", "perhaps not monotone", class_="badge warn")
    if one.instability:
        yield tag("span", "answers change", class_="badge warn")
    if one.unusable:
        yield tag("span", f"{one.unusable:,} answers unusable", class_="badge warn")


def _facts(one: AxisTolerance, found: Tolerance) -> Iterator[str]:
    for each in one.thresholds:
        yield f"{threshold_text(each)}."
    if one.drop is not None:
        drop = one.drop
        peak, dip = in_units(one.axis, drop.peak).text, in_units(one.axis, drop.dip).text
        yield (
            f"Not monotone: {drop.lost_at_peak:.0%} are lost at {peak} and {drop.lost_at_dip:.0%} "
            f"at {dip} (p = {drop.p:.2g}). Thresholds are where the curve is crossed first."
        )
    for low, high in one.reentry:
        first, last = in_units(one.axis, low).text, in_units(one.axis, high).text
        yield f"Right again from {first} to {last}: shaded."
    if one.unconfirmed:
        yield "A fall of the curve was seen that there were too few fresh images to confirm."
    if one.instability:
        share = f"{one.instability:.0%}"
        yield f"Up to {share} of answers change when asked again; intervals are wider."
    end = one.curve[-1]
    lost = f"{end.lost:.0%} are lost ({end.low:.0%} to {end.high:.0%})"
    right = (1 - found.clean.error.value) * (1 - end.lost)
    labelled = found.mode == "correctness preserved"
    still = f"; about {right:.0%} of all images are still right" if labelled else ""
    yield f"At the end of the axis, {in_units(one.axis, 1.0).text}: {lost}{still}."
    yield f"{one.images:,} images, {one.calls:,} calls."


def _chart(one: AxisTolerance) -> Html:
    asked = {round(point.intensity, 4): point for point in one.points}
    nodes = []
    for point in one.curve:
        text = (
            f"{in_units(one.axis, point.intensity).text}, intensity {point.intensity:.2f}: "
            f"{point.lost:.0%} lost ({point.low:.0%} to {point.high:.0%})"
        )
        really = asked.get(round(point.intensity, 4))
        if really is not None:
            text += f"; {really.asked:,} images asked here, {really.lost:,} of them lost"
        nodes.append(
            CurveNode(
                point.intensity,
                point.lost,
                text,
                point.low,
                point.high,
                really.asked if really is not None else 0,
            )
        )
    marks = [
        CurveMark(
            each.at.intensity if each.at is not None else None,
            f"{each.quantile:.0%} lost",
            threshold_text(each),
            each.low.intensity,
            each.high.intensity if each.high is not None else None,
            _COLORS[number % len(_COLORS)],
        )
        for number, each in enumerate(one.thresholds)
        if each.at is not None
    ]
    # Only the number: the unit stands below.
    ticks = [(at, f"{at:g}", number_of(in_units(one.axis, at).text)) for at in TICKS]
    unit = in_units(one.axis, 1.0).unit
    again = [(low, high, f"right again: {low:.2f} to {high:.2f}") for low, high in one.reentry]
    about = f"{one.axis}: share lost by intensity; " + "; ".join(
        map(threshold_text, one.thresholds)
    )
    return curve_chart(
        nodes, about=about, ticks=ticks, unit=f"intensity, {unit}", marks=marks, shaded=again
    )


def _witnesses(one: AxisTolerance, images: WitnessImages) -> Html:
    groups = [_pair(one.axis, each, images) for each in witnessed(one)]
    return tag("div", *groups, class_="witnesses") if groups else Html("")


def _pair(axis: str, each: ThresholdResult, images: WitnessImages) -> Html:
    kept, lost = each.last_success, each.first_failure
    assert kept is not None
    assert lost is not None
    told = f"{each.quantile:.0%} lost: " if each.at is not None else "the nearest to being lost: "
    name = tag("p", told, tag("span", kept.image, class_="name"), class_="note")
    expected = f"expected {kept.expected}" if kept.expected else "compared with this"
    figures = [
        images.figure(axis, kept.image, 0.0, joined((tag("div", "as it is"), expected)))
        if kept.intensity > 0
        else Html(""),
        images.figure(axis, kept.image, kept.intensity, _said(axis, kept, "last kept", "good")),
        images.figure(axis, lost.image, lost.intensity, _said(axis, lost, "first lost", "bad")),
    ]
    return tag("div", name, tag("div", *figures, class_="trio"))


def _said(axis: str, one: Witness, title: str, color: str) -> Html:
    at = in_units(axis, one.intensity).text if one.intensity else "as it is"
    swatch = tag("span", class_=f"swatch fill-{color}")
    return joined(
        (
            tag("div", swatch, title, class_="value"),
            tag("div", one.says or "no words", class_="name"),
            tag("div", at, class_="faint"),
        )
    )
