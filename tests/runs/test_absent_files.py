"""Files that are away for a moment, or until the next command: no image is lost for good."""

import errno
import os

import cv2
import numpy as np
import pytest

import jobs
from variegate import Options, augment, convert, read_manifest
from variegate.runs import manifest, worker
from variegate.runs.verify import verify
from variegate.storage import open_storage, snapshot

OPTIONS = Options(workers=0, shard_size=2)
TINY = {"recipe": jobs.recipe(jobs.TWO), "options": OPTIONS}


@pytest.fixture
def source(tmp_path):
    for number in range(5):
        jobs.draw_noise(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


@pytest.fixture
def pauses(monkeypatch):
    """What is waited for, without waiting."""
    told = []
    monkeypatch.setattr(worker.time, "sleep", told.append)
    return told


def failing(monkeypatch, name, number, times):
    """Let opening a file fail so many times."""
    real, left = os.open, [times]

    def opened(path, *arguments, **options):
        if str(path).endswith(name) and left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)


def reasons(output):
    rows = read_manifest(output, columns=["key", "reason", "transient"])
    return {row["key"]: row["reason"] for row in rows.to_pylist() if row["transient"]}


NUMBERS = [errno.ENOENT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_passes_within_the_command_is_as_if_it_had_never_been(
    source, tmp_path, monkeypatch, pauses, number
):
    alone = augment(source, tmp_path / "alone", **TINY)
    with monkeypatch.context() as patched:
        failing(patched, "/in/2.png", number, times=2)
        summary = augment(source, tmp_path / "out", **TINY)
    assert (summary.digest, summary.counts, summary.notes) == (alone.digest, alone.counts, ())
    assert jobs.tree(tmp_path / "out") == jobs.tree(tmp_path / "alone")
    assert [pause for pause in pauses if pause] == list(worker._PAUSES_S[:2])


@pytest.mark.parametrize("number", NUMBERS)
def test_what_passes_later_is_made_by_the_same_command(
    source, tmp_path, monkeypatch, pauses, number
):
    alone, output = augment(source, tmp_path / "alone", **TINY), tmp_path / "out"
    with monkeypatch.context() as patched:
        failing(patched, "/in/2.png", number, times=10**6)
        first = augment(source, output, **TINY)
        assert (first.counts.augmented, first.counts.quarantined) == (4, 1)
        assert set(reasons(output)) == {"2.png"}
        assert "run the same command again" in first.notes[0]
        # Still away.
        assert augment(source, output, **TINY).counts == first.counts
        before = {path: path.stat().st_mtime_ns for path in output.glob("*.png")}
    again = augment(source, output, **TINY)
    assert (again.digest, again.counts, again.notes) == (alone.digest, alone.counts, ())
    assert jobs.tree(output) == jobs.tree(tmp_path / "alone")
    # Only what was missing was made.
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert augment(source, output, **TINY).digest == alone.digest
    assert verify(output).ok


def test_a_file_that_is_moved_while_the_run_goes_on(source, tmp_path, monkeypatch, pauses):
    alone, output = augment(source, tmp_path / "alone", **TINY), tmp_path / "out"

    def move(progress):
        if progress.counts.sources == 1 and (source / "4.png").exists():
            (source / "4.png").rename(tmp_path / "away.png")

    assert augment(source, output, **TINY, on_progress=move).counts.quarantined == 1
    (tmp_path / "away.png").rename(source / "4.png")
    assert augment(source, output, **TINY).digest == alone.digest


def test_the_retry_of_a_run_that_is_killed_in_it_resumes(source, tmp_path, monkeypatch, pauses):
    alone, output = augment(source, tmp_path / "alone", **TINY), tmp_path / "out"
    with monkeypatch.context() as patched:
        failing(patched, "/in/2.png", errno.EIO, times=10**6)
        augment(source, output, **TINY)
    storage = open_storage(output)
    real, left = type(storage).write, [1]

    def write(self, key, data):
        if "/parts/" in key and not left[0]:
            raise KeyboardInterrupt
        left[0] -= "/parts/" in key
        real(self, key, data)

    with monkeypatch.context() as patched:
        patched.setattr(type(storage), "write", write)
        with pytest.raises(KeyboardInterrupt):
            augment(source, output, **TINY)
    assert storage.exists(manifest.MANIFEST)
    assert manifest.reopen(storage)
    assert not storage.exists(manifest.MANIFEST)
    assert augment(source, output, **TINY).digest == alone.digest
    assert jobs.tree(output) == jobs.tree(tmp_path / "alone")


def test_a_mask_that_was_away(tmp_path, monkeypatch, pauses):
    folder = tmp_path / "in"
    for number in range(3):
        jobs.draw_noise(folder / "images" / f"{number}.png", size=(24, 32))
        mask = np.zeros((24, 32), np.uint8)
        mask[4:12, 4:20] = 1
        (folder / "masks").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask)
    alone = augment(folder, tmp_path / "alone", **TINY)
    with monkeypatch.context() as patched:
        failing(patched, "/masks/1.png", errno.ESTALE, times=1)
        summary = augment(folder, tmp_path / "out", **TINY)
    assert (summary.digest, summary.counts) == (alone.digest, alone.counts)


def test_a_conversion_tries_again_too(source, tmp_path, monkeypatch, pauses):
    output = tmp_path / "out"
    with monkeypatch.context() as patched:
        failing(patched, "/in/2.png", errno.EIO, times=10**6)
        assert convert(source, output, to="coco", options=OPTIONS).counts.quarantined == 1
    assert convert(source, output, to="coco", options=OPTIONS).counts.copied == 5
    assert verify(output).ok


def test_into_a_zip_file_it_is_said_what_to_do(source, tmp_path, monkeypatch, pauses):
    with monkeypatch.context() as patched:
        failing(patched, "/in/2.png", errno.EIO, times=10**6)
        summary = augment(source, tmp_path / "out.zip", **TINY)
    assert "write to a new output" in summary.notes[0]
    assert augment(source, tmp_path / "out.zip", **TINY).digest == summary.digest


def test_a_broken_image_is_not_tried_again(source, tmp_path, pauses):
    (source / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    summary = augment(source, tmp_path / "out", **TINY)
    assert summary.counts.quarantined == 1
    assert not reasons(tmp_path / "out")
    assert not any(pauses)


def test_an_annotation_that_is_away_while_the_input_is_listed(source, tmp_path, monkeypatch):
    (source / "labels.csv").write_text(
        "file,label\n" + "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(5))
    )
    pauses = []
    monkeypatch.setattr(snapshot.time, "sleep", pauses.append)
    alone = augment(source, tmp_path / "alone", **TINY)
    assert not pauses
    with monkeypatch.context() as patched:
        failing(patched, "/in/labels.csv", errno.EIO, times=2)
        assert augment(source, tmp_path / "out", **TINY).digest == alone.digest
    assert len(pauses) == 2
