"""Groups of duplicates on a page: side by side, with their relations drawn and told."""

from collections.abc import Iterator, Mapping

from variegate.datasets.prepare.audit import Audit
from variegate.datasets.prepare.relations import GRADES, Grade, Relation
from variegate.reports.charts import bars
from variegate.reports.findings import Findings, Line
from variegate.reports.markup import Html, joined, tag
from variegate.reports.shots import MarkedPart, base_name, caption, shot, shown_key
from variegate.reports.thumbnails import Thumbnails

#: Of a group that have a thumbnail; the others are listed.
MOST_SHOTS = 6

# Of the longer side by which edges of a part may differ and be drawn as one.
_SAME_PART = 0.02

_PHRASES = {
    "bytes": "the same bytes",
    "pixels": "the same pixels",
    "again": "",
}
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
    "edit": "Groups with a part of an image, or one that is turned, mirrored, padded, captioned.",
    "again": "The same thing in another photo: no reason to remove one, but keep them on one side "
    "of a split.",
}


def group_blocks(found: Audit, shown: Findings, thumbnails: Thumbnails) -> Iterator[Html]:
    """Yield the groups grade by grade; those that need a look first."""
    if not found.groups and not found.again:
        yield tag("div", "No image is in it more than once.", class_="panel")
        return
    counts = {grade: one.images for grade, one in found.duplicates.items()}
    about = f"{found.groups:,} groups of duplicates, {found.again:,} of what was photographed again"
    yield grade_counts(about, counts, found.images)
    yield from graded_blocks(shown, thumbnails)


def grade_counts(heading: str, counts: Mapping[str, int], images: int) -> Html:
    """Return how many images were found by each grade."""
    rows = [(GRADE_NAMES[grade], counts[grade]) for grade in GRADES if counts.get(grade)]
    return tag("div", tag("h3", heading), bars(rows, images, color="other"), class_="panel")


def graded_blocks(shown: Findings, thumbnails: Thumbnails) -> Iterator[Html]:
    """Yield the groups grade by grade, without their counts."""
    for grade in ("edit", "copy", "pixels", "bytes", "again"):
        groups = shown.groups[grade]
        if not groups.seen:
            continue
        lines = groups.lines()
        heading = tag(
            "h3",
            GRADE_NAMES[grade].capitalize(),
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
    """Return the members of a group that have a thumbnail, the strongest edits first.

    What has the same pixels looks the same.
    """
    different = [one for one in line["members"] if one["grade"] not in ("bytes", "pixels")]
    different.sort(key=lambda one: (-GRADES.index(one["grade"]), one["part"] is None))
    return different[:MOST_SHOTS]


def _group(name: str, line: Line, shown: Findings, thumbnails: Thumbnails) -> Html:
    """Return a group: the image that represents it, and the others."""
    best, members, shots = line["representative"], line["members"], pictured(line)
    listed = [one for one in members if one not in shots]
    known = shown.members.get(best)
    size = (known["height"], known["width"]) if known else (1, 1)
    frames = _frames(name, shots, size) if known else []
    where = {number: frame.name for frame in frames for number in frame.numbers}
    figures = (
        _member(best, number, one, where.get(number), shown, thumbnails)
        for number, one in enumerate(shots, 1)
    )
    badge = tag("span", "representative", class_="badge")
    first = tag(
        "figure",
        shot(best, thumbnails, size=size, frames=frames),
        tag(
            "figcaption",
            tag("div", badge, *_differences(best, members, shown)),
            _about(best, shown),
        ),
    )
    others = [
        tag("ol", *figures) if shots else Html(""),
        tag("ul", *(_listed(best, one, shown) for one in listed)) if listed else Html(""),
    ]
    if line["count"] > len(members):
        others.append(tag("p", f"and {line['count'] - len(members):,} more", class_="note"))
    return tag("article", first, tag("div", *others), class_="group panel")


def _frames(name: str, shots: list[Line], size: tuple[int, int]) -> list[MarkedPart]:
    """Return the parts that members show; one frame for those that are nearly the same."""
    frames: list[MarkedPart] = []
    slack = _SAME_PART * max(size)
    for number, one in enumerate(shots, 1):
        if not one["part"]:
            continue
        part = tuple(one["part"])
        for frame in frames:
            if all(abs(a - b) <= slack for a, b in zip(frame.part, part, strict=True)):
                frame.numbers.append(number)
                break
        else:
            frames.append(MarkedPart(f"part-{name}-{number}", part, [number]))
    return frames


def _member(
    best: str,
    number: int,
    one: Line,
    frame: str | None,
    shown: Findings,
    thumbnails: Thumbnails,
) -> Html:
    """Return an image of a group beside the one that represents it."""
    badge = tag("span", number, class_="badge") if frame else Html("")
    told = tag("div", badge, _phrase(one), class_="value", title=_sentence(best, one))
    figure = tag(
        "figure",
        shot(one["key"], thumbnails),
        tag("figcaption", told, _about(one["key"], shown)),
    )
    return tag("li", figure, data_part=frame)


def _listed(best: str, one: Line, shown: Findings) -> Html:
    name = tag("span", base_name(one["key"]), title=_sentence(best, one))
    phrase = _phrase(one)
    return tag("li", name, phrase and f": {phrase}", _label(one["key"], shown))


def _phrase(one: Line) -> str:
    """Return the relation in words, without names."""
    if one["grade"] in _PHRASES:
        return _PHRASES[one["grade"]]
    words = list(one["words"])
    if one["part"]:
        x, y, width, height = one["part"]
        words.insert(0, f"the part of {width:,} × {height:,} at ({x:,}, {y:,})")
    return ", ".join(words) or "a copy"


def _sentence(best: str, one: Line) -> str:
    """Return the relation in words with both names, for those who point at it."""
    part = one["part"] and tuple(one["part"])
    relation = Relation(grade=one["grade"], words=tuple(one["words"]), part=part)
    return relation.sentence(shown_key(best), shown_key(one["key"]))


def _about(key: str, shown: Findings) -> Html:
    """Return name, size, class and split of an image, as far as they are known."""
    known = shown.members.get(key)
    about = caption(known) if known else tag("div", base_name(key), class_="name")
    return joined((about, _label(key, shown)))


def _label(key: str, shown: Findings) -> Html:
    known = shown.members.get(key, {})
    told = [known[name] for name in ("label", "split") if known.get(name) is not None]
    return tag("div", ", ".join(told), class_="faint") if told else Html("")


def _differences(best: str, members: list[Line], shown: Findings) -> Iterator[Html]:
    """Yield warnings: one image with two classes, or on two sides of a split."""
    keys = [best, *(one["key"] for one in members)]
    for name, words in (("label", "classes differ"), ("split", "in several splits")):
        if len({shown.members.get(key, {}).get(name) for key in keys}) > 1:
            yield tag("span", words, class_="badge warn")
