"""Outputs: finished ones, zip files, full disks."""

import errno
import json
import shutil
import subprocess
import zipfile

import pytest

import jobs
from variegate import Options, augment
from variegate.errors import OutputError
from variegate.runs import manifest
from variegate.runs.rows import Counts
from variegate.storage import local, open_storage


@pytest.fixture
def source(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/broken.png"):
        jobs.draw_noise(tmp_path / "in" / name)
    (tmp_path / "in/b/broken.png").write_bytes(b"nothing")
    return tmp_path / "in"


def run(source, output, **changes):
    arguments = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, shard_size=1)}
    return augment(source, output, **arguments | changes)


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_finished_job_is_not_done_again(source, tmp_path, name):
    first = run(source, tmp_path / name)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    told = []
    second = run(source, tmp_path / name, on_progress=told.append)
    assert (second.counts, second.digest) == (first.counts, first.digest)
    assert told == []
    assert not second.continued
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_zip_file_of_another_job_is_refused(source, tmp_path):
    run(source, tmp_path / "out.zip")
    before = (tmp_path / "out.zip").read_bytes()
    with pytest.raises(OutputError, match="the seed"):
        run(source, tmp_path / "out.zip", seed=8)
    assert (tmp_path / "out.zip").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.zip"]


def test_a_zip_file_holds_a_whole_output(source, tmp_path):
    summary = run(source, tmp_path / "out.zip")
    storage = open_storage(tmp_path / "out.zip")
    assert manifest.totals(storage).digest == summary.digest
    assert json.loads(storage.read(".variegate/job.json"))["seed"] == 0
    keys = {row.output for row in manifest.rows(storage) if row.output}
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = {name for name in archive.namelist() if not name.startswith(".variegate/")}
    assert names == keys | {"manifest.parquet"}


def test_a_folder_called_zip_is_a_folder(source, tmp_path):
    (tmp_path / "out.zip").mkdir()
    run(source, tmp_path / "out.zip")
    assert (tmp_path / "out.zip/manifest.parquet").is_file()


def test_the_totals_are_those_of_the_rows(source, tmp_path):
    summary = run(source, tmp_path / "out")
    found = list(manifest.rows(open_storage(tmp_path / "out")))
    assert summary.counts == Counts.of(found)
    assert summary.digest == manifest.summed(found, {}).digest
    assert (summary.counts.augmented, summary.counts.quarantined) == (3, 1)
    files = list((tmp_path / "out").rglob("*.png"))
    assert summary.counts.outputs == len(files) == 6
    assert summary.counts.bytes == sum(path.stat().st_size for path in files)


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of its own, 256 kB large; needs the rights to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no rights to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_disk_that_is_really_full(source, tmp_path, small_disk, workers):
    for number in range(8):
        jobs.draw_noise(source / f"a/large-{number}.png", size=(150, 150))
    options = Options(workers=workers, shard_size=1)
    whole = run(source, tmp_path / "whole", options=options)
    with pytest.raises(OutputError, match="the disk is full; free some space") as error:
        run(source, small_disk / "out", options=options)
    assert "\n" not in str(error.value)
    assert not [path for path in jobs.files_below(small_disk) if "variegate-tmp" in path.name]
    # More space, and the same command again.
    command = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(command, check=True)
    summary = run(source, small_disk / "out", options=options)
    assert summary.continued
    assert jobs.tree(small_disk / "out") == jobs.tree(tmp_path / "whole")
    assert summary.digest == whole.digest


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_every_write_that_fails_is_one_sentence_and_continues_later(
    source, tmp_path, monkeypatch, name
):
    whole = run(source, tmp_path / "whole")
    left, told = 0, []
    real = local._create

    def create(path):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path)

    monkeypatch.setattr(local, "_create", create)
    for room in range(100):
        left = room
        try:
            summary = run(source, tmp_path / "new" / name)
            break
        except OutputError as error:
            told.append(str(error))
        assert left == -1
        left = 1_000
        continued = run(source, tmp_path / "new" / name)
        assert continued.digest == whole.digest
        shutil.rmtree(tmp_path / "new")
    assert summary.digest == whole.digest
    # At least six images, four parts, the record and the manifest.
    assert room >= 12
    assert all("the disk is full" in one and "\n" not in one for one in told)


def test_a_full_temporary_folder_is_one_sentence(source, tmp_path, monkeypatch):
    class Full:
        def tell(self):
            return 0

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr("variegate.runs.sources.tempfile.TemporaryFile", Full)
    with pytest.raises(OutputError, match=r"the list of the input's files, in .*full"):
        run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
