"""What becomes of every file of an input."""

import csv
import os
import time

import cv2
import numpy as np
import pytest

import jobs
from variegate import Options, augment
from variegate.codecs import Limits, encode, kind_of
from variegate.errors import InputError
from variegate.runs import manifest
from variegate.storage import open_storage


def rows(output):
    return list(manifest.rows(open_storage(output)))


def run(source, output, **changes):
    arguments = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0)}
    return augment(source, output, **arguments | changes)


def test_only_training_images_are_augmented(tmp_path):
    for key in ("train/a/1.png", "train/b/2.jpg", "val/a/3.png", "test/b/4.JPG"):
        jobs.draw_noise(tmp_path / "in" / key)
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.counts.augmented, summary.counts.copied, summary.counts.outputs) == (2, 2, 6)
    made = {
        str(path.relative_to(tmp_path / "out"))
        for path in (tmp_path / "out").rglob("*.*")
        if path.is_file()
    }
    made -= {"manifest.parquet", ".variegate/job.json", ".variegate/index.json"}
    assert made == {
        *("train/a/1-v00.png", "train/a/1-v01.png", "train/b/2-v00.jpg", "train/b/2-v01.jpg"),
        *("val/a/3.png", "test/b/4.JPG"),
    }
    for key in ("val/a/3.png", "test/b/4.JPG"):
        assert (tmp_path / "out" / key).read_bytes() == (tmp_path / "in" / key).read_bytes()
    assert {(row.split, row.label, row.status) for row in rows(tmp_path / "out")} == {
        *(("train", "a", "output"), ("train", "b", "output")),
        *(("val", "a", "copied"), ("test", "b", "copied")),
    }


def test_a_table_is_written_for_the_results(tmp_path):
    labels = {"one.png": ("cat", "train"), "two.png": ("dog", "train"), "three.png": ("cat", "val")}
    lines = ["file,label,split"]
    for name, (label, split) in labels.items():
        jobs.draw_noise(tmp_path / "in/images" / name)
        lines.append(f"images/{name},{label},{split}")
    (tmp_path / "in/labels.csv").write_text("\n".join(lines))
    summary = run(tmp_path / "in", tmp_path / "out")
    assert "labels.csv" in summary.format
    with (tmp_path / "out/labels.csv").open(newline="") as file:
        written = {row["file"]: (row["label"], row["split"]) for row in csv.DictReader(file)}
    assert written == {
        "images/one-v00.png": ("cat", "train"),
        "images/one-v01.png": ("cat", "train"),
        "images/two-v00.png": ("dog", "train"),
        "images/two-v01.png": ("dog", "train"),
        "images/three.png": ("cat", "val"),
    }
    assert all((tmp_path / "out" / name).is_file() for name in written)


def test_without_splits_all_is_training_and_the_summary_says_so(tmp_path):
    for key in ("a/1.png", "b/2.png"):
        jobs.draw_noise(tmp_path / "in" / key)
    summary = run(tmp_path / "in", tmp_path / "out")
    assert summary.counts.augmented == 2
    assert "no splits (all of it is treated as training data)" in summary.format


def test_names_that_differ_only_in_their_extension_do_not_meet(tmp_path):
    for name in ("x.jpg", "x.png", "x.jpeg", "y.PNG", "y.tar.png"):
        jobs.draw_noise(tmp_path / "in/a" / name)
    summary = run(
        tmp_path / "in",
        tmp_path / "out",
        recipe=jobs.recipe(f"{jobs.TWO}\noutput: {{format: png}}"),
    )
    outputs = [row.output for row in rows(tmp_path / "out")]
    assert summary.counts.outputs == len(set(outputs)) == 10
    assert all((tmp_path / "out" / key).is_file() for key in outputs)


def test_content_that_its_name_does_not_say(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    jpeg = jobs.draw_noise(tmp_path / "real.jpg").read_bytes()
    (tmp_path / "in/a/x.PNG").write_bytes(jpeg)
    run(tmp_path / "in", tmp_path / "out")
    made = [tmp_path / "out" / row.output for row in rows(tmp_path / "out")]
    assert [path.name for path in made] == ["x.PNG-v00.jpg", "x.PNG-v01.jpg"]
    assert {kind_of(path.read_bytes()) for path in made} == {"jpeg"}


@pytest.mark.parametrize("order", [("a/x.PNG", "a/x.PNG.jpg"), ("a/x.png", "a/x.png.jpg")])
def test_content_that_its_name_does_not_say_beside_a_file_it_could_be_taken_for(tmp_path, order):
    liar, other = order
    jpeg = jobs.draw_noise(tmp_path / "real.jpg").read_bytes()
    for key in order:
        path = tmp_path / "in" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.counts.augmented, summary.counts.quarantined) == (1, 1)
    found = {row.key: row for row in rows(tmp_path / "out")}
    assert found[other].status == "output"
    assert "its content is jpeg, which its name does not say" in found[liar].reason
    assert repr(other) in found[liar].reason
    # The other's results are whole: what is deleted of the quarantined one is not theirs.
    assert len(list((tmp_path / "out/a").iterdir())) == 2


