"""An archive's index is made once, and read by all."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from variegate.storage import member_file, open_storage, tar

NAMES = ["a/1.jpg", "a/\udce9.jpg", "b/é.png", "z" * 90 + "/" + "y" * 90]


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(member_file, "_FEWEST", 3)
    monkeypatch.setenv(member_file.VARIABLE, "{}")


def packed(path, names=NAMES):
    with tarfile.open(path, "w", errors="surrogateescape") as archive:
        link = tarfile.TarInfo("a/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "1.jpg"
        archive.addfile(link)
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(b"x" * len(name)))
    return path


def test_another_process_reads_no_header(tmp_path):
    path = packed(tmp_path / "x.tar")
    skipped = []
    here = [
        entry.key for entry in open_storage(path).list(on_skip=lambda *one: skipped.append(one))
    ]
    assert here == sorted(NAMES)
    assert skipped == [("a/link.jpg", "it is a link")]
    program = (
        "import sys, json; from variegate.storage import open_storage, tar\n"
        "def read_index(path): raise SystemExit('it was read again')\n"
        "tar.read_index = read_index; skipped = []\n"
        "storage = open_storage(sys.argv[1])\n"
        "keys = [e.key for e in storage.list(on_skip=lambda *one: skipped.append(one))]\n"
        "print(json.dumps([keys, skipped, [len(storage.read(key)) for key in keys]]))"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sizes = [len(name) for name in sorted(NAMES)]
    assert json.loads(done.stdout) == [here, [["a/link.jpg", "it is a link"]], sizes]


def test_what_was_changed_or_damaged_is_read_anew(tmp_path):
    path = packed(tmp_path / "x.tar")
    assert len(list(open_storage(path).list())) == 4
    (written,) = json.loads(os.environ[member_file.VARIABLE]).values()
    Path(written).write_bytes(Path(written).read_bytes()[:-1])
    assert len(list(open_storage(path).list())) == 4
    packed(path, NAMES[:3])
    os.utime(path, ns=(1, 1))
    assert [entry.key for entry in open_storage(path).list()] == sorted(NAMES[:3])


def test_nothing_is_kept_of_small_ones_or_without_room(tmp_path, monkeypatch):
    path = packed(tmp_path / "x.tar", NAMES[:2])
    assert len(list(open_storage(path).list())) == 2
    assert os.environ[member_file.VARIABLE] == "{}"

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(member_file.tempfile, "mkstemp", full)
    assert len(list(open_storage(packed(path)).list())) == 4


def test_a_worker_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setenv(member_file.ONLY_READ, "1")
    assert len(list(open_storage(packed(tmp_path / "x.tar")).list())) == 4
    assert os.environ[member_file.VARIABLE] == "{}"


def test_names_are_found_as_in_a_list(tmp_path):
    index = tar.shared_index(str(packed(tmp_path / "x.tar")), tar.read_index)
    assert list(index.keys) == sorted(NAMES)
    assert index.keys[1:3] == sorted(NAMES)[1:3]
    assert [index.find(name) for name in sorted(NAMES)] == [0, 1, 2, 3]
    assert index.find("a/2.jpg") is None
    assert list(index.below("a")) == [0, 1]
    with pytest.raises(IndexError):
        index.keys[4]


def test_the_file_goes_with_the_process_that_made_it(tmp_path):
    path = packed(tmp_path / "x.tar")
    program = (
        "import os, sys, json; from variegate.storage import member_file, open_storage\n"
        "member_file._FEWEST = 3; list(open_storage(sys.argv[1]).list())\n"
        "(one,) = json.loads(os.environ[member_file.VARIABLE]).values()\n"
        "assert os.path.exists(one); print(one)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()
