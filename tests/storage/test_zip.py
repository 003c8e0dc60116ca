"""Zip files as they come: damaged, hostile, encrypted, too large."""

import shutil
import struct
import subprocess
import tracemalloc
import warnings
import zipfile

import pytest

from variegate.errors import InputError, LimitError, OutputError
from variegate.formats import detect
from variegate.formats.notes import stops_strict
from variegate.storage import ZipStorage, open_storage


def make(tmp_path, files, method=zipfile.ZIP_DEFLATED):
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that comes twice is meant
        for name, data in files:
            archive.writestr(name, data)
    return tmp_path / "x.zip"


def listed(storage):
    skipped = []
    keys = [entry.key for entry in storage.list(on_skip=lambda *told: skipped.append(told))]
    return keys, skipped


def replace_bytes(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def test_the_real_archive_is_read_as_it_is(data_dir):
    path = data_dir / "electronic_components/electronic-components-png-original.zip"
    storage = open_storage(path)
    entries = list(storage.list())
    assert len(entries) == 250
    for entry in entries:
        data = storage.read(entry.key)
        assert len(data) == entry.size
        assert data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/cron.d/x", "../x", "a/../../x", "../", "a//b", "./x", ".variegate-tmp-1"),
        *("C:/x", "c:x", "a\\..\\x", "\\\\host\\x"),
    ],
)
def test_hostile_names_are_passed_over_with_a_reason(tmp_path, name):
    storage = open_storage(make(tmp_path, [(name, b"1"), ("good.jpg", b"2"), ("folder/", b"")]))
    keys, [(told, reason)] = listed(storage)
    assert keys == ["good.jpg"]
    assert told == name
    assert "name" in reason
    with pytest.raises(InputError):
        storage.read(name)


def test_a_name_that_comes_twice_is_reported_and_the_last_counts(tmp_path):
    storage = open_storage(make(tmp_path, [("a", b"old"), ("b", b"1"), ("a", b"new")]))
    keys, [(name, reason)] = listed(storage)
    assert keys == ["a", "b"]
    assert name == "a"
    assert "again" in reason
    assert storage.read("a") == b"new"


def test_names_in_utf8_without_the_flag_are_understood(tmp_path):
    path = make(tmp_path, [("fr__h.jpg", b"1"), ("old\u00e9.jpg", b"2")])
    replace_bytes(path, b"fr__h.jpg", "früh.jpg".encode())
    storage = open_storage(path)
    assert listed(storage)[0] == ["früh.jpg", "oldé.jpg"]
    assert storage.read("früh.jpg") == b"1"


@pytest.mark.parametrize("encoding", ["gbk", "cp437", "cp1252"])
def test_names_in_an_encoding_that_is_not_stated_are_told(tmp_path, encoding):
    name = "\u4e2d\u6587" if encoding == "gbk" else "K\u00e4tzchen"
    raw = name.encode(encoding)
    path = make(tmp_path, [("A" * len(raw) + "/1.png", b"1"), ("dog/2.png", b"2")])
    replace_bytes(path, b"A" * len(raw), raw)
    storage = open_storage(path)
    (doubt,) = storage.doubts()
    read = raw.decode("cp437")
    assert doubt.startswith("1 name is not in UTF-8, and the archive does not say in which enc")
    assert f"read as cp437, such as '{read}/1.png'" in doubt
    notes = detect(storage, name="unlabelled").notes
    assert any("read as cp437" in note and stops_strict(note) for note in notes)


def test_names_in_utf8_leave_no_doubt(tmp_path):
    assert not list(open_storage(make(tmp_path, [("K\u00e4tzchen/1.png", b"1")])).doubts())


