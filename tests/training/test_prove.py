"""Proofs: groups stay together, nothing derived crosses, runs are resumed, arms are alike."""

import json
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
from sets import write_set

from variegate.datasets.prepare.split_table import SplitTable
from variegate.errors import InputError, OutputError, UsageError
from variegate.recipes.recipe import Recipe
from variegate.training import frozen_runs, trained_runs
from variegate.training.loop import Trainer
from variegate.training.options import TrainingRun
from variegate.training.proof import Arm, ProofDesign
from variegate.training.proof_images import write_groups
from variegate.training.prove import prove

DESIGN = ProofDesign(quick=True, draws=1, model="small", size=16)
WHOLE = ProofDesign(model="small", size=16, steps=3, tune=False, folds=3)
# TrivialAugment alone: six pairs are enough for one arm.
ALONE: dict[str, Arm] = {}
ARMS = {"flip": Recipe.from_data({"variants": "flip"})}
# Two images of one number are two shots of one thing.
RUN = TrainingRun(group=(r"(/[ab]/\w*?\d)\d?\.png",), workers=0)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), {"train": {"a": 20, "b": 20}}, side=16)


@pytest.fixture(scope="module")
def proven(images, tmp_path_factory):
    output = tmp_path_factory.mktemp("proof")
    return prove(images, output, ARMS, design=DESIGN, run=RUN), output


def test_every_arm_is_compared_with_none_and_trivial_is_one(proven):
    found, output = proven
    assert [one.name for one in found.verdicts] == ["flip", "trivial"]
    assert all(one.pairs == 10 for one in found.verdicts)
    assert all(one.level == 0.025 for one in found.verdicts)
    written = json.loads((output / "proof.json").read_text())
    assert [one["sentence"] for one in written["verdicts"]] == [
        one.sentence for one in found.verdicts
    ]
    lines = [json.loads(line) for line in (output / "runs.jsonl").read_text().splitlines()]
    # Three arms in five folds with two seeds, and four settings of each.
    assert len(lines) == 3 * 10 + 3 * 4


def test_no_group_is_in_two_folds(proven):
    found, output = proven
    with SplitTable.read(output / "folds.csv") as table:
        rows = list(table.rows())
    groups = {}
    for row in rows:
        groups.setdefault(row.group, set()).add(row.split)
    assert all(len(folds) == 1 for folds in groups.values())
    assert len(groups) == found.groups < len(rows) == 40


def test_no_variant_of_a_held_out_image_is_learned(images, tmp_path, monkeypatch):
    learned = []

    class Head:
        def __init__(self, features, labels, **_):
            learned.append({tuple(one) for one in features[:, :1].tolist()})

        def logits(self, features):
            held_out = {tuple(one) for one in features[:, :1].tolist()}
            assert not learned[-1] & held_out
            return np.zeros((len(features), 2))

    def keyed(*_, **__):
        # The feature of an image, and of each of its variants, is what all of them share.
        def features(shown):
            sums = [zlib.crc32(np.sort(one.ravel()).tobytes()) for one in shown]
            return np.array([[one] * 2 for one in sums], float)

        return features

    monkeypatch.setattr(frozen_runs, "LogisticHead", Head)
    monkeypatch.setattr(frozen_runs, "extractor", keyed)
    prove(images, tmp_path, ARMS, design=DESIGN, run=RUN)
    assert len(learned) == 3 * 10 + 3 * 4


def test_runs_that_are_there_are_not_made_again(proven, images, monkeypatch):
    found, output = proven
    with (output / "runs.jsonl").open("a") as file:
        file.write('{"identity": "cut o')

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(frozen_runs, "extractor", never)
    again = prove(images, output, ARMS, design=DESIGN, run=RUN)
    assert again.resumed == 3 * 10 + 3 * 4
    assert again.verdicts == found.verdicts


def test_threads_change_nothing(proven, images, tmp_path):
    found, output = proven
    two = prove(images, tmp_path, ARMS, design=DESIGN, run=replace(RUN, workers=2))
    assert two.verdicts == found.verdicts
    made = [
        one.read_text().splitlines() for one in (tmp_path / "runs.jsonl", output / "runs.jsonl")
    ]
    assert made[0] == [line for line in made[1] if "cut o" not in line]


def test_a_design_that_can_show_nothing_is_refused_before_it_is_run(images, tmp_path):
    design = ProofDesign(seeds=1, model="small")
    with pytest.raises(UsageError, match="can never show"):
        prove(images, tmp_path, ARMS, design=design)


def test_a_bucket_is_no_place_for_a_proof(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="s3://b/out: expected a folder of this machine"):
        prove(images, "s3://b/out", {"light": Recipe.load("light")}, design=ProofDesign(quick=True))
    assert not (tmp_path / "s3:").exists()


def test_hints_of_recipes_say_how_the_set_is_read_and_may_not_differ(images, tmp_path):
    hinted = {
        name: Recipe.from_data({"variants": "flip", "hints": {"splits": {folder: "train"}}})
        for name, folder in (("one", "nowhere"), ("two", "train"))
    }
    with pytest.raises(InputError, match="--split train=nowhere: no images of it"):
        prove(images, tmp_path, {"one": hinted["one"]}, design=DESIGN, run=RUN)
    with pytest.raises(UsageError, match="--recipe two: its hints are not those of 'one'"):
        prove(images, tmp_path, hinted, design=DESIGN, run=RUN)


