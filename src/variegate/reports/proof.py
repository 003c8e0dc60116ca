"""The page of a proof: what was found, how sure it is, and what it does not show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from variegate.reports.differences import Difference, difference_plot
from variegate.reports.epochs import lines
from variegate.reports.markup import Html, tag
from variegate.reports.matrix import calibration_curve, confusion_panels
from variegate.reports.page import Section, page
from variegate.training.checkpoint import write_whole
from variegate.training.comparison import RecallDifference, Verdict
from variegate.training.options import SMALL
from variegate.training.proof import BASELINE, ArmFigures, Proof

#: In the output's folder.
PAGE = "proof.html"
_WORDS = {"better": "it helps", "worse": "it harms"}
_BADGES = {"better": "good", "worse": "bad"}
_COLORS = ("quiet", "accent", "good", "warn", "other", "bad")
_MOST_CLASSES = 60
# On a phone names are broken between words, not into letters.
_NAME = "min-width:6.5rem"


def write_proof_page(found: Proof, output: str | Path) -> None:
    """Write the page of a proof into its folder.

    Raises:
        OutputError: it cannot be written.
    """
    text = "".join(proof_page(found))
    write_whole(Path(output) / PAGE, text.encode("utf-8", "backslashreplace"))


def proof_page(found: Proof) -> Iterator[str]:
    """Yield the page in pieces."""
    design = found.design
    level = f"{100 * (1 - found.verdicts[0].level):.3g}%"
    sections = [
        Section("result", "Result", _result(found), f"{found.evidence.capitalize()}."),
        Section(
            "differences",
            "Differences",
            [_plot(found.verdicts, found)],
            f"Against no augmentation. Bars are {level} intervals over groups of images, all of "
            "which hold together; small dots are the pairs of runs.",
        ),
        Section("classes", "Classes", _classes(found), _about_classes(found)),
    ]
    if found.robustness:
        intro = (
            "The same models, asked about the held-out images under the 15 common corruptions at "
            "severities 1, 3 and 5; the share of right answers."
        )
        sections.append(Section("corruptions", "Corruptions", _corruptions(found), intro))
    sections += [
        Section(
            "calibration",
            "Calibration",
            _calibration(found),
            "How often answers are right when they are how sure; on the dashed line both agree.",
        ),
        Section("confusion", "Confusion", _confusion(found), "Answers of all runs."),
    ]
    if any(one.losses for one in found.arms):
        intro = (
            "Mean loss while learning, of augmented images where there is augmentation. An arm "
            "that still falls steeply at the end might gain from more steps (--steps)."
        )
        sections.append(Section("learning", "Learning", [_learning(found)], intro))
    sections.append(Section("design", "How it was found out", _design(found)))
    how = "frozen features" if design.quick else "whole trainings"
    subtitle = (
        f"{design.model} on {found.place}: {found.images:,} images, {len(found.classes)} classes, "
        f"{design.folds} folds x {design.seeds} seeds, {how}"
    )
    footer = "Made by variegate prove. All figures are in proof.json, all runs in runs.jsonl."
    yield from page("Did it help?", subtitle, sections, footer=footer)


def _result(found: Proof) -> Iterator[Html]:
    for one in found.verdicts:
        words = _WORDS.get(one.outcome, one.outcome)
        told = one.sentence.removeprefix(f"{one.name}: ").removeprefix(f"{one.outcome}: ")
        told = told.removeprefix(f"{words}: ")
        worse = Html("")
        if one.got_worse:
            names = ", ".join(one.got_worse)
            worse = tag("p", tag("span", "got worse", class_="badge warn"), " ", names)
        yield tag(
            "div",
            tag("h3", one.name, " ", _badge(one.outcome)),
            tag("p", told),
            worse,
            class_="panel block",
        )
    yield tag("div", _arm_table(found), class_="panel block")
    notes = [*found.notes]
    notes += (
        f"left out: {one.count:,} x {kind}, such as {one.examples[0]}"
        for kind, one in found.left_out.items()
    )
    if notes:
        yield tag("ul", *(tag("li", note) for note in notes), class_="block note")


def _badge(outcome: str) -> Html:
    color = _BADGES.get(outcome, "quiet")
    return tag("span", _WORDS.get(outcome, outcome), class_=f"verdict fill-{color}")


def _arm_table(found: Proof) -> Html:
    verdicts = {one.name: one for one in found.verdicts}
    robust = {one.name: one for one in found.robustness}
    titles = ["arm", "accuracy", "difference", "interval", "p"]
    titles += ["corrupted", "difference"] if robust else []
    titles += ["log loss", "calibration error", *(() if found.design.quick else ("rate",)), "decay"]
    rows = []
    for arm in found.arms:
        cells = [f"{arm.accuracy:.1%}", *_compared(verdicts.get(arm.name))]
        if robust:
            cells.append("" if arm.corrupted is None else f"{arm.corrupted:.1%}")
            one = robust.get(arm.name)
            cells.append("" if one is None else _points(one.difference))
        cells += [f"{arm.log_loss:.3f}", f"{arm.calibration_error:.3f}"]
        cells += [] if found.design.quick else [f"{arm.setting[0]:g}"]
        cells.append(f"{arm.setting[1]:g}")
        rows.append((arm.name, cells))
    return _table(titles, rows, "Arms")


def _compared(one: Verdict | None) -> tuple[str, str, str]:
    if one is None:
        return "", "", ""
    return _points(one.difference), _interval(one.interval), f"{one.p:.3f}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{_points(ends[0])} to {_points(ends[1])}"


def _table(
    titles: Sequence[str], rows: Iterable[tuple[object, Sequence[object]]], name: str
) -> Html:
    """Return a table that scrolls where it is too wide; a keyboard must reach what scrolls."""
    head = tag(
        "tr",
        *(
            tag("th", title, scope="col", class_="number" if number else None)
            for number, title in enumerate(titles)
        ),
    )
    body = (
        tag(
            "tr",
            tag("th", first, scope="row"),
            *(tag("td", cell, class_="number") for cell in cells),
        )
        for first, cells in rows
    )
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="listed")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label=name)


def _plot(verdicts: Sequence[Verdict], found: Proof | None = None) -> Html:
    pairs = {} if found is None else found.pairs
    rows = [
        Difference(
            one.name,
            one.difference,
            one.interval,
            one.outcome,
            one.sentence,
            pairs.get(one.name, ()),
        )
        for one in verdicts
    ]
    about = "; ".join(
        f"{one.name} {_points(one.difference)} points ({_interval(one.interval)})"
        for one in verdicts
    )
    return tag("div", difference_plot(rows, about), class_="panel")


def _about_classes(found: Proof) -> str:
    told = f"Recall, with intervals that hold together for all {len(found.classes)} classes."
    worse = [f"{one.name}: {', '.join(one.got_worse)}" for one in found.verdicts if one.got_worse]
    if worse:
        return f"{told} Got worse with {'; with '.join(worse)}."
    return f"{told} None is surely worse with any arm."


def _classes(found: Proof) -> Iterator[Html]:
    for verdict in found.verdicts:
        ordered = sorted(verdict.classes, key=lambda one: one.arm - one.baseline)
        titles = ("class", "images", "none", verdict.name, "difference", "interval", "")
        rows = [(one.name, _recall_cells(one)) for one in ordered[:_MOST_CLASSES]]
        more = len(ordered) - _MOST_CLASSES
        note = tag("p", f"and {more:,} more; see proof.json", class_="note") if more > 0 else ""
        yield tag(
            "div",
            tag("h3", verdict.name),
            _table(titles, rows, f"Classes with {verdict.name}"),
            note,
            class_="panel block",
        )


def _recall_cells(one: RecallDifference) -> tuple[object, ...]:
    surely = one.outcome in _WORDS
    return (
        f"{one.images:,}",
        f"{one.baseline:.1%}",
        f"{one.arm:.1%}",
        _points(one.arm - one.baseline),
        _interval(one.interval) or "too few groups",
        tag("span", one.outcome, class_=f"verdict fill-{_BADGES[one.outcome]}") if surely else "",
    )


def _corruptions(found: Proof) -> Iterator[Html]:
    yield _plot(found.robustness)
    sentences = (tag("li", one.sentence) for one in found.robustness)
    yield tag("ul", *sentences, class_="block")
    titles = ["corruption", *(arm.name for arm in found.arms)]
    names = found.arms[0].corruptions
    rows = [
        (name.replace("_", " "), [f"{arm.corruptions[name]:.1%}" for arm in found.arms])
        for name in names
    ]
    mean = ("mean", [f"{arm.corrupted or 0:.1%}" for arm in found.arms])
    clean = ("images as they are", [f"{arm.accuracy:.1%}" for arm in found.arms])
    yield tag("div", _table(titles, [clean, mean, *rows], "Corruptions"), class_="panel block")


def _calibration(found: Proof) -> Iterator[Html]:
    panels = (
        tag(
            "div",
            tag("h3", arm.name),
            tag("div", f"calibration error {arm.calibration_error:.3f}", class_="faint"),
            calibration_curve([asdict(one) for one in arm.bins]),
            class_="panel",
        )
        for arm in found.arms
    )
    yield tag("div", *panels, class_="panels")


def _confusion(found: Proof) -> Iterator[Html]:
    for arm in found.arms:
        panels = confusion_panels(found.classes, found.classes, arm.confusion)
        opened = arm.name == BASELINE
        yield tag(
            "details",
            tag("summary", f"{arm.name}: {arm.accuracy:.1%} right"),
            *panels,
            open=opened or None,
            class_="block",
        )


def _learning(found: Proof) -> Html:
    series = [
        (arm.name, arm.losses, _COLORS[number % len(_COLORS)])
        for number, arm in enumerate(found.arms)
        if arm.losses
    ]
    return tag("div", lines("Loss", series, low=0), class_="panels")


def _design(found: Proof) -> Iterator[Html]:
    design = found.design
    searched = "nothing: untuned"
    if design.tune:
        settings = (
            f"{decay:g}" if design.quick else f"rate {rate:g}, decay {decay:g}"
            for rate, decay in design.settings
        )
        what = "the decay of the head" if design.quick else "learning rate and weight decay"
        searched = (
            f"{what}, for every arm the same ({'; '.join(settings)}), on the first fold's "
            "validation part"
        )
    weights = "none" if design.model == SMALL else design.weights
    rows: list[tuple[str, str]] = [
        ("images", f"{found.images:,} in {found.groups:,} groups, none of which is divided"),
        ("runs", f"{design.folds} folds x {design.seeds} seeds of each arm; {found.runs:,} in all"),
        ("searched", searched),
        (
            "budget",
            f"{design.draws} variants of each image beside itself"
            if design.quick
            else f"about {design.wanted_steps:,} steps of {design.batch} images for every arm",
        ),
        ("could find", f"{100 * found.expected:.1f} points, expected before it was run"),
        *(
            (f"can find, {one.name}", f"{100 * one.detectable:.1f} points, as measured")
            for one in found.verdicts
        ),
        ("model", f"{design.model}, {design.side} x {design.side}, weights: {weights}"),
        ("seed", str(design.seed)),
    ]
    body = (
        tag("tr", tag("th", name, scope="row", style=_NAME), tag("td", told)) for name, told in rows
    )
    yield tag("div", tag("table", tag("tbody", *body), class_="listed"), class_="panel")
    if design.tune:
        panels = (_searched(arm, quick=design.quick) for arm in found.arms)
        yield tag("div", *panels, class_="panels block")


def _searched(arm: ArmFigures, *, quick: bool) -> Html:
    rows = (
        tag(
            "tr",
            tag("th", f"{decay:g}" if quick else f"rate {rate:g}, decay {decay:g}", scope="row"),
            tag("td", f"{share:.1%} right", class_="number"),
        )
        for (rate, decay), share in arm.searched
    )
    table = tag("table", tag("tbody", *rows), class_="listed")
    return tag("div", tag("h3", arm.name), table, class_="panel")