def test_side_files_of_macos_are_just_keys(tmp_path):
    storage = open_storage(make(tmp_path, [("a/1.jpg", b"1"), ("__MACOSX/a/._1.jpg", b"2")]))
    assert listed(storage) == (["__MACOSX/a/._1.jpg", "a/1.jpg"], [])


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    path = make(tmp_path, [("a.jpg", b"some image"), ("b.jpg", b"other")], zipfile.ZIP_STORED)
    replace_bytes(path, b"some image", b"some imaga")
    storage = open_storage(path)
    with pytest.raises(InputError, match=r"x.zip/a.jpg: the archive is damaged here \(Bad CRC"):
        storage.read("a.jpg")
    assert storage.read("b.jpg") == b"other"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_damage_escapes_as_another_exception(tmp_path, method):
    path = make(tmp_path, [("a.jpg", bytes(range(256)) * 4), ("b.jpg", b"other")], method)
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.zip"
    for position in range(len(whole)):
        damaged.write_bytes(
            whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        )
        storage = open_storage(damaged)
        try:
            entries = list(storage.list(on_skip=print))
        except InputError:
            continue
        for entry in entries:
            try:
                storage.read(entry.key, limit=10_000)
            except (InputError, LimitError) as error:
                assert "damaged.zip" in str(error)  # noqa: PT017
    for length in range(0, len(whole), 7):
        damaged.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"damaged\.zip"):
            list(open_storage(damaged).list())


def test_a_bomb_is_stopped_by_its_declared_size(tmp_path):
    storage = open_storage(make(tmp_path, [("bomb", b"\0" * 30_000_000)]))
    tracemalloc.start()
    with pytest.raises(LimitError, match="30,000,000 bytes, the limit is 1,000,000"):
        storage.read("bomb", limit=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path):
    path = make(tmp_path, [("bomb", b"\0" * 30_000_000)])
    replace_bytes(path, struct.pack("<I", 30_000_000), struct.pack("<I", 1000))
    storage = open_storage(path)
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged"):
        storage.read("bomb", limit=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()


def test_without_a_limit_there_still_is_one(tmp_path):
    path = make(tmp_path, [("bomb", b"\0" * 1000)])
    replace_bytes(path, struct.pack("<I", 1000), struct.pack("<I", (1 << 30) + 1))
    with pytest.raises(LimitError):
        open_storage(path).read("bomb")


@pytest.mark.skipif(not shutil.which("zip"), reason="the zip program is not installed")
def test_encrypted_members_of_a_real_archive_say_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    subprocess.run(["zip", "-qP", "secret", "x.zip", "a.jpg"], cwd=tmp_path, check=True)
    with pytest.raises(InputError, match=r"a.jpg: encrypted; unpack"):
        open_storage(tmp_path / "x.zip").read("a.jpg")


def test_encrypted_members_say_so(tmp_path):
    path = make(tmp_path, [("a.jpg", b"1")])
    local, central = b"PK\x03\x04\x14\x00", b"PK\x01\x02\x14\x03\x14\x00"
    for header in (local, central):
        replace_bytes(path, header + b"\0\0", header + b"\1\0")
    with pytest.raises(InputError, match=r"a.jpg: encrypted; unpack"):
        open_storage(path).read("a.jpg")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unbounded_compressions_are_refused(tmp_path, method):
    storage = open_storage(make(tmp_path, [("a.jpg", b"1")], method))
    with pytest.raises(InputError, match=f"compressed by method {method}"):
        storage.read("a.jpg")


def test_what_is_no_zip_is_told(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=r"x\.zip: the archive is damaged here"):
        list(open_storage(tmp_path / "x.zip").list())


def test_archives_are_read_only(tmp_path):
    storage = open_storage(make(tmp_path, [("a", b"1")]))
    for act in (lambda: storage.write("b", b""), lambda: storage.open_write("b")):
        with pytest.raises(OutputError, match="only read"):
            act()
    with pytest.raises(OutputError, match="only read"):
        storage.delete("a")


def test_opening_reads_nothing_yet(tmp_path):
    path = make(tmp_path, [("a", b"1")])
    storage = open_storage(path)
    assert isinstance(storage, ZipStorage)
    path.unlink()
    with pytest.raises(InputError, match="not found"):
        storage.read("a")
