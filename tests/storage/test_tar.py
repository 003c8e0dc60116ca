"""Tar files as they come: hostile, damaged, compressed, too large."""

import gzip
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import InputError, LimitError, OutputError
from variegate.storage import Entry, TarStorage, open_storage, pack
from variegate.storage import gunzip as gunzipping

FILES = {
    "a-b/2.jpg": b"2",
    "a.txt": b"",
    "a/1.jpg": b"11",
    "a/b/c/deep.png": b"x" * 100_000,
    "ab": b"333",
    "früh_süß_写真.jpg": b"4",
    "n" * 180 + "/" + "m" * 200 + ".png": b"long",
    "with space (1).Jpeg": b"5",
}


def member(name, data=b"1", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, data


def make(path, members, form=tarfile.PAX_FORMAT, mode="w"):
    with tarfile.open(path, mode, format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def listed(storage):
    skipped = []
    keys = [entry.key for entry in storage.list(on_skip=lambda *told: skipped.append(told))]
    return keys, skipped


@pytest.fixture(params=["x.tar", "x.tar.gz", "x.TGZ", "really_gzip.tar"])
def storage(request, tmp_path, monkeypatch):
    monkeypatch.delenv("VARIEGATE_UNPACKED", raising=False)
    packed = "w" if request.param == "x.tar" else "w:gz"
    path = tmp_path / request.param
    make(path, [member(*item) for item in reversed(FILES.items())], mode=packed)
    return open_storage(path)


def test_lists_and_reads_every_file_in_code_point_order(storage):
    assert isinstance(storage, TarStorage)
    assert list(storage.list()) == [Entry(key, len(FILES[key])) for key in sorted(FILES)]
    for key, data in FILES.items():
        assert storage.read(key) == data
        assert storage.size(key) == len(data)
        assert storage.exists(key)
        with storage.open_read(key) as file:
            assert b"".join(iter(lambda: file.read(1000), b"")) == data
            file.seek(-1, os.SEEK_END) if data else None
            assert file.read() == data[-1:]


def test_a_prefix_is_a_folder_and_no_beginning_of_a_name(storage):
    assert [entry.key for entry in storage.list("a")] == ["a/1.jpg", "a/b/c/deep.png"]
    assert list(storage.list("a/b/")) == [Entry("a/b/c/deep.png", 100_000)]
    assert list(storage.list("nowhere")) == list(storage.list("ab")) == []
    with pytest.raises(InputError):
        list(storage.list("../"))


def test_what_is_not_there_and_what_leads_outside_is_refused(storage):
    for key in ("a", "b", "ab/c", "../x", "/etc/passwd", "a/../../x"):
        for ask in (storage.read, storage.open_read, storage.size):
            with pytest.raises(InputError, match=r"expected a relative path|not found"):
                ask(key)
    assert not storage.exists("a")


def test_the_limit_counts_bytes(storage):
    assert len(storage.read("a/b/c/deep.png", limit=100_000)) == 100_000
    with pytest.raises(LimitError, match=r"deep.png: 100,000 bytes, the limit is 99,999"):
        storage.read("a/b/c/deep.png", limit=99_999)


def test_it_travels_to_other_processes(storage):
    storage.read("ab")
    copy = pickle.loads(pickle.dumps(storage))
    assert (copy.url, copy.read("a/1.jpg")) == (storage.url, b"11")
    assert len(pickle.dumps(storage)) < 500
    child = os.fork()
    right = all(storage.read(key) == FILES[key] for key in ("a/b/c/deep.png", "ab") * 20)
    if child == 0:
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert right


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_formats_of_tar_are_read(tmp_path, form):
    files = {"short.jpg": b"1", "d" * 90 + "/" + "f" * 90: b"22", "é.jpg": b"333"}
    path = make(tmp_path / "x.tar", [member(*item) for item in files.items()], form)
    storage = open_storage(path)
    assert {entry.key: storage.read(entry.key) for entry in storage.list()} == files


@pytest.mark.skipif(not shutil.which("tar"), reason="the tar program is not installed")
@pytest.mark.parametrize("what", [".", "a"])
def test_archives_of_the_tar_program_are_read(tmp_path, what):
    folder = tmp_path / "in"
    for key in ("a/1.jpg", "b.jpg"):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(key.encode())
    subprocess.run(["tar", "-cf", tmp_path / "x.tar", "-C", folder, what], check=True)
    storage = open_storage(tmp_path / "x.tar")
    assert listed(storage) == (["a/1.jpg", "b.jpg"] if what == "." else ["a/1.jpg"], [])
    assert storage.read("a/1.jpg") == b"a/1.jpg"


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/cron.d/x", "../x", "a/../../x", "a//b", "a/./x", ".variegate-tmp-1"),
        *("C:/x", "c:x", "a\\..\\x", "\\\\host\\x"),
    ],
)
def test_hostile_names_are_passed_over_with_a_reason(tmp_path, name):
    path = make(tmp_path / "x.tar", [member(name), member("good.jpg"), member("f", b"", type=b"5")])
    storage = open_storage(path)
    keys, [(told, reason)] = listed(storage)
    assert keys == ["good.jpg"]
    assert told == name
    assert "name" in reason
    with pytest.raises(InputError):
        storage.read(name)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "it is a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "good.jpg"}, "it is a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "good.jpg"}, "it is a link"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1}, "neither a file nor a folder"),
        ({"type": tarfile.BLKTYPE}, "neither a file nor a folder"),
        ({"type": tarfile.FIFOTYPE}, "neither a file nor a folder"),
    ],
)
def test_links_and_devices_are_passed_over(tmp_path, attributes, reason):
    bad = member("bad.jpg", b"", **attributes)
    storage = open_storage(make(tmp_path / "x.tar", [bad, member("good.jpg")]))
    keys, [(told, why)] = listed(storage)
    assert (keys, told) == (["good.jpg"], "bad.jpg")
    assert reason in why
    assert not storage.exists("bad.jpg")


