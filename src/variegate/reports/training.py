"""The page of a training: what the model is worth, what it gets wrong, how it learned."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from variegate.codecs import Limits
from variegate.reports.epochs import lines
from variegate.reports.markup import Html, tag
from variegate.reports.matrix import calibration_panels, confusion_panels
from variegate.reports.page import Section, page
from variegate.reports.shots import base_name, shown_key
from variegate.reports.thumbnails import Thumbnails
from variegate.storage import key_to_text, open_storage
from variegate.training.checkpoint import write_whole
from variegate.training.export import Exported
from variegate.training.scores import HeldOutScores, WrongAnswer
from variegate.training.train import Training

#: Beside the model.
PAGE = "training.html"
# On a phone the table is scrolled, and no name broken into letters.
_NAME = "min-width:7rem"
MOST_THUMBNAILS, MOST_BYTES, MOST_OF_CLASS = 400, 8 * 2**20, 24


def write_training_page(done: Training, output: str | Path, *, limits: Limits) -> None:
    """Write the page of a training into its folder."""
    thumbnails = Thumbnails(
        open_storage(done.place), limits, most=MOST_THUMBNAILS, most_bytes=MOST_BYTES
    )
    text = "".join(training_page(done, thumbnails))
    write_whole(Path(output) / PAGE, text.encode("utf-8", "backslashreplace"))


def training_page(done: Training, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the page in pieces."""
    scores, part = done.scores, done.held_out
    intro = (
        f"Of the {scores.images:,} images of {part}, which the model did not learn from."
        if part == "test"
        else "Of val. There is no test part, and val chose the epoch: a little too good."
    )
    sections = [
        Section("result", "Result", _result(done), intro),
        Section("classes", "Classes", _classes(scores)),
        Section(
            "confusion",
            "Confusion",
            confusion_panels(done.classes, done.classes, scores.confusion),
            "A row is what an image is, a column what it is taken for.",
        ),
        Section("curves", "Learning", _curves(done), "The dashed line is the epoch that is kept."),
        Section("calibration", "Calibration", _calibration(scores)),
        Section("wrong", "Wrong answers", _wrong(scores, thumbnails), _about_wrong(scores)),
        Section("origin", "How it was made", _origin(done)),
    ]
    subtitle = (
        f"{done.chosen.backbone} on {done.place}: {len(done.classes)} classes, accuracy "
        f"{scores.accuracy:.1%}"
    )
    yield from page("Training", subtitle, sections, footer="Made by variegate train.")


def _result(done: Training) -> Iterator[Html]:
    scores = done.scores
    low, high = scores.interval
    rows = [
        ("accuracy", f"{scores.accuracy:.1%} (95% interval {low:.1%} to {high:.1%})"),
        ("macro F1", f"{scores.macro_f1:.2f}"),
        ("loss", f"{scores.loss:.3f}"),
        ("calibration error", f"{scores.calibration_error:.3f}"),
        ("lowest recall", ", ".join(scores.worst) or "every class has all right"),
        *(_exported(one) for one in (done.exported, done.int8) if one is not None),
    ]
    yield _pairs(rows)
    notes = [*done.notes]
    notes += (
        f"left out: {one.count:,} x {kind}, such as {one.examples[0]}"
        for kind, one in done.left_out.items()
    )
    if done.skipped:
        notes.append(
            f"the recipe could not work on {len(done.skipped):,} images, such as "
            f"{next(iter(done.skipped))}; others took their place"
        )
    if notes:
        yield tag("ul", *(tag("li", one) for one in notes), class_="block")


def _exported(one: Exported) -> tuple[str, str]:
    cost = f", accuracy {-100 * one.accuracy_cost:+.1f} points" if one.accuracy_cost else ""
    told = (
        f"{one.bytes / 1e6:.1f} MB ({one.lambda_share:.1%} of what a Lambda function may be); "
        f"probabilities at most {one.difference:.2g} from PyTorch's on {one.images} images{cost}"
    )
    return Path(one.path).name, told


