"""Workers that are started before it is known what there is to do."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import jobs
from variegate.datasets.augment import augment
from variegate.errors import UsageError
from variegate.runs import launch
from variegate.runs.launch import WorkerProgram, early_workers, worker_program
from variegate.runs.options import Options
from variegate.storage import member_file

# What takes long to import, and what a shard of a folder of photos has no use for.
_NOT_NEEDED = ("yaml", "typer", "rich", "pyarrow", "obstore", "variegate.formats.coco")


@pytest.fixture
def started(monkeypatch):
    """All worker programs that are started."""
    programs = []
    start = WorkerProgram.start

    def noted():
        programs.append(start())
        return programs[-1]

    monkeypatch.setattr(launch.WorkerProgram, "start", staticmethod(noted))
    return programs


def test_a_worker_imports_only_what_a_shard_needs():
    code = (
        "import sys, variegate.runs.backends.worker, variegate.runs.augmenter; "
        f"print([name for name in {_NOT_NEEDED} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_asking_for_augment_imports_no_kernels():
    code = "import sys, variegate; variegate.augment; print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_refused_run_leaves_no_process(started, tmp_path):
    with pytest.raises(UsageError):
        augment(tmp_path / "missing", tmp_path / "out", options=Options(workers=2))
    assert len(started) == 2
    assert all(one.process.poll() is not None for one in started)


@pytest.mark.parametrize(
    "options", [Options(workers=0), Options(backend="ray"), Options(backend="lambda")]
)
def test_none_is_started_that_nobody_will_use(started, options):
    with early_workers(options):
        assert not started


def test_one_that_was_started_early_is_taken_first(started):
    with early_workers(Options(workers=1)):
        (early,) = started
        assert worker_program() is early
        other = worker_program()
        assert other is not early
        other.stop()
    early.stop()


@pytest.mark.parametrize("spoil", ["kill", "path"])
def test_one_that_cannot_be_used_is_replaced(started, spoil, monkeypatch):
    with early_workers(Options(workers=1)):
        (early,) = started
        if spoil == "kill":
            early.process.kill()
            early.process.wait()
        else:
            monkeypatch.setattr(sys, "path", [*sys.path, "/somewhere/else"])
        other = worker_program()
        assert other is not early
        assert early.process.poll() is not None
        other.stop()


def test_one_that_was_started_early_finds_what_was_indexed_since(started, tmp_path, monkeypatch):
    monkeypatch.setattr(member_file, "_FEWEST", 3)
    monkeypatch.setenv(member_file.VARIABLE, "{}")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for path in sorted(jobs.draw_set(tmp_path / "in", 6).iterdir()):
            archive.add(path, path.name)
    mapped = []

    def look(_):
        programs = [one for one in started if one.process.poll() is None]
        mapped.append([Path(f"/proc/{one.process.pid}/maps").read_text() for one in programs])

    options = Options(workers=1, shard_size=1)
    augment(tmp_path / "set.tar", tmp_path / "out", options=options, on_progress=look)
    assert len(started) == 1
    assert any(".index" in text for texts in mapped for text in texts)