def test_a_name_that_comes_twice_is_reported_and_the_last_counts(tmp_path):
    members = [member("a", b"old"), member("b"), member("./a", b"new")]
    storage = open_storage(make(tmp_path / "x.tar", members))
    keys, [(name, reason)] = listed(storage)
    assert (keys, name) == (["a", "b"], "./a")
    assert "again" in reason
    assert storage.read("a") == b"new"


def test_a_second_archive_behind_the_first_is_told(tmp_path):
    first = make(tmp_path / "1.tar", [member("a")]).read_bytes()
    second = make(tmp_path / "2.tar", [member("b")]).read_bytes()
    (tmp_path / "x.tar").write_bytes(first + second)
    keys, [(_, reason)] = listed(open_storage(tmp_path / "x.tar"))
    assert keys == ["a"]
    assert "behind the end" in reason


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_no_damage_loses_a_member_unseen(tmp_path, form):
    files = {"a.jpg": b"1" * 600, "é" * 80: b"22", "c.jpg": b"333"}
    path = make(tmp_path / "x.tar", [member(*item) for item in files.items()], form)
    whole = path.read_bytes().rstrip(b"\0")
    damaged = tmp_path / "damaged.tar"
    for position in range(0, len(whole), 7):
        damaged.write_bytes(
            whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :] + bytes(1024)
        )
        storage = open_storage(damaged)
        try:
            keys, skipped = listed(storage)
        except InputError as error:
            assert "damaged.tar: the archive is damaged here" in str(error)  # noqa: PT017
            continue
        assert len(keys) + len(skipped) == 3
        for key in keys:
            assert len(storage.read(key)) == len(files.get(key, storage.read(key)))
    for length in range(0, len(whole), 7):
        damaged.write_bytes(whole[:length])
        storage = open_storage(damaged)
        with suppress(InputError):
            # A cut between two members cannot be seen.
            assert length % 512 == 0 or len(listed(storage)[0]) == 3


