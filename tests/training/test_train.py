"""Whole trainings of a tiny model: resumed to the same weights, stopped by what goes wrong."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from sets import usual

from variegate.codecs import decode
from variegate.errors import OutputError, UsageError
from variegate.models.card import ModelCard
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.recipes.recipe import Recipe
from variegate.training import checkpoint, loop
from variegate.training.options import Hyperparameters, TrainingError, TrainingRun
from variegate.training.train import train

FAST = {"backbone": "small", "size": 12, "epochs": 3, "batch": 6, "optimizer": "adamw"}
RUN = TrainingRun(workers=0, tensorboard=False, export=False)
RECIPE = Recipe.from_data(
    {"variants": {"sequence": ["flip", {"rotate": {"angle_degrees": [-9, 9]}}]}}
)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return usual(tmp_path_factory.mktemp("images"))


def run(images, output, *, how=RUN, recipe=RECIPE, on_progress=None, **chosen):
    return train(
        images,
        output,
        chosen=Hyperparameters.of(**(FAST | chosen)),
        recipe=recipe,
        run=how,
        on_progress=on_progress,
    )


def weights(output):
    return torch.load(output / "weights.pt", weights_only=True)["state"]


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def done(images, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    how = replace(RUN, tensorboard=True, export=True, int8=True)
    return run(images, output, how=how, epochs=12), output


def test_it_learns_what_can_be_learned(done):
    found, output = done
    assert found.scores.accuracy > 0.8
    assert (found.held_out, found.scores.images) == ("test", 10)
    figures = json.loads((output / "training.json").read_text())
    assert figures["scores"]["accuracy"] == found.scores.accuracy
    assert len(figures["history"]) == 12


def test_the_file_answers_as_the_model_does(done, images):
    found, output = done
    assert found.exported.difference < 1e-5
    card = ModelCard.load(output / "model.card.json")
    assert card.classes == ("a", "b", "c")
    files = sorted(images.glob("test/*/*.png"))
    decoded = [decode(one.read_bytes()) for one in files]
    answers = OnnxPredictor(output / "model.onnx", card).predict(decoded)
    right = [
        card.classes[a.probabilities.argmax()] == f.parent.name
        for a, f in zip(answers, files, strict=True)
    ]
    assert np.mean(right) == found.scores.accuracy
    # No second file with the weights: it loads from anywhere, at any number of images.
    session = onnxruntime.InferenceSession((output / "model.onnx").read_bytes())
    for count in (1, 3):
        image = np.zeros((count, 3, 12, 12), np.float32)
        assert session.run(None, {"image": image})[0].shape == (count, 3)


def test_the_quantized_file_is_smaller_and_its_cost_is_told(done):
    found, output = done
    assert found.int8.bytes < found.exported.bytes
    assert 0 < found.int8.difference < 0.3
    assert found.int8.accuracy_cost == found.exported.accuracy - found.int8.accuracy
    assert ModelCard.load(output / "model.int8.card.json").classes == ("a", "b", "c")


def test_event_files_have_curves_and_images(done):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found, output = done
    events = EventAccumulator(str(output / "events")).Reload()
    tags = events.Tags()
    assert {"batch/loss", "val/accuracy", "train/loss"} <= set(tags["scalars"])
    assert {"batch/before", "batch/after", "confusion"} <= set(tags["images"])
    written = [one.value for one in events.Scalars("val/accuracy")]
    assert written == pytest.approx([one.val_accuracy for one in found.history])
    # Five steps in each of twelve epochs: 27 images by six.
    assert len(events.Scalars("batch/loss")) == 60


def test_a_killed_training_goes_on_to_the_same_weights(images, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    told = run(images, whole, schedule="head-first", head_epochs=1, optimizer="sgd")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("variants: {sequence: [flip, {rotate: {angle_degrees: [-9, 9]}}]}")
    command = [
        *(sys.executable, "-m", "variegate", "train", images, cut, "--backbone", "small"),
        *("--size", "12", "--epochs", "3", "--batch", "6", "--recipe", recipe, "--workers", "0"),
        *("--schedule", "head-first", "--head-epochs", "1", "--no-tensorboard", "--no-report"),
        *("--checkpoint-minutes", "0", "--no-export"),
    ]
    running = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE)
    file, deadline = cut / "checkpoint.pt", time.monotonic() + 120
    while running.poll() is None and time.monotonic() < deadline:
        state = checkpoint.load_checkpoint(file) if file.exists() else None
        if state and state["epoch"] >= 1:
            os.kill(running.pid, signal.SIGKILL)
            break
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    again = run(images, cut, schedule="head-first", head_epochs=1, optimizer="sgd")
    assert again.resumed
    assert same(weights(whole), weights(cut))
    assert again.scores == told.scores
    before, after = ([replace(e, seconds=0) for e in one.history] for one in (told, again))
    assert before == after


@pytest.fixture(scope="module")
def headed(images, tmp_path_factory):
    output = tmp_path_factory.mktemp("headed")
    run(images, output, schedule="head-first")
    return weights(output)


@pytest.mark.parametrize("step", [2, 5, 6, 13])
def test_a_training_stopped_at_any_step_goes_on_to_the_same_weights(
    images, tmp_path, step, headed, monkeypatch
):
    class Stop(Exception):  # noqa: N818
        pass

    seen = 0

    def stop(_):
        nonlocal seen
        seen += 1
        if seen == step:
            raise Stop

    how = replace(RUN, checkpoint_s=0)
    # Told of every step.
    monkeypatch.setattr(loop, "_TOLD_EVERY_S", -1)
    with pytest.raises(Stop):
        run(images, tmp_path / "cut", how=how, on_progress=stop, schedule="head-first")
    run(images, tmp_path / "cut", schedule="head-first")
    assert same(headed, weights(tmp_path / "cut"))


def test_loader_processes_change_nothing(images, tmp_path):
    run(images, tmp_path / "here", epochs=2)
    run(images, tmp_path / "there", epochs=2, how=replace(RUN, workers=2))
    assert same(weights(tmp_path / "here"), weights(tmp_path / "there"))


def test_what_is_finished_is_not_trained_again(images, done):
    found, output = done
    again = run(images, output, how=RUN, epochs=12)
    assert again.resumed
    assert again.scores == found.scores


def test_another_training_is_refused(images, done):
    _, output = done
    with pytest.raises(UsageError, match=r"a training of other epochs .*--restart"):
        run(images, output, epochs=13)
    with pytest.raises(UsageError, match="a training of other recipe"):
        run(images, output, epochs=12, recipe="light")


def test_a_loss_of_nan_stops_and_keeps_the_last_good_weights(images, tmp_path, monkeypatch):
    said, real = 0, loop.cross_entropy

    def failing(*given):
        nonlocal said
        said += 1
        # Five steps in each epoch: in the third.
        return real(*given) * (float("nan") if said > 12 else 1.0)

    monkeypatch.setattr(loop, "cross_entropy", failing)
    told = r"epoch 3, step 3: the loss is not a finite .*lower --rate.* of epoch 2 are kept"
    with pytest.raises(TrainingError, match=told):
        run(images, tmp_path, epochs=4)
    state = checkpoint.load_checkpoint(tmp_path / "checkpoint.pt")
    assert state["epoch"] == 2
    assert all(torch.isfinite(one).all() for one in state["model"].values())


def test_memory_that_is_not_enough_is_explained(images, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(loop, "cross_entropy", refused)
    with pytest.raises(TrainingError, match=r"6 images of 12 x 12 .*smaller --batch or --size"):
        run(images, tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(images, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save_checkpoint(path, {"epoch": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device\).*free some space"):
        checkpoint.save_checkpoint(path, {"epoch": 2})
    assert checkpoint.load_checkpoint(path) == {"epoch": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_it_stops_early_where_nothing_improves(images, tmp_path):
    found = run(images, tmp_path, epochs=40, patience=2, rate=1e-9)
    assert found.stopped_early
    assert len(found.history) < 40
    assert found.best == len(found.history) - 3


def test_mixup_and_cutmix_come_through_the_recipe(images, tmp_path):
    recipe = Recipe.from_data({"variants": {"each": ["mixup", "cutmix"]}})
    found = run(images, tmp_path / "mixed", recipe=recipe, epochs=2)
    # Mixtures are never learned by heart.
    assert found.history[-1].loss > 0.2
    again = run(images, tmp_path / "again", recipe=recipe, epochs=2)
    assert same(weights(tmp_path / "mixed"), weights(tmp_path / "again"))
    assert again.history[-1].loss == found.history[-1].loss


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"rate": -1}, "--rate: expected more than 0"),
        ({"optimizer": "adam"}, "--optimizer: expected 'sgd' or 'adamw'"),
        ({"head_epochs": 9}, "--head-epochs: expected at most 3"),
        ({"class_weights": True, "weighted_sampling": True}, "expected one of them"),
        ({"precision": "mixed"}, "--precision mixed: it needs a GPU"),
        ({"weights": "file.pth"}, "--weights: there are none for small"),
        ({"gray": True, "normalize": "imagenet"}, "figures are of colors"),
    ],
)
def test_options_that_are_not_possible_are_refused(images, tmp_path, chosen, message):
    with pytest.raises(UsageError, match=message):
        run(images, tmp_path, **chosen)


def test_a_device_that_is_not_there_is_refused(images, tmp_path):
    with pytest.raises(UsageError, match="--device cuda:7: not there"):
        run(images, tmp_path, how=replace(RUN, device="cuda:7"))


def test_cross_entropy_is_torchs_own():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    shares = torch.nn.functional.one_hot(labels, 3).float()
    weights = torch.tensor([1.0, 2.0, 0.5])
    for kind in (None, weights):
        own = loop.cross_entropy(logits, shares, kind, 0.0)
        assert torch.allclose(own, torch.nn.functional.cross_entropy(logits, labels, weight=kind))
    smooth = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert torch.allclose(loop.cross_entropy(logits, shares, None, 0.1), smooth)


@pytest.mark.usefixtures("torchvision")
def test_head_first_then_all_layers_at_a_tenth_of_the_rate(images, tmp_path):
    chosen = Hyperparameters.of(epochs=8, weights="x.pth", rate=0.1)
    head, whole = chosen.phases()
    assert (head.head_only, head.begin, head.end, head.rate) == (True, 0, 2, 0.1)
    assert (whole.head_only, whole.begin, whole.end, whole.rate) == (False, 2, 8, 0.01)
    given = {"backbone": "mobilenet_v2", "weights": "none", "size": 32, "optimizer": "sgd"}
    alone = run(images, tmp_path / "one", schedule="head", **given | {"epochs": 1})
    begun = weights(tmp_path / "one")
    torch.manual_seed(0)
    from variegate.training.backbones import make_model

    fresh = make_model("mobilenet_v2", 3, gray=False, side=32).state_dict()
    moved = {name for name in fresh if not torch.equal(fresh[name], begun[name])}
    assert moved == {"classifier.1.weight", "classifier.1.bias"}
    assert alone.history[0].head_only
