"""A killed run, continued, ends in the same bytes as an undisturbed one."""

import json
import os
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
source, output, recipe = sys.argv[1:]
augment(source, output, recipe=Recipe.parse(Path(recipe).read_text()),
        options=Options(workers=2, shard_size=1))
"""


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_killed_at_every_change_of_a_file(tmp_path, name):
    for picture in ("train/a/1.png", "train/a/2.jpg", "train/b/3.png", "val/a/4.png"):
        jobs.draw_noise(tmp_path / "in" / picture)
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
    # 7 pictures, 3 parts, the record, the manifest: each is created and renamed.
    assert json.loads(result.stdout)["points"] > 2 * (7 + 3 + 2)


def test_killed_at_twenty_random_moments(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 300)
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    undisturbed = tmp_path / "undisturbed"
    augment(source, undisturbed, recipe=jobs.recipe(), options=Options(workers=2))

    output = tmp_path / "out"
    rng = generator(7, "kills")
    arguments = (RUN, source, output, tmp_path / "recipe.yaml")
    for kill in range(KILLS):
        process = jobs.python(*arguments)
        # After some more files, so that every run gets on a little: 2,400 files in 20 runs.
        wait_for_files(process, output, more=int(rng.integers(1, 22)))
        time.sleep(float(rng.uniform(0, 0.01)))
        assert process.poll() is None, f"run {kill} had no time to be killed"
        jobs.kill_group(process)
        assert not (output / "manifest.parquet").exists()
    last = jobs.python(*arguments)
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    assert jobs.tree(output) == jobs.tree(undisturbed)


def wait_for_files(process, folder, *, more):
    """Wait until a run has made so many files more than there are."""
    begun = time.monotonic()
    wanted = count(folder) + more
    while process.poll() is None and count(folder) < wanted:
        assert time.monotonic() - begun < 60, "it makes no files"
        time.sleep(0.001)


def count(folder):
    return sum(1 for _ in jobs.files_below(folder))
