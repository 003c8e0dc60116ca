"""A worker that dies, hangs or runs out of memory costs one image at most."""

import os
import signal
import sys
import time

import numpy as np
import pytest

import jobs
from variegate import Options, augment
from variegate.codecs import encode
from variegate.errors import UsageError
from variegate.runs import manifest
from variegate.storage import open_storage

# The decoder fails on one image, in worker processes only.
FAULT = """
import os, signal, sys, time
if sys.argv[0] == "-c" and sys.orig_argv[-1].startswith("["):
    import variegate.runs.render
    whole = variegate.runs.render.decode

    def decode(data, **options):
        if b"the culprit" in data:
            {fault}
        return whole(data, **options)

    variegate.runs.render.decode = decode
"""


def rows(output):
    return list(manifest.rows(open_storage(output)))


@pytest.fixture
def source(tmp_path):
    for number in range(12):
        jobs.draw_noise(tmp_path / f"in/cat/{number:02}.jpg")
    return tmp_path / "in"


@pytest.fixture
def culprit(source):
    path = source / "cat/05.jpg"
    path.write_bytes(path.read_bytes() + b"the culprit")
    return path


def assert_only_the_culprit_is_missing(output, summary, reason):
    assert (summary.counts.augmented, summary.counts.quarantined) == (11, 1)
    bad = [row for row in rows(output) if row.status == "quarantined"]
    assert [(row.key, row.reason) for row in bad] == [("cat/05.jpg", reason)]
    assert len(list(output.rglob("*.jpg"))) == 22


@pytest.mark.parametrize(("kind", "shard_size"), [(signal.SIGKILL, 12), (signal.SIGSEGV, 1)])
def test_a_worker_killed_by_hand_costs_nothing(tmp_path, kind, shard_size):
    source = jobs.draw_set(tmp_path / "in", 20)
    undisturbed = augment(source, tmp_path / "undisturbed", recipe=jobs.recipe())
    killed = []

    def kill(progress):
        if progress.counts.outputs > 20 * (len(killed) + 1) and len(killed) < 2:
            os.kill(jobs.workers()[0], kind)
            killed.append(kind)

    options = Options(workers=2, shard_size=shard_size)
    summary = augment(
        source, tmp_path / "out", recipe=jobs.recipe(), options=options, on_progress=kill
    )
    assert len(killed) == 2
    assert summary.digest == undisturbed.digest
    assert jobs.tree(tmp_path / "out") == jobs.tree(tmp_path / "undisturbed")
    assert jobs.left_over() == []


@pytest.mark.parametrize(
    ("fault", "shard_size", "cause"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", 5, "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "killed by SIGKILL; out of memory?"),
        ("print('oh', file=sys.stderr, flush=True); os._exit(3)", 6, "ended with exit code 3: oh"),
        ("raise SystemExit('enough')", 12, "ended with exit code 1: enough"),
    ],
)
def test_a_source_that_kills_its_worker(
    culprit, source, tmp_path, monkeypatch, fault, shard_size, cause
):
    jobs.patched_workers(monkeypatch, tmp_path / "fault", FAULT.format(fault=fault))
    options = Options(workers=2, shard_size=shard_size)
    summary = augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options)
    reason = f"the worker process died on it 2 times ({cause})"
    assert_only_the_culprit_is_missing(tmp_path / "out", summary, reason)


def test_a_source_on_which_workers_hang(culprit, source, tmp_path, monkeypatch):
    jobs.patched_workers(monkeypatch, tmp_path / "fault", FAULT.format(fault="time.sleep(600)"))
    options = Options(workers=2, shard_size=5, silence_limit_s=6.0)
    summary = augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options)
    reason = "the worker process died on it 2 times (silent for 6 s)"
    assert_only_the_culprit_is_missing(tmp_path / "out", summary, reason)
    assert jobs.left_over() == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise MemoryError", "not enough memory for this image"),
        ("raise RuntimeError('what is this?')", "unexpected RuntimeError: what is this?"),
    ],
)
def test_a_decoder_that_raises_costs_no_worker(
    culprit, source, tmp_path, monkeypatch, fault, reason
):
    jobs.patched_workers(monkeypatch, tmp_path / "fault", FAULT.format(fault=fault))
    workers = set()
    summary = augment(
        source,
        tmp_path / "out",
        recipe=jobs.recipe(jobs.TWO),
        options=Options(workers=2, shard_size=5),
        on_progress=lambda _: workers.update(jobs.workers()),
    )
    assert_only_the_culprit_is_missing(tmp_path / "out", summary, reason)
    assert len(workers) == 2


