"""Workers that are started before it is known what there is to do."""

import pickle
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import jobs
from variegate.codecs import Limits
from variegate.datasets.augment import augment
from variegate.errors import UsageError
from variegate.formats import Hints
from variegate.runs import launch
from variegate.runs.fork_server import ForkServer
from variegate.runs.launch import WorkerSource, early_workers
from variegate.runs.options import Options
from variegate.runs.programs import WorkerProgram
from variegate.storage import member_file

# What takes long to import, and what a shard of a folder of photos has no use for.
_NOT_NEEDED = ("yaml", "typer", "rich", "pyarrow", "obstore", "variegate.formats.coco")


FORKED = pytest.mark.skipif(not launch.FORKS, reason="workers are not forked here")
WAYS = [pytest.param(True, marks=FORKED, id="forked"), pytest.param(False, id="one by one")]


@pytest.fixture
def started(monkeypatch):
    """All programs that are started."""
    programs = []

    def noting(kind):
        start = kind.start

        def noted():
            programs.append(start())
            return programs[-1]

        monkeypatch.setattr(kind, "start", staticmethod(noted))

    noting(ForkServer)
    noting(WorkerProgram)
    return programs


@pytest.fixture
def source():
    """Where a pool has its workers from; all of them end with the test."""
    made, workers = WorkerSource(), []
    give = made.worker

    def noted():
        workers.append(give())
        return workers[-1]

    made.worker = noted
    yield made
    made.close()
    for worker in workers:
        worker.stop()


