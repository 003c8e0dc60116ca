"""The page of an evaluation: the figures, the classes, what is confused, and the worst images."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from variegate.errors import OutputError
from variegate.models.evaluate import Evaluation, ModelComparison, ModelEvaluation, WorstImage
from variegate.reports.markup import Html, joined, tag
from variegate.reports.matrix import calibration_panels, confusion_panels
from variegate.reports.page import Section, page
from variegate.reports.thumbnails import Thumbnails
from variegate.runs.run import Options
from variegate.storage import open_storage

MOST_BYTES = 8 * 2**20
_MOST_ROWS = 200

_NAMES = {
    "accuracy": "right answers",
    "top5": "among the five likeliest",
    "balanced_accuracy": "mean recall of the classes",
    "macro_f1": "mean F1 of the classes",
    "calibration_error": "expected calibration error",
    "map": "mean average precision, IoU 0.5 to 0.95",
    "map50": "at IoU 0.5",
    "map75": "at IoU 0.75",
    "mean_iou": "mean IoU of the classes",
    "mean_dice": "mean Dice of the classes",
    "pixel_accuracy": "right pixels",
    "oks": "mean keypoint similarity (OKS)",
    "ap": "average precision, OKS 0.5 to 0.95",
    "ap50": "at OKS 0.5",
    "objects": "objects in the labels",
    "right": "right images",
}


def write_evaluation_page(
    found: Evaluation,
    source: str | Path,
    path: Path,
    *,
    options: Options | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of an evaluation.

    Args:
        found: what came out.
        source: the dataset; thumbnails are made of its images.
        path: of the page.
        options: how images are decoded.
        on_progress: told how many thumbnails of how many are made.

    Raises:
        OutputError: it cannot be written.
    """
    options = options or Options()
    total = sum(len(one.worst) for one in found.models)

    def on_made(made: int) -> None:
        if on_progress:
            on_progress(made, total)

    thumbnails = Thumbnails(
        open_storage(source),
        options.hints.decoding(options.limits),
        most=max(1, total),
        most_bytes=MOST_BYTES,
        on_made=on_made,
    )
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(evaluation_page(found, thumbnails))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def evaluation_page(found: Evaluation, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the page in pieces."""
    sections = [Section("figures", "Figures", _figures(found))]
    if found.comparisons:
        intro = (
            "On the same images; intervals of 95%, corrected for the number of comparisons. "
            "Undecided does not mean equal."
        )
        sections.append(Section("models", "Models side by side", _comparisons(found), intro))
    for number, one in enumerate(found.models):
        suffix = f": {one.name}" if len(found.models) > 1 else ""
        if one.worst:
            intro = "Those of which the model is surest come first among equally wrong ones."
            title = f"Most wrong{suffix}"
            sections.append(Section(f"worst-{number}", title, _worst(one, thumbnails), intro))
        if one.classes:
            title = f"Classes{suffix}"
            sections.append(Section(f"classes-{number}", title, _classes(one)))
        if one.tables.get("confusion"):
            intro = "Rows are what the labels say, columns what the model says."
            content = _confusion(one.tables["confusion"])
            sections.append(Section(f"confusion-{number}", f"Confusion{suffix}", content, intro))
        if one.tables.get("calibration"):
            intro = (
                "On the dashed line the model is right as often as it says; below it, it is "
                "surer than it should be."
            )
            content = _calibration(one)
            sections.append(
                Section(f"calibration-{number}", f"Calibration{suffix}", content, intro)
            )
    footer = "Made by variegate evaluate. variegate evaluate --json prints all figures."
    names = ", ".join(one.name for one in found.models)
    return page(
        f"Evaluation of {names}", f"{found.place}: {found.description}", sections, footer=footer
    )


def _figures(found: Evaluation) -> Iterator[Html]:
    yield tag("div", *(_headline(one) for one in found.models), class_="panels")
    shown = [name for name in found.models[0].figures if name in _NAMES]
    head = tag(
        "tr",
        tag("th", "", scope="col"),
        *(tag("th", one.name, class_="number", scope="col") for one in found.models),
    )
    rows = [
        tag(
            "tr",
            tag("th", _NAMES[name], scope="row"),
            *(tag("td", _text(one.figures.get(name)), class_="number") for one in found.models),
        )
        for name in shown
        if any(one.figures.get(name) is not None for one in found.models)
    ]
    asked = [("images asked about", found.images), ("without a label", found.unlabelled)]
    asked += [("that cannot be used", found.unusable)]
    about = "; ".join(f"{count:,} {name}" for name, count in asked if count)
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    yield tag("div", table, class_="panel block")
    yield tag("p", f"{about}.", class_="note block")
    for one in found.notes:
        yield tag("p", f"Note: {one}", class_="note")
    for model in found.models:
        for one in model.notes:
            yield tag("p", f"Note: {model.name}: {one}", class_="note")
        if model.failed:
            reasons = "; ".join(model.failures)
            told = f"{model.name}: {model.failed:,} images without an answer ({reasons})"
            yield tag("p", f"{told}; they count as wrong.", class_="note")


def _headline(one: ModelEvaluation) -> Html:
    value = one.figures.get(one.headline)
    low, high = (one.figures.get(f"{one.headline}_{end}") for end in ("low", "high"))
    interval = f"{low:.1%} to {high:.1%}, at 95% confidence" if low is not None and high else ""
    return tag(
        "div",
        tag("h3", one.name),
        tag("div", "none" if value is None else f"{value:.1%}", class_="headline"),
        tag("div", _NAMES[one.headline], class_="faint"),
        tag("div", interval, class_="faint"),
        class_="panel",
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _comparisons(found: Evaluation) -> Iterator[Html]:
    titles = ("model", "beside", "change", "95% interval", "p", "verdict")
    head = tag("tr", *(tag("th", one, scope="col") for one in titles))
    rows = (_comparison(one) for one in found.comparisons)
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
    yield tag("div", table, class_="panel")


def _comparison(one: ModelComparison) -> Html:
    badge = tag("span", one.verdict, class_="badge" if one.verdict == "better" else "badge warn")
    cells = (
        one.first,
        f"{one.change:+.3f} ({one.measure})",
        f"{one.low:+.3f} to {one.high:+.3f}",
        "" if one.p is None else f"{one.p:.2g}",
        badge,
    )
    return tag("tr", tag("th", one.second, scope="row"), *(tag("td", cell) for cell in cells))


def _worst(one: ModelEvaluation, thumbnails: Thumbnails) -> Iterator[Html]:
    yield tag("div", *(_shot(image, thumbnails) for image in one.worst), class_="grid")


def _shot(one: WorstImage, thumbnails: Thumbnails) -> Html:
    name = one.key.rpartition("/")[2]
    caption = joined(
        (
            tag("div", f"{one.expected} \u2192 {one.predicted}", class_="value"),
            tag("div", name, class_="name", title=one.key),
            tag("div", f"difference {one.difference:.2f}", class_="faint"),
        )
    )
    return tag(
        "figure",
        tag("div", thumbnails.image(one.key, name), class_="shot"),
        tag("figcaption", caption),
    )


def _classes(one: ModelEvaluation) -> Iterator[Html]:
    measure = next(name for name in ("recall", "ap", "iou") if name in one.classes[0])
    measure = "iou" if "iou" in one.classes[0] else measure
    ranked = sorted(one.classes, key=lambda row: (row[measure] is None, row[measure] or 0.0))
    yield tag("p", f"By {_title(measure)}, the worst first.", class_="note")
    names = [name for name in one.classes[0] if name not in ("class", "recall_low", "recall_high")]
    head = tag(
        "tr",
        tag("th", "class", scope="col"),
        tag("th", "", scope="col"),
        *(tag("th", _title(name), class_="number", scope="col") for name in names),
    )
    rows = [_class_row(row, names, measure) for row in ranked[:_MOST_ROWS]]
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="bars classes")
    yield tag("div", table, class_="panel scroll", tabindex=0, role="region", aria_label="Classes")
    if (more := len(ranked) - _MOST_ROWS) > 0:
        yield tag("p", f"and {more:,} more; --json has all", class_="note")


def _title(name: str) -> str:
    return {"ap": "AP", "ap50": "AP at 0.5", "iou": "IoU", "f1": "F1"}.get(name, name)


def _class_row(row: dict[str, Any], names: list[str], measure: str) -> Html:
    value, low, high = row[measure], row.get("recall_low"), row.get("recall_high")
    drawn = []
    if value is not None:
        told = f"{row['class']}: {_title(measure)} {value:.1%}"
        told += f" ({low:.1%} to {high:.1%})" if measure == "recall" and low is not None else ""
        drawn.append(
            tag(
                "rect",
                tag("title", told),
                class_="fill-accent",
                width=f"{100 * value:.2f}",
                height=1,
            )
        )
        if measure == "recall" and low is not None and high is not None:
            place = {"x": f"{100 * low:.2f}", "width": f"{100 * (high - low):.2f}"}
            drawn.append(tag("rect", class_="fill-text", y=0.42, height=0.16, **place))
    svg = tag("svg", *drawn, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
    cells = (tag("td", _text(row[name]), class_="number") for name in names)
    return tag("tr", tag("th", row["class"], scope="row"), tag("td", svg, class_="bar"), *cells)


def _confusion(told: dict[str, Any]) -> Iterator[Html]:
    names = told["classes"]
    columns = [*names, "another class"] if told["other"] else names
    yield from confusion_panels(names, columns, told["counts"])


def _calibration(one: ModelEvaluation) -> Iterator[Html]:
    error = one.figures.get("calibration_error")
    yield from calibration_panels(one.tables["calibration"], error)
