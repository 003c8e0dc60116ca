"""A dataset that is listed once: what is kept of it, and what that costs."""

import tracemalloc

import pytest

import jobs
from counting import CountingStorage
from variegate.errors import InputError, LimitError, OutputError
from variegate.seeding import generator
from variegate.storage import Entry, PassingStorage, Snapshot, log_skip, open_storage
from variegate.storage import snapshot as module

MB = 1 << 20


@pytest.fixture
def make(tmp_path):
    def write(files):
        for key, data in files.items():
            path = tmp_path / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return CountingStorage(open_storage(tmp_path))

    return write


def listed(storage, prefix=""):
    skipped = []
    entries = list(storage.list(prefix, on_skip=lambda *one: skipped.append(one)))
    return [(one, one.modified) for one in entries], skipped


def test_every_listing_is_the_first_one_with_all_that_was_skipped(make, tmp_path):
    odd = ["a/\udce9.txt", "a/\ue000.txt", "a/\U0001f600.txt", 'a/new\nline".txt', "a-b/1", "a0"]
    storage = make(dict.fromkeys((*odd, "a/b/c.txt"), b"."))
    (tmp_path / "a/elsewhere").symlink_to("/")
    (tmp_path / "nowhere").symlink_to("gone")
    wanted = {prefix: listed(storage, prefix) for prefix in ("", "a", "a/b/", "b")}
    assert len(wanted[""][1]) == 2
    storage.lists = 0
    with Snapshot(storage) as seen:
        for _ in range(2):
            assert {prefix: listed(seen, prefix) for prefix in wanted} == wanted
        assert all(seen.exists(key) for key in odd)
        assert not seen.exists("a/elsewhere")
        assert storage.lists == 1
        assert storage.heads == 0


def test_listings_may_be_left_and_run_side_by_side_and_see_nothing_new(make, tmp_path):
    storage = make({f"{n}.txt": b"." * n for n in range(1, 6)})
    with Snapshot(storage) as seen:
        next(seen.list())
        (tmp_path / "0.txt").write_bytes(b"late")
        pairs = list(zip(seen.list(), seen.list(), strict=True))
        assert [one.size for one, _ in pairs] == [1, 2, 3, 4, 5]
        for entry in seen.list():
            assert len(seen.read(entry.key)) == entry.size == seen.size(entry.key)
        assert not seen.exists("0.txt")


def test_every_byte_of_an_annotation_is_asked_for_once_however_it_is_read(make):
    rng = generator(7)
    data = {f"{n}.json": rng.bytes(n) for n in (0, 5, MB - 1, MB, MB + 1, 3 * MB, 3 * MB + 7)}
    for after_listing in (False, True):
        storage = make(data)
        with Snapshot(storage) as seen:
            if after_listing:
                list(seen.list())
            for _ in range(40):
                key = str(rng.choice(list(data)))
                if rng.random() < 0.2:
                    assert seen.read(key) == data[key]
                    continue
                start = int(rng.integers(len(data[key]) + 1))
                much = int(rng.choice((1, 900, 2 * MB, -1)))
                with seen.open_read(key) as file:
                    whence = int(rng.integers(2))
                    place = start - len(data[key]) if whence else start
                    assert file.seek(place, 2 * whence) == start
                    stop = len(data[key]) if much < 0 else start + much
                    assert file.read(much) == data[key][start:stop]
                    assert file.tell() == min(stop, len(data[key]))
            for key in data:
                assert seen.read(key) == data[key]
        assert storage.twice() == []
        assert {key: sum(b - a for a, b in storage.asked[key]) for key in data} == {
            key: len(content) for key, content in data.items()
        }


def test_images_and_files_without_an_extension_are_passed_on(make):
    storage = make({"a.JPG": b"1", "masks/a.png": b"22", "scan": b"333", ".hidden": b""})
    with Snapshot(storage) as seen:
        for _ in range(2):
            assert [len(seen.read(entry.key)) for entry in seen.list()] == [0, 1, 2, 3]
    assert len(storage.whole) == 8


