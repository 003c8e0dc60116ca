"""The same job makes the same files, however it is divided."""

import hashlib
import json
import subprocess
import sys
import zipfile

import pytest

import jobs
from variegate import Options, augment
from variegate.storage import open_storage, pack

PROGRAM = """
import sys
from variegate import Options, augment
source, output, recipe, workers, shard_size = sys.argv[1:]
augment(source, output, recipe=recipe, seed=5,
        options=Options(workers=int(workers), shard_size=int(shard_size)))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return jobs.draw_set(tmp_path_factory.mktemp("set") / "in", 20)


@pytest.fixture(scope="module")
def reference(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("reference") / "out"
    options = Options(workers=0, shard_size=7)
    summary = augment(source, output, recipe=jobs.recipe(), seed=5, options=options)
    return jobs.tree(output), summary


@pytest.mark.parametrize(("workers", "shard_size"), [(0, 3), (1, 3), (2, 7), (2, 1), (4, 3)])
def test_workers_and_shards_do_not_matter(source, reference, tmp_path, workers, shard_size):
    options = Options(workers=workers, shard_size=shard_size)
    summary = augment(source, tmp_path / "out", recipe=jobs.recipe(), seed=5, options=options)
    assert jobs.tree(tmp_path / "out") == reference[0]
    assert summary.digest == reference[1].digest
    assert summary.counts == reference[1].counts


def test_another_seed_makes_other_files_of_the_same_names(source, reference, tmp_path):
    summary = augment(source, tmp_path / "out", recipe=jobs.recipe(), seed=6)
    made = jobs.tree(tmp_path / "out")
    assert made.keys() == reference[0].keys()
    assert summary.digest != reference[1].digest


def test_a_script_without_a_main_guard(source, reference, tmp_path):
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    # A module of the same name as one of Python's, beside the script, must not reach the workers.
    (tmp_path / "queue.py").write_text("raise RuntimeError('the wrong module')")
    (tmp_path / "elsewhere").mkdir()
    arguments = [source, tmp_path / "out", tmp_path / "recipe.yaml", 2, 4]
    subprocess.run([sys.executable, "-P", script, *map(str, arguments)], check=True, cwd=tmp_path)
    assert jobs.tree(tmp_path / "out") == reference[0]


def test_the_command_makes_the_same_files(source, reference, tmp_path):
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    command = [sys.executable, "-c", "import sys; from variegate.cli import main; sys.exit(main())"]
    arguments = ["augment", source, tmp_path / "out", "--recipe", tmp_path / "recipe.yaml"]
    options = ["--seed", 5, "--workers", 2]
    subprocess.run([*command, *map(str, [*arguments, *options])], check=True, capture_output=True)
    assert jobs.tree(tmp_path / "out") == reference[0]


def test_a_zip_in_and_a_zip_out_hold_the_same_files(source, reference, tmp_path):
    pack(open_storage(source), tmp_path / "in.zip")
    summary = augment(tmp_path / "in.zip", tmp_path / "out.zip", recipe=jobs.recipe(), seed=5)
    assert summary.digest == reference[1].digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zip", "out.zip"]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        made = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("job.json")
        }
    assert made == reference[0]


def test_real_images_with_and_without_workers(data_dir, tmp_path):
    archive = data_dir / "electronic_components/electronic-components-png-original.zip"
    digests = set()
    for workers, shard_size in ((0, 12), (2, 5)):
        options = Options(limit=12, workers=workers, shard_size=shard_size)
        output = tmp_path / f"{workers}"
        summary = augment(archive, output, recipe="chain", options=options)
        assert summary.counts.outputs == 12 * 64
        digests.add((summary.digest, json.dumps(jobs.tree(output), sort_keys=True)))
    assert len(digests) == 1
