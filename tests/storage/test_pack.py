"""Zip files out."""

import importlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from variegate.errors import OutputError
from variegate.storage import open_storage, pack

FILES = {"b/1.jpg": b"1", "a.jpg": b"2" * 3_000_000, "früh (1).png": b"", "b-2.jpg": b"4"}


@pytest.fixture
def storage(tmp_path):
    storage = open_storage(tmp_path / "out", create=True)
    for key, data in FILES.items():
        storage.write(key, data)
    return storage


def test_what_is_packed_can_be_read(storage, tmp_path):
    assert pack(storage, tmp_path / "deep/all.zip") == len(FILES)
    packed = open_storage(tmp_path / "deep/all.zip")
    assert {entry.key: packed.read(entry.key) for entry in packed.list()} == FILES


@pytest.mark.skipif(not shutil.which("unzip"), reason="the unzip program is not installed")
def test_another_program_finds_it_sound(storage, tmp_path):
    pack(storage, tmp_path / "all.zip")
    subprocess.run(["unzip", "-tq", tmp_path / "all.zip"], check=True)


def test_the_same_files_give_the_same_bytes(storage, tmp_path):
    pack(storage, tmp_path / "one.zip")
    again = open_storage(tmp_path / "again", create=True)
    for key in reversed(FILES):
        again.write(key, FILES[key])
        os.utime(tmp_path / "again" / key, (0, 10**9))
        (tmp_path / "again" / key).chmod(0o600)
    pack(again, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == sorted(FILES)
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_large_members_become_zip64(storage, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("variegate.storage.pack"), "_LARGE", 1000)
    pack(storage, tmp_path / "all.zip")
    assert open_storage(tmp_path / "all.zip").read("a.jpg") == FILES["a.jpg"]
    # The extra field 0x0001 with its sizes stands in the local header.
    assert b"a.jpg\x01\x00\x10\x00" in (tmp_path / "all.zip").read_bytes()[:100]


def test_a_failure_leaves_the_old_archive_and_nothing_else(storage, tmp_path, monkeypatch):
    target = tmp_path / "zips/all.zip"
    pack(storage, target)
    before = target.read_bytes()

    def full(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"all\.zip: the disk is full"):
        pack(storage, target)
    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == before


def test_an_archive_does_not_swallow_itself(storage, tmp_path):
    with pytest.raises(OutputError, match="lies inside"):
        pack(storage, tmp_path / "out/all.zip")


@pytest.mark.parametrize("name", ["a\\b.jpg", os.fsdecode(b"caf\xe9.jpg")])
def test_names_that_no_archive_can_carry_are_told(storage, tmp_path, name):
    storage.write(name, b"")
    with pytest.raises(OutputError, match="rename it"):
        pack(storage, tmp_path / "all.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
