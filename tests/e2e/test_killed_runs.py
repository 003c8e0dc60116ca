"""A killed run, continued, ends in the same bytes as an undisturbed one."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jobs
from variegate import Options, augment
from variegate.seeding import generator

KILLS = 20

RUN = """
import sys
from pathlib import Path
from variegate import Options, Recipe, augment
source, output, recipe, workers = sys.argv[1:]
augment(source, output, recipe=Recipe.parse(Path(recipe).read_text()),
        options=Options(workers=int(workers), shard_size=1))
"""


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_killed_at_every_change_of_a_file(tmp_path, name):
    for image in ("train/a/1.png", "train/a/2.jpg", "train/b/3.png", "val/a/4.png"):
        jobs.draw_noise(tmp_path / "in" / image)
    (tmp_path / "in/train/a/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "work").mkdir()
    program = Path(__file__).with_name("crash_points.py")
    environment = dict(os.environ, PYTHONPATH=jobs.search_path(program.parents[1]))
    result = subprocess.run(
        [sys.executable, program, tmp_path / "in", tmp_path / "work" / name],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # 7 images, 3 parts, the record, the manifest: each is created and renamed.
    assert json.loads(result.stdout)["points"] > 2 * (7 + 3 + 2)


def test_killed_at_twenty_random_moments(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 60, size=(120, 160))
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    augment(source, tmp_path / "undisturbed", recipe=jobs.recipe(), options=Options(workers=2))
    undisturbed = jobs.tree(tmp_path / "undisturbed")

    output = tmp_path / "out"
    rng = generator(7, "kills")
    kills = 0
    while True:
        workers = int(rng.integers(0, 3))
        process = jobs.python(RUN, source, output, tmp_path / "recipe.yaml", workers)
        if kills < KILLS:
            # After some more files, so that every run gets on a little: 480 files in 20 runs.
            wait_for_files(process, output, more=int(rng.integers(1, 16)))
            time.sleep(float(rng.uniform(0, 0.01)))
            if process.poll() is None:
                jobs.kill_group(process)
                kills += 1
                continue
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert jobs.tree(output) == undisturbed
        if kills == KILLS:
            return
        # The machine was so busy that a run came to its end: from the beginning.
        shutil.rmtree(output)


def wait_for_files(process, folder, *, more):
    """Wait until a run has made so many files more than there are."""
    begun = time.monotonic()
    wanted = count(folder) + more
    while process.poll() is None and count(folder) < wanted:
        assert time.monotonic() - begun < 60, "it makes no files"
        time.sleep(0.004)


def count(folder):
    return sum(1 for _ in jobs.files_below(folder))