LIMITED = """
import re, resource, sys
import variegate.runs.backends.worker
from pathlib import Path
from variegate import Options, Recipe, augment
source, output, recipe = sys.argv[1:]
# The worker imports the same libraries, whose address space differs from machine to machine.
taken = int(re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + 550 * 2**20, taken + 550 * 2**20))
augment(source, output, recipe=Recipe.parse(recipe), options=Options(workers=1, shard_size=12))
"""


def test_an_image_for_which_memory_does_not_suffice(source, tmp_path):
    # As an array it has 363 MB, and two are needed.
    black = np.zeros((11_000, 11_000, 3), np.uint8)
    (source / "cat/05.jpg").write_bytes(encode(black, format="jpeg"))
    process = jobs.python(LIMITED, source, tmp_path / "out", jobs.TWO)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    found = [row for row in rows(tmp_path / "out") if row.status == "quarantined"]
    assert [row.key for row in found] == ["cat/05.jpg"]
    assert "memory" in found[0].reason
    assert sum(row.status == "output" for row in rows(tmp_path / "out")) == 22


def test_workers_that_cannot_start_end_the_run_with_one_error(source, tmp_path, monkeypatch):
    fault = FAULT.partition("    import")[0] + "    sys.exit('no such library')"
    jobs.patched_workers(monkeypatch, tmp_path / "fault", fault)
    begun = time.monotonic()
    with pytest.raises(UsageError, match=r"worker processes do not start .*no such library"):
        augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=2))
    assert time.monotonic() - begun < 20
    assert jobs.left_over() == []


def test_no_python_to_start_workers_with(source, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(UsageError, match=r"worker processes do not start .*use workers=0"):
        augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=2))


SLOW = """
import sys
from variegate import Options, Recipe, augment
source, output, recipe = sys.argv[1:]
try:
    augment(source, output, recipe=Recipe.parse(recipe), options=Options(workers=2),
            on_progress=lambda p: print(p.counts.outputs, flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def start_slow_run(tmp_path):
    """Start a run that takes some seconds; return it and its workers when both are at work."""
    # Large images of which each makes many: a worker is in the middle of one when it is left.
    for number in range(4):
        jobs.draw_noise(tmp_path / f"slow/{number}.png", size=(1200, 1600))
    process = jobs.python(SLOW, tmp_path / "slow", tmp_path / "out", jobs.EIGHT)
    for line in process.stdout:
        if int(line) >= 2:
            break
    return process, jobs.workers(process.pid)


def wait_for_the_end_of(workers, limit_s):
    begun = time.monotonic()
    while alive := [pid for pid in workers if jobs.is_alive(pid)]:
        assert time.monotonic() - begun < limit_s, f"{alive} outlive their run"
        time.sleep(0.01)


def test_workers_end_when_their_run_is_killed(tmp_path):
    process, workers = start_slow_run(tmp_path)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    wait_for_the_end_of(workers, 3)


def test_an_interrupt_ends_everything_and_the_run_goes_on_later(tmp_path):
    process, workers = start_slow_run(tmp_path)
    assert len(workers) == 2
    # As a terminal does it: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert output.endswith("interrupted\n")
    assert errors == ""
    wait_for_the_end_of(workers, 0.5)
    left = list(jobs.files_below(tmp_path / "out"))
    assert left
    assert not [path for path in left if path.name.startswith(".variegate-tmp")]
    summary = augment(tmp_path / "slow", tmp_path / "out", recipe=jobs.recipe())
    assert summary.counts.outputs == 32


def test_an_error_in_the_callers_code_leaves_no_process(source, tmp_path):
    def fail(progress):
        if progress.counts.outputs:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        augment(
            source,
            tmp_path / "out",
            recipe=jobs.recipe(jobs.TWO),
            options=Options(workers=2),
            on_progress=fail,
        )
    assert jobs.left_over() == []
