"""The manifest: parts, gaps, the merged table, and what it says in sum."""

import hashlib
import json
import tracemalloc
from itertools import pairwise

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import InputError
from variegate.runs import manifest
from variegate.runs.rows import Counts, Row
from variegate.storage import open_storage

KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
STRAY = st.binary(min_size=1, max_size=8).map(lambda data: data.decode("utf-8", "surrogateescape"))


def output_row(source, variant, size=10, **changes):
    digest = hashlib.sha256(f"{source} {variant}".encode()).hexdigest()
    fields = {
        "source": source,
        "key": f"a/{source}.png",
        "status": "output",
        "label": "a",
        "variant": variant,
        "name": "flip",
        "operations": "[]",
        "source_sha256": digest,
        "output": f"a/{source}-v{variant:02}.png",
        "sha256": digest,
        "bytes": size,
        "height": 3,
        "width": 4,
    }
    return Row(**fields | changes)


def quarantined_row(source, reason="empty file"):
    return Row(source=source, key=f"a/{source}.png", status="quarantined", reason=reason)


@pytest.fixture
def storage(tmp_path):
    return open_storage(tmp_path / "out", create=True)


@settings(max_examples=200)
@given(key=KEYS | STRAY, label=st.none() | KEYS | STRAY, reason=st.none() | KEYS)
def test_a_row_survives_its_line(key, label, reason):
    row = Row(source=1, key=key, status="skipped", label=label, reason=reason)
    line = json.dumps(row.to_fields()).encode("utf-8")
    assert Row.from_fields(json.loads(line)) == row


def test_a_part_holds_the_rows_that_were_written(storage):
    rows = [output_row(3, 0), output_row(3, 1), quarantined_row(4)]
    key = manifest.write_part(storage, 3, 5, rows)
    assert key == manifest.part_key(3, 5)
    assert list(manifest.read_part(storage, key)) == rows


@given(
    cuts=st.sets(st.integers(0, 30), max_size=12),
    done=st.sets(st.integers(0, 12)),
    total=st.integers(0, 31),
)
@settings(max_examples=60)
def test_gaps_are_what_no_part_covers(tmp_path_factory, cuts, done, total):
    storage = open_storage(tmp_path_factory.mktemp("parts"))
    ends = sorted({0, total, *(cut for cut in cuts if cut < total)})
    ranges = list(pairwise(ends))
    covered = set()
    for index, (start, stop) in enumerate(ranges):
        if index in done:
            manifest.write_part(storage, start, stop, [])
            covered |= set(range(start, stop))
    missing = [
        number for start, stop in manifest.gaps(storage, total) for number in range(start, stop)
    ]
    assert missing == sorted(set(range(total)) - covered)


def test_of_two_parts_with_one_source_the_first_counts(storage):
    manifest.write_part(storage, 0, 1, [quarantined_row(0)])
    manifest.write_part(storage, 0, 3, [output_row(0, 0), output_row(1, 0), output_row(2, 0)])
    manifest.write_part(storage, 1, 3, [output_row(1, 0), output_row(2, 0)])
    assert [(row.source, row.status) for row in manifest.part_rows(storage)] == [
        *((0, "quarantined"), (1, "output"), (2, "output"))
    ]
    assert list(manifest.gaps(storage, 5)) == [(3, 5)]


@given(data=st.data())
@settings(max_examples=60)
def test_however_parts_overlap_every_source_counts_once(tmp_path_factory, data):
    storage = open_storage(tmp_path_factory.mktemp("parts"))
    covered = set()
    for _ in range(data.draw(st.integers(0, 8))):
        start = data.draw(st.integers(0, 19))
        stop = data.draw(st.integers(start + 1, 20))
        rows = [output_row(source, 0) for source in range(start, stop)]
        manifest.write_part(storage, start, stop, rows)
        covered |= set(range(start, stop))
    assert [row.source for row in manifest.part_rows(storage)] == sorted(covered)
    missing = {n for start, stop in manifest.gaps(storage, 20) for n in range(start, stop)}
    assert missing == set(range(20)) - covered
    told = sum(part.counts(storage).sources for part in manifest.parts(storage))
    assert told == len(covered)


def test_the_counts_of_a_part_are_read_without_its_rows(storage):
    rows = [output_row(3, 0), output_row(3, 1), quarantined_row(4)]
    key = manifest.write_part(storage, 3, 5, rows)
    first, _, _ = storage.read(key).partition(b"\n")
    storage.write(key, first + b"\nno rows at all")
    assert manifest.read_counts(storage, key) == Counts.of(rows)


