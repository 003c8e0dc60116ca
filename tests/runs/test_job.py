"""Jobs, shards and reports: messages that can travel; the shard as the unit of work."""

import json

import pytest

import jobs
from variegate.codecs import Limits
from variegate.formats import Source, detect, writer_to_json
from variegate.runs import manifest
from variegate.runs.job import Job, Report, Shard
from variegate.runs.rows import Counts
from variegate.runs.sources import spool
from variegate.runs.worker import finished_report, quarantine_shard, run_shard
from variegate.storage import open_storage


@pytest.fixture
def job(tmp_path):
    for name in ("a/1.png", "a/2.png", "a/3.png"):
        jobs.draw_noise(tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    data = jobs.recipe(jobs.TWO).to_data()
    return Job(recipe=data, input=str(tmp_path / "in"), output=str(tmp_path / "out"))


@pytest.fixture
def shard(job):
    entries = open_storage(job.input).list()
    return Shard(7, tuple(Source(entry.key, entry.size, None, "a") for entry in entries))


def through_json(value):
    return type(value).from_json(json.loads(json.dumps(value.to_json())))


def test_messages_survive_json(job, shard):
    limited = Job(**{**job_fields(job), "limits": Limits(max_pixels=5), "splits": True})
    for one in (job, limited):
        again = through_json(one)
        assert json.dumps(again.to_json()) == json.dumps(one.to_json())
        assert again.limits == one.limits
    assert through_json(shard) == shard
    report = Report(7, 10, "part", Counts(augmented=3, outputs=6, bytes=99))
    assert through_json(report) == report


def job_fields(job):
    return {name: getattr(job, name) for name in Job.__dataclass_fields__}


def test_a_part_of_a_shard_keeps_its_numbers(shard):
    part = shard.part(8, 10)
    assert (part.start, part.stop) == (8, 10)
    assert part.sources == shard.sources[1:]
    assert shard.part(7, 7).sources == ()


def test_a_shard_is_run_and_reported(job, shard):
    begun, told = [], Counts()
    report = run_shard(job, shard, on_source=begun.append, on_progress=told.add)
    assert begun == [7, 8, 9]
    assert (report.counts.augmented, report.counts.outputs) == (3, 6)
    assert told == report.counts
    rows = list(manifest.read_part(open_storage(job.output), report.part))
    assert [(row.source, row.variant) for row in rows] == [
        (n, v) for n in (7, 8, 9) for v in (0, 1)
    ]
    assert report.counts == Counts.of(rows)


def test_a_shard_run_twice_overwrites_itself(job, shard, tmp_path):
    run_shard(job, shard)
    once = jobs.tree(tmp_path / "out")
    run_shard(job, shard)
    assert jobs.tree(tmp_path / "out") == once


def test_results_do_not_depend_on_the_shard(job, shard, tmp_path):
    run_shard(job, shard)
    together = jobs.tree(tmp_path / "out/a")
    (tmp_path / "out").rename(tmp_path / "before")
    (tmp_path / "out").mkdir()
    for number in (9, 7, 8):
        run_shard(job, shard.part(number, number + 1))
    assert jobs.tree(tmp_path / "out/a") == together


def test_a_finished_shard_is_known_by_its_part(job, shard):
    assert finished_report(job, shard) is None
    report = run_shard(job, shard)
    assert finished_report(job, shard) == report
    assert finished_report(job, shard.part(7, 9)) is None


def test_a_quarantined_shard_leaves_no_results(job, shard, tmp_path):
    whole = run_shard(job, shard)
    assert len(list((tmp_path / "out/a").iterdir())) == 6
    open_storage(job.output).delete(whole.part)
    report = quarantine_shard(job, shard.part(8, 9), "it kills")
    assert report.counts == Counts(quarantined=1)
    assert sorted({path.name[0] for path in (tmp_path / "out/a").iterdir()}) == ["1", "3"]
    (row,) = manifest.read_part(open_storage(job.output), report.part)
    assert (row.source, row.key, row.status, row.reason) == (
        8,
        "a/2.png",
        "quarantined",
        "it kills",
    )


@pytest.mark.parametrize(
    "name", ["bccd_voc", "nuclei_instances", "annotation_formats/camvid_dataset"]
)
def test_what_belongs_to_results_goes_with_them(data_dir, tmp_path, name):
    source = open_storage(data_dir / name)
    dataset_format = detect(source)
    with spool(source, dataset_format, jobs.recipe(jobs.TWO)) as listing:
        images = [one for one in listing.sources() if one.annotation is not None][:3]
    (tmp_path / "out").mkdir()
    job = Job(
        recipe=jobs.recipe(jobs.TWO).to_data(),
        input=str(data_dir / name),
        output=str(tmp_path / "out"),
        writer=writer_to_json(dataset_format.writer()),
    )
    shard = Shard(0, tuple(images))
    report = run_shard(job, shard)
    made = {row.output for row in manifest.read_part(open_storage(job.output), report.part)}
    files = jobs.tree(tmp_path / "out").keys() - {report.part}
    assert made - {None} < files, "this format has no sidecars"
    quarantine_shard(job, shard, "it kills")
    assert jobs.tree(tmp_path / "out").keys() == {report.part}
