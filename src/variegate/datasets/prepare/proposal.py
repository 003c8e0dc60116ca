"""What is proposed to become of every image, by rule.

Of a group that shows the same (bytes, pixels, copy, edit) one image stays, in the class that more
than half of them have: one with annotations before one without, one of the test set before one for
training, so that no test set changes; then the largest, the least compressed, the largest file, the
first by name. Of files with the same pixels it is one whose name says its kind, and the smallest.
Where no class has more than half, all of them are quarantined: which is right is for a person to
say. What shows the same as an image that another audit knows is removed, if one was named. What was
photographed again stays. Flagged images stay, but for the flags that are to be
dropped. What cannot be read is quarantined.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from variegate.datasets.prepare.audit import GROUPS, IMAGES, KNOWN
from variegate.datasets.prepare.decisions import FLAGGED, KNOWN_ALREADY, Decision
from variegate.datasets.prepare.flags import FLAGS
from variegate.errors import RecipeError, did_you_mean
from variegate.runs import manifest
from variegate.runs.rows import Row
from variegate.storage import Storage, key_from_text, key_to_text, printable
from variegate.storage.json import loaded

_SPLITS = ("test", "val", None, "train")
# Of files that are not JPEG.
_LOSSLESS = 101


def dropped_flags(text: str) -> tuple[str, ...]:
    """Return the flags that a list with commas names; "too-dark" is "too dark".

    Raises:
        RecipeError: there is no such flag.
    """
    known = {_comparable(name): name for name in FLAGS}
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if _comparable(name) not in known:
            raise RecipeError(
                f"--drop {name}: expected {', '.join(FLAGS)}{did_you_mean(name, list(FLAGS))}"
            )
    return tuple(known[_comparable(name)] for name in names)


def _comparable(name: str) -> str:
    return name.lower().replace("-", " ").replace("_", " ")


class _Relation(NamedTuple):
    """To which image one is related, by which grade, and how."""

    group: str
    grade: str
    sentence: str


class _Member(NamedTuple):
    """What counts of an image of a group."""

    key: str
    label: str | None
    dropped: str
    pixels: int
    represents: bool
    rank: tuple[Any, ...]
    is_twin: bool
    rank_of_twins: tuple[Any, ...]


class _Verdict(NamedTuple):
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is removed by itself, whatever else shows the same.

    Attributes:
        drop: flags.
        known: images that another audit knows, each with its relation in words.
    """

    drop: Collection[str]
    known: Mapping[str, str]

    def dropped(self, line: dict[str, Any]) -> str:
        """Return why an image is removed; "" where it is not."""
        if sentence := self.known.get(line["key"]):
            return f"{KNOWN_ALREADY}{sentence}"
        found = [flag for flag in line.get("flags", ()) if flag in self.drop]
        return f"{FLAGGED}{', '.join(found)}" if found else ""


@dataclass(slots=True)
class _Groups:
    """Groups of an audit; what is no duplicate and of no group takes no memory."""

    same: dict[str, _Relation] = field(default_factory=dict)
    again: dict[str, _Relation] = field(default_factory=dict)

    @classmethod
    def read(cls, audited: Storage) -> "_Groups":
        found = cls()
        with audited.open_read(GROUPS) as lines:
            for line in lines:
                group = loaded(line)
                relations = found.same if group["group"] == "same" else found.again
                best = group["representative"]
                grade = "again" if group["group"] == "again" else ""
                relations[best] = _Relation(best, grade, "")
                for one in group["members"]:
                    relations[one["key"]] = _Relation(best, one["grade"], one["sentence"])
        return found


def proposed(
    audited: Storage, drop: Collection[str], *, against: bool = False
) -> Iterator[Decision]:
    """Yield a decision for every image, and every file that should be one, in order.

    Args:
        audited: the tables of an audit.
        drop: flags; what has one is removed.
        against: what the audit found to be known already is removed.
    """
    groups, rules = _Groups.read(audited), _Rules(drop, _known(audited) if against else {})
    members: dict[str, list[_Member]] = {}
    for row, line in _table(audited):
        if (relation := groups.same.get(line["key"])) and "kind" in line:
            members.setdefault(relation.group, []).append(_member(row, line, relation, rules))
    verdicts: dict[str, _Verdict] = {}
    for group in members.values():
        verdicts.update(_verdicts(group))
    for row, line in _table(audited):
        if row.status != "skipped":
            yield _decision(row, line, groups, verdicts, rules)


