"""The text of variegate inspect: what was checked, what was not, and never more than fits."""

import json

import numpy as np
import pytest
from PIL import Image

from variegate.cli import progress

ROWS = ("inspect-blind-to-size", "image-id-as-text", "hidden-folders", "jpeg-masks", "deep-images")


@pytest.mark.parametrize("row", ROWS)
def test_text_and_json_say_what_was_checked_and_what_was_not(data_dir, run, row):
    text = run("inspect", data_dir / "field_cases" / row)
    assert text.exit_code == 0
    assert "nothing wrong" not in text.stdout
    data = json.loads(run("inspect", data_dir / "field_cases" / row, "--json").stdout)
    for title in ("checked", "not_checked"):
        assert data[title]
        words = title.replace("_", " ")
        assert f"\n{words}:\n  " + "\n  ".join(data[title]) + "\n" in text.stdout
    for part in ("findings", "problems", "quarantined", "hidden", "side_files"):
        for kind, fault in data[part].items():
            assert f"  {fault['count']:,} x {kind}\n" in text.stdout
            assert all(f"      {one}\n" in text.stdout for one in fault["examples"])
    assert all(f"note: {one}\n" in text.stdout for one in data["notes"])


def test_lost_annotations_are_told(data_dir, run):
    text = run("inspect", data_dir / "field_cases/image-id-as-text").stdout
    # Either they are found, or it is said that they are not.
    assert "1 annotated = 1 kept" in text or "note: " in text


def test_decode_is_asked_for(parts, run):
    picked = next(parts.rglob("*.jpg"))
    whole = picked.read_bytes()
    picked.write_bytes(whole[: len(whole) // 2])
    quick = run("inspect", parts).stdout
    assert "truncated" not in quick
    assert "the pixels of images (--decode)" in quick
    full = run("inspect", parts, "--decode").stdout
    assert "1 more that cannot be used" in full
    assert f"{picked.relative_to(parts)}: truncated JPEG" in full
    assert "(--decode)" not in full


def test_the_text_is_bounded(tmp_path, run):
    for number in range(120):
        folder = tmp_path / f"c{number}"
        folder.mkdir()
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(folder / "a.jpg", format="png")
        (folder / f"a.k{number}").write_text("")
        (folder / f".h{number}").write_text("")
        (folder / "a.json").write_text("{}")
    result = run("inspect", tmp_path)
    assert len(result.stdout.splitlines()) < 160
    assert "and 80 more; --json names all" in result.stdout
    assert "and 108 more kinds; --json names them" in result.stdout
    assert "120 x named .jpg, but PNG by content" in result.stdout
    assert "and 117 more" in result.stdout


def test_exports_show(tmp_path, run):
    for split, digest in (("train", "a" * 32), ("val", "b" * 32)):
        folder = tmp_path / split / "cat"
        folder.mkdir(parents=True)
        pixels = np.full((4, 4), len(split), np.uint8)
        Image.fromarray(pixels).save(folder / f"7_jpg.rf.{digest}.jpg")
    text = run("inspect", tmp_path).stdout
    assert "2 files are exports of 1 original (name.rf.digest), of 1 of which" in text
    assert "7_jpg: 2 files, in train, val" in text


def test_progress_and_time_left_are_told_without_a_terminal(parts, run, monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_INTERVAL_S", 0.0)
    monkeypatch.setattr(progress, "_FIRST_ESTIMATE_S", 0.0)
    told = run("inspect", parts, "--decode").stderr.splitlines()
    assert told[0].startswith("1 of 10 images, ")
    assert told[0].endswith(" left")
    assert told[-1].startswith("10 of 10 images, 0.0 s left")
