"""How far a run is, by what it has written."""

import os
import time

import pytest

import jobs
from variegate import Options, augment, status
from variegate.errors import InputError
from variegate.runs import manifest
from variegate.runs.rows import Counts
from variegate.runs.status import Observer
from variegate.storage import LocalStorage, open_storage


class Stop(Exception):  # noqa: N818 - no error
    """Ends a run in its middle."""


def stopped_run(source, output, *, after):
    """Start a run and stop it when so many inputs are done."""

    def stop(progress):
        if progress.counts.sources >= after:
            raise Stop

    options = Options(workers=0, shard_size=2)
    with pytest.raises(Stop):
        augment(source, output, recipe=jobs.recipe(), options=options, on_progress=stop)


@pytest.fixture
def source(tmp_path):
    jobs.draw_set(tmp_path / "in", 19)
    next((tmp_path / "in").iterdir()).joinpath("broken.jpg").write_bytes(b"no image")
    return tmp_path / "in"


def test_a_run_from_its_middle_to_its_end(source, tmp_path):
    output = tmp_path / "out"
    stopped_run(source, output, after=8)
    observer = Observer(output)
    found = observer.look()
    storage = open_storage(output)
    rows = list(manifest.part_rows(storage))
    assert not found.finished
    assert found.total == 20
    assert found.counts == Counts.of(rows)
    # A shard in flight is told of, and has no part yet.
    assert 6 <= found.counts.sources < 20
    summary = augment(source, output, recipe=jobs.recipe(), options=Options(workers=0))
    ended = observer.look()
    assert ended.finished
    assert ended.counts == summary.counts
    assert ended.counts.quarantined == 1
    assert ended.digest == summary.digest
    assert status(output) == ended


def test_rate_and_time_left_follow_from_the_times_of_the_parts(source, tmp_path):
    output = tmp_path / "out"
    stopped_run(source, output, after=8)
    paths = sorted((output / ".variegate/parts").iterdir())
    now = time.time()
    for number, path in enumerate(reversed(paths)):
        os.utime(path, (now - 30 - 10 * number,) * 2)
    found = status(output)
    # Two inputs every ten seconds.
    assert found.rate == pytest.approx(0.2)
    assert found.remaining_s == pytest.approx((20 - found.counts.sources) / 0.2)
    assert found.silent_s == pytest.approx(30, abs=5)
    # What was before a long break says nothing about how fast it goes now.
    os.utime(paths[0], (now - 9_000,) * 2)
    assert status(output).rate == pytest.approx(0.2)


def test_an_observer_reads_every_part_once_and_no_rows(source, tmp_path, monkeypatch):
    output = tmp_path / "out"
    stopped_run(source, output, after=8)
    opened = []
    whole = LocalStorage.open_read

    def counted(self, key):
        opened.append(key)
        return whole(self, key)

    monkeypatch.setattr(LocalStorage, "open_read", counted)
    observer = Observer(output)
    first = observer.look()
    parts = [key for key in opened if key.endswith(".jsonl")]
    assert len(parts) == len(set(parts)) == first.counts.sources / 2
    observer.look()
    assert [key for key in opened if key.endswith(".jsonl")] == parts


def test_a_zip_file_in_the_making(source, tmp_path):
    stopped_run(source, tmp_path / "out.zip", after=8)
    assert status(tmp_path / "out.zip").counts.sources >= 6
    summary = augment(source, tmp_path / "out.zip", recipe=jobs.recipe())
    assert status(tmp_path / "out.zip").digest == summary.digest


def test_what_is_no_output(tmp_path):
    with pytest.raises(InputError, match=r"job\.json there; is it the output"):
        status(jobs.draw_set(tmp_path / "in", 1))
    (tmp_path / "bad/.variegate").mkdir(parents=True)
    (tmp_path / "bad/.variegate/job.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        status(tmp_path / "bad")
