"""Groups of duplicates on a page: side by side, with their relations drawn and told."""

from collections.abc import Iterator

from variegate.datasets.prepare.audit import Audit
from variegate.datasets.prepare.relations import GRADES, Grade, Relation
from variegate.reports.charts import bars
from variegate.reports.findings import Findings, Line
from variegate.reports.markup import Html, tag
from variegate.reports.shots import Part, base_name, caption, shot, shown_key
from variegate.reports.thumbnails import Thumbnails

#: Of a group that have a thumbnail; the others are listed.
MOST_SHOTS = 6

GRADE_NAMES: dict[Grade, str] = {
    "bytes": "identical bytes",
    "pixels": "identical pixels",
    "copy": "copies",
    "edit": "edits",
    "again": "photographed again",
}
_INTROS: dict[Grade, str] = {
    "bytes": "The same file, more than once.",
    "pixels": "The same pixels in different files.",
    "copy": "All of an image, at another size, compressed again, brightened or blurred.",
    "edit": "A part of an image; or turned, mirrored, padded, captioned.",
    "again": "The same object or scene in another photo: no reason to remove one, but they "
    "belong on one side of a split.",
}


def group_blocks(found: Audit, shown: Findings, thumbnails: Thumbnails) -> Iterator[Html]:
    """Yield the groups grade by grade; those that need a look first."""
    if not found.groups and not found.again:
        yield tag("div", "No image is in it more than once.", class_="panel")
        return
    counts = [(GRADE_NAMES[g], found.duplicates[g].images) for g in GRADES]
    about = f"{found.groups:,} groups of duplicates, {found.again:,} of what was photographed again"
    table = bars([one for one in counts if one[1]], found.images, color="other")
    yield tag("div", tag("h3", about), table, class_="panel")
    for grade in ("edit", "copy", "pixels", "bytes", "again"):
        groups = shown.groups[grade]
        if not groups.seen:
            continue
        lines = groups.lines()
        heading = tag(
            "h3",
            f"Groups with {GRADE_NAMES[grade]}",
            " ",
            tag("span", f"{groups.seen:,}", class_="count"),
        )
        yield tag("div", heading, tag("p", _INTROS[grade], class_="note"), class_="title block")
        blocks = (_group(f"{grade}-{n}", one, shown, thumbnails) for n, one in enumerate(lines))
        yield tag("div", *blocks, class_="groups")
        if groups.seen > len(lines):
            yield tag(
                "p",
                f"and {groups.seen - len(lines):,} more groups; groups.jsonl has all",
                class_="note block",
            )


def pictured(line: Line) -> list[Line]:
    """Return the members of a group that have a thumbnail: what has the same pixels looks the same."""
    return [one for one in line["members"] if one["grade"] not in ("bytes", "pixels")][:MOST_SHOTS]


def _group(name: str, line: Line, shown: Findings, thumbnails: Thumbnails) -> Html:
    """Return a group: the image that represents it, and the others."""
    best = line["representative"]
    members: list[Line] = line["members"]
    shots = pictured(line)
    listed = [one for one in members if one not in shots]
    parts: list[Part] = []
    figures = []
    for one in shots:
        part = one["part"] and f"part-{name}-{len(parts) + 1}"
        if part:
            parts.append((part, tuple(one["part"])))
        figures.append(_member(best, one, part, len(parts), shown, thumbnails))
    known = shown.members.get(best)
    size = (known["height"], known["width"]) if known else (1, 1)
    words = tag("span", "representative", class_="badge")
    about = caption(known) if known else tag("div", base_name(best), class_="name")
    first = tag(
        "figure",
        shot(best, thumbnails, size=size, parts=parts if known else ()),
        tag("figcaption", words, *_differences(best, members, shown), about, _label(best, shown)),
    )
    others = [
        tag("ol", *figures) if figures else Html(""),
        tag("ul", *(_listed(best, one, shown) for one in listed)) if listed else Html(""),
    ]
    if line["count"] > len(members):
        others.append(tag("p", f"and {line['count'] - len(members):,} more", class_="note"))
    return tag("article", first, tag("div", *others), class_="group panel")


def _member(
    best: str, one: Line, part: str | None, number: int, shown: Findings, thumbnails: Thumbnails
) -> Html:
    """Return an image of a group beside the one that represents it."""
    key, known = one["key"], shown.members.get(one["key"])
    badge = tag("span", f"part {number}", class_="badge") if part else Html("")
    about = caption(known) if known else tag("div", base_name(key), class_="name")
    figure = tag(
        "figure",
        shot(key, thumbnails),
        tag("figcaption", badge, about, _label(key, shown), tag("div", _sentence(best, one))),
    )
    return tag("li", figure, data_part=part, tabindex=0 if part else None)


def _listed(best: str, one: Line, shown: Findings) -> Html:
    label = _label(one["key"], shown)
    return tag("li", tag("span", _sentence(best, one), title=shown_key(one["key"])), label)


def _sentence(best: str, one: Line) -> str:
    """Return the relation in words, without folders where the names differ."""
    names = base_name(best), base_name(one["key"])
    if names[0] == names[1]:
        names = shown_key(best), shown_key(one["key"])
    part = one["part"] and tuple(one["part"])
    relation = Relation(grade=one["grade"], words=tuple(one["words"]), part=part)
    return relation.sentence(*names)


def _label(key: str, shown: Findings) -> Html:
    """Return class and split of an image, where they are known."""
    known = shown.members.get(key, {})
    told = [known[name] for name in ("label", "split") if known.get(name) is not None]
    return tag("div", ", ".join(told), class_="faint") if told else Html("")


def _differences(best: str, members: list[Line], shown: Findings) -> Iterator[Html]:
    """Yield warnings: one image with two classes, or on two sides of a split."""
    keys = [best, *(one["key"] for one in members)]
    for name, words in (("label", "classes differ"), ("split", "in several splits")):
        if len({shown.members.get(key, {}).get(name) for key in keys}) > 1:
            yield tag("span", words, class_="badge warn")
