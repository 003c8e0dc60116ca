"""An output that follows its input is that of one run over it all."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import jobs
from variegate import Options, augment, convert, verify
from variegate.errors import OutputError, RecipeError
from variegate.runs import run as runs
from variegate.runs.augmenter import Augmenter

UPDATE = Options(workers=0, update=True, prune=True)


def grow(folder: Path, count: int) -> None:
    """Add 5 images for every 20, change and remove some."""
    for number in range(count, count + count // 4):
        jobs.draw_noise(folder / f"a/{number:03}.png")
    for number in range(count // 40):
        jobs.draw_noise(folder / f"a/{number * 14:03}.png", (24, 40))
        (folder / f"b/{number * 18 + 1:03}.png").unlink()


@pytest.fixture
def grown(tmp_path):
    """200 images and their output; then 50 more, 5 changed, 5 removed."""
    source = tmp_path / "in"
    for number in range(200):
        jobs.draw_noise(source / f"{'ab'[number % 2]}/{number:03}.png")
    augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=Options(workers=0))
    grow(source, 200)
    return source, tmp_path / "out"


@pytest.fixture
def made(monkeypatch):
    """The keys of the sources that are worked on."""
    keys = []
    whole = Augmenter.results

    def results(self, source, data):
        keys.append(source.key)
        return whole(self, source, data)

    monkeypatch.setattr(Augmenter, "results", results)
    return keys


def whole_run(source, tmp_path):
    options = Options(workers=0)
    summary = augment(source, tmp_path / "whole", recipe=jobs.recipe(jobs.TWO), options=options)
    return summary, jobs.tree(tmp_path / "whole")


def outputs(tree):
    return {key: digest for key, digest in tree.items() if not key.startswith(".variegate/")}


def test_an_update_is_one_run_over_it_all(grown, made, tmp_path):
    source, output = grown
    before = jobs.tree(output)
    summary = augment(source, output, recipe=jobs.recipe(jobs.TWO), options=UPDATE)
    assert len(made) == 55
    assert (summary.updated.kept, summary.updated.made, summary.updated.removed) == (190, 55, 5)
    assert (summary.updated.removed_files, summary.updated.pruned) == (10, True)
    whole, expected = whole_run(source, tmp_path)
    assert summary.digest == whole.digest
    assert jobs.tree(output) == expected
    assert verify(output).ok
    kept = before.keys() & expected.keys()
    assert (
        len([key for key in kept if key.endswith(".png") and before[key] == expected[key]]) == 380
    )
    again = augment(source, output, recipe=jobs.recipe(jobs.TWO), options=UPDATE)
    assert (again.updated.kept, again.updated.made) == (245, 0)
    assert jobs.tree(output) == expected


def test_without_prune_the_files_of_removed_images_stay(grown, tmp_path):
    source, output = grown
    options = Options(workers=0, update=True)
    summary = augment(source, output, recipe=jobs.recipe(jobs.TWO), options=options)
    assert (summary.updated.removed_files, summary.updated.pruned) == (10, False)
    whole, expected = whole_run(source, tmp_path)
    assert summary.digest == whole.digest
    assert len(jobs.tree(output).keys() - expected.keys()) == 10


@pytest.mark.parametrize("moment", [0, 3, 6, 9, 12, 18, 70, 125])
def test_an_update_that_was_killed_is_continued(grown, made, moment, monkeypatch, tmp_path):
    source, output = grown
    # Small shards: an update dies in one, and finds those before it done.
    update = replace(UPDATE, shard_size=5)
    storage = type(runs.open_storage(output))
    steps = iter(range(1000))

    class Killed(BaseException):
        pass

    def dying(whole):
        def call(self, *given, **named):
            if self.url == str(output.absolute()) and next(steps) == moment:
                raise Killed
            return whole(self, *given, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("write", "delete", "write_later"):
            patched.setattr(storage, name, dying(getattr(storage, name)))
        with pytest.raises(Killed):
            augment(source, output, recipe=jobs.recipe(jobs.TWO), options=update)
    summary = augment(source, output, recipe=jobs.recipe(jobs.TWO), options=update)
    # 50 new images and 5 that changed; only those of the shard in which it died come twice.
    assert len(set(made)) == 55
    assert 55 <= len(made) <= 55 + update.shard_size
    whole, expected = whole_run(source, tmp_path)
    assert summary.digest == whole.digest
    assert jobs.tree(output) == expected


def test_a_class_that_is_new_changes_what_files_say(data_dir, tmp_path):
    source = Path(shutil.copytree(data_dir / "bccd_voc", tmp_path / "in"))
    options = Options(workers=0, limit=None)
    augment(source, tmp_path / "out", recipe=jobs.recipe("variants: flip"), options=options)
    path = min((source / "Annotations").glob("*.xml"))
    path.write_text(path.read_text().replace("<name>RBC</name>", "<name>Cell</name>", 1))
    updated = Options(workers=0, update=True)
    summary = augment(
        source, tmp_path / "out", recipe=jobs.recipe("variants: flip"), options=updated
    )
    augment(source, tmp_path / "whole", recipe=jobs.recipe("variants: flip"), options=options)
    assert jobs.tree(tmp_path / "out") == jobs.tree(tmp_path / "whole")
    assert summary.updated.removed == 0


def test_what_cannot_be_updated_is_refused(grown, tmp_path):
    source, output = grown
    with pytest.raises(OutputError, match="another job"):
        augment(source, output, recipe=jobs.recipe(jobs.EIGHT), options=UPDATE)
    with pytest.raises(OutputError, match="an archive cannot be updated"):
        augment(source, tmp_path / "out.zip", recipe=jobs.recipe(jobs.TWO), options=UPDATE)
    options = Options(workers=0, prune=True)
    with pytest.raises(RecipeError, match="only with update"):
        augment(source, output, recipe=jobs.recipe(jobs.TWO), options=options)


def test_the_command_says_what_it_found(grown):
    source, output = grown
    recipe = source.parent / "recipe.yaml"
    recipe.write_text(jobs.TWO)
    command = [sys.executable, "-m", "variegate", "augment", source, output, "-r", recipe]
    done = subprocess.run(
        [*map(str, command), "--update", "-w", "0", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["updated"]["kept"] == 190


def test_an_output_inside_tar_files_is_not_updated_in_silence(tmp_path):
    for number in range(4):
        jobs.draw_noise(tmp_path / f"raw/{'ab'[number % 2]}/{number}.png")
    convert(tmp_path / "raw", tmp_path / "in", to="webdataset", options=Options(workers=0))
    recipe = jobs.recipe(jobs.TWO)
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=UPDATE)
    before = jobs.tree(tmp_path / "out")
    with pytest.raises(OutputError, match="inside tar files, which an update cannot change"):
        augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=UPDATE)
    assert jobs.tree(tmp_path / "out") == before