def test_a_worker_imports_only_what_a_shard_needs():
    code = (
        "import sys, variegate.runs.backends.fork_server, variegate.runs.augmenter; "
        f"print([name for name in {_NOT_NEEDED} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_are_made_without_what_a_run_needs():
    code = (
        "import sys, variegate; made = variegate.Options(workers=2); "
        "print([one for one in ('numpy', 'pydantic', 'cv2') if one in sys.modules]); "
        "print(made == variegate.Options(workers=2), made.hints.to_data(), made.limits)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", f"True {{}} {Limits()}"]


def test_what_is_not_said_in_options_may_be_said_later():
    options = replace(Options(), hints=Hints(encoding="gbk"))
    assert options.hints == Hints(encoding="gbk")
    assert replace(options, workers=3).hints == Hints(encoding="gbk")
    assert options != Options()
    assert pickle.loads(pickle.dumps(Options())).limits == Limits()


def test_asking_for_augment_imports_no_kernels():
    code = "import sys, variegate; variegate.augment; print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("forks", WAYS)
def test_a_refused_run_leaves_no_process(started, forks, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "FORKS", forks)
    with pytest.raises(UsageError):
        augment(tmp_path / "missing", tmp_path / "out", options=Options(workers=2))
    assert len(started) == (1 if forks else 2)
    assert all(one.process.poll() is not None for one in started)


@pytest.mark.parametrize(
    "options", [Options(workers=0), Options(backend="ray"), Options(backend="lambda")]
)
def test_none_is_started_that_nobody_will_use(started, options):
    with early_workers(options):
        assert not started


def test_what_was_started_for_a_run_is_not_started_again(started):
    with early_workers(Options(workers=1)), early_workers(Options(workers=1)):
        assert len(started) == 1
    assert started[0].process.poll() is not None


@FORKED
def test_a_server_that_was_started_early_is_used(started, source):
    with early_workers(Options(workers=1)):
        source.worker()
        source.worker()
    assert len(started) == 1
    assert started[0].process.poll() is None


def test_one_that_was_started_early_is_taken_first(started, source, monkeypatch):
    monkeypatch.setattr(launch, "FORKS", False)
    with early_workers(Options(workers=1)):
        (early,) = started
        assert source.worker() is early
        assert source.worker() is not early


@pytest.mark.parametrize("forks", WAYS)
@pytest.mark.parametrize("spoil", ["kill", "path", "environment"])
def test_one_that_cannot_be_used_is_replaced(started, source, forks, spoil, monkeypatch):
    monkeypatch.setattr(launch, "FORKS", forks)
    with early_workers(Options(workers=1)):
        (early,) = started
        if spoil == "kill":
            early.process.kill()
            early.process.wait()
        elif spoil == "path":
            monkeypatch.setattr(sys, "path", [*sys.path, "/somewhere/else"])
        else:
            monkeypatch.setenv("OF_SOMEBODY", "changed")
        worker = source.worker()
        assert worker is not early
        assert len(started) == 2
        assert early.process.poll() is not None


def test_opencv_which_names_its_own_folder_spoils_nothing():
    # In a process of its own: here it has been imported.
    code = (
        "from variegate.runs.launch import WorkerSource, early_workers\n"
        "from variegate.runs.options import Options\n"
        "with early_workers(Options(workers=1)):\n"
        "    early = [one for one in __import__('gc').get_objects()"
        " if type(one).__name__ in ('ForkServer', 'WorkerProgram')]\n"
        "    import cv2\n"
        "    print(len(early), early[0].is_usable())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]


@FORKED
@pytest.mark.parametrize(
    ("end", "code"),
    [(lambda worker: worker.kill(), -signal.SIGKILL), (lambda worker: worker.stdin.close(), 0)],
    ids=["killed", "left"],
)
def test_a_server_knows_how_its_workers_ended(source, end, code):
    worker, other = source.worker(), source.worker()
    end(worker)
    assert worker.wait() == code
    # The other one lives: its job is answered.
    other.stdin.write(b"no job\n")
    other.stdin.flush()
    assert other.wait() == 1
    assert b"JSONDecodeError" in last_words(other)


@FORKED
def test_a_worker_whose_server_is_killed_is_seen_to_be_dead(started, source):
    worker = source.worker()
    started[0].process.kill()
    assert worker.stdout.read() == b""
    assert worker.wait() == -signal.SIGKILL


@FORKED
def test_a_server_with_threads_forks_nothing(source, tmp_path, monkeypatch):
    # What a thread holds would be held forever in a fork.
    thread = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    jobs.patched_workers(monkeypatch, tmp_path / "threads", thread)
    jobs.draw_set(tmp_path / "in", 4)
    seen = []
    options = Options(workers=1, shard_size=1)
    summary = augment(
        *(tmp_path / "in", tmp_path / "out"),
        options=options,
        on_progress=lambda _: seen.extend(map(jobs.command, jobs.workers())),
    )
    assert summary.counts.augmented == 4
    assert any("variegate.runs.backends.worker import" in one for one in seen)
    assert jobs.left_over() == []


@pytest.mark.parametrize("forks", WAYS)
def test_forks_make_what_others_make(forks, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "FORKS", forks)
    source = jobs.draw_set(tmp_path / "in", 6)
    options = Options(workers=2, shard_size=1)
    summary = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=options)
    here = augment(source, tmp_path / "here", recipe=jobs.recipe(), options=Options(workers=0))
    assert summary.digest == here.digest
    assert jobs.left_over() == []


def last_words(worker):
    worker.log.seek(0)
    return worker.log.read()


def test_one_that_was_started_early_finds_what_was_indexed_since(started, tmp_path, monkeypatch):
    monkeypatch.setattr(member_file, "_FEWEST", 3)
    monkeypatch.setenv(member_file.VARIABLE, "{}")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for path in sorted(jobs.draw_set(tmp_path / "in", 6).iterdir()):
            archive.add(path, path.name)
    mapped = []

    def look(_):
        mapped.append([Path(f"/proc/{pid}/maps").read_text() for pid in jobs.workers()])

    options = Options(workers=1, shard_size=1)
    augment(tmp_path / "set.tar", tmp_path / "out", options=options, on_progress=look)
    assert len(started) == 1
    assert any(".index" in text for texts in mapped for text in texts)
