"""A watched folder: the results of augment, once, whatever comes when."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jobs
from variegate import Options, augment, verify
from variegate.errors import UsageError
from variegate.runs import watch

RECIPE = "variants: {each: {draws: 2, steps: [{rotate: {angle_degrees: [5, 20]}}]}}\n"


def watching(source, output, recipe, log):
    command = [sys.executable, "-m", "variegate", "watch", str(source), str(output)]
    command += ["--recipe", str(recipe), "--settle", "0.3"]
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def until(condition, process, log):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def results(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".variegate" not in str(path) and path.suffix != ".parquet"
    }


def test_what_moves_vanishes_or_is_cut_off_while_running(tmp_path):
    inbox, out, log = tmp_path / "inbox", tmp_path / "out", tmp_path / "log"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("draws: 2", "draws: 20"))
    drawn = jobs.draw_set(tmp_path / "drawn", 12)
    files = sorted(path for path in drawn.rglob("*") if path.is_file())
    inbox.mkdir()
    process = watching(inbox, out, recipe, log)
    try:
        # As many programs save: under another name first, in the folder or from elsewhere.
        shutil.copy(files[0], inbox / "photo.jpg.part")
        (inbox / "photo.jpg.part").rename(inbox / "photo.jpg")
        shutil.copy(files[1], tmp_path / "elsewhere.jpg")
        (tmp_path / "elsewhere.jpg").rename(inbox / "moved.jpg")
        shutil.copy(files[2], inbox / "gone.jpg")
        (inbox / "gone.jpg").unlink()
        until(lambda: len(results(out)) == 40, process, log)
        (inbox / "moved.jpg").rename(inbox / "renamed.jpg")
        until(lambda: len(results(out)) == 60, process, log)
        # Killed in the middle of many.
        for number, path in enumerate(files[3:]):
            shutil.copy(path, inbox / f"{number}.jpg")
        until(lambda: len(results(out)) > 65, process, log)
    finally:
        process.kill()
        process.wait(30)
    assert "gone.jpg" not in log.read_text()

    left = out / ".variegate-tmp-of-a-run-long-ago"
    left.write_bytes(b"half an image")
    os.utime(left, (0, 0))
    again = tmp_path / "again"
    process = watching(inbox, out, recipe, again)
    try:
        until(lambda: len(results(out)) == 20 * 12 and not left.exists(), process, again)
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text() + again.read_text()
    assert verify(out).ok
    whole = tmp_path / "whole"
    augment(inbox, whole, recipe=recipe, options=Options(workers=0, format="unlabelled"))
    moved = {key for key in results(out) if key.startswith("moved")}
    assert len(moved) == 20
    made = results(out)
    assert {key: made[key] for key in made.keys() - moved} == results(whole)


def test_images_that_come_are_augmented_once(tmp_path):
    inbox, out, log = tmp_path / "inbox", tmp_path / "out", tmp_path / "log"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    drawn = jobs.draw_set(tmp_path / "drawn", 4)
    files = sorted(path for path in drawn.rglob("*") if path.is_file())
    inbox.mkdir()
    shutil.copy(files[0], inbox / "first.jpg")
    process = watching(inbox, out, recipe, log)
    try:
        until(lambda: len(results(out)) == 2, process, log)
        # A file that is written slowly, in a folder that comes with it.
        (inbox / "late").mkdir()
        data = files[1].read_bytes()
        with (inbox / "late" / "slow.jpg").open("wb") as file:
            for start in range(0, len(data), len(data) // 4):
                file.write(data[start : start + len(data) // 4])
                file.flush()
                time.sleep(0.15)
        (inbox / "broken.jpg").write_bytes(b"no image")
        (inbox / "late" / "slow.txt").write_text("0 .5 .5 .1 .1")
        until(lambda: "slow.txt: not an image" in log.read_text(), process, log)
        until(lambda: "broken.jpg: " in log.read_text(), process, log)
        until(lambda: len(results(out)) == 4, process, log)
        before = results(out)
        # Without its end mark, which costs no pixel.
        (inbox / "first.jpg").write_bytes(files[2].read_bytes()[:-2])
        until(
            lambda: results(out) != before and log.read_text().count("first.jpg: 2") == 2,
            process,
            log,
        )
        (inbox / "late" / "slow.jpg").unlink()
        (inbox / "late" / "slow.txt").unlink()
    finally:
        process.terminate()
        process.wait(30)
    account = "5 inputs, 6 files, 1 quarantined; 3 augmented, 0 copied, 1 skipped"
    assert account in log.read_text()
    assert "first.jpg: 2 files; its end mark is missing" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert len(results(out)) == 4, "results of an image that is gone stay"
    assert verify(out).ok

    again = tmp_path / "again"
    process = watching(inbox, out, recipe, again)
    try:
        shutil.copy(files[3], inbox / "fourth.jpg")
        until(lambda: len(results(out)) == 6, process, again)
    finally:
        process.terminate()
        process.wait(30)
    assert "1 inputs, 2 files" in again.read_text()
    assert "2 done before" in again.read_text()

    (inbox / "broken.jpg").unlink()
    whole = tmp_path / "whole"
    augment(inbox, whole, recipe=recipe, options=Options(workers=0, format="unlabelled"))
    made = results(out)
    assert all(made[key] == data for key, data in results(whole).items())
    assert len(results(whole)) == 4


def test_names_that_are_not_utf8_are_watched_like_others(tmp_path):
    inbox, out, log = tmp_path / "inbox", tmp_path / "out", tmp_path / "log"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    image = jobs.draw_noise(tmp_path / "one.png")
    inbox.mkdir()
    shutil.copy(image, os.fsdecode(bytes(inbox) + b"/first\xe9.png"))
    process = watching(inbox, out, recipe, log)
    try:
        until(lambda: len(results(out)) == 2, process, log)
        for number, name in enumerate((b"second\xff.png", b"third.png", b"later/f\xfcnf.png"), 2):
            path = Path(os.fsdecode(bytes(inbox) + b"/" + name))
            path.parent.mkdir(exist_ok=True)
            shutil.copy(image, path)
            until(lambda number=number: len(results(out)) == 2 * number, process, log)
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    assert "4 inputs, 8 files" in log.read_text()
    assert verify(out).ok


def test_without_its_extra_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "find_spec", {"watchfiles": None}.__getitem__)
    with pytest.raises(UsageError, match=r"pip install 'variegate\[watch\]'"):
        watch.Watcher(tmp_path, tmp_path.with_name("out"))
