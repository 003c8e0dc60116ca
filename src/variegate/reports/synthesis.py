"""The page of a synthesis: results beside their sources, what was drawn, and what a model says."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from variegate.codecs import Limits
from variegate.errors import OutputError
from variegate.formats.base import counted
from variegate.reports.captions import caption, from_operations
from variegate.reports.markup import Html, joined, tag
from variegate.reports.page import Section, page
from variegate.reports.shots import shown_key
from variegate.reports.thumbnails import Thumbnails
from variegate.runs.estimate import evenly
from variegate.runs.output import open_output, read_manifest
from variegate.storage import open_storage
from variegate.tolerance.synthesis import SynthesisSummary

MOST_SHOWN = 60
MOST_BYTES = 8 * 2**20
_MOST_REJECTED = 100
_BINS = 10

Line = Mapping[str, Any]


def write_synthesis_page(
    made: SynthesisSummary, path: Path, *, source: str | Path, limits: Limits | None = None
) -> None:
    """Write the page of a finished synthesis.

    Args:
        made: what came out.
        path: of the page.
        source: the dataset.
        limits: for decoding.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(synthesis_page(made, source=source, limits=limits))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def synthesis_page(
    made: SynthesisSummary, *, source: str | Path, limits: Limits | None = None
) -> Iterator[str]:
    """Yield the page in pieces."""
    output = made.run.output
    about = read_manifest(
        output, columns=["status", "predicted_error", "rejected"], where={"status": ["output"]}
    )
    errors = [one for one in about["predicted_error"].to_pylist() if one is not None]
    sections = [Section("figures", "Figures", _figures(made, errors))]
    intro = "Each result stands beside its source. They are evenly spread over all results."
    shots = _shots(made, str(source), about.num_rows, limits or Limits())
    sections.append(Section("results", "Results", shots, intro))
    if made.rejected:
        intro = "Draws whose predicted error the filter does not allow; their files were not kept."
        sections.append(Section("rejected", "Rejected", _rejected(output), intro))
    return page(
        "Synthesized images",
        f"{source}: {made.run.format}",
        sections,
        footer="Made by variegate synthesize. The manifest holds this of all results.",
    )


def _figures(made: SynthesisSummary, errors: list[float]) -> Iterator[Html]:
    panels = [_panel(f"{made.made:,}", f"results of {made.wanted:,} that were wanted")]
    if made.rejected:
        panels.append(_panel(f"{made.rejected:,}", "draws rejected"))
    if errors:
        mean = sum(errors) / len(errors)
        panels.append(_panel(f"{mean:.1%}", "mean predicted error"))
    yield tag("div", *panels, class_="panels")
    if errors:
        yield tag("div", _histogram(errors), class_="panel block")
    for one in made.run.notes:
        yield tag("p", f"Note: {one}", class_="note")


def _panel(value: str, words: str) -> Html:
    return tag(
        "div",
        tag("div", value, class_="headline"),
        tag("div", words, class_="faint"),
        class_="panel",
    )


def _histogram(errors: list[float]) -> Html:
    """Return how many results have which predicted error."""
    counts = [0] * _BINS
    for error in errors:
        counts[min(_BINS - 1, int(error * _BINS))] += 1
    rows = [
        tag(
            "tr",
            tag("th", f"{n / _BINS:.1f} to {(n + 1) / _BINS:.1f}", scope="row"),
            tag("td", _bar(count, max(counts)), class_="bar"),
            tag("td", f"{count:,}", class_="number"),
        )
        for n, count in enumerate(counts)
    ]
    head = tag(
        "tr",
        tag("th", "predicted error", scope="col"),
        tag("th", "", scope="col"),
        tag("th", "results", class_="number", scope="col"),
    )
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="bars")


def _bar(count: int, most: int) -> Html:
    width = f"{100 * count / max(1, most):.2f}"
    drawn = tag("rect", tag("title", f"{count:,}"), class_="fill-accent", width=width, height=1)
    return tag("svg", drawn, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")


def _shots(made: SynthesisSummary, source: str, total: int, limits: Limits) -> Iterator[Html]:
    bounds: dict[str, Any] = {"most": MOST_SHOWN, "most_bytes": MOST_BYTES // 2}
    if not total:
        yield tag("p", "Nothing was made.", class_="note")
        return
    before = Thumbnails(open_storage(source), limits, **bounds)
    after = Thumbnails(open_output(made.run.output), limits, **bounds)
    names = read_manifest(made.run.output, columns=["output"], where={"status": ["output"]})
    chosen = names.take(evenly(MOST_SHOWN, total))["output"].to_pylist()
    columns = ["key", "output", "label", "operations", "predicted", "predicted_error"]
    rows = read_manifest(made.run.output, columns=columns, where={"output": chosen}).to_pylist()
    yield tag("div", *(_pair(row, before, after) for row in rows), class_="grid pairs")


def _pair(row: Line, before: Thumbnails, after: Thumbnails) -> Html:
    key, output = shown_key(row["key"]), shown_key(row["output"])
    name = output.rpartition("/")[2]
    lines = [tag("div", caption(from_operations(json.loads(row["operations"] or "[]"))))]
    lines.append(tag("div", name, class_="name faint", title=output))
    if row["label"] is not None:
        lines.append(tag("div", f"label: {shown_key(row['label'])}", class_="faint"))
    if row["predicted"] is not None:
        lines.append(tag("div", f"model: {row['predicted']}", class_="faint"))
    if row["predicted_error"] is not None:
        wrong = row["predicted_error"] >= 0.5
        text = f"predicted error {row['predicted_error']:.2f}"
        lines.append(tag("span", text, class_="badge warn" if wrong else "badge"))
    shots = (
        tag("div", before.image(key, "source"), class_="shot"),
        tag("div", after.image(output, name), class_="shot"),
    )
    return tag("figure", tag("div", *shots, class_="pair"), tag("figcaption", joined(lines)))


def _rejected(output: str) -> Iterator[Html]:
    told = read_manifest(output, columns=["key", "rejected"])
    titles = ("source", "variant", "drawn", "model", "predicted error")
    head = tag("tr", *(tag("th", one, scope="col") for one in titles))
    rows, total = list[Html](), 0
    for batch in told.to_batches():
        for row in batch.to_pylist():
            for one in json.loads(row["rejected"] or "[]"):
                total += 1
                if len(rows) < _MOST_REJECTED:
                    rows.append(_rejected_row(row["key"], one))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
    yield tag("div", table, class_="panel scroll", tabindex=0, role="region", aria_label="Rejected")
    if total > len(rows):
        more = counted(total - len(rows), "further one", "further ones")
        yield tag("p", f"and {more}; see the manifest", class_="note")


def _rejected_row(key: str, one: Line) -> Html:
    error = "none" if one["error"] is None else f"{one['error']:.2f}"
    cells = (one["variant"], caption(from_operations(one["operations"])), one["predicted"], error)
    return tag(
        "tr", tag("th", shown_key(key), scope="row"), *(tag("td", str(cell)) for cell in cells)
    )