def test_a_limit_holds_for_what_is_kept_too(make):
    storage = make({"a.xml": b"12345", "b.xml": b"1"})
    with Snapshot(storage) as seen:
        with pytest.raises(LimitError, match=r"a\.xml: 5 bytes, the limit is 4"):
            seen.read("a.xml", limit=4)
        assert storage.whole == []
        assert seen.read("a.xml", limit=5) == b"12345"
        with pytest.raises(LimitError, match=r"a\.xml: 5 bytes, the limit is 4"):
            seen.read("a.xml", limit=4)
        assert seen.read("a.xml") == b"12345"
    assert storage.whole == ["a.xml"]


def test_what_does_not_fit_is_read_again(make, monkeypatch):
    data = generator(1).bytes(2 * MB + 100)
    monkeypatch.setattr(module, "_MOST_BYTES", MB + 50)
    storage = make({"a.json": data, "b.json": b"x" * 60, "c.json": b"y" * 40})
    with Snapshot(storage) as seen:
        for _ in range(2):
            with seen.open_read("a.json") as file:
                assert file.read() == data
            assert seen.read("b.json") == b"x" * 60
            assert seen.read("c.json") == b"y" * 40
    assert storage.asked["a.json"].count((0, MB)) == 1
    assert storage.whole.count("b.json") == 2
    assert storage.whole.count("c.json") == 1


class _Broken(PassingStorage):
    """Breaks off its first listing."""

    broken = True

    def list(self, prefix="", *, on_skip=log_skip):
        on_skip("skipped", "for a reason")
        for entry in super().list(prefix, on_skip=on_skip):
            yield entry
            if self.broken:
                self.broken = False
                raise InputError("the line is dead")


def test_a_listing_that_fails_is_made_again(make):
    with Snapshot(_Broken(make({"1.txt": b"", "2.txt": b""}))) as seen:
        with pytest.raises(InputError, match="the line is dead"):
            list(seen.list())
        entries, skipped = listed(seen)
        assert [entry.key for entry, _ in entries] == ["1.txt", "2.txt"]
        assert skipped == [("skipped", "for a reason")]


def test_a_full_disk_is_one_sentence(make):
    with Snapshot(make({f"{n:0200}.txt": b"" for n in range(200)})) as seen:
        seen._database.execute("pragma max_page_count = 8")
        with pytest.raises(OutputError, match=r"full.*; free some space there, or set TMPDIR"):
            list(seen.list())


class _Many(PassingStorage):
    """Has as many files as one likes, and skips as many."""

    count = 100_000

    def list(self, prefix="", *, on_skip=log_skip):
        for number in range(self.count):
            on_skip(f"{number:0200}.link", "it leads nowhere")
            yield Entry(f"{number:0200}.txt", 1, 0.0)

    def read(self, key, *, limit=None):
        return b"x"


def test_memory_does_not_grow_with_keys(make):
    with Snapshot(_Many(make({}))) as seen:
        tracemalloc.start()
        try:
            count = sum(entry.size for entry in seen.list(on_skip=lambda *_: None))
            some = (e.key for e in seen.list(on_skip=lambda *_: None) if e.key[199] == "7")
            count += sum(len(seen.read(key)) for key in some)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert count == 110_000
    assert peak < MB


def test_the_database_is_on_disk_and_not_in_memory(tmp_path):
    # 100,000 keys of 1,000 bytes; tracemalloc does not see what SQLite takes.
    program = """
import resource, sys
from variegate.seeding import generator
from variegate.storage import Entry, PassingStorage, Snapshot, open_storage

class Many(PassingStorage):
    def list(self, prefix="", *, on_skip=None):
        return (Entry(f"{number:0150}/" * 6 + "1.txt", 1) for number in range(100_000))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

with Snapshot(Many(open_storage(sys.argv[1]))) as seen:
    before = peak()
    assert sum(1 for _ in seen.list()) == 100_000
    print(peak() - before)
"""
    process = jobs.python(program, tmp_path)
    grown = int(process.communicate()[0])
    assert process.returncode == 0
    assert grown < 10_000  # kilobytes
