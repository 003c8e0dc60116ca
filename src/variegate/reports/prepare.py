"""The page of a preparation: what came in, went out and was set aside, and what it is now."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from variegate.datasets.prepare.account import Account
from variegate.datasets.prepare.decisions import DECISIONS
from variegate.datasets.prepare.leaks import Leak, LeakOptions, LeakReport, leaks
from variegate.datasets.prepare.selection import LEFT_OUT
from variegate.datasets.prepare.statistics import DatasetStatistics, stats
from variegate.reports.audit import (
    MOST_BYTES,
    MOST_GROUPS,
    MOST_MEMBERS,
    MOST_THUMBNAILS,
    and_more,
)
from variegate.reports.charts import bars, stacked
from variegate.reports.findings import Findings, findings
from variegate.reports.groups import grade_counts, graded_blocks
from variegate.reports.markup import Html, joined, tag
from variegate.reports.page import Section, page
from variegate.reports.shots import base_name, shot
from variegate.reports.thumbnails import Thumbnails
from variegate.runs import manifest
from variegate.runs.run import Options
from variegate.storage import key_to_text, open_storage

#: The page, beside the audit and the decisions.
PAGE = "prepare.html"

_MOST_SHOWN = 200
_MOST_CLASSES = 100


@dataclass(slots=True)
class SetAside:
    """Files that are not in the clean dataset, the first of them, each with its reason.

    Attributes:
        quarantined: they cannot be read, or have no one class.
        left_out: removed by a flag or by hand.
    """

    quarantined: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What the page shows.

    Attributes:
        account: what became of every file.
        aside: what is not in the clean dataset.
        shown: groups of duplicates in the heap.
        figures: of the clean dataset; None where nothing is left.
        leaks: between its splits; None where there are none to compare.
    """

    account: Account
    aside: SetAside
    shown: Findings
    figures: DatasetStatistics | None
    leaks: LeakReport | None


