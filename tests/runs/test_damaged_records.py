"""Records that are JSON but none of ours: a sentence that names the file, from whoever reads it."""

import json
from contextlib import suppress
from dataclasses import asdict

import pytest

import jobs
from variegate import Options, augment, read_manifest
from variegate.errors import UsageError
from variegate.runs import manifest
from variegate.runs.event_manifest import event_part_key
from variegate.runs.events import EventWorker, Naming
from variegate.runs.identity import JOB, read_record, record_of
from variegate.runs.job import Job
from variegate.runs.rebuild import rebuild
from variegate.runs.rows import Counts
from variegate.runs.status import status
from variegate.runs.verify import verify

TINY = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, shard_size=1)}

VALUES = ["null", "3", "[]", "{}", '"text"', "[[]]", '{"a": 1}', "[" * 5000, ""]


@pytest.fixture
def source(tmp_path):
    for name in ("a.png", "b.png"):
        jobs.draw_noise(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def output(source, tmp_path):
    augment(source, tmp_path / "out", **TINY)
    return tmp_path / "out"


def told(act, name):
    """Check that what is wrong is said in a sentence that names the file."""
    with pytest.raises(UsageError) as error:
        act()
    assert name in str(error.value)


@pytest.mark.parametrize("text", VALUES)
def test_a_job_that_is_no_record(source, output, text):
    (output / JOB).write_text(text)
    for act in (
        lambda: augment(source, output, **TINY),
        lambda: verify(output),
        lambda: rebuild(output, "a-v00.png"),
        lambda: read_manifest(output),
    ):
        told(act, "job.json: damaged")


@pytest.mark.parametrize("value", [None, 3, [], "x", {"a": [1]}])
@pytest.mark.parametrize(
    "field", ["recipe", "input_files", "versions", "hints", "limits", "writer"]
)
def test_a_record_of_which_one_field_is_something_else(source, output, field, value):
    record = json.loads((output / JOB).read_text())
    (output / JOB).write_text(json.dumps(record | {field: value}))
    for act in (lambda: augment(source, output, **TINY), lambda: rebuild(output, "a-v00.png")):
        # Whatever is made of it, nothing else may come.
        with suppress(UsageError):
            act()


HEAD = json.dumps(asdict(Counts(augmented=1)))
ROW = {"source": 0, "key": "a.png", "status": "output"}


@pytest.mark.parametrize(
    "text",
    [
        *VALUES,
        f"{HEAD}\n3\n",
        f"{HEAD}\n[]\n",
        f"{HEAD}\n{{}}\n",
        f"{HEAD}\n{json.dumps(ROW | {'source': 'x'})}\n",
        f"{HEAD}\n{json.dumps(ROW | {'bytes': 'many'})}\n",
        f"{HEAD}\n{json.dumps(ROW | {'status': 'lost'})}\n",
        f"{HEAD}\n{json.dumps(ROW | {'mine': 1})}\n",
        json.dumps({"augmented": "x"}) + "\n",
        json.dumps({"augmented": 1, "mine": 2}) + "\n",
    ],
)
def test_a_part_that_is_no_record(source, output, text):
    (output / manifest.MANIFEST).unlink()
    part = output / manifest.part_key(0, 1)
    part.parent.mkdir(exist_ok=True)
    part.write_text(text)
    name = f"{part.name}: "
    told(lambda: augment(source, output, **TINY), name)
    assert not (output / manifest.MANIFEST).exists()
    part.unlink()
    assert augment(source, output, **TINY).counts.augmented == 2


def test_a_file_among_the_parts_that_is_called_otherwise_is_passed_over(source, output):
    (output / manifest.MANIFEST).unlink()
    strange = output / ".variegate/parts/000000000000-000000000001 (copy).jsonl"
    strange.parent.mkdir(exist_ok=True)
    strange.write_text("x")
    assert status(output).counts.sources == 0
    assert augment(source, output, **TINY).counts.augmented == 2


@pytest.mark.parametrize("text", [*VALUES, "PAR1" * 10])
def test_a_manifest_that_is_none(output, text):
    (output / manifest.MANIFEST).write_text(text)
    for act in (lambda: verify(output), lambda: read_manifest(output), lambda: status(output)):
        told(act, "manifest.parquet: damaged")


@pytest.mark.parametrize("text", ["3", "[]", '"x"', "[[1]]"])
def test_an_index_record_that_is_none(output, text):
    (output / manifest.INDEX).write_text(text)
    told(lambda: verify(output), "index.json: damaged")


@pytest.mark.parametrize("text", VALUES)
def test_a_part_of_an_event_that_is_no_record(source, tmp_path, text):
    output = tmp_path / "events"
    job = Job(recipe=TINY["recipe"].to_data(), input=str(source), output=str(output))
    EventWorker(job, Naming()).handle("a.png")
    part = output / event_part_key("a.png")
    part.write_text(text)
    for act in (lambda: EventWorker(job, Naming()).handle("a.png"), lambda: verify(output)):
        told(act, f"{part.name}: damaged")


def test_what_a_record_is_checked_for_is_in_every_record(source, tmp_path):
    job = Job(recipe=TINY["recipe"].to_data(), input=str(source), output=str(tmp_path))
    record = record_of(job, format="classes")
    assert read_record(json.dumps(record).encode(), "here") == record
