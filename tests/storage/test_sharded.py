"""Folders of tar files, and results that are folded into tar files."""

import io
import pickle
import tarfile
from pathlib import Path

import pytest

from variegate.errors import InputError, OutputError
from variegate.storage import (
    Entry,
    LocalStorage,
    ShardedTarStorage,
    fold_shards,
    open_storage,
)


def make_tar(path, **files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    root = tmp_path / "in"
    make_tar(root / "s-0.tar", b_jpg=b"b", a_jpg=b"aa", sub__c_jpg=b"ccc")
    make_tar(root / "s-1.tar", a_jpg=b"1")
    make_tar(root / "train/s.tar", x_jpg=b"x")
    (root / "s-0.tar.idx").write_bytes(b"index")
    (root / "notes.txt").write_bytes(b"hello")
    return open_storage(root)


EXPECTED = {
    "notes.txt": b"hello",
    "s-0.tar.idx": b"index",
    "s-0.tar/a.jpg": b"aa",
    "s-0.tar/b.jpg": b"b",
    "s-0.tar/sub/c.jpg": b"ccc",
    "s-1.tar/a.jpg": b"1",
    "train/s.tar/x.jpg": b"x",
}


def test_members_of_shards_are_files_in_code_point_order(shards):
    assert isinstance(shards, ShardedTarStorage)
    assert list(shards.list()) == [Entry(k, len(v)) for k, v in sorted(EXPECTED.items())]
    for key, data in EXPECTED.items():
        assert shards.exists(key)
        assert (shards.read(key), shards.size(key)) == (data, len(data))
        with shards.open_read(key) as file:
            assert file.read() == data


def test_a_prefix_may_be_a_shard_or_lie_in_one(shards):
    assert [e.key for e in shards.list("s-0.tar")] == [k for k in EXPECTED if "s-0.tar/" in k]
    assert [e.key for e in shards.list("s-0.tar/sub/")] == ["s-0.tar/sub/c.jpg"]
    assert [e.key for e in shards.list("train")] == ["train/s.tar/x.jpg"]
    assert list(shards.list("nowhere")) == []


@pytest.mark.parametrize("key", ["s-0.tar/no.jpg", "s-2.tar/a.jpg", "no", "s-0.tar/a.jpg/b"])
def test_what_is_not_there_is_named(shards, key):
    assert not shards.exists(key)
    with pytest.raises(InputError, match=r"not found"):
        shards.read(key)


def test_no_key_leads_outside(shards):
    for key in ("s-0.tar/../../x", "../x", "s-0.tar//a.jpg"):
        with pytest.raises(InputError):
            shards.exists(key)


def test_hostile_members_are_told_with_their_shard(tmp_path):
    make_tar(tmp_path / "s.tar", **{"..__x.jpg": b"1", "a_jpg": b"2"})
    with tarfile.open(tmp_path / "s.tar", "a") as archive:
        link = tarfile.TarInfo("b.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    told = []
    storage = open_storage(tmp_path)
    keys = [e.key for e in storage.list(on_skip=lambda *skipped: told.append(skipped[0]))]
    assert keys == ["s.tar/a.jpg"]
    assert told == ["s.tar/../x.jpg", "s.tar/b.jpg"]


def test_it_can_be_sent_to_other_processes_with_many_shards(tmp_path):
    for number in range(40):
        make_tar(tmp_path / f"{number:02}.tar", a_jpg=str(number).encode())
    storage = open_storage(tmp_path)
    assert [storage.read(e.key) for e in storage.list()] == [str(n).encode() for n in range(40)]
    assert len(storage._opened) <= 16
    copy = pickle.loads(pickle.dumps(storage))
    assert copy == storage
    assert copy.read("07.tar/a.jpg") == b"7"
    assert len(pickle.dumps(storage)) < 500


@pytest.mark.parametrize(
    "keys",
    [
        ("cats/1.jpg", "backup.tar"),
        ("1.jpg", "backup.tar"),
        ("cats/s.tar",),
        ("train/cats/1.jpg", "train.tar"),
        ("train/1.jpg", "val/s.tar"),
        ("train/notes.txt",),
    ],
)
def test_other_folders_stay_what_they_were(tmp_path, keys):
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(b"")
    assert type(open_storage(tmp_path)) is LocalStorage


def test_other_files_can_be_written_beside_shards_but_not_into_them(shards):
    shards.write("manifest/part.json", b"1")
    assert shards.read("manifest/part.json") == b"1"
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        shards.write("s-0.tar/new.jpg", b"1")


# ---- folding


RESULTS = {
    "a-v0.tar/1-v0.cls": b"7",
    "a-v0.tar/1-v0.jpg": b"image",
    "a-v0.tar/sub/2.jpg": b"deep",
    "train/b.tar/1.jpg": b"b",
    "other/x.jpg": b"x",
}


@pytest.fixture
def results(tmp_path):
    out = open_storage(tmp_path / "out", create=True)
    for key, data in RESULTS.items():
        out.write(key, data)
    return out


def content(storage):
    return {entry.key: storage.read(entry.key) for entry in storage.list()}


def test_folding_changes_no_key_and_no_byte(results, tmp_path):
    (tmp_path / "out/other/x.jpg").unlink()
    (tmp_path / "out/other").rmdir()
    expected = {key: data for key, data in RESULTS.items() if "other" not in key}
    assert content(results) == expected
    assert fold_shards(results) == 2
    assert content(open_storage(tmp_path / "out")) == expected
    with tarfile.open(tmp_path / "out/a-v0.tar") as archive:
        assert archive.getnames() == ["1-v0.cls", "1-v0.jpg", "sub/2.jpg"]
        assert {(m.mtime, m.uid, m.mode) for m in archive} == {(0, 0, 0o644)}
    assert fold_shards(open_storage(tmp_path / "out")) == 0


def test_folding_goes_on_wherever_it_was_stopped(results, tmp_path, monkeypatch):
    whole = None
    calls = 0

    def dying(method):
        def wrapped(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == limit:
                raise KeyboardInterrupt
            return method(*arguments, **options)

        return wrapped

    fold_shards(results)
    whole = {path: (tmp_path / "out" / path).read_bytes() for path in ("a-v0.tar", "train/b.tar")}
    for limit in range(1, 30):
        root = tmp_path / f"again{limit}"
        again = open_storage(root, create=True)
        for key, data in RESULTS.items():
            again.write(key, data)
        calls = 0
        with monkeypatch.context() as patch:
            for cls, name in (
                (Path, "rmdir"),
                (Path, "rename"),
                (Path, "unlink"),
                (Path, "replace"),
            ):
                patch.setattr(cls, name, dying(getattr(cls, name)))
            try:
                fold_shards(again)
                finished = True
            except KeyboardInterrupt:
                finished = False
        fold_shards(again)
        assert {path: (root / path).read_bytes() for path in whole} == whole
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
        assert names == ["a-v0.tar", "other/x.jpg", "train/b.tar"]
        if finished:
            break
    assert finished
    assert limit > 8


def test_an_unfinished_file_of_a_killed_run_is_in_no_shard_and_in_nobodys_way(tmp_path):
    results = open_storage(tmp_path / "out", create=True)
    results.write("a.tar/x/1.jpg", b"1")
    (tmp_path / "out" / "a.tar" / "x" / ".variegate-tmp-0123").write_bytes(b"unfinished")
    assert fold_shards(results) == 1
    with tarfile.open(tmp_path / "out" / "a.tar") as file:
        assert file.getnames() == ["x/1.jpg"]