def write_preparation_page(
    account: Account,
    source: str | Path,
    audit_folder: str | Path,
    *,
    options: Options | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of a preparation beside its audit.

    Args:
        account: what the preparation returned.
        source: the heap; thumbnails are made of its images.
        audit_folder: with the tables of the audit.
        options: how the heap is decoded.
        on_progress: told how many images of the clean dataset of how many were counted.
    """
    options, folder = options or Options(), open_storage(audit_folder)
    figures, found = None, None
    if account.kept:
        figures = stats(account.output, on_progress=on_progress)
        if len([name for name in figures.images if name]) > 1:
            found = leaks(account.output, options=LeakOptions())
    shown = findings(
        folder,
        most_flagged=0,
        most_listed=0,
        most_groups=MOST_GROUPS,
        most_members=MOST_MEMBERS,
    )
    thumbnails = Thumbnails(
        open_storage(source),
        options.hints.decoding(options.limits),
        most=MOST_THUMBNAILS,
        most_bytes=MOST_BYTES,
    )
    made = Preparation(account, _aside(account), shown, figures, found)
    with folder.open_write(PAGE) as file:
        for piece in preparation_page(made, thumbnails):
            file.write(piece.encode())


def _aside(account: Account) -> SetAside:
    found = SetAside()
    for row in manifest.rows(open_storage(account.output)):
        if row.status == "quarantined":
            listed = found.quarantined
        elif row.status == "skipped" and (row.reason or "").startswith(LEFT_OUT):
            listed = found.left_out
        else:
            continue
        if len(listed) < _MOST_SHOWN:
            listed.append((key_to_text(row.key), row.reason or ""))
    return found


def preparation_page(made: Preparation, thumbnails: Thumbnails) -> Iterator[str]:
    """Yield the page in pieces."""
    account, figures = made.account, made.figures
    sections = [Section("account", "What came in, what went out", _account(account))]
    if account.quarantined:
        intro = "Files that are not in the clean dataset. Nothing was changed in the heap."
        blocks = _aside_cards(made.aside.quarantined, account.quarantined, thumbnails)
        sections.append(Section("quarantine", "Quarantined", blocks, intro))
    if account.left_out:
        blocks = _aside_cards(made.aside.left_out, account.left_out, thumbnails)
        sections.append(Section("removed", "Removed by a flag or by hand", blocks))
    if account.duplicates:
        intro = (
            "Images of the heap that show the same. Which one is kept, and why, stands in "
            f"{DECISIONS}; edit it, and give it with --decisions to the same command."
        )
        heading = "Images of the heap that show what another one shows"
        counts = grade_counts(heading, account.grades, account.inputs)
        blocks = chain([counts], graded_blocks(made.shown, thumbnails))
        sections.append(Section("duplicates", "Duplicates", blocks, intro))
    if figures is not None:
        sections.append(Section("splits", "Classes and splits", _splits(account, figures)))
        sections.append(Section("channels", "Mean and deviation", _channels(figures)))
        sections.append(Section("sizes", "Sizes", _sizes(figures)))
    if made.leaks is not None:
        sections.append(Section("leaks", "Leaks", _leaks(made.leaks)))
    footer = f"Made by variegate prepare. Digest of the dataset: {account.digest}"
    return page(
        f"Preparation of {account.place}", f"into {account.output}", sections, footer=footer
    )


def _account(found: Account) -> Iterator[Html]:
    parts = [
        ("kept", found.kept, "good"),
        ("removed: another file shows the same", found.duplicates, "other"),
        ("removed by a flag or by hand", found.left_out, "warn"),
        ("quarantined", found.quarantined, "bad"),
        ("skipped: not images", found.skipped, "quiet"),
    ]
    rows = [
        _row(joined((tag("span", class_=f"swatch fill-{color}"), name)), count, found.inputs)
        for name, count, color in parts
    ]
    rows.append(_row("files of the heap", found.inputs, found.inputs, class_="sum"))
    about = ", ".join(f"{name}: {count:,}" for name, count, _ in parts)
    encoded = found.kept - found.as_they_were
    kept = f"Of {found.kept:,} images that are kept, {encoded:,} were encoded anew."
    table = tag("table", tag("tbody", *rows))
    yield tag("div", tag("p", kept), stacked(parts, about), table, class_="panel")
    for one in found.notes:
        yield tag("p", f"Note: {one}", class_="note block")
    if found.reasons:
        reasons = bars(found.reasons.items(), found.quarantined, color="bad")
        yield tag("div", tag("h3", "Why files were quarantined"), reasons, class_="panel block")
    if flags := [one for one in found.flags.items() if one[1]]:
        flagged = bars(flags, found.inputs, color="warn")
        yield tag("div", tag("h3", "Flags in the heap"), flagged, class_="panel block")


def _row(name: object, count: int, total: int, *, class_: str | None = None) -> Html:
    share = f"{count / total:.1%}" if total else ""
    cells = (tag("td", cell, class_="number") for cell in (f"{count:,}", share))
    return tag("tr", tag("th", name, scope="row"), *cells, class_=class_)


def _aside_cards(
    listed: list[tuple[str, str]], total: int, thumbnails: Thumbnails
) -> Iterator[Html]:
    """Yield a card for each file: its thumbnail, where there is one, name and reason."""
    cards = (
        tag(
            "figure",
            shot(key, thumbnails),
            tag(
                "figcaption",
                tag("div", base_name(key), class_="name"),
                tag("div", reason, class_="faint"),
            ),
        )
        for key, reason in listed
    )
    yield tag(
        "div",
        tag("div", *cards, class_="grid"),
        and_more(total - len(listed), f"; {DECISIONS} has all"),
        class_="panel block",
    )


def _splits(account: Account, figures: DatasetStatistics) -> Iterator[Html]:
    """Yield the table of classes: in the heap, in the clean dataset, and by split."""
    splits = [name for name in figures.images if name]
    titles = ["class", "in the heap", "kept", "share", *splits]
    rows = []
    for name, one in list(figures.classes.items())[:_MOST_CLASSES]:
        before = account.classes.get(name)
        cells = [f"{before.found:,}" if before else "", f"{one.images:,}", f"{one.share:.1%}"]
        cells += [f"{one.by_split.get(split, 0):,}" for split in splits]
        rows.append([name, *cells])
    if figures.unlabelled:
        rows.append(["no class", "", f"{figures.unlabelled:,}", "", *("" for _ in splits)])
    total = sum(figures.images.values())
    kept = [f"{total:,}", "100%", *(f"{figures.images[split]:,}" for split in splits)]
    rows.append(["images", "", *kept])
    more = and_more(len(figures.classes) - _MOST_CLASSES, " classes; variegate stats --json")
    said = (
        "It has no splits yet; variegate split makes them, and keeps together what belongs "
        "together."
    )
    note = Html("") if splits else tag("p", said, class_="note")
    yield tag("div", _table(titles, rows), more, note, class_="panel")


def _channels(figures: DatasetStatistics) -> Iterator[Html]:
    rows = [
        [name, f"{one.images:,}", f"{one.pixels:,}", _numbers(one.mean), _numbers(one.std)]
        for name, one in (("all", figures.channels), *figures.by_split.items())
        if one is not None
    ]
    told = tag("p", tag("code", figures.normalize or ""), class_="note")
    titles = ["", "images", "pixels", "mean", "deviation"]
    yield tag("div", _table(titles, rows), told, class_="panel")


def _numbers(values: Sequence[float]) -> str:
    # Gray images have three equal ones.
    shown = values[:1] if len(set(values)) == 1 else values
    return " ".join(f"{one:.4f}" for one in shown)


def _sizes(figures: DatasetStatistics) -> Iterator[Html]:
    total = sum(figures.images.values())
    panels = (
        tag("div", tag("h3", title), bars(counts.items(), total), class_="panel")
        for title, counts in (
            ("Longer side, pixels", figures.longest_side),
            ("Width by height", figures.aspect),
            ("Most frequent, width x height", figures.sizes),
        )
    )
    yield tag("div", *panels, class_="panels")


def _leaks(found: LeakReport) -> Iterator[Html]:
    rows = [
        [one.grade, f"{one.count:,}", f"{one.images:,}", "; ".join(map(_files, one.examples[:3]))]
        for one in found.grades
    ]
    word = "Nothing stands on two sides." if not found.leaks else "It stands on two sides:"
    table = _table(["grade", "sets", "images", "such as"], rows)
    yield tag("div", tag("p", word), table, class_="panel")


def _files(leak: Leak) -> str:
    return " | ".join(f"{side}: {', '.join(files)}" for side, files in leak.files.items())


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    head = tag(
        "tr",
        tag("th", titles[0], scope="col"),
        *(tag("th", one, scope="col", class_="number") for one in titles[1:]),
    )
    body = (
        tag(
            "tr",
            tag("th", row[0], scope="row", style="min-width: 6rem"),
            *(tag("td", cell, class_="number") for cell in row[1:]),
        )
        for row in rows
    )
    table = tag("table", tag("thead", head), tag("tbody", *body))
    # What scrolls must be reached by keyboard.
    return tag(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label=titles[0] or "figures"
    )