def test_merged_rows_are_those_of_the_parts_in_order(storage):
    rows = [output_row(source, variant) for source in range(9) for variant in range(2)]
    rows.insert(0, quarantined_row(0, 'a "quoted" reason,\nin two lines \\ with \x07'))
    for start, stop in ((6, 9), (0, 4), (4, 6)):
        manifest.write_part(storage, start, stop, [r for r in rows if start <= r.source < stop])
    manifest.merge(storage)
    assert list(manifest.rows(storage)) == rows
    assert list(manifest.parts(storage))
    manifest.delete_parts(storage)
    assert not list(manifest.parts(storage))


def test_the_bytes_do_not_depend_on_the_parts(tmp_path):
    rows = [output_row(source, 0) for source in range(100)]
    made = set()
    for step in (1, 7, 100):
        storage = open_storage(tmp_path / str(step), create=True)
        for start in range(0, 100, step):
            stop = min(start + step, 100)
            manifest.write_part(storage, start, stop, rows[start:stop])
        manifest.merge(storage)
        made.add(storage.read(manifest.MANIFEST))
    assert len(made) == 1


def test_many_rows_make_several_groups(storage):
    rows = [output_row(source, 0) for source in range(4_500)]
    manifest.write_part(storage, 0, 4_500, rows)
    manifest.merge(storage)
    with storage.open_read(manifest.MANIFEST) as file:
        assert pq.ParquetFile(file).num_row_groups == 3
    assert list(manifest.rows(storage)) == rows
    assert manifest.totals(storage) == manifest.Totals(
        Counts.of(rows), manifest.summed(rows, {}).digest
    )


def test_a_manifest_without_rows(storage):
    manifest.merge(storage)
    assert list(manifest.rows(storage)) == []
    assert manifest.totals(storage).counts == Counts()


def test_pandas_and_duckdb_read_the_same_table(storage, tmp_path):
    rows = [output_row(0, 0), output_row(0, 1, 25), quarantined_row(1)]
    manifest.write_part(storage, 0, 2, rows)
    manifest.merge(storage)
    path = tmp_path / "out/manifest.parquet"
    table = pd.read_parquet(path)
    assert list(table["status"]) == ["output", "output", "quarantined"]
    assert table["bytes"].sum() == 35
    found = duckdb.sql(f"select key, reason from '{path}' where status = 'quarantined'").fetchall()
    assert found == [("a/1.png", "empty file")]


def test_counts_add_up():
    rows = [output_row(0, 0, 5), output_row(0, 1, 7), quarantined_row(1)]
    rows.append(Row(source=2, key="x", status="skipped", reason="not an image"))
    rows.append(output_row(3, 0, 11, status="copied"))
    counts = Counts.of(rows)
    assert counts == Counts(augmented=1, copied=1, quarantined=1, skipped=1, outputs=3, bytes=23)
    assert counts.sources == 4
    twice = Counts.of(rows)
    twice.add(counts)
    assert (twice.sources, twice.bytes) == (8, 46)
    assert counts.without_outputs() == Counts(augmented=1, copied=1, quarantined=1, skipped=1)


def test_the_digest_depends_on_names_contents_and_order():
    rows = [output_row(0, 0), output_row(1, 0)]
    others = [
        rows[::-1],
        rows[:1],
        [output_row(0, 0, output="b.png"), rows[1]],
        [output_row(0, 0, sha256="0" * 64), rows[1]],
    ]
    assert len({manifest.summed(one, {}).digest for one in [rows, *others]}) == 5
    assert (
        manifest.summed([*rows, quarantined_row(2)], {}).digest == manifest.summed(rows, {}).digest
    )


def test_no_manifest_is_said_in_one_sentence(storage):
    for ask in (lambda: next(manifest.rows(storage)), lambda: manifest.totals(storage)):
        with pytest.raises(InputError, match="is it a finished output of variegate"):
            ask()


def test_merging_holds_a_group_not_all_rows(storage):
    def peak(count):
        for start in range(0, count, 500):
            part = (output_row(source, 0) for source in range(start, start + 500))
            manifest.write_part(storage, start, start + 500, part)
        tracemalloc.start()
        manifest.merge(storage)
        for _ in manifest.rows(storage):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(3_000), peak(24_000)
    assert large < small * 1.2
