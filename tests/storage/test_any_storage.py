"""What every storage must do, whatever it is made of."""

import io
import os
import pickle
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import InputError, LimitError
from variegate.storage import Entry, Snapshot, open_storage

FILES = {
    "a-b/2.jpg": b"2",
    "a.txt": b"",
    "a/1.jpg": b"11",
    "a/b/c/deep.png": b"x" * 100_000,
    "ab": b"333",
    "früh_süß_写真.jpg": b"4",
    "with space (1).Jpeg": b"5",
}


def make_folder(root, files):
    for key, data in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return open_storage(root)


def make_zip(root, files):
    with zipfile.ZipFile(root / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in reversed(files.items()):
            archive.writestr(key, data)
    return open_storage(root / "all.zip")


def make_snapshot(root, files):
    return Snapshot(make_folder(root, files))


def make_used_snapshot(root, files):
    snapshot = make_snapshot(root, files)
    for entry in snapshot.list():
        snapshot.read(entry.key)
    return snapshot


@pytest.fixture(params=[make_folder, make_zip])
def place(request, tmp_path):
    return request.param(tmp_path, FILES)


@pytest.fixture(params=[make_folder, make_zip, make_snapshot, make_used_snapshot])
def storage(request, tmp_path):
    return request.param(tmp_path, FILES)


def test_lists_every_file_with_its_size_in_code_point_order(storage):
    expected = [Entry(key, len(FILES[key])) for key in sorted(FILES)]
    assert list(storage.list()) == expected


def test_a_prefix_is_a_folder_and_no_beginning_of_a_name(storage):
    assert [entry.key for entry in storage.list("a")] == ["a/1.jpg", "a/b/c/deep.png"]
    assert list(storage.list("a/b/")) == [Entry("a/b/c/deep.png", 100_000)]
    assert list(storage.list("nowhere")) == []
    assert list(storage.list("ab")) == []
    with pytest.raises(InputError):
        list(storage.list("../"))


def test_reads_whole_and_in_pieces(storage):
    for key, data in FILES.items():
        assert storage.read(key) == data
        assert storage.size(key) == len(data)
        with storage.open_read(key) as file:
            assert b"".join(iter(lambda: file.read(1000), b"")) == data


def test_the_limit_counts_bytes(storage):
    assert len(storage.read("a/b/c/deep.png", limit=100_000)) == 100_000
    with pytest.raises(LimitError, match=r"a/b/c/deep.png: 100,000 bytes.*limit is 99,999"):
        storage.read("a/b/c/deep.png", limit=99_999)


def test_what_is_not_there_is_named(storage):
    assert storage.exists("ab")
    for key in ("a", "b", "ab/c"):
        assert not storage.exists(key)
        for ask in (storage.read, storage.open_read, storage.size):
            with pytest.raises(InputError, match=key):
                ask(key)


@pytest.mark.parametrize("key", ["../all.zip", "/etc/passwd", "a/../../x"])
def test_no_key_leads_outside(storage, key):
    for ask in (storage.read, storage.open_read, storage.size, storage.exists):
        with pytest.raises(InputError):
            ask(key)


def test_a_used_storage_can_be_sent_to_another_process(place):
    place.read("ab")
    copy = pickle.loads(pickle.dumps(place))
    assert copy.url == place.url
    assert copy.read("a/1.jpg") == b"11"
    assert len(pickle.dumps(place)) < 500


def test_a_forked_process_reads_beside_its_parent(place):
    place.read("ab")
    child = os.fork()
    wanted = ("a/b/c/deep.png", "ab") * 20
    right = all(place.read(key) == FILES[key] for key in wanted)
    if child == 0:
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert right


parts = st.text(st.sampled_from("ab-./ 0é\U0001f600"), min_size=1, max_size=4)
names = parts.map(lambda text: "/".join(part for part in text.split("/") if part.strip(". ")))


@given(st.sets(names.filter(bool), max_size=8))
@settings(max_examples=60)
def test_folders_and_zips_list_alike(tmp_path_factory, keys):
    # What is a folder cannot be a file too.
    files = {k: b"" for k in keys if not any(other.startswith(k + "/") for other in keys)}
    root = tmp_path_factory.mktemp("order")
    folder, packed = make_folder(root, files), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key in files:
            archive.writestr(key, b"")
    (tmp := tmp_path_factory.mktemp("zip") / "x.zip").write_bytes(packed.getvalue())
    assert list(folder.list()) == list(open_storage(tmp).list())
    assert [entry.key for entry in folder.list()] == sorted(files)
