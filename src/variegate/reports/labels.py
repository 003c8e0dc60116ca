"""Annotations on the page of an audit: what is missing or wrong, where objects are, how many."""

from collections.abc import Iterator, Mapping

from variegate.datasets.inspection.figures import Fault
from variegate.datasets.prepare.audit import AgainstCount
from variegate.datasets.prepare.labels import CELLS, MOST_COUNTED, LabelAudit
from variegate.reports.charts import Histogram, bars, chart, linear
from variegate.reports.markup import Html, tag

_MOST_KINDS = 60
_CELL = 12


def label_blocks(found: LabelAudit) -> Iterator[Html]:
    """Yield what is known of the annotations."""
    states = [
        ("with objects", found.with_objects),
        ("with a class or mask", found.with_class),
        ("empty annotation", found.empty),
        ("no annotation", found.missing),
    ]
    shown = bars([one for one in states if one[1]], found.images)
    panels = [tag("div", tag("h3", "Images"), shown, class_="panel")]
    if found.objects:
        counts = Histogram(linear(0, MOST_COUNTED + 1, MOST_COUNTED + 1))
        for number, images in found.objects_an_image.items():
            counts.add(number)
            counts.counts[number] += images - 1
        panels.append(chart(counts.trimmed(), "Objects an image", text="{:.0f}".format))
        panels.append(_places(found))
    yield tag("div", *panels, class_="panels")
    if found.names:
        yield _faults("Class names", found.names)
    if found.findings:
        yield _faults("To be looked at", found.findings)
    else:
        yield tag("p", "No fault was found in the annotations.", class_="note")


def known_block(found: AgainstCount) -> Iterator[Html]:
    """Yield what is known already, by grade."""
    rows = [
        tag(
            "tr",
            tag("th", grade, scope="row"),
            tag("td", f"{one.images:,}", class_="number"),
            tag("td", *(tag("div", text) for text in one.examples)),
        )
        for grade, one in found.found.items()
    ]
    yield tag("div", tag("table", tag("tbody", *rows)), class_="panel")


def _places(found: LabelAudit) -> Html:
    """Draw where the middles of objects are, as a share of the image's sides."""
    most = max(map(max, found.places))
    side = CELLS * _CELL
    cells = []
    for row, counts in enumerate(found.places):
        for column, count in enumerate(counts):
            if not count:
                continue
            title = tag("title", f"{count:,} objects")
            at = {"x": column * _CELL, "y": row * _CELL, "width": _CELL, "height": _CELL}
            # By the root: few are seen beside many.
            strength = f"{(count / most) ** 0.5:.2f}"
            cells.append(tag("rect", title, class_="fill-accent", fill_opacity=strength, **at))
    frame = tag("rect", class_="axis", x=0, y=0, width=side, height=side, fill="none")
    about = f"Map of the places of {found.objects:,} objects; at most {most:,} in one cell"
    drawing = tag(
        "svg",
        *cells,
        frame,
        class_="chart",
        viewBox=f"0 0 {side} {side}",
        role="img",
        aria_label=about,
        style="max-width: 15rem",
    )
    words = f"middles of {found.objects:,} objects; darkest: {most:,}"
    return tag(
        "div", tag("h3", "Places"), tag("div", words, class_="faint"), drawing, class_="panel"
    )


def _faults(title: str, faults: Mapping[str, Fault]) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", kind, scope="row"),
            tag("td", f"{fault.count:,}", class_="number"),
            tag("td", *(tag("div", example, class_="faint") for example in fault.examples)),
        )
        for kind, fault in list(faults.items())[:_MOST_KINDS]
    ]
    more = len(faults) - _MOST_KINDS
    rest = tag("p", f"and {more:,} more kinds; audit.json has all", class_="note")
    table = tag("table", tag("tbody", *rows))
    return tag("div", tag("h3", title), table, rest if more > 0 else "", class_="panel block")
