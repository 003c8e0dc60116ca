"""Inputs that change and keep their size: seen by their times, told by their digests."""

import os
import shutil
import zipfile

import pytest

import jobs
from variegate import Options, augment
from variegate.errors import OutputError
from variegate.runs import changes
from variegate.runs import run as run_module

TINY = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, shard_size=1)}


@pytest.fixture
def source(tmp_path):
    for number in range(3):
        jobs.draw_noise(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


def change(path):
    """Give a file other bytes, as many."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, (1, 1))


@pytest.fixture
def compared(monkeypatch):
    """How often contents were compared."""
    told = []
    real = run_module.check_unchanged

    def check(*arguments):
        told.append(arguments)
        real(*arguments)

    monkeypatch.setattr(run_module, "check_unchanged", check)
    return told


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_changed_input_of_equal_size_is_refused(source, tmp_path, name):
    output = tmp_path / name
    augment(source, output, **TINY)
    change(source / "1.png")
    with pytest.raises(
        OutputError, match=r"results of 1\.png as it was before its content changed"
    ):
        augment(source, output, **TINY)


def test_so_is_one_of_a_run_that_was_stopped(source, tmp_path):
    def stop(progress):
        if progress.counts.sources == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment(source, tmp_path / "out", **TINY, on_progress=stop)
    change(source / "0.png")
    with pytest.raises(OutputError, match=r"0\.png as it was"):
        augment(source, tmp_path / "out", **TINY)


def test_so_is_one_in_an_archive(source, tmp_path):
    def packed():
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for path in sorted(source.iterdir()):
                archive.writestr(path.name, path.read_bytes())

    packed()
    augment(tmp_path / "in.zip", tmp_path / "out", **TINY)
    change(source / "1.png")
    packed()
    os.utime(tmp_path / "in.zip", (1, 1))
    with pytest.raises(OutputError, match=r"1\.png as it was"):
        augment(tmp_path / "in.zip", tmp_path / "out", **TINY)


def test_a_copy_of_the_input_is_the_same_input(source, tmp_path, compared):
    first = augment(source, tmp_path / "out", **TINY)
    assert augment(source, tmp_path / "out", **TINY).digest == first.digest
    assert not compared
    shutil.copytree(source, tmp_path / "copy", copy_function=shutil.copyfile)
    for path in (tmp_path / "copy").iterdir():
        os.utime(path, (1, 1))
    assert augment(tmp_path / "copy", tmp_path / "out", **TINY).digest == first.digest
    assert len(compared) == 1


def test_what_is_compared_is_said(source, tmp_path, caplog):
    augment(source, tmp_path / "out", **TINY)
    os.utime(source / "1.png", (1, 1))
    augment(source, tmp_path / "out", **TINY)
    assert [one.name for one in caplog.records] == [changes.__name__]
