"""From what the user types to a storage, and what must not be one place."""

import os

import pytest

from variegate.errors import InputError, OutputError
from variegate.storage import LocalStorage, ZipStorage, check_apart, open_storage


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/cats").mkdir(parents=True)
    (tmp_path / "photos/notes.txt").touch()
    (tmp_path / "photos/set.ZIP").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    (tmp_path / "link").symlink_to("photos")
    return tmp_path


def test_folders_and_zip_files_are_opened_by_what_they_are(place):
    assert isinstance(open_storage("photos"), LocalStorage)
    assert isinstance(open_storage(place / "photos/set.ZIP"), ZipStorage)
    (place / "folder.zip").mkdir()
    assert isinstance(open_storage("folder.zip"), LocalStorage)


def test_the_url_is_what_was_typed_and_survives_another_working_folder(place, monkeypatch):
    storage = open_storage("photos")
    monkeypatch.chdir("/")
    assert storage.url == "photos"
    assert [entry.key for entry in storage.list()] == ["notes.txt", "set.ZIP"]


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("", "empty"),
        ("photo", r"photo: not found; did you mean 'photos'\?"),
        ("nowhere/x", "not found; check"),
        (
            "photos/notes.txt",
            r"a folder or a .zip, .tar, .* or .tgz file, found another",
        ),
        ("photos/notes.txt/x", "not found"),
        ("/dev/null", "device"),
        ("s3://bucket/all.zip", "an archive in a bucket"),
        ("s3:///raw", "no bucket"),
        ("s3://bucket/../raw", "is not a file or folder name"),
        ("s4://bucket", "unknown kind of place 's4://'; expected a folder"),
        ("file:///tmp", "plain path"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_sentence(location, sentence):
    with pytest.raises(InputError, match=sentence):
        open_storage(location)


def test_create_makes_folders_once_and_again(place):
    open_storage("new/out", create=True).write("a", b"1")
    assert open_storage("new/out", create=True).read("a") == b"1"


@pytest.mark.parametrize(
    "location", ["photos/notes.txt", "photos/notes.txt/x", "new.zip", "ftp://b"]
)
def test_create_says_why_it_cannot(location):
    with pytest.raises(OutputError, match=location.split("/")[-1]):
        open_storage(location, create=True)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("photos", "photos"),
        ("photos", "photos/"),
        ("photos", "photos/out"),
        ("photos", "link"),
        ("photos", "link/new/out"),
        ("link", "photos/cats"),
        ("photos/cats", "photos"),
        ("photos/cats", "."),
        ("photos", "out/../photos/x"),
        ("photos/set.ZIP", "photos"),
        ("photos", "photos/out.zip"),
    ],
)
def test_input_and_output_in_one_another_are_refused(source, target):
    with pytest.raises(OutputError, match="choose an output beside the input"):
        check_apart(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("photos", "photos2"),
        ("photos/cats", "photos/dogs"),
        ("photos/set.ZIP", "out"),
        ("photos", "o/n"),
    ],
)
def test_neighbours_are_apart(source, target):
    check_apart(source, target)


def test_a_hard_link_or_other_spelling_is_seen_through(place, monkeypatch):
    # As on a file system that does not tell upper from lower case.
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: real(str(path).replace("PHOTOS", "link")))
    with pytest.raises(OutputError):
        check_apart("photos", "PHOTOS/out")
