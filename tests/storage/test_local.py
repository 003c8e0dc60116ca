"""Local folders: links, whole files, full disks, odd names."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from variegate.errors import InputError, LimitError, OutputError
from variegate.storage import open_storage, os_errors


def listed(storage):
    skipped = {}
    return [entry.key for entry in storage.list(on_skip=skipped.__setitem__)], skipped


def test_links_inside_are_files_and_links_outside_are_refused(tmp_path):
    root, secret = tmp_path / "in", tmp_path / "secret"
    (root / "sub").mkdir(parents=True)
    (root / "real.jpg").write_bytes(b"1")
    secret.write_bytes(b"no")
    (root / "sub/link.jpg").symlink_to("../real.jpg")
    (root / "out.jpg").symlink_to(secret)
    (root / "broken.jpg").symlink_to("nowhere")
    storage = open_storage(root)
    keys, skipped = listed(storage)
    assert keys == ["real.jpg", "sub/link.jpg"]
    assert "leads out" in skipped["out.jpg"]
    assert "leads nowhere" in skipped["broken.jpg"]
    assert storage.read("sub/link.jpg") == b"1"
    with pytest.raises(InputError, match="link leads out"):
        storage.read("out.jpg")


def test_circles_of_links_end(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/1.jpg").touch()
    (tmp_path / "a/b/up").symlink_to("..")
    (tmp_path / "a/self").symlink_to("self")
    keys, skipped = listed(open_storage(tmp_path))
    assert keys == ["a/b/1.jpg"]
    assert set(skipped) == {"a/b/up", "a/self"}


def test_a_link_cannot_carry_an_output_away(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="link leads out"):
        open_storage(tmp_path / "out").write("link/a.jpg", b"1")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_root_that_is_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/1.jpg").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    storage = open_storage(tmp_path / "link")
    assert listed(storage) == (["1.jpg"], {})
    assert storage.read("1.jpg") == b"1"


def test_a_pipe_is_skipped_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    storage = open_storage(tmp_path)
    assert listed(storage) == ([], {"pipe.jpg": "it is neither a file nor a folder"})
    with pytest.raises(InputError, match="expected a file"):
        storage.read("pipe.jpg")


def test_names_that_are_not_utf8_are_listed_read_and_written(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9/1.jpg")).write_bytes(b"1")
    storage = open_storage(tmp_path)
    [entry] = storage.list()
    assert os.fsencode(entry.key) == b"caf\xe9/1.jpg"
    assert storage.read(entry.key) == b"1"
    storage.write(entry.key.replace("1", "2"), b"2")
    found = {os.fsencode(path.name) for path in tmp_path.rglob("*.jpg")}
    assert found == {b"1.jpg", b"2.jpg"}
    with pytest.raises(InputError) as caught:
        storage.read(entry.key + "x")
    str(caught.value).encode("utf-8")


def test_a_file_that_grows_while_it_is_read_is_not_read_beyond_the_limit():
    # The kernel's files have a declared size of 0 and say more when they are read.
    storage = open_storage("/proc/self")
    assert storage.size("status") == 0
    with pytest.raises(LimitError, match="101 bytes, the limit is 100"):
        storage.read("status", limit=100)


def test_writes_make_folders_and_replace(tmp_path):
    storage = open_storage(tmp_path / "new/out", create=True)
    storage.write("a/b/1.jpg", b"1")
    storage.write("a/b/1.jpg", b"22")
    with storage.open_write("a/b/2.bin") as file:
        file.write(b"3")
        file.write(b"4")
    assert storage.read("a/b/1.jpg") == b"22"
    assert storage.read("a/b/2.bin") == b"34"
    assert len(list((tmp_path / "new/out/a/b").iterdir())) == 2
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new/out/a/b/1.jpg").stat().st_mode & 0o777 == 0o666 & ~umask


def test_nothing_is_shown_before_the_end_and_nothing_is_left_after_a_failure(tmp_path):
    storage = open_storage(tmp_path)
    storage.write("x", b"old")

    def fail_half_way():
        with storage.open_write("x") as file:
            file.write(b"new")
            file.flush()
            assert listed(storage)[0] == ["x"]
            assert storage.read("x") == b"old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert storage.read("x") == b"old"


def test_a_killed_writer_leaves_only_what_is_cleaned(tmp_path):
    script = (
        "import sys, time; from variegate.storage import open_storage\n"
        "with open_storage(sys.argv[1]).open_write('a/1.jpg') as f:\n"
        "    f.write(b'half'); f.flush(); print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    storage = open_storage(tmp_path)
    assert listed(storage) == ([], {})
    assert storage.delete_leftovers(older_than_s=3600) == 0
    assert storage.delete_leftovers() == 1
    assert list((tmp_path / "a").iterdir()) == []


def test_delete_may_come_twice(tmp_path):
    storage = open_storage(tmp_path)
    storage.write("a", b"")
    storage.delete("a")
    storage.delete("a")
    assert not storage.exists("a")


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_leaves_no_half_file(small_disk):
    storage = open_storage(small_disk)
    storage.write("small", b"1")
    with pytest.raises(OutputError, match=r"disk/big: the disk is full; free some space"):
        storage.write("big", b"x" * 200_000)
    assert listed(storage) == (["small"], {})
    assert [path.name for path in small_disk.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
        (errno.ENOTBLK, "cannot be written"),
    ],
)
def test_failures_of_the_last_step_are_told(tmp_path, monkeypatch, code, sentence):
    def fail(self, target):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(Path, "replace", fail)
    storage = open_storage(tmp_path)
    with pytest.raises(OutputError, match=f"a/1.jpg: .*{sentence}"):
        storage.write("a/1.jpg", b"1")
    with (
        pytest.raises(OutputError, match=f"a/1.jpg: .*{sentence}"),
        storage.open_write("a/1.jpg") as file,
    ):
        file.write(b"1")
    assert list((tmp_path / "a").iterdir()) == []


def test_files_in_the_place_of_folders_and_folders_in_the_place_of_files(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    storage = open_storage(tmp_path)
    with pytest.raises(OutputError, match="file/a: a file stands where a folder is needed"):
        storage.write("file/a", b"1")
    with pytest.raises(OutputError, match="folder: a folder stands where a file"):
        storage.write("folder", b"1")
    with pytest.raises(OutputError, match="too long"):
        storage.write("n" * 300, b"1")
    with pytest.raises(InputError, match="folder: expected a file"):
        storage.read("folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.fixture
def memory_disk(tmp_path):
    """A folder where making a hundred thousand files takes no disk's time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        yield place


