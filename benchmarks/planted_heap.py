"""The planted heap of the tests, prepared: what was found of what was planted."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from photos import data

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import planted
from variegate.datasets.prepare.audit import GROUPS
from variegate.datasets.prepare.prepare import prepare_dataset


class Found(NamedTuple):
    """Of one kind: how many were planted, how many found, and how many of those by their grade."""

    kind: str
    planted: int
    found: int
    graded: int


class _Groups:
    """What a preparation says of each file."""

    def __init__(self, audited: Path) -> None:
        self.group: dict[str, str] = {}
        self.grade: dict[str, str] = {}
        self.reason: dict[str, str] = {}
        for line in (audited / GROUPS).read_text().splitlines():
            one = json.loads(line)
            if one["group"] == "same":
                self.group[one["representative"]] = one["representative"]
                for member in one["members"]:
                    self.group[member["key"]] = one["representative"]
                    self.grade[member["key"]] = member["grade"]
        with (audited / "decisions.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                self.reason[row["file"]] = f"{row['decision']}: {row['reason']} {row['flags']}"

    def same(self, *files: str) -> bool:
        groups = {self.group.get(one) for one in files}
        return len(groups) == 1 and None not in groups

    def has_grade(self, grade: str, *files: str) -> bool:
        return {self.grade[one] for one in files if one in self.grade} == {grade}


def prepared(folder: Path, *, every: int = 1) -> dict[str, Any]:
    """Plant a heap, prepare it, and return what was found, the account, and false pairs."""
    heap = planted.plant(folder / "heap", data(), every=every)
    account = prepare_dataset(folder / "heap", folder / "clean")
    groups = _Groups(folder / "clean.audit")
    return {
        "found": list(_found(heap, groups)),
        "false": sum(
            heap.origins.get(one, one) != heap.origins.get(best, best)
            for one, best in groups.group.items()
            if one in heap.origins
        ),
        "images": sum(map(len, heap.made.values())),
        "files": account.inputs,
        "kept": account.kept,
    }


def _found(heap: planted.Planted, groups: _Groups) -> Iterator[Found]:
    for kind, made in heap.made.items():
        if kind == "cut off":
            hits = [groups.reason[one].startswith("quarantine: truncated") for _, one in made]
            yield Found(kind, len(made), sum(hits), sum(hits))
            continue
        hits = [groups.same(*pair) for pair in made]
        grade = planted.MADE[kind][0] if kind in planted.MADE else "bytes"
        right = [groups.same(*pair) and groups.has_grade(grade, *pair) for pair in made]
        if kind == "under a wrong extension":
            right = ["wrong extension" in groups.reason[one] for _, one in made]
        if kind == "in another class":
            right = ["several classes" in groups.reason[one] for _, one in made]
        yield Found(kind, len(made), sum(hits), sum(right))
    for name, sets in heap.sets.items():
        total = sum(len(one) - 1 for one in sets)
        hits = sum(groups.same(best, one) for best, *others in sets for one in others)
        yield Found(name, total, hits, hits)
