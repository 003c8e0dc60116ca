"""The quick proof: groups stay together, nothing derived crosses, runs are resumed."""

import json
import zlib

import numpy as np
import pytest
from sets import write_set

from variegate.datasets.prepare.split_table import SplitTable
from variegate.errors import InputError, UsageError
from variegate.recipes.recipe import Recipe
from variegate.training import prove as module
from variegate.training.options import TrainingRun
from variegate.training.prove import ProofDesign, prove_quickly

DESIGN = ProofDesign(folds=5, seeds=2, draws=1, model="small", size=16, tune=True)
ARMS = {"flip": Recipe.from_data({"variants": "flip"})}
# Two images of one number are two shots of one thing.
RUN = TrainingRun(group=(r"(/[ab]/\w*?\d)\d?\.png",))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), {"train": {"a": 20, "b": 20}}, side=16)


@pytest.fixture(scope="module")
def proven(images, tmp_path_factory):
    output = tmp_path_factory.mktemp("proof")
    return prove_quickly(images, output, ARMS, design=DESIGN, run=RUN), output


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
    # Three arms in five folds with two seeds, and the search of each.
    assert len(lines) == 3 * 10 + 3


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

        def answers(self, features):
            held_out = {tuple(one) for one in features[:, :1].tolist()}
            assert not learned[-1] & held_out
            return np.zeros(len(features), int)

    def keyed(*_, **__):
        # The feature of an image, and of each of its variants, is what all of them share.
        def features(shown):
            sums = [zlib.crc32(np.sort(one.ravel()).tobytes()) for one in shown]
            return np.array([[one] * 2 for one in sums], float)

        return features

    monkeypatch.setattr(module, "LogisticHead", Head)
    monkeypatch.setattr(module, "extractor", keyed)
    prove_quickly(images, tmp_path, ARMS, design=DESIGN, run=RUN)
    assert len(learned) == 3 * 10 + 3 * 4


def test_runs_that_are_there_are_not_made_again(proven, images, monkeypatch):
    found, output = proven
    with (output / "runs.jsonl").open("a") as file:
        file.write('{"identity": "cut o')

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(module, "extractor", never)
    again = prove_quickly(images, output, ARMS, design=DESIGN, run=RUN)
    assert again.resumed == 30
    assert again.verdicts == found.verdicts


def test_a_design_that_can_show_nothing_is_refused_before_it_is_run(images, tmp_path):
    design = ProofDesign(folds=5, seeds=1, model="small")
    with pytest.raises(UsageError, match="can never show"):
        prove_quickly(images, tmp_path, ARMS, design=design)


def test_hints_of_recipes_say_how_the_set_is_read_and_may_not_differ(images, tmp_path):
    hinted = {
        name: Recipe.from_data({"variants": "flip", "hints": {"splits": {folder: "train"}}})
        for name, folder in (("one", "nowhere"), ("two", "train"))
    }
    with pytest.raises(InputError, match="--split train=nowhere: no images of it"):
        prove_quickly(images, tmp_path, {"one": hinted["one"]}, design=DESIGN, run=RUN)
    with pytest.raises(UsageError, match="--recipe two: its hints are not those of 'one'"):
        prove_quickly(images, tmp_path, hinted, design=DESIGN, run=RUN)


def test_groups_of_an_audit_stay_together(tmp_path):
    lines = [
        {"group": "same", "representative": "a.png", "members": [{"key": "b.png"}]},
        {"group": "again", "representative": "b.png", "members": [{"key": "c.png"}]},
        {"group": "same", "representative": "d.png", "members": [{"key": "e.png"}]},
    ]
    (tmp_path / "groups.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    module.write_groups(tmp_path, tmp_path / "groups.csv")
    written = (tmp_path / "groups.csv").read_text().splitlines()
    assert written == [
        "file,group",
        "a.png,a.png",
        "b.png,a.png",
        "c.png,a.png",
        "d.png,d.png",
        "e.png,d.png",
    ]