def _pairs(rows: list[tuple[str, str]]) -> Html:
    body = (
        tag("tr", tag("th", name, scope="row", style=_NAME), tag("td", value))
        for name, value in rows
    )
    return tag("div", tag("table", tag("tbody", *body), class_="listed"), class_="panel")


def _classes(scores: HeldOutScores) -> Iterator[Html]:
    titles = ("class", "precision", "recall", "95% interval", "F1", "images")
    head = tag(
        "tr", *(tag("th", one, class_="number" if n else None) for n, one in enumerate(titles))
    )
    rows = []
    for one in scores.classes:
        interval = one.recall_interval
        cells = (
            _two(one.precision),
            _two(one.recall),
            "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
            f"{one.f1:.2f}" if one.support else "",
            f"{one.support:,}",
        )
        row = (tag("td", cell, class_="number") for cell in cells)
        rows.append(tag("tr", tag("th", one.name, scope="row", style=_NAME), *row))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
    yield tag(
        "div", table, class_="panel scroll", tabindex="0", role="region", aria_label="Classes"
    )


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _curves(done: Training) -> Iterator[Html]:
    history = done.history
    losses = (
        ("train, augmented", [one.loss for one in history], "quiet"),
        ("val", [one.val_loss for one in history], "accent"),
    )
    accuracies = (
        ("train, augmented", [one.accuracy for one in history], "quiet"),
        ("val", [one.val_accuracy for one in history], "accent"),
    )
    yield tag(
        "div",
        lines("Accuracy", accuracies, low=0, high=1, mark=done.best),
        lines("Loss", losses, low=0, mark=done.best),
        class_="panels",
    )


def _calibration(scores: HeldOutScores) -> Iterator[Html]:
    yield from calibration_panels([asdict(one) for one in scores.bins], scores.calibration_error)


def _about_wrong(scores: HeldOutScores) -> str:
    if not scores.wrong_count:
        return "None."
    return f"{scores.wrong_count:,} of {scores.images:,}, by class, the surest first."


def _wrong(scores: HeldOutScores, thumbnails: Thumbnails) -> Iterator[Html]:
    for name, found in groupby(scores.wrong, key=lambda one: one.label):
        listed = list(found)
        shown = listed[:MOST_OF_CLASS]
        title = tag(
            "div",
            tag("h3", name, " ", tag("span", f"{len(listed):,}", class_="count")),
            class_="title",
        )
        figures = (_figure(one, thumbnails) for one in shown)
        more = len(listed) - len(shown)
        note = (tag("p", f"and {more:,} more; see training.json", class_="note"),) if more else ()
        yield tag("div", title, tag("div", *figures, class_="grid"), *note, class_="block")


def _figure(one: WrongAnswer, thumbnails: Thumbnails) -> Html:
    key = key_to_text(one.key)
    image = tag("div", thumbnails.image(one.key, base_name(key)), class_="shot")
    caption = tag(
        "figcaption",
        tag("div", "taken for ", tag("span", one.answer, class_="value")),
        tag("div", f"{one.probability:.0%} sure", class_="faint"),
        tag("div", base_name(key), class_="name faint", title=shown_key(key)),
    )
    return tag("figure", image, caption)


def _origin(done: Training) -> Iterator[Html]:
    chosen = done.chosen.model_dump(mode="json", exclude_defaults=True)
    images = ", ".join(f"{part} {count:,}" for part, count in done.images.items())
    rows = [
        ("images", images),
        ("begun from", done.begun_from),
        ("epochs", f"{len(done.history)}, the weights of epoch {done.best + 1} are kept"),
        ("recipe", str(done.recipe.get("description") or done.recipe["variants"])),
        *((name.replace("_", " "), str(value)) for name, value in chosen.items()),
    ]
    yield _pairs(rows)
