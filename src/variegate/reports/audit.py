"""The page of an audit: what came in, what is usable, what is odd, and what is there twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

from variegate.datasets.prepare.audit import IMAGES, KNOWN, Audit
from variegate.datasets.prepare.flags import FLAGS
from variegate.reports.charts import bars, chart, stacked
from variegate.reports.findings import FLAG_MEASURES, Findings, Line, findings
from variegate.reports.groups import group_blocks, pictured
from variegate.reports.labels import known_block, label_blocks
from variegate.reports.markup import Html, joined, tag
from variegate.reports.page import Section, page
from variegate.reports.shots import base_name, caption, shot, shown_key, size_text
from variegate.reports.thumbnails import Thumbnails
from variegate.runs.run import Options
from variegate.storage import open_storage

#: The page, beside the tables.
PAGE = "audit.html"

MOST_FLAGGED, MOST_LISTED, MOST_GROUPS, MOST_MEMBERS = 24, 2_000, 20, 26
MOST_THUMBNAILS, MOST_BYTES = 800, 12 * 2**20
_MOST_BARS = 40


def write_audit_page(
    found: Audit,
    source: str | Path,
    output: str | Path,
    *,
    options: Options | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of an audit beside its tables.

    Args:
        found: what the audit returned.
        source: the heap; thumbnails are made of its images.
        output: where the tables are, and the page is written to.
        options: how images are decoded.
        on_progress: told how many thumbnails of how many are made.
    """
    options, storage = options or Options(), open_storage(output)
    shown = findings(
        storage,
        most_flagged=MOST_FLAGGED,
        most_listed=MOST_LISTED,
        most_groups=MOST_GROUPS,
        most_members=MOST_MEMBERS,
    )
    lines = [one for kept in shown.groups.values() for one in kept.lines()]
    total = sum(1 + len(pictured(one)) for one in lines)
    total += sum(len(kept.lines()) for kept in shown.flags.values())

    def on_made(made: int) -> None:
        if on_progress:
            on_progress(made, max(made, total))

    thumbnails = Thumbnails(
        open_storage(source),
        options.hints.decoding(options.limits),
        most=MOST_THUMBNAILS,
        most_bytes=MOST_BYTES,
        on_made=on_made,
    )
    with storage.open_write(PAGE) as file:
        for piece in audit_page(found, shown, thumbnails):
            file.write(piece.encode())


