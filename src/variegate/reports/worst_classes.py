"""Classes that are lost first: on which axis, and on all of them together."""

from collections.abc import Iterator
from dataclasses import dataclass

from variegate.reports.markup import Html, joined, tag
from variegate.tolerance.result import AxisTolerance, ClassTolerance, Tolerance
from variegate.tolerance.units import in_units

_MOST_PAIRS, _MOST_CLASSES = 15, 40
#: Of fewer images nothing is said.
_LEAST_IMAGES = 5
_REMARK = (
    "95%: the interval of the class ends where the band of all images is below half; each taken "
    "alone, so one in forty of many classes and axes is so by chance."
)


@dataclass(frozen=True)
class _Pair:
    axis: AxisTolerance
    name: str
    found: ClassTolerance

    @property
    def half(self) -> float:
        return 1.0 if self.found.half_lost is None else self.found.half_lost

    @property
    def of_all(self) -> float:
        """Where half of all images are lost."""
        reached = (point.intensity for point in self.axis.curve if point.lost >= 0.5)
        return next(reached, 1.0)

    @property
    def beyond_chance(self) -> bool:
        """Whether half of the class is lost where the band of all images is below half."""
        high = self.found.high
        if high is None:
            return False
        return next(p.high for p in self.axis.curve if p.intensity >= high - 1e-9) < 0.5


def class_panels(found: Tolerance) -> Iterator[Html]:
    """Yield the pairs of class and axis that are lost earliest, and the classes in order."""
    pairs = [
        _Pair(axis, name, one)
        for axis in found.axes
        if len(axis.classes) > 1
        for name, one in axis.classes.items()
        if one.images >= _LEAST_IMAGES
    ]
    if not pairs:
        text = f"No class has {_LEAST_IMAGES} images or more that were used."
        yield tag("div", text, class_="panel")
        return
    yield tag("div", tag("h3", "Class by class"), _classes(pairs), class_="panel")
    worst = sorted(pairs, key=lambda one: (not one.beyond_chance, one.half - one.of_all, one.half))
    early = [one for one in worst if one.half < one.of_all][:_MOST_PAIRS]
    if early:
        yield tag(
            "div",
            tag("h3", "Lost earliest, against all images"),
            tag(
                "div", _pairs(early), class_="wide", tabindex=0, role="region", aria_label="Classes"
            ),
            tag("p", _REMARK, class_="note"),
            class_="panel block",
        )


def _classes(pairs: list[_Pair]) -> Html:
    means = {}
    for name in {one.name for one in pairs}:
        mine = [one for one in pairs if one.name == name]
        worst = min(mine, key=lambda one: one.half - one.of_all)
        mean = sum(one.half for one in mine) / len(mine)
        means[name] = (mean, max(one.found.images for one in mine), worst)
    rows = []
    for name, (mean, images, worst) in sorted(means.items(), key=lambda item: item[1][0]):
        title = tag("title", f"{name}: half is lost at {mean:.2f} on average of the axes")
        bar = tag("rect", title, class_="fill-accent", width=f"{100 * mean:.2f}", height=1)
        svg = tag("svg", bar, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
        rows.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", svg, class_="bar"),
                tag("td", f"{mean:.2f}", class_="number"),
                tag("td", f"{images:,}", class_="number"),
                tag("td", worst.axis.axis if worst.half < worst.of_all else ""),
            )
        )
    head = tag(
        "tr",
        tag("th", "class", scope="col"),
        tag("th", "half lost at, mean of the axes", scope="col"),
        tag("th", "", scope="col"),
        tag("th", "images", class_="number", scope="col"),
        tag("th", "earliest on", scope="col"),
    )
    table = tag(
        "table", tag("thead", head), tag("tbody", *rows[:_MOST_CLASSES]), class_="bars classes"
    )
    left = len(rows) - _MOST_CLASSES
    more = tag("p", f"and {left:,} more that take more", class_="note") if left > 0 else Html("")
    return joined(
        (tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Means"), more)
    )


def _pairs(listed: list[_Pair]) -> Html:
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col")
            for name in ("class", "axis", "half lost at", "intensity", "of all images", "images")
        ),
    )
    rows = []
    for one in listed:
        high = "beyond 1" if one.found.high is None else f"{one.found.high:.2f}"
        sure = tag("span", "95%", class_="badge warn") if one.beyond_chance else Html("")
        rows.append(
            tag(
                "tr",
                tag("th", one.name, scope="row"),
                tag("td", one.axis.axis),
                tag("td", in_units(one.axis.axis, one.half).text),
                tag("td", f"{one.half:.2f} ({one.found.low:.2f} to {high}) ", sure),
                tag("td", f"{one.of_all:.2f}"),
                tag("td", f"{one.found.images:,}"),
            )
        )
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
