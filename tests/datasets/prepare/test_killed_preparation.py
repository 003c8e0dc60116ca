"""A preparation that is killed, at random moments, and continued: the same bytes."""

import subprocess
import sys
import time

import pytest

import heaps
from variegate import Options, verify
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.reports.prepare import PAGE, write_preparation_page
from variegate.seeding import generator


def _state(folder):
    """Return what results consist of; a record also tells when the heap's files were written."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "job.json"
    }


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    return heaps.plant(tmp_path_factory.mktemp("heap") / "heap", data_dir)


def test_killed_at_ten_moments_and_continued_it_is_the_same(heap, tmp_path):
    begun = time.monotonic()
    (tmp_path / "one").mkdir()
    account = prepare_dataset(heap, tmp_path / "one" / "clean", options=Options(workers=0))
    took = time.monotonic() - begun
    write_preparation_page(account, heap, tmp_path / "one" / "clean.audit")
    (tmp_path / "two").mkdir()
    output = tmp_path / "two" / "clean"
    command = [sys.executable, "-m", "variegate", "prepare", str(heap), str(output), "-w", "0"]
    rng, killed = generator(11, "kills"), 0
    for _ in range(10):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # The interpreter takes a second before anything is done.
            process.wait(0.8 + rng.random() * took)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    assert killed
    subprocess.run(command, check=True, capture_output=True)
    assert verify(output).ok
    first, second = _state(tmp_path / "one"), _state(tmp_path / "two")
    # These tell their places and how long they took.
    told = {f"clean.audit/{name}" for name in ("audit.json", "prepare.json", PAGE)}
    page = first[f"clean.audit/{PAGE}"].decode()
    place = str(tmp_path / "one" / "clean")
    assert page.replace(place, str(output)) == second[f"clean.audit/{PAGE}"].decode()
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} <= told


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_killed_while_it_follows_other_decisions_it_is_the_same(heap, tmp_path, share):
    output = tmp_path / "clean"
    prepare_dataset(heap, output, options=Options(workers=0))
    table = tmp_path / "clean.audit" / "decisions.csv"
    edited = tmp_path / "edited.csv"
    edited.write_text(table.read_text().replace(",keep,dress", ",remove,", 3))
    begun = time.monotonic()
    wanted = prepare_dataset(
        heap,
        tmp_path / "fresh",
        audit_folder=tmp_path / "clean.audit",
        decisions=edited,
        options=Options(workers=0),
    )
    took = time.monotonic() - begun
    command = [sys.executable, "-m", "variegate", "prepare", str(heap), str(output), "-w", "0"]
    command += ["--decisions", str(edited)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(0.8 + share * took)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    found = verify(output)
    assert found.ok
    assert found.digest == wanted.digest