@pytest.mark.parametrize(("folders", "most"), [(1000, 500_000), (1, 30_000_000)])
def test_listing_a_hundred_thousand_files_holds_one_folder(memory_disk, folders, most):
    for folder in range(folders):
        os.mkdir(f"{memory_disk}/{folder:04}")  # noqa: PTH102
        for name in range(100_000 // folders):
            os.mknod(f"{memory_disk}/{folder:04}/{name:06}.jpg")
    storage = open_storage(memory_disk)
    tracemalloc.start()
    count = sum(1 for _ in storage.list())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < most


def test_a_file_that_vanishes_during_the_listing_is_named(tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    keys, skipped = [], {}
    for entry in open_storage(tmp_path).list(on_skip=skipped.__setitem__):
        keys.append(entry.key)
        (tmp_path / "b").unlink(missing_ok=True)
    assert keys == ["a", "c"]
    assert "vanished" in skipped["b"]


def test_leftovers_of_a_running_neighbour_can_be_spared(tmp_path):
    storage = open_storage(tmp_path)
    with storage.open_write("a"):
        [temporary] = tmp_path.iterdir()
        assert storage.delete_leftovers(older_than_s=60) == 0
        os.utime(temporary, (time.time() - 100,) * 2)
        assert storage.delete_leftovers(older_than_s=60) == 1
        temporary.touch()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", ["scandir", "stat"])
def test_a_listing_that_fails_for_a_moment_is_read_again(name, number, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(b"1")
    (tmp_path / "a/nowhere.png").symlink_to("gone")
    real, left, pauses, skipped = getattr(os, name), [2], [], []

    def failing(path, *arguments, **options):
        if str(path).startswith(f"{tmp_path}/a") and left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **options)

    storage = open_storage(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, name, failing)
        patched.setattr(os_errors.time, "sleep", pauses.append)
        listed = storage.list("", on_skip=lambda key, _: skipped.append(key))
        assert [entry.key for entry in listed] == ["a/1.png"]
        assert (len(pauses), skipped) == (2, ["a/nowhere.png"])
        left[0] = 10**6
        with pytest.raises(InputError, match="run the same command again"):
            list(storage.list())
        assert sum(pauses) < 10
