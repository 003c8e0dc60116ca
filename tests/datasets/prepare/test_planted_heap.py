"""A heap of four real sets with planted copies, edits and faults, in known numbers: all found."""

import csv
import json
import re
from collections import Counter

import pytest

import planted
from variegate import Options
from variegate.datasets.prepare.audit import GROUPS
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.reports.groups import GRADE_NAMES
from variegate.reports.prepare import PAGE, write_preparation_page


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    return planted.plant(tmp_path_factory.mktemp("planted") / "heap", data_dir, every=26)


@pytest.fixture(scope="module")
def account(heap):
    clean = heap.folder.with_name("clean")
    made = prepare_dataset(heap.folder, clean, options=Options(workers=0))
    write_preparation_page(made, heap.folder, clean.with_name("clean.audit"))
    return made


@pytest.fixture(scope="module")
def decided(heap, account):
    table = heap.folder.with_name("clean.audit") / "decisions.csv"
    with table.open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_every_file_is_accounted_for(heap, account):
    files = sum(path.is_file() for path in heap.folder.rglob("*"))
    assert account.inputs == files
    parts = (account.kept, account.duplicates, account.quarantined, account.skipped)
    assert sum(parts) + account.left_out == files


@pytest.mark.parametrize("kind", [*planted.MADE, *planted.FILED])
def test_every_planted_kind_is_found(heap, decided, kind):
    assert heap.made[kind]
    for original, made in heap.made[kind]:
        one, other = decided[original], decided[made]
        if kind == "cut off":
            assert other["decision"] == "quarantine"
            assert "truncated" in other["reason"]
            continue
        assert one["group"] == other["group"] != ""
        if kind == "in another class":
            assert {one["decision"], other["decision"]} == {"quarantine"}
            assert "several classes" in one["reason"]
            continue
        assert sorted((one["decision"], other["decision"])) == ["keep", "remove"]
        if kind == "under a wrong extension":
            assert other["flags"] == "wrong extension"
            assert one["decision"] == "keep"


def test_sets_that_show_the_same_are_groups(heap, decided):
    for sets in heap.sets.values():
        for files in sets:
            (group,) = {decided[one]["group"] for one in files}
            # The best may be another one that shows the same, such as a lossless one.
            members = [
                row["decision"]
                for row in decided.values()
                if row["group"] == group and row["grade"] != "again"
            ]
            assert members.count("keep") == 1


def test_no_group_holds_strangers(heap, account):
    assert account.kept
    lines = (heap.folder.with_name("clean.audit") / GROUPS).read_text().splitlines()
    for group in map(json.loads, lines):
        if group["group"] == "same":
            keys = [group["representative"], *(one["key"] for one in group["members"])]
            assert len({heap.origins.get(key, key.split("/")[0]) for key in keys}) == 1


def test_the_report_counts_what_was_planted(heap, account, decided):
    audited = heap.folder.with_name("clean.audit")
    report = json.loads((audited / "prepare.json").read_text())
    page = (audited / PAGE).read_text()
    made = {kind: len(pairs) for kind, pairs in heap.made.items()}
    expected = Counter(bytes=sum(made[one] for one in planted.FILED if one != "cut off"))
    for kind, (grade, _) in planted.MADE.items():
        expected[grade] += made[kind]
    # What the messy sets bring of their own is known only as a whole.
    theirs = Counter(
        row["grade"] for key, row in decided.items() if key.startswith(("turned/", "odd/"))
    )
    found = report["grades"]
    planted_ones = {grade: found[grade] - theirs[grade] for grade in found}
    # Of a JPEG file that another decoder saved as PNG some pixels may be one step away.
    assert planted_ones["pixels"] >= 1
    planted_ones["copy"] += planted_ones.pop("pixels") - expected.pop("pixels")
    assert {grade: planted_ones[grade] for grade in expected} == expected
    for grade in ("bytes", "pixels", "copy", "edit"):
        assert _bar(page, GRADE_NAMES[grade]) == found[grade]
    assert report["reasons"]["set aside by decision"] == 2 * made["in another class"]
    assert report["reasons"]["truncated JPEG"] >= made["cut off"]
    assert report["flags"]["wrong extension"] >= made["under a wrong extension"]
    assert _bar(page, "wrong extension") == report["flags"]["wrong extension"]
    for text in ("mirrored", "half size", "truncated JPEG", "several classes"):
        assert text in page
    assert f"{account.duplicates:,}" in page


def _bar(page, name):
    """Return the count that stands beside a name."""
    found = re.search(rf">{name}<.*?>([0-9,]+)<", page, re.DOTALL)
    return int(found[1].replace(",", ""))
