"""The list of a run's sources."""

import tracemalloc

import pytest

import jobs
from variegate.errors import OutputError
from variegate.formats import Source, detect
from variegate.runs.job import source_from_json, source_to_json
from variegate.runs.sources import spool
from variegate.storage import open_storage


def make(folder, keys, content=b"x"):
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return open_storage(folder)


def listed(storage, *, limit=None, text=jobs.TWO):
    return spool(storage, detect(storage), jobs.recipe(text), limit=limit)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make(
        tmp_path_factory.mktemp("many"),
        [f"{n % 3}/{n:04}.png" for n in range(1_203)] + ["0/notes.txt"],
    )


def test_any_range_of_sources(many):
    whole = [entry.key for entry in many.list()]
    with listed(many) as listing:
        assert listing.total == 1_204
        for start, stop in (
            (0, None),
            (0, 0),
            (499, 501),
            (500, 1_000),
            (3, 1_204),
            (1_203, 1_204),
        ):
            assert [source.key for source in listing.sources(start, stop)] == whole[start:stop]


def test_two_readers_take_turns(many):
    with listed(many) as listing:
        pairs = list(zip(listing.sources(), listing.sources(), strict=True))
    assert len(pairs) == 1_204
    assert all(one == other for one, other in pairs)


@pytest.mark.parametrize("size", [1, 7, 500, 5_000])
def test_shards_cover_their_ranges_and_nothing_else(many, size):
    ranges = [(0, 10), (490, 510), (1_200, 1_204)]
    with listed(many) as listing:
        shards = list(listing.shards(iter(ranges), size))
        numbers = [n for shard in shards for n in range(shard.start, shard.stop)]
        assert numbers == [n for start, stop in ranges for n in range(start, stop)]
        assert max(len(shard.sources) for shard in shards) <= size
        found = [source for shard in shards for source in shard.sources]
        assert found == [s for start, stop in ranges for s in listing.sources(start, stop)]


def test_the_last_shards_are_smaller_so_that_all_end_together(many):
    with listed(many) as listing:
        shards = list(listing.shards([(0, 100), (104, 1_204)], 40, parallel=3))
    lengths = [len(shard.sources) for shard in shards]
    numbers = [n for shard in shards for n in range(shard.start, shard.stop)]
    assert numbers == [*range(100), *range(104, 1_204)]
    assert lengths[:10] == [40, 40, 20, *[40] * 7]
    assert lengths[-5:-1] == [10] * 4
    assert 1 <= lengths[-1] <= 10
    assert lengths[3:] == sorted(lengths[3:], reverse=True)


def test_the_identity_tells_what_changed(tmp_path):
    def identity(keys, content=b"x"):
        nonlocal count
        count += 1
        with listed(make(tmp_path / str(count), keys, content)) as listing:
            return listing.identity

    count = 0
    first = identity(["a/1.png", "b/2.png"])
    assert first == identity(["a/1.png", "b/2.png"])
    more = identity(["a/1.png", "b/2.png", "b/3.png"])
    assert (first["files"], more["files"]) == (2, 3)
    larger = identity(["a/1.png", "b/2.png"], b"xy")
    assert {name for name in first if first[name] != larger[name]} == {"bytes", "sizes"}
    moved = identity(["a/1.png", "c/2.png"])
    assert {name for name in first if first[name] != moved[name]} == {"names", "labels"}


def test_a_few_are_images_evenly_spread(many):
    with listed(many, limit=4) as listing:
        keys = [source.key for source in listing.sources()]
    assert len(keys) == 4
    assert all(key.endswith(".png") for key in keys)
    assert {key[0] for key in keys} == {"0", "1", "2"}


def test_the_first_two_sources_with_one_name_are_told(tmp_path):
    storage = make(tmp_path, ["a/x.png", "a/x.png.jpg", "b/y.png"])
    text = f"{jobs.TWO}\noutput: {{format: jpeg}}"
    with pytest.raises(OutputError, match=r"'a/x\.png' and 'a/x\.png\.jpg' would share"):
        listed(storage, text=text)


@pytest.mark.parametrize(
    "source",
    [
        Source("a/b.png", 3, None, None),
        Source("a/\udce9\\.png", 3, "train", "ca\udce9t"),
        Source("a", 0, "val", "", None, ("one", "two"), "why", "not"),
    ],
)
def test_a_source_survives_its_json(source):
    assert source_from_json(source_to_json(source)) == source


def test_memory_does_not_grow_with_the_number_of_sources(tmp_path):
    class Endless:
        def __init__(self, count):
            self.count, self.splits, self.images = count, (), {"": 1}

        def sources(self, storage, **_):
            for number in range(self.count):
                yield Source(f"class/{number:09}-with-a-rather-long-name.png", 1_000, None, "class")

    def peak(count):
        tracemalloc.start()
        with spool(open_storage(tmp_path), Endless(count), jobs.recipe(jobs.TWO)) as listing:
            for _ in listing.shards(iter([(0, count)]), 100):
                pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(2_000), peak(20_000)
    assert large < small * 1.1