def test_headers_that_would_fill_the_memory_are_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 20_000_000
    (tmp_path / "x.tar").write_bytes(header.tobuf() + b"9" * 20_000_000 + bytes(1024))
    tracemalloc.start()
    with pytest.raises(InputError, match="a header of 20"):
        listed(open_storage(tmp_path / "x.tar"))
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_endless_chains_of_headers_end(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    block = header.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    (tmp_path / "x.tar").write_bytes(block * (sys.getrecursionlimit() + 100) + bytes(1024))
    with pytest.raises(InputError, match="damaged"):
        listed(open_storage(tmp_path / "x.tar"))


def test_the_index_of_many_members_is_small(tmp_path):
    path = tmp_path / "x.tar"
    blocks = (
        tarfile.TarInfo(f"folder/{n:08}.jpg").tobuf(tarfile.USTAR_FORMAT) for n in range(9000)
    )
    path.write_bytes(b"".join(blocks) + bytes(1024))
    storage = open_storage(path)
    tracemalloc.start()
    assert sum(1 for _ in storage.list()) == 9000
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 9000 * 150


def test_a_compressed_bomb_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(gunzipping, "_ALLOWANCE", 1 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(30_000_000)))
    with pytest.raises(LimitError, match=r"bomb.tar.gz: unpacks to more than 200 times its size"):
        listed(open_storage(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["bomb.tar.gz"]


@pytest.mark.parametrize("cut", [5, 40, -9])
def test_a_damaged_compressed_archive_is_told(tmp_path, cut, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = make(tmp_path / "x.tgz", [member("a", bytes(range(256)) * 40)], mode="w:gz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"x\.tgz: the archive is damaged here"):
        listed(open_storage(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.tgz"]


def test_a_compressed_archive_is_unpacked_once_and_cleared_away(tmp_path):
    make(tmp_path / "x.tgz", [member("a", b"1")], mode="w:gz")
    (tmp_path / "tmp").mkdir()
    script = f"""
import os, subprocess, sys
from variegate.storage import open_storage
assert open_storage({str(tmp_path / "x.tgz")!r}).read("a") == b"1"
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True)
print(len(os.listdir({str(tmp_path / "tmp")!r})))
"""
    (tmp_path / "run.py").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "run.py"],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "VARIEGATE_UNPACKED": "{}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_no_tar_is_told(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=r"x\.tar: the archive is damaged here"):
        listed(open_storage(tmp_path / "x.tar"))


def test_archives_are_read_only(storage):
    for act in (lambda: storage.write("b", b""), lambda: storage.open_write("b")):
        with pytest.raises(OutputError, match="only read"):
            act()
    with pytest.raises(OutputError, match="only read"):
        storage.delete("a")
    with pytest.raises(OutputError, match="an archive cannot be written into"):
        open_storage(Path(storage.path).with_name("new.tar"), create=True)


# ---- packing


@pytest.fixture
def folder(tmp_path):
    folder = open_storage(tmp_path / "in", create=True)
    for key, data in FILES.items():
        folder.write(key, data)
    return folder


@pytest.mark.parametrize("name", ["all.tar", "deep/all.tar.gz", "all.tgz", "all.zip"])
def test_what_is_packed_can_be_read(folder, tmp_path, name):
    assert pack(folder, tmp_path / name) == len(FILES)
    packed = open_storage(tmp_path / name)
    assert {entry.key: packed.read(entry.key) for entry in packed.list()} == FILES


@pytest.mark.skipif(not shutil.which("tar"), reason="the tar program is not installed")
def test_another_program_unpacks_the_same(folder, tmp_path):
    folder.write(os.fsdecode(b"caf\xe9.jpg"), b"stray")
    pack(folder, tmp_path / "all.tar")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "all.tar", "-C", tmp_path / "out"], check=True)
    out = open_storage(tmp_path / "out")
    assert list(out.list()) == list(folder.list())
    assert all(out.read(entry.key) == folder.read(entry.key) for entry in out.list())
    stray = open_storage(tmp_path / "all.tar")
    assert stray.read(os.fsdecode(b"caf\xe9.jpg")) == b"stray"


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_the_same_files_give_the_same_bytes(folder, tmp_path, name):
    pack(folder, tmp_path / name)
    again = open_storage(tmp_path / "again", create=True)
    for key in reversed(FILES):
        again.write(key, FILES[key])
        os.utime(tmp_path / "again" / key, (0, 10**9))
        (tmp_path / "again" / key).chmod(0o600)
    pack(again, tmp_path / f"two{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"two{name}").read_bytes()


def test_an_archive_does_not_swallow_itself(folder, tmp_path):
    with pytest.raises(OutputError, match="lies inside"):
        pack(folder, tmp_path / "in/all.tar")
    with pytest.raises(OutputError, match=r"expected one of \.zip, \.tar"):
        pack(folder, tmp_path / "all.rar")


def test_a_failure_leaves_nothing(folder, tmp_path, monkeypatch):
    def full(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"all\.tar: the disk is full"):
        pack(folder, tmp_path / "tars/all.tar")
    assert list((tmp_path / "tars").iterdir()) == []


parts = st.text(st.sampled_from("ab-./ 0é\U0001f600"), min_size=1, max_size=4)
names = parts.map(lambda text: "/".join(part for part in text.split("/") if part.strip(". ")))


@given(st.dictionaries(names.filter(bool), st.binary(max_size=600), max_size=8))
@settings(max_examples=60)
def test_tar_files_list_as_folders_do(tmp_path_factory, files):
    # What is a folder cannot be a file too.
    files = {k: v for k, v in files.items() if not any(o.startswith(k + "/") for o in files)}
    root = tmp_path_factory.mktemp("order")
    folder = open_storage(root / "in", create=True)
    for key, data in files.items():
        folder.write(key, data)
    pack(folder, root / "x.tar")
    packed = open_storage(root / "x.tar")
    assert list(packed.list()) == list(folder.list())
    assert {entry.key: packed.read(entry.key) for entry in packed.list()} == files