def test_a_quarantined_image_leaves_nothing_behind(tmp_path):
    jobs.draw_noise(tmp_path / "in/a/good.png")
    # Its second variant is too large for a JPEG, its first is not.
    thin = np.zeros((70_000, 2), np.uint8)
    (tmp_path / "in/a/thin.png").write_bytes(cv2.imencode(".png", thin)[1].tobytes())
    text = """
variants:
  each:
    steps: [{resize: {size: [32, 32]}}, flip]
output: {format: jpeg}
"""
    told = []
    summary = run(
        tmp_path / "in",
        tmp_path / "out",
        recipe=jobs.recipe(text),
        on_progress=lambda progress: told.append(progress.counts.outputs),
    )
    assert (summary.counts.augmented, summary.counts.quarantined) == (1, 1)
    names = sorted(path.name for path in (tmp_path / "out/a").iterdir())
    assert names == ["good.png-v00.jpg", "good.png-v01.jpg"]
    assert (max(told), told[-1]) == (3, 2)
    assert "65,500 pixels" in next(row.reason for row in rows(tmp_path / "out") if row.reason)


def test_reasons_do_not_tell_where_the_data_set_stands(tmp_path):
    jobs.draw_noise(tmp_path / "in/a/1.png")
    (tmp_path / "in/a/2.png").write_bytes(bytes(5_000))
    options = Options(workers=0, limits=Limits(max_bytes=4_000))
    run(tmp_path / "in", tmp_path / "out", options=options)
    reason = next(row.reason for row in rows(tmp_path / "out") if row.status == "quarantined")
    assert reason == "5,000 bytes, the limit is 4,000"


def test_an_input_that_vanishes_ends_the_run_and_loses_nothing(tmp_path):
    for number in range(6):
        jobs.draw_noise(tmp_path / f"in/a/{number}.png")
    whole = run(tmp_path / "in", tmp_path / "whole")

    def vanish(progress):
        if progress.counts.sources == 2 and (tmp_path / "in").exists():
            (tmp_path / "in").rename(tmp_path / "away")

    options = Options(workers=0, shard_size=1)
    with pytest.raises(InputError, match="not found"):
        run(tmp_path / "in", tmp_path / "out", options=options, on_progress=vanish)
    (tmp_path / "away").rename(tmp_path / "in")
    summary = run(tmp_path / "in", tmp_path / "out", options=options)
    assert summary.continued
    assert summary.digest == whole.digest


def test_names_that_are_not_text(tmp_path):
    odd = b"\xe9t\xe9\\"
    folder = bytes(tmp_path / "in") + b"/" + odd
    jobs.draw_noise(tmp_path / "in/plain/1.png")
    os.mkdir(folder)  # noqa: PTH102 - bytes
    os.rename(tmp_path / "in/plain/1.png", folder + b"/1.png")  # noqa: PTH104 - bytes
    jobs.draw_noise(tmp_path / "in/plain/2.png")
    run(tmp_path / "in", tmp_path / "out")
    first, _, _, _ = sorted(rows(tmp_path / "out"), key=lambda row: row.key, reverse=True)
    assert os.fsencode(first.label) == odd
    assert (tmp_path / "out" / first.output).is_file()


def test_a_few_images_evenly_spread(tmp_path):
    for number in range(20):
        jobs.draw_noise(tmp_path / f"in/{number % 2}/{number:02}.png", size=(8, 8))
    summary = run(tmp_path / "in", tmp_path / "out", options=Options(workers=0, limit=4))
    assert summary.counts.sources == summary.counts.augmented == 4
    assert {row.label for row in rows(tmp_path / "out")} == {"0", "1"}


def test_the_messy_folder(data_dir, tmp_path):
    source = data_dir / "messy_images/files"
    peaks = {}

    def watch(progress):
        for pid in jobs.workers():
            peaks[pid] = max(peaks.get(pid, 0), jobs.peak_memory(pid))

    begun = time.monotonic()
    options = Options(workers=2, shard_size=4)
    summary = augment(source, tmp_path / "out", options=options, on_progress=watch)
    assert time.monotonic() - begun < 60
    assert 0 < max(peaks.values()) < 400 * 2**20
    found = {row.key: row for row in rows(tmp_path / "out")}
    assert found.keys() == {path.name for path in source.iterdir()}
    assert summary.counts.sources == len(found) == 64
    skipped = {key: row.reason for key, row in found.items() if row.status == "skipped"}
    assert skipped == {
        "._hopper.jpg": "a side file of macOS",
        "Thumbs.db": "a side file of the operating system",
        "notes.txt": "not an image",
    }
    quarantined = {key: row.reason for key, row in found.items() if row.status == "quarantined"}
    for key, words in {
        "broken_data_stream.png": "truncated PNG",
        "broken_header.png": "corrupt PNG",
        "claims_3000000x2000000.bmp": "3,000,000 x 2,000,000 pixels",
        "claims_3158064x48_57_bytes.bmp": "BMP",
        "claims_4G_pixels_44_bytes.gif": "65,535 x 66,601 pixels",
        "empty.jpg": "empty file",
        "fuzzed.tif": "truncated TIFF",
        "html_error_page.jpg": "not an image",
        "lfs_pointer.png": "not an image",
        "multipage_bad_second_page.tif": "corrupt TIFF",
        "negative_size.ppm": "not an image",
        "truncated.jpg": "truncated JPEG",
        "truncated.png": "truncated PNG",
        "zero_width.gif": "0 x 32 pixels",
    }.items():
        assert words in quarantined.pop(key)
    # What an extra reads that may not be installed.
    assert all("variegate[" in reason for reason in quarantined.values())
    for row in rows(tmp_path / "out"):
        if row.status == "output":
            data = (tmp_path / "out" / row.output).read_bytes()
            assert len(data) == row.bytes
            assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None


def test_a_large_file_that_is_no_image_is_not_read_whole(tmp_path):
    jobs.draw_noise(tmp_path / "in/a/1.png")
    with (tmp_path / "in/a/film.mp4").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "in/a/photo").write_bytes(encode(np.zeros((9, 9), np.uint8), format="jpeg"))
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.counts.augmented, summary.counts.skipped) == (2, 1)