def test_groups_of_an_audit_stay_together(tmp_path):
    lines = [
        {"group": "same", "representative": "a.png", "members": [{"key": "b.png"}]},
        {"group": "again", "representative": "b.png", "members": [{"key": "c.png"}]},
        {"group": "same", "representative": "d.png", "members": [{"key": "e.png"}]},
    ]
    (tmp_path / "groups.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    write_groups(tmp_path, tmp_path / "groups.csv")
    written = (tmp_path / "groups.csv").read_text().splitlines()
    assert written == [
        "file,group",
        "a.png,a.png",
        "b.png,a.png",
        "c.png,a.png",
        "d.png,d.png",
        "e.png,d.png",
    ]


def spied(monkeypatch):
    """Return what trainings learn and are asked about, as they are made: lists of keys."""
    seen = []
    real = Trainer.train

    def train(self, *arguments):
        seen.append(([one.key for one in self._items.sources], []))
        return real(self, *arguments)

    def plain(images, part, *arguments, **more):
        seen[-1][1].extend(one.key for one in images.sources[part])
        return kept(images, part, *arguments, **more)

    kept = trained_runs.plain
    monkeypatch.setattr(Trainer, "train", train)
    monkeypatch.setattr(trained_runs, "plain", plain)
    return seen


def test_whole_trainings_never_see_what_is_grouped_with_what_they_are_asked(
    images, tmp_path, monkeypatch
):
    seen = spied(monkeypatch)
    found = prove(
        images, tmp_path, ALONE, design=replace(WHOLE, tune=True, corruptions=False), run=RUN
    )
    with SplitTable.read(tmp_path / "folds.csv") as table:
        rows = {row.key: row for row in table.rows()}
    searches, runs = 2 * 5, 2 * 6
    assert len(seen) == searches + runs == found.runs
    for number, (learned, asked) in enumerate(seen):
        assert learned
        assert asked
        assert not {rows[one].group for one in learned} & {rows[one].group for one in asked}
        if number < searches:
            # Chosen on the second fold alone, and without the first.
            assert {rows[one].split for one in asked} == {"fold2"}
            assert "fold1" not in {rows[one].split for one in learned}
    asked = [one for _, keys in seen[searches:] for one in keys]
    assert sorted(asked) == sorted([*rows] * 4)


def test_what_was_derived_from_one_image_is_refused_in_two_folds(images, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(images, folder)
    for number in range(6):
        shutil.copy(folder / "train/a/train0.png", folder / f"train/a/copy{number}.png")
    with pytest.raises(InputError, match=r"two folds.*same bytes.*--audit"):
        prove(folder, tmp_path / "out", ARMS, design=DESIGN)


def test_all_arms_take_the_same_steps_from_the_same_weights(images, tmp_path, monkeypatch):
    begun = {}
    real = Trainer.train

    def train(self, *arguments):
        first = next(self.model.parameters()).detach().numpy().tobytes()
        order = self._batches.items(0) // self._items.recipe.count()
        told = (first, order.tobytes(), self._chosen.epochs * self._batches.steps)
        learned = tuple(one.key for one in self._items.sources)
        begun.setdefault(learned, []).append((told, type(self._items).__name__))
        return real(self, *arguments)

    monkeypatch.setattr(Trainer, "train", train)
    arms = {**ARMS, "kept": Arm(recipe=ARMS["flip"], written=True)}
    prove(images, tmp_path, arms, design=replace(WHOLE, corruptions=False, seeds=3), run=RUN)
    assert len(begun) == 3
    for runs in begun.values():
        # Three seeds of four arms.
        assert len(runs) == 12
        assert len({told for told, _ in runs}) == 3
        assert [kind for _, kind in runs].count("FixedItems") == 3


def test_killed_and_continued_gives_the_same_result(images, tmp_path):
    def stop(done, _):
        if done == 5:
            raise KeyboardInterrupt

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    undisturbed = prove(images, whole, ALONE, design=WHOLE, run=RUN)
    with pytest.raises(KeyboardInterrupt):
        prove(images, cut, ALONE, design=WHOLE, run=RUN, on_progress=stop)
    log = (cut / "runs.jsonl").read_bytes()
    assert log.count(b"\n") == 5
    # The last line is torn, too, as a kill may leave it.
    (cut / "runs.jsonl").write_bytes(log[:-40])
    continued = prove(images, cut, ALONE, design=WHOLE, run=RUN)
    assert continued.resumed == 4
    assert continued.arms == undisturbed.arms
    assert continued.verdicts == undisturbed.verdicts
    assert continued.robustness == undisturbed.robustness
    assert len(undisturbed.arms[0].corruptions) == 15


def test_several_processes_give_the_same_result(images, tmp_path):
    design = replace(WHOLE, corruptions=False)
    one = prove(images, tmp_path / "one", ALONE, design=design, run=RUN)
    two = prove(images, tmp_path / "two", ALONE, design=design, run=replace(RUN, workers=2))
    assert two.arms == one.arms


def test_written_variants_are_the_same_in_every_epoch(images, tmp_path):
    from variegate.training.proof import Proof
    from variegate.training.proof_images import proof_images
    from variegate.training.proof_log import ProofRun
    from variegate.training.trained_runs import PreparedRun, TrainingBench

    found = proof_images(images, tmp_path, WHOLE, RUN, Proof(place="", design=WHOLE))
    recipe = Recipe.from_data({"variants": {"brightness": {"amount": [-0.4, 0.4]}}})
    arms = {"anew": Arm(recipe=recipe), "kept": Arm(recipe=recipe, written=True)}
    bench = TrainingBench(found, arms, WHOLE, RUN.limits)
    made = {}
    for name in arms:
        run = ProofRun(arm=name, fold=1, seed=0, setting=WHOLE.settings[0])
        items = PreparedRun.of(bench, run).items
        for epoch in (0, 3):
            items.set_epoch(epoch)
            made[name, epoch] = items[0][0].numpy()
    assert (made["kept", 0] == made["kept", 3]).all()
    assert (made["anew", 0] == made["kept", 0]).all()
    assert not (made["anew", 3] == made["kept", 3]).all()
