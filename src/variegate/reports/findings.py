"""What the page of an audit shows of its tables: read once, line by line, and bounded."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from variegate.datasets.prepare.audit import GROUPS, IMAGES
from variegate.datasets.prepare.flags import FLAGS
from variegate.datasets.prepare.relations import GRADES, Grade
from variegate.reports.charts import Histogram, linear, powers
from variegate.storage import Storage
from variegate.storage.json import loaded

Line = dict[str, Any]

# Of an input with a class for nearly every file no more classes are counted.
_MOST_LABELS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagMeasure:
    """By which measure the images of a flag are sorted.

    Attributes:
        name: in words.
        value: of a line of the table.
        text: writes a value.
        low: whether small values are the strong ones.
    """

    name: str
    value: Callable[[Line], float]
    text: Callable[[float], str]
    low: bool = False

    def strength(self, line: Line) -> float:
        """Return how strongly an image is what the flag says."""
        return -self.value(line) if self.low else self.value(line)


def longest(line: Line) -> float:
    """Return the longer side, pixels."""
    return max(line["height"], line["width"])


def aspect(line: Line) -> float:
    """Return longer over shorter side."""
    return longest(line) / min(line["height"], line["width"])


def _percent(value: float) -> str:
    return f"{value:.0%}"


#: The measure of every flag but those that have none.
FLAG_MEASURES = {
    "blank": FlagMeasure(
        name="entropy", value=lambda one: one["entropy"], text="{:.2f} bits".format, low=True
    ),
    "too dark": FlagMeasure(
        name="brightest 1%", value=lambda one: one["bright"], text="{:.2f}".format, low=True
    ),
    "too bright": FlagMeasure(
        name="darkest 1%", value=lambda one: one["dark"], text="{:.2f}".format
    ),
    "blurred": FlagMeasure(
        name="sharpness", value=lambda one: one["sharpness"], text="{:.3g}".format, low=True
    ),
    "odd size": FlagMeasure(name="longer side", value=longest, text="{:,.0f} px".format, low=True),
    "odd aspect": FlagMeasure(name="longer over shorter side", value=aspect, text="{:.1f}".format),
    "icon-like": FlagMeasure(name="longer side", value=longest, text="{:,.0f} px".format, low=True),
    "screenshot-like": FlagMeasure(name="flat", value=lambda one: one["flat"], text=_percent),
    "text banner": FlagMeasure(name="longer over shorter side", value=aspect, text="{:.1f}".format),
    "wrong extension": FlagMeasure(
        name="size of the file", value=lambda one: one["size"], text="{:,.0f} bytes".format
    ),
}


class Extremes:
    """The strongest of many, and those next to the threshold, in bounded memory."""

    def __init__(self, strong: int, weak: int) -> None:
        self._sizes = (strong, weak)
        self._heaps: tuple[list[tuple[float, int, Line]], ...] = ([], [])
        self.seen = 0

    def add(self, strength: float, line: Line) -> None:
        """Take one; of equal ones the first stay."""
        self.seen += 1
        for heap, size, sign in zip(self._heaps, self._sizes, (1, -1), strict=True):
            item = (sign * strength, -self.seen, line)
            if len(heap) < size:
                heapq.heappush(heap, item)
            elif size:
                heapq.heappushpop(heap, item)

    def lines(self) -> list[Line]:
        """Return what was kept, the strongest first."""
        strong, weak = self._heaps
        found = {-order: (-value, -order, line) for value, order, line in strong}
        found |= {-order: (value, -order, line) for value, order, line in weak}
        return [line for _, _, line in sorted(found.values(), key=lambda one: one[:2])]


def _distributions() -> dict[str, Histogram]:
    return {
        "longest": Histogram(powers(1, 65_536, 2**0.5)),
        "aspect": Histogram(powers(1 / 16, 16, 2**0.25)),
        "size": Histogram(powers(16, 2**30, 2)),
        "brightness": Histogram(linear(0, 1, 40)),
        "contrast": Histogram(linear(0, 0.5, 40)),
        "sharpness": Histogram(powers(1, 100_000, 10**0.125)),
        "quality": Histogram(linear(0, 100, 20)),
    }


@dataclass(slots=True)
class Findings:
    """What the page shows.

    Attributes:
        clean, flagged, duplicates: images that are neither; that are flagged, and no duplicate; and
            that are a duplicate of another that represents them.
        flags: images of each.
        left: quarantined and skipped files, by status, the first of them.
        labels, splits: images by class and split; classes by split.
        labels_cut: there are more classes than are counted.
        distributions: by measure.
        groups: of duplicates that are shown, by their weakest grade.
        members: lines of the images in those groups, by key.
    """

    clean: int = 0
    flagged: int = 0
    duplicates: int = 0
    flags: dict[str, Extremes] = field(default_factory=dict)
    left: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    labels_cut: bool = False
    distributions: dict[str, Histogram] = field(default_factory=_distributions)
    groups: dict[Grade, Extremes] = field(default_factory=dict)
    members: dict[str, Line] = field(default_factory=dict)


def findings(
    output: Storage, *, most_flagged: int, most_listed: int, most_groups: int, most_members: int
) -> Findings:
    """Read the tables of an audit.

    Args:
        output: where they are.
        most_flagged: thumbnails of a flag.
        most_listed: files that are quarantined or skipped, each.
        most_groups: of a grade.
        most_members: of a group.
    """
    weak = most_flagged // 3
    found = Findings(
        flags={name: Extremes(most_flagged - weak, weak) for name in FLAGS},
        left={"quarantined": [], "skipped": []},
        groups={grade: Extremes(most_groups, 0) for grade in GRADES},
    )
    for line in _lines(output, GROUPS):
        # Large groups first; the grade that tells most is the last.
        grade = max((one["grade"] for one in line["members"]), key=GRADES.index)
        line["count"] = len(line["members"])
        line["members"] = line["members"][:most_members]
        found.groups[grade].add(line["count"], line)
    wanted = _keys(found)
    for line in _lines(output, IMAGES):
        if line["status"] != "image":
            listed = found.left[line["status"]]
            if len(listed) < most_listed:
                listed.append((line["key"], line.get("reason", "")))
            continue
        _count(found, line)
        if line["key"] in wanted:
            found.members[line["key"]] = line
    return found


def _count(found: Findings, line: Line) -> None:
    """Take an image into all counts."""
    if line.get("group", line["key"]) != line["key"]:
        found.duplicates += 1
    elif line["flags"]:
        found.flagged += 1
    else:
        found.clean += 1
    for name in line["flags"]:
        found.flags[name].add(FLAG_MEASURES[name].strength(line), line)
    if (label := line.get("label")) is not None:
        if label in found.labels or len(found.labels) < _MOST_LABELS:
            found.labels[label] += 1
        else:
            found.labels_cut = True
    if (split := line.get("split")) is not None:
        found.splits[split] += 1
    shown = found.distributions
    shown["longest"].add(longest(line))
    shown["aspect"].add(line["width"] / line["height"])
    for name in ("size", "brightness", "contrast", "sharpness", "quality"):
        if (value := line.get(name)) is not None:
            shown[name].add(value)


def _keys(found: Findings) -> set[str]:
    """Return the keys of all images in the groups that are shown."""
    lines = [line for kept in found.groups.values() for line in kept.lines()]
    keys = {one["key"] for line in lines for one in line["members"]}
    return keys | {line["representative"] for line in lines}


def _lines(output: Storage, key: str) -> Iterator[Line]:
    with output.open_read(key) as file:
        for text in file:
            yield loaded(text)
