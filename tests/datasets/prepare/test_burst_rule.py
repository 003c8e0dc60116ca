"""Bursts: what one camera took shortly after each other stays together."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

import variegate
from variegate.datasets.prepare.burst_rule import BurstRule
from variegate.datasets.prepare.exif import shot_of
from variegate.datasets.prepare.split import SplitChoice
from variegate.errors import InputError
from variegate.formats import Source
from variegate.storage import open_storage

_numbers = itertools.count()


def shot(path, taken=None, *, camera="Acme One", fraction=None, serial=None):
    """Write an image with EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if camera:
        exif[0x0110] = camera
    block = exif.get_ifd(0x8769)
    for tag, value in ((0x9003, taken), (0x9291, fraction), (0xA431, serial)):
        if value is not None:
            block[tag] = value
    noise = np.random.default_rng(next(_numbers)).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)


def names(folder, rule="burst:2"):
    made = BurstRule(rule, open_storage(folder))
    keys = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    return {key: made.group(Source(key, 1)) for key in keys}, list(made.notes())


def test_shots_of_one_camera_within_seconds_are_one_group(tmp_path):
    for name, second in (("a", 10), ("b", 12), ("c", 14), ("d", 17), ("e", 18)):
        shot(tmp_path / f"{name}.jpg", f"2024:05:17 10:11:{second}")
    found, notes = names(tmp_path)
    assert found == {
        "a.jpg": "a.jpg",
        "b.jpg": "a.jpg",
        "c.jpg": "a.jpg",
        "d.jpg": "d.jpg",
        "e.jpg": "d.jpg",
    }
    assert notes == []


def test_two_cameras_and_two_bodies_of_one_kind_are_apart(tmp_path):
    moment = "2024:05:17 10:11:12"
    shot(tmp_path / "a.jpg", moment)
    shot(tmp_path / "b.jpg", moment, camera="Acme Two")
    shot(tmp_path / "c.jpg", moment, serial="4711")
    shot(tmp_path / "d.jpg", moment, serial="4712")
    assert len(set(names(tmp_path)[0].values())) == 4


def test_without_a_camera_only_images_of_one_folder_are_together(tmp_path):
    for name in ("x/a", "x/b", "y/c"):
        shot(tmp_path / f"{name}.jpg", "2024:05:17 10:11:12", camera=None)
    found, notes = names(tmp_path)
    (note,) = notes
    assert note.startswith(
        "burst:2: 3 images name no camera in EXIF: those of one folder are taken"
    )
    assert found == {"x/a.jpg": "x/a.jpg", "x/b.jpg": "x/a.jpg", "y/c.jpg": "y/c.jpg"}


def test_fractions_of_seconds_count(tmp_path):
    shot(tmp_path / "a.jpg", "2024:05:17 10:11:12", fraction="10")
    shot(tmp_path / "b.jpg", "2024:05:17 10:11:12", fraction="90")
    assert len(set(names(tmp_path, "burst:0.5")[0].values())) == 2
    assert len(set(names(tmp_path, "burst:0.9")[0].values())) == 1


def test_images_without_a_time_are_counted_and_alone(tmp_path):
    shot(tmp_path / "a.jpg", "2024:05:17 10:11:12")
    shot(tmp_path / "b.jpg", None)
    shot(tmp_path / "c.jpg", "0000:00:00 00:00:00")
    (tmp_path / "d.jpg").write_bytes(b"no image")
    found, notes = names(tmp_path)
    assert [found[key] for key in ("b.jpg", "c.jpg", "d.jpg")] == [None] * 3
    assert notes == [
        "burst:2: 3 images of 4 with no camera's time in EXIF: each is a group of its own"
    ]


def test_where_no_image_has_a_time_it_is_said_what_would_do(tmp_path):
    shot(tmp_path / "a.jpg", None)
    with pytest.raises(InputError, match=r"--keep-metadata; name a folder of variegate audit"):
        BurstRule("burst:2", open_storage(tmp_path))


def test_a_split_keeps_bursts_whole_and_leaks_finds_those_that_are_not(tmp_path, run):
    for burst, frame in itertools.product(range(12), range(3)):
        name = f"{'ab'[burst % 2]}/{burst:02}-{frame}.jpg"
        shot(tmp_path / "in" / name, f"2024:05:17 10:{burst:02}:{10 + frame:02}")
    choice = SplitChoice(parts="50/50", group=("burst:3",))
    report, _ = variegate.split(tmp_path / "in", tmp_path / "out", choice=choice)
    assert (report.groups, report.largest) == (12, 3)
    parts = defaultdict(set)
    for path in (tmp_path / "out").rglob("*.jpg"):
        parts[path.name[:2]].add(path.relative_to(tmp_path / "out").parts[0])
    assert [len(one) for one in parts.values()] == [1] * 12
    assert run("leaks", tmp_path / "out", "--group", "burst:3").exit_code == 0
    train = next((tmp_path / "out").rglob("train/**/*-0.jpg"))
    train.rename(next((tmp_path / "out").glob("val/*")) / train.name)
    moved = run("leaks", tmp_path / "out", "--group", "burst:3")
    assert moved.exit_code != 0
    assert "within 3 seconds" in moved.output


def test_what_cannot_be_read_says_nothing():
    assert shot_of(b"").seconds is None
    assert shot_of(b"\xff\xd8\xff\xe1\x00\x08Exif\0\0").seconds is None
