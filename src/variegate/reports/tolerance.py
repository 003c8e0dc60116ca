"""The page of a tolerance search: what a model takes, the least tolerated first."""

from collections.abc import Callable, Iterator
from pathlib import Path

from variegate.annotations.sample import Image
from variegate.errors import OutputError
from variegate.reports.axis_panels import axis_panel, panel_id, threshold_text, witnessed
from variegate.reports.markup import Html, joined, tag
from variegate.reports.page import Section, page
from variegate.reports.realism import composite_panel
from variegate.reports.witnesses import WitnessImages
from variegate.reports.worst_classes import class_panels
from variegate.tolerance.result import AxisTolerance, ThresholdResult, Tolerance, name_of

_STOPPED = {
    "width": "as narrow as asked for",
    "n_max": "n_max images",
    "images": "no more images",
    "calls": "the budget",
}
_MODES = {
    "correctness preserved": (
        "Errors are against the labels, moved along with the image. An image is lost where the "
        "model was right on it as it is, and is wrong on it transformed."
    ),
    "prediction preserved": (
        "There are no labels: errors are against what the model says to the same image as it is. "
        "An image is lost where it says something else. Whether it was right is not known."
    ),
}


def write_tolerance_page(
    found: Tolerance,
    path: str | Path,
    *,
    load: Callable[[str], Image] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of a search.

    Args:
        found: what the search found.
        path: of the page.
        load: returns an image of the dataset by its key, as the search decoded it; without it no
            images are shown.
        on_progress: told how many images of how many are made.

    Raises:
        OutputError: it cannot be written.
    """
    total = sum(3 * len(witnessed(one)) for one in found.axes)

    def on_made(made: int) -> None:
        if on_progress:
            on_progress(made, max(made, total))

    images = WitnessImages(load, found.seed, on_made)
    try:
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(tolerance_page(found, images))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def tolerance_page(found: Tolerance, images: WitnessImages) -> Iterator[str]:
    """Yield the page in pieces."""
    listed = ranked(found)
    quantile = f"{found.quantiles[0]:.0%}"
    sections = [
        Section(
            "baseline", "Baseline", _baseline(found), "How the model does on images as they are."
        ),
        Section("measured", "What was measured", _measured(found)),
        Section(
            "ranking",
            "Least and most tolerated",
            _ranking(found, listed),
            f"Axes by the intensity from which on {quantile} of the images that were right are "
            "lost; 0 leaves an image as it is, 1 is the end of the axis. Thin lines are intervals.",
        ),
        Section(
            "axes",
            "Axis by axis",
            (axis_panel(found, one, images) for one in listed),
            "The line is the share of images that is lost, with its band; dots are intensities "
            "that were really asked, the larger the more images. Below: one image at the last "
            "intensity at which it was kept, and at the first at which it was lost.",
        ),
    ]
    if any(len(one.classes) > 1 for one in found.axes):
        intro = "Where half of a class is lost, against half of all images."
        sections.append(Section("classes", "Worst classes", class_panels(found), intro))
    if found.composite is not None:
        intro = (
            "Several transformations together are harder than each alone. One strain, common to "
            "all of a variant, was searched in the same way: realism fixes how many variants this "
            "model fails on."
        )
        panel = composite_panel(found.composite)
        sections.append(Section("realism", "Realism", [panel], intro))
    sections.append(Section("cost", "Calls and audit", _cost(found)))
    footer = "Made by variegate tolerance. All figures are in the JSON file of the same name."
    title = f"Tolerance of {_called(found)}"
    yield from page(title, f"on {found.dataset or 'images in memory'}", sections, footer=footer)


def ranked(found: Tolerance) -> list[AxisTolerance]:
    """Return the axes that change something, the least tolerated first."""
    searched = [one for one in found.axes if not one.unchanged]
    return sorted(searched, key=lambda one: tuple(_place(each) for each in one.thresholds))


def _place(one: ThresholdResult) -> tuple[float, float]:
    return (2.0 if one.at is None else one.at.intensity, one.low.intensity)


def _called(found: Tolerance) -> str:
    return name_of(found.model) or f"a model ({str(found.model.get('identity', 'unknown'))[:12]})"


def _baseline(found: Tolerance) -> Iterator[Html]:
    clean = found.clean
    if found.mode == "prediction preserved":
        headline = f"{clean.units:,} of {clean.images:,} images"
        told = "are compared with what the model says to them as they are."
    else:
        headline = f"{1 - clean.error.value:.1%} right"
        told = (
            f"{clean.wrong:,} of {clean.images:,} images are wrong as they are: "
            f"{clean.error.value:.1%}, with 95% confidence {clean.error.low:.1%} to "
            f"{clean.error.high:.1%}. Only the {clean.units:,} that are right can be lost, and all "
            "figures below are of them."
        )
    again = (
        f"{clean.asked_twice:,} images were asked twice, and "
        + (f"{clean.changed:,} got another answer." if clean.changed else "answers were the same.")
        if clean.asked_twice
        else ""
    )
    yield tag(
        "div",
        tag("div", headline, class_="headline"),
        tag("p", told),
        tag("p", again, class_="note"),
        class_="panel",
    )
    if found.notes:
        yield tag("ul", *(tag("li", one) for one in found.notes), class_="block note")


def _measured(found: Tolerance) -> Iterator[Html]:
    shares = " and ".join(f"{one:.0%}" for one in found.quantiles)
    rows = [
        ("measured", found.mode),
        ("error", f"{found.error}; from {found.tau:g} on an image counts as lost"),
        ("searched", f"intensities at which {shares} are lost"),
        ("confidence", f"{1 - found.alpha:.0%}, of each interval"),
        ("images", f"{found.dataset or 'in memory'}: {found.clean.images:,}"),
        ("at most", f"{found.n_max:,} images an axis"),
        ("model", f"{_called(found)}, for {found.model.get('task', 'classification')}"),
        ("identity", str(found.model.get("identity", "unknown"))),
        ("seed", str(found.seed)),
    ]
    table = tag(
        "table",
        tag(
            "tbody",
            *(tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, text in rows),
        ),
        class_="facts",
    )
    yield tag("div", tag("p", _MODES[found.mode]), table, class_="panel")


def _ranking(found: Tolerance, listed: list[AxisTolerance]) -> Iterator[Html]:
    titles = [f"{share:.0%} lost from" for share in found.quantiles]
    head = tag(
        "tr",
        tag("th", "axis", scope="col"),
        tag("th", "intensity, 0 to 1", scope="col"),
        *(tag("th", title, scope="col") for title in titles),
    )
    rows = (_rank_row(one) for one in listed)
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="bars ranked")
    yield tag("div", tag("h3", "Absolute"), _scroll(table, "Absolute"), class_="panel")
    relative = sorted(listed, key=_lost_in_the_end, reverse=True)
    head = tag(
        "tr",
        tag("th", "axis", scope="col"),
        tag("th", "lost at the end of the axis", scope="col"),
        tag("th", "of those right", class_="number", scope="col"),
        tag("th", "of all still right", class_="number", scope="col"),
    )
    rows = (_end_row(found, one) for one in relative)
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="bars ranked")
    note = (
        "What the strongest transformation of each axis costs, relative to what the model gets "
        f"right as it is ({1 - found.clean.error.value:.1%})."
    )
    yield tag(
        "div",
        tag("h3", "Relative"),
        tag("p", note, class_="note"),
        _scroll(table, "Relative"),
        class_="panel block",
    )
    if still := [one.axis for one in found.axes if one.unchanged]:
        told = f"These change nothing on such images, and were not asked: {', '.join(still)}."
        yield tag("p", told, class_="note block")


def _rank_row(one: AxisTolerance) -> Html:
    drawn = []
    first, last = one.thresholds[0], one.thresholds[-1]
    for each, color in ((last, "soft"), (first, "accent")):
        end = 1.0 if each.at is None else each.at.intensity
        title = tag("title", f"{one.axis}: {threshold_text(each)}")
        drawn.append(tag("rect", title, class_=f"fill-{color}", width=f"{100 * end:.2f}", height=1))
    for each, y in ((first, 0.25), (last, 0.65)):
        low = each.low.intensity
        high = 1.0 if each.high is None else each.high.intensity
        place = {"x": f"{100 * low:.2f}", "width": f"{max(0.4, 100 * (high - low)):.2f}"}
        drawn.append(tag("rect", class_="fill-text", y=y, height=0.12, **place))
    link = tag("a", one.axis, href=f"#{panel_id(one.axis)}")
    cells = (tag("td", _reached(each)) for each in one.thresholds)
    return tag("tr", tag("th", link, scope="row"), tag("td", _bar(drawn), class_="bar"), *cells)


def _end_row(found: Tolerance, one: AxisTolerance) -> Html:
    end = one.curve[-1]
    told = f"{one.axis}: {end.lost:.1%} lost ({end.low:.1%} to {end.high:.1%})"
    place = {"x": f"{100 * end.low:.2f}", "width": f"{100 * (end.high - end.low):.2f}"}
    bar = tag(
        "rect", tag("title", told), class_="fill-bad", width=f"{100 * end.lost:.2f}", height=1
    )
    drawn = [bar, tag("rect", class_="fill-text", y=0.44, height=0.12, **place)]
    right = (1 - found.clean.error.value) * (1 - end.lost)
    return tag(
        "tr",
        tag("th", tag("a", one.axis, href=f"#{panel_id(one.axis)}"), scope="row"),
        tag("td", _bar(drawn), class_="bar"),
        tag("td", f"{end.lost:.0%}", class_="number"),
        tag("td", f"{right:.0%}", class_="number"),
    )


def _bar(drawn: list[Html]) -> Html:
    return tag("svg", *drawn, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")


def _lost_in_the_end(one: AxisTolerance) -> float:
    return one.curve[-1].lost


def _reached(one: ThresholdResult) -> str:
    """Return a threshold in units that people know."""
    return "never" if one.at is None else one.at.text


def _cost(found: Tolerance) -> Iterator[Html]:
    titles = ("images", "calls", "audited", "wrong")
    head = tag(
        "tr",
        tag("th", "axis", scope="col"),
        *(tag("th", name, class_="number", scope="col") for name in titles),
        tag("th", "ended by", scope="col"),
        tag("th", "more would buy", scope="col"),
    )
    rows = [_cost_row(one) for one in found.axes if not one.unchanged]
    if found.composite is not None:
        numbers = (f"{found.composite.images:,}", f"{found.composite.calls:,}", "", "")
        cells = (tag("td", one, class_="number") for one in numbers)
        rows.append(tag("tr", tag("th", "realism", scope="row"), *cells, tag("td"), tag("td")))
    audits = [one.audit for one in found.axes if one.audit is not None]
    asked = sum(one.asked for one in audits)
    wrong = sum(one.lost_instead + one.kept_instead for one in audits)
    told = (
        f"{found.calls:,} images were asked in all. What was not asked follows from what was: an "
        f"image that is lost stays lost when it gets stronger. Of such answers {asked:,} were "
        f"really asked, and {wrong:,} were different."
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
    scroll = _scroll(table, "Calls of each axis")
    yield tag("div", tag("p", told), scroll, class_="panel")


def _scroll(table: Html, name: str) -> Html:
    """Return a table that scrolls where it is too wide; a keyboard must reach what scrolls."""
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label=name)


def _cost_row(one: AxisTolerance) -> Html:
    audit = one.audit
    wrong = audit.lost_instead + audit.kept_instead if audit else 0
    numbers = [one.images, one.calls, audit.asked if audit else 0, wrong]
    ended = joined((_STOPPED.get(one.stopped, one.stopped),))
    if audit is not None and audit.biased:
        ended = joined((ended, " ", tag("span", "nothing implied", class_="badge warn")))
    return tag(
        "tr",
        tag("th", one.axis, scope="row"),
        *(tag("td", f"{number:,}", class_="number") for number in numbers),
        tag("td", ended),
        tag("td", one.more or "nothing that matters"),
    )
