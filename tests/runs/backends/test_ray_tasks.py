"""What a task does, without a cluster."""

import json
import os
from pathlib import Path

import pytest

import jobs
from variegate.formats import Source
from variegate.runs.backends.parcels import MOST_SHARDS, delete_parcels, read_parcel, write_parcels
from variegate.runs.backends.ray_tasks import close_pools, work
from variegate.runs.environment import machine
from variegate.runs.job import Job, Shard
from variegate.runs.manifest import FOLDER
from variegate.runs.worker import run_shard
from variegate.storage import open_storage


@pytest.fixture(autouse=True)
def no_worker_stays():
    yield
    close_pools()


@pytest.fixture
def job(tmp_path):
    for number in range(12):
        jobs.draw_noise(tmp_path / f"in/{number:02}.jpg")
    (tmp_path / "out").mkdir()
    recipe = jobs.recipe(jobs.TWO).to_data()
    return Job(recipe=recipe, input=str(tmp_path / "in"), output=str(tmp_path / "out"))


def shards(size):
    sources = [Source(f"{number:02}.jpg", 100, None, None) for number in range(12)]
    return [Shard(n, tuple(sources[n : n + size])) for n in range(0, 12, size)]


def done(job, places, **more):
    text = json.dumps([places[0].key, [(one.line, one.start, one.stop) for one in places]])
    given = {"here": json.dumps(machine()), "silence_limit_s": 60.0, "environment": {}} | more
    answers = work({"places": [text]}, job=json.dumps(job.to_json()), **given)
    return [json.loads(one) for answer in answers for one in answer["answer"]]


def test_a_task_runs_its_shards_and_not_again_what_is_done(job):
    output = open_storage(job.output)
    places = write_parcels(output, shards(4))
    run_shard(job, shards(4)[1])
    before = Path(f"{job.output}/04-v00.jpg").stat().st_mtime_ns
    answers = done(job, places)
    starts = [start for answer in answers for start, _ in answer["done"]]
    assert starts == [0, 4, 8]
    assert Path(f"{job.output}/04-v00.jpg").stat().st_mtime_ns == before
    counts = [report["counts"] for a in answers for _, reports in a["done"] for report in reports]
    assert [one["outputs"] for one in counts] == [8, 8, 8]
    assert done(job, places) == answers


def test_where_the_store_is_comes_with_the_task(job, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://old.example")
    places = write_parcels(open_storage(job.output), shards(12))
    done(job, places, environment={"AWS_ENDPOINT_URL": "http://new.example"})
    assert os.environ["AWS_ENDPOINT_URL"] == "http://new.example"


def test_parcels_hold_some_shards_each(tmp_path):
    storage = open_storage(tmp_path / "out", create=True)
    sources = [Source(f"{number:05}.jpg", number, None, "é") for number in range(1_001)]
    cut = [Shard(n, tuple(sources[n : n + 5])) for n in range(0, 1_001, 5)]
    places = write_parcels(storage, iter(cut))
    keys = {place.key for place in places}
    assert len(keys) == -(-len(cut) // MOST_SHARDS)
    found = [shard for place in places for shard in read_parcel(storage, place.key, [place])]
    assert found == cut
    (last,) = (place for place in places if place.start == 1_000)
    assert list(last.one_by_one()) == [last]
    delete_parcels(storage)
    assert not list(storage.list(FOLDER))