def audit_page(found: Audit, shown: Findings, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the page in pieces."""
    sections = [Section("account", "What came in", _account(found, shown))]
    if found.quarantined or found.skipped:
        title, intro = (
            ("Quarantined", "Files of which no image can be read. Nothing was changed or removed.")
            if found.quarantined
            else ("Skipped", "Files that are not images.")
        )
        sections.append(Section("quarantine", title, _left(found, shown), intro))
    intro = (
        "Each group is around one image that represents it, the largest that is not another one "
        "enlarged or padded; the others are related to it directly. A frame marks the part that "
        "another image shows."
    )
    sections.append(
        Section("duplicates", "Duplicates", group_blocks(found, shown, thumbnails), intro)
    )
    intro = "A flag is a hint, not a verdict. --threshold NAME=VALUE sets a threshold."
    sections.append(Section("flags", "Flags", _flags(found, shown, thumbnails), intro))
    sections.append(Section("files", "Files and sizes", _files(found, shown)))
    if found.against is not None:
        known = sum(one.images for one in found.against.found.values())
        intro = (
            f"{known:,} images show what one of {found.against.images:,} images of "
            f"{found.against.place} shows, which were audited before. {KNOWN} has all."
        )
        sections.append(Section("known", "Known already", known_block(found.against), intro))
    if found.labels is not None:
        sections.append(Section("labels", "Annotations", label_blocks(found.labels)))
    if shown.labels or shown.splits:
        sections.append(Section("classes", "Classes", _classes(found, shown)))
    sections.append(Section("measures", "Measures", _measures(found, shown)))
    footer = f"Made by variegate audit. All figures are in {IMAGES}, groups.jsonl and audit.json."
    return page(f"Audit of {found.place}", found.description, sections, footer=footer)


def _account(found: Audit, shown: Findings) -> Iterator[Html]:
    parts = [
        ("without a remark", shown.clean, "good"),
        ("flagged", shown.flagged, "warn"),
        ("duplicates of another image", shown.duplicates, "other"),
        ("quarantined", found.quarantined, "bad"),
        ("skipped: not images", found.skipped, "quiet"),
    ]
    total = found.images + found.quarantined + found.skipped
    rows = []
    for name, count, color in parts:
        swatch = tag("span", class_=f"swatch fill-{color}")
        share = f"{count / total:.1%}" if total else ""
        rows.append(_row(joined((swatch, name)), f"{count:,}", share))
    rows.append(_row("files", f"{total:,}", "100%" if total else "", class_="sum"))
    about = ", ".join(f"{name}: {count:,}" for name, count, _ in parts)
    flagged = f"{shown.flagged:,} of them flagged" if shown.flagged else "none of them flagged"
    usable = (
        f"{found.images:,} of {total:,} files are images that can be read. With one image of each "
        f"group of duplicates, {found.images - shown.duplicates:,} remain, {flagged}."
    )
    yield tag(
        "div",
        tag("p", usable),
        stacked(parts, about),
        tag("table", tag("tbody", *rows)),
        class_="panel",
    )
    for one in found.notes:
        yield tag("p", f"Note: {one}", class_="note block")


def _row(name: object, *cells: str, class_: str | None = None) -> Html:
    written = (tag("td", cell, class_="number") for cell in cells)
    return tag("tr", tag("th", name, scope="row"), *written, class_=class_)


def _left(found: Audit, shown: Findings) -> Iterator[Html]:
    reasons = list(found.reasons.items())
    if found.quarantined:
        rest = and_more(len(reasons) - _MOST_BARS, " reasons")
        yield tag(
            "div", bars(reasons[:_MOST_BARS], found.quarantined, color="bad"), rest, class_="panel"
        )
    for status, total in (("quarantined", found.quarantined), ("skipped", found.skipped)):
        if not total:
            continue
        rows = [
            tag("tr", tag("th", shown_key(key), scope="row"), tag("td", reason))
            for key, reason in shown.left[status]
        ]
        head = tag("tr", tag("th", "file", scope="col"), tag("th", "reason", scope="col"))
        table = tag("table", tag("thead", head), tag("tbody", *rows), class_="listed")
        # What scrolls must be reached by keyboard.
        scroll = tag(
            "div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{status} files"
        )
        summary = tag("summary", f"{total:,} {status} files")
        more = and_more(total - len(rows), f"; {IMAGES} has all")
        yield tag(
            "details", summary, scroll, more, class_="panel block", open=status == "quarantined"
        )


def and_more(count: int, where: str = "") -> Html:
    """Say how many are not shown; nothing where that is none."""
    return tag("p", f"and {count:,} more{where}", class_="note") if count > 0 else Html("")


def _flags(found: Audit, shown: Findings, thumbnails: Thumbnails) -> Iterator[Html]:
    raised = [(name, count) for name, count in found.flags.items() if count]
    if not raised:
        yield tag("div", "No image is flagged.", class_="panel")
        return
    yield tag("div", bars(raised, found.images, color="warn"), class_="panel")
    for number, (name, count) in enumerate(raised):
        measure, lines = FLAG_MEASURES[name], shown.flags[name].lines()
        levels = ", ".join(f"{one}={found.thresholds[one]:g}" for one in FLAGS[name])
        grid = f"flag-{number}"
        about = f"by {measure.name}" + (f"; threshold {levels}" if levels else "")
        order = _sorts(name, grid) if len(lines) > 1 else Html("")
        heading = tag("h3", name, " ", tag("span", f"{count:,}", class_="count"))
        cards = (_flag_card(name, one, thumbnails) for one in lines)
        more = " of them; the strongest and those next to the threshold are shown"
        yield tag(
            "div",
            tag("div", heading, tag("p", about, class_="note"), order, class_="title"),
            tag("div", *cards, class_="grid", id=grid),
            and_more(count - len(lines), more),
            class_="block panel",
        )


def _sorts(name: str, grid: str) -> Html:
    orders = {
        "strong": "strongest first",
        "weak": "weakest first",
        "small": "smallest first",
        "large": "largest first",
        "name": "name",
    }
    options = (tag("option", text, value=value) for value, text in orders.items())
    select = tag(
        "select", *options, data_sorts=grid, aria_label=f"Order of {name}", autocomplete="off"
    )
    return tag("label", "Order: ", select, hidden=True)


def _flag_card(flag: str, line: Line, thumbnails: Thumbnails) -> Html:
    measure = FLAG_MEASURES[flag]
    value = f"{measure.name} {measure.text(measure.value(line))}"
    if flag == "wrong extension":
        value = f"is {line['kind']}"
    return tag(
        "figure",
        shot(line["key"], thumbnails),
        tag("figcaption", tag("div", value, class_="value"), caption(line)),
        data_strength=f"{measure.strength(line):.6g}",
        data_name=base_name(line["key"]),
        data_pixels=line["height"] * line["width"],
    )


def _files(found: Audit, shown: Findings) -> Iterator[Html]:
    modes = dict(found.modes)
    if found.turned:
        modes["stored turned or mirrored (EXIF)"] = found.turned
    types, colors = (bars(one.items(), found.images) for one in (found.kinds, modes))
    kinds = tag(
        "div", tag("h3", "File types"), types, tag("h3", "Colors"), colors, class_="panel tall"
    )
    sizes = shown.distributions
    charts = [
        chart(sizes["longest"].trimmed(), "Longer side, pixels", text=_whole),
        chart(sizes["aspect"].trimmed(), "Width over height", text="{:.2g}".format),
        chart(sizes["size"].trimmed(), "File size", text=size_text),
    ]
    if sizes["quality"].total:
        charts.append(chart(sizes["quality"], "JPEG quality", text="{:.0f}".format))
    yield tag("div", kinds, *charts, class_="panels")


def _classes(found: Audit, shown: Findings) -> Iterator[Html]:
    panels = []
    if shown.labels:
        listed = shown.labels.most_common()
        listed.sort(key=lambda item: (-item[1], item[0]))
        title = f"{len(listed):,} classes"
        rest = listed[_MOST_BARS:]
        more = and_more(len(rest), f" classes, with {sum(count for _, count in rest):,} images")
        cut = tag("p", "There are more; they are not counted.", class_="note")
        panels.append(
            tag(
                "div",
                tag("h3", title),
                bars(listed[:_MOST_BARS], found.images),
                more,
                cut if shown.labels_cut else Html(""),
                class_="panel",
            )
        )
    if shown.splits:
        splits = bars(shown.splits.most_common(), found.images)
        panels.append(tag("div", tag("h3", "Splits"), splits, class_="panel"))
    yield tag("div", *panels, class_="panels")


def _measures(found: Audit, shown: Findings) -> Iterator[Html]:
    levels = found.thresholds
    short = "{:.2g}".format
    sharp = shown.distributions["sharpness"].trimmed()
    blurred = {"blurred": levels["blurred"]}
    yield tag(
        "div",
        chart(shown.distributions["brightness"], "Brightness", text=short),
        chart(shown.distributions["contrast"], "Contrast", text=short),
        chart(sharp, "Sharpness", text=_whole, marks=blurred),
        class_="panels",
    )


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.0f}k"