def _known(audited: Storage) -> dict[str, str]:
    """Return images that are known already, each with its relation in words."""
    with audited.open_read(KNOWN) as lines:
        found = map(loaded, lines)
        return {one["key"]: one["sentence"] for one in found if one["grade"] != "again"}


def _table(audited: Storage) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield the rows of the audit's manifest, each with its line of the table of images."""
    with audited.open_read(IMAGES) as lines:
        for row, line in zip(manifest.rows(audited), lines, strict=True):
            yield row, loaded(line)


def _decision(
    row: Row,
    line: dict[str, Any],
    groups: _Groups,
    verdicts: dict[str, _Verdict],
    rules: _Rules,
) -> Decision:
    key, label = line["key"], key_to_text(row.label or "")
    relation = groups.same.get(key) or groups.again.get(key)
    if row.status == "quarantined":
        verdict = _Verdict("quarantine", row.reason or "")
    elif key in verdicts:
        verdict = verdicts[key]
    elif why := rules.dropped(line):
        verdict = _Verdict("remove", why)
    else:
        verdict = _Verdict("keep", "")
    return Decision(
        file=key,
        group=relation.group if relation else "",
        grade=relation.grade if relation else "",
        relation=relation.sentence if relation else "",
        flags=", ".join(line.get("flags", ())),
        label=label,
        decision=verdict.decision,
        class_decided=label if verdict.decision == "keep" else "",
        reason=verdict.reason,
    )


def _member(row: Row, line: dict[str, Any], relation: _Relation, rules: _Rules) -> _Member:
    quality = line.get("quality")
    first = (not row.objects, _SPLITS.index(row.split) if row.split in _SPLITS else len(_SPLITS))
    rank = (
        *first,
        -line["height"] * line["width"],
        -(_LOSSLESS if quality is None else quality),
        -line["size"],
        line["key"],
    )
    # Of the same pixels as the representative, whatever the file says of its compression.
    is_twin = relation.grade in ("", "bytes", "pixels")
    of_twins = (*first, not line["extension_fits"], line["size"], line["key"])
    return _Member(
        key=line["key"],
        label=row.label,
        dropped=rules.dropped(line),
        pixels=line["height"] * line["width"],
        represents=relation.grade == "",
        rank=rank,
        is_twin=is_twin,
        rank_of_twins=of_twins,
    )


def _verdicts(group: list[_Member]) -> Iterator[tuple[str, _Verdict]]:
    """Yield what becomes of each image of a group."""
    for one in group:
        if one.dropped:
            yield one.key, _Verdict("remove", one.dropped)
    left = [one for one in group if not one.dropped]
    votes = Counter(one.label for one in left if one.label is not None)
    winner, most = votes.most_common(1)[0] if votes else (None, 0)
    if len(votes) > 1 and 2 * most <= votes.total():
        found = ", ".join(f"{printable(name)}: {count:,}" for name, count in sorted(votes.items()))
        why = f"the same image in several classes, none with more than half: {found}"
        yield from ((one.key, _Verdict("quarantine", why)) for one in left)
        return
    candidates = [one for one in left if one.label == winner]
    if not candidates:
        return
    # Larger than the one that represents them: that one enlarged, or with a margin.
    most_pixels = next((one.pixels for one in group if one.represents), 0)
    best = min(candidates, key=lambda one: (*one.rank[:2], one.pixels > most_pixels, *one.rank[2:]))
    if best.is_twin:
        twins = (one for one in candidates if one.is_twin)
        best = min(twins, key=lambda one: one.rank_of_twins)
    agreed = f"; class {printable(winner)} by {most:,} of {votes.total():,}" if winner else ""
    for one in left:
        if one is best:
            said = f"the best of {len(left):,} that show the same" if len(left) > 1 else ""
            reason = said + (agreed if len(votes) > 1 else "")
            yield one.key, _Verdict("keep", reason)
            continue
        shown = printable(key_from_text(best.key))
        outvoted = one.label is not None and one.label != winner
        reason = f"shows what {shown} shows, which is kept" + (agreed if outvoted else "")
        yield one.key, _Verdict("remove", reason)
