"""Some names of a large bucket: spread over its folders, in few requests, and said."""

from bisect import bisect_right

import pytest

from variegate.storage import Entry, sampled
from variegate.storage.sampled import _Walk


def walked(keys, wanted=1_000):
    """Walk through keys as a bucket lists them; return whether it went well, and the walk."""
    keys = sorted(keys)

    def page_after(key):
        start = 0 if key is None else bisect_right(keys, key)
        return [Entry(one, 1) for one in keys[start : start + 1_000]]

    walk = _Walk(page_after, wanted=wanted)
    return walk.go(), walk


CLASSES = [f"class-{n % 20:02}/{n:06}.jpg" for n in range(200_000)]


def test_all_folders_are_seen_in_a_fifth_of_the_requests():
    went, walk = walked(CLASSES)
    assert went
    assert {key.split("/")[0] for key in walk.found} == {f"class-{n:02}" for n in range(20)}
    assert walk.requests <= 40
    assert len(walk.found) < 40_000
    assert [one.key for one in walk.entries] == sorted(walk.found)
    assert set(walk.found) <= set(CLASSES)


def test_one_flat_folder():
    for prefix in ("", "photos/"):
        went, walk = walked([f"{prefix}{n:07}.jpg" for n in range(200_000)])
        assert went
        assert walk.requests <= 7
        assert len(walk.found) >= 1_000


def test_what_is_small_is_listed_whole():
    keys = [f"c{n % 5}/{n}.jpg" for n in range(3_000)]
    went, walk = walked(keys)
    assert went
    assert not walk.leaps
    assert sorted(walk.found) == sorted(keys)


@pytest.mark.parametrize(
    "other", ["a.json", "set/_annotations.coco.json", "set/metadata.csv", "set/labels.csv", "z.txt"]
)
def test_beside_annotations_all_names_are_listed(other):
    went, _ = walked([*(f"set/{n:07}.jpg" for n in range(50_000)), other])
    assert not went


def test_more_folders_than_requests():
    went, walk = walked([f"class-{n % 300:03}/{n:06}.jpg" for n in range(600_000)])
    assert not went
    assert walk.requests == sampled._MOST_REQUESTS
