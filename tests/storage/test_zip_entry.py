"""A member of a zip file is read by its own entry of the directory."""

import json
import os
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from variegate.errors import InputError
from variegate.storage import member_file, open_storage

NAMES = ["a/1.jpg", "a/é.jpg", "b/2.png", "c/3.txt"]


def content(name):
    return name.encode() * 3_000


def pack(path, *, mode="w"):
    with zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"of the archive"
        archive.writestr("../up.jpg", b"no")
        for number, name in enumerate(NAMES):
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            member.comment = b"c" * number
            member.extra = struct.pack("<2H", 0x7777, number) + b"e" * number
            archive.writestr(member, content(name))
    return path


@pytest.fixture(params=["plain", "program before it", "beyond 4 GB"])
def archive(request, tmp_path):
    path = tmp_path / "x.zip"
    if request.param == "beyond 4 GB":
        with path.open("wb") as file:
            file.truncate(5 << 30)  # a hole, which takes no room
        return pack(path, mode="a")
    pack(path)
    if request.param == "program before it":
        path.write_bytes(b"#!/bin/sh\n" * 100 + path.read_bytes())
    return path


def test_every_member_is_read_as_zipfile_reads_it(archive):
    storage = open_storage(archive)
    assert [entry.key for entry in storage.list(on_skip=lambda *_: None)] == sorted(NAMES)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(storage.read, NAMES * 5))
    assert found == list(map(content, NAMES * 5))
    with storage.open_read(NAMES[1]) as file:
        file.seek(7)
        assert file.read(5) == content(NAMES[1])[7:12]
    with zipfile.ZipFile(archive) as whole:
        assert [whole.read(name) for name in NAMES] == list(map(content, NAMES))


def test_another_process_reads_no_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(member_file, "_FEWEST", 3)
    monkeypatch.setenv(member_file.VARIABLE, "{}")
    path = pack(tmp_path / "x.zip")
    path.write_bytes(b"before" + path.read_bytes())
    list(open_storage(path).list(on_skip=lambda *_: None))
    program = (
        "import sys, json; from variegate.storage import open_storage, zip\n"
        "def read(path): raise SystemExit('it was read again')\n"
        "zip._read_index = read; storage = open_storage(sys.argv[1])\n"
        "print(json.dumps([len(storage.read(key)) for key in sys.argv[2:]]))"
    )
    command = [sys.executable, "-c", program, str(path), *NAMES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert json.loads(done.stdout) == [len(content(name)) for name in NAMES]


def test_an_archive_that_shrank_since_is_one_sentence(tmp_path):
    storage = open_storage(pack(tmp_path / "x.zip"))
    assert storage.read(NAMES[0])
    with (tmp_path / "x.zip").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(InputError, match=r"x.zip.*a/1.jpg"):
        storage.read(NAMES[0])
